"""Assessments of stored records: kept once, with one ledger entry; and the gate before publication."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.quality import quality_service
from lab.bureau.data.quality.assessment import assess_records
from lab.bureau.data.quality.fault_lists import list_faults
from lab.bureau.data.quality.kept_assessments import choose_kept, keep_assessment, list_kept, read_kept
from lab.bureau.data.quality.publication_gate import check_publication_gate
from lab.bureau.data.quality.quality_service import AssessmentRequest, QualityService
from lab.bureau.data.quality.rules import write_default_rules
from lab.bureau.data.records import Manifest
from lab.bureau.store import Database, open_database
from lab.bureau.store.tables import LedgerEntryRow, QualityAssessmentRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.support.quality_bureau import NOW, QualityBureau, open_quality_bureau
from tests.support.quality_records import KNOWN_ON, RecordTables, firm

CATALOGUE = default_catalogue()
DEFAULT = AssessmentRequest()
KEY = Ed25519PrivateKey.generate()


@contextmanager
def open_copy(folder: Path, database: Path) -> Iterator[QualityBureau]:
    """A bureau in ``folder`` (new, unless its home was copied there) with a copy of ``database``."""
    shutil.copyfile(database, folder / "bureau.db")
    store = open_database(f"sqlite:///{folder / 'bureau.db'}")
    store.sign, store.bureau_key = KEY.sign, KEY.public_key().public_bytes_raw().hex()
    yield open_quality_bureau(folder / "bureau", store)
    store.close()


@pytest.fixture
def bureau(migrated_file: Path, tmp_path: Path) -> Iterator[QualityBureau]:
    """A bureau without records."""
    with open_copy(tmp_path, migrated_file) as opened:
        yield opened


@pytest.fixture(scope="module")
def clean_folder(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bureau to which clean records of every domain were delivered."""
    folder = tmp_path_factory.mktemp("clean")
    with open_copy(folder, migrated_file) as opened:
        opened.deliver(RecordTables())
    return folder


@pytest.fixture
def clean(clean_folder: Path, tmp_path: Path) -> Iterator[QualityBureau]:
    """A bureau to which clean records of every domain were delivered."""
    shutil.copytree(clean_folder / "bureau", tmp_path / "bureau")
    with open_copy(tmp_path, clean_folder / "bureau.db") as opened:
        yield opened


@pytest.fixture
def bureau_on_each(store: Database, tmp_path: Path) -> QualityBureau:
    """A bureau once on SQLite, once on PostgreSQL."""
    return open_quality_bureau(tmp_path / "bureau", store)


def entries(bureau: QualityBureau, kind: str = "quality.assessed") -> list[LedgerEntryRow]:
    with bureau.store.begin_read() as session:
        return list(session.scalars(select(LedgerEntryRow).where(LedgerEntryRow.kind == kind)))


def clean_head(bureau: QualityBureau) -> Manifest:
    with bureau.store.begin_read() as session:
        return bureau.records.head(session)


def gate(bureau: QualityBureau) -> None:
    with bureau.store.begin_read() as session:
        check_publication_gate(session, bureau.home, bureau.records.head(session), CATALOGUE)


def test_clean_records_pass_the_gate_after_one_assessment(bureau_on_each: QualityBureau) -> None:
    bureau = bureau_on_each
    manifest = bureau.deliver(RecordTables())
    with pytest.raises(NotAllowed, match="was not assessed"):
        gate(bureau)
    done = bureau.service.assess(DEFAULT, by="local")
    assert (done.new, done.kept.verdict, done.kept.score, done.kept.failed) == (True, "pass", 100.0, 0)
    assert done.assessment.manifest == manifest.sha256
    assert done.assessment.day == KNOWN_ON.isoformat()
    assert done.assessment.records == 150
    gate(bureau)
    (entry,) = entries(bureau)
    assert done.kept.sha256 in entry.body
    assert firm(0) not in entry.body


def test_the_same_records_again_are_the_same_assessment_without_an_entry(clean: QualityBureau) -> None:
    first = clean.service.assess(DEFAULT, by="local")
    again = clean.service.assess(DEFAULT, by="local")
    assert not again.new
    assert again.kept == first.kept
    assert again.assessment == first.assessment
    assert len(entries(clean)) == 1


def test_poor_records_do_not_pass_and_the_error_names_the_checks(bureau: QualityBureau) -> None:
    tables = RecordTables()
    tables.change("permits", 0, status="no such code")
    tables.change("tax", 0, sales=None)
    bureau.deliver(tables)
    assert bureau.service.assess(DEFAULT, by="local").kept.verdict == "block"
    with pytest.raises(NotAllowed) as refused:
        gate(bureau)
    assert "code-unknown:permits.status" in refused.value.detail
    assert "required-missing:tax.sales" in refused.value.detail
    assert "no such code" not in refused.value.detail


def test_a_check_that_did_not_run_does_not_pass(bureau: QualityBureau) -> None:
    tables = RecordTables()
    bureau.deliver(tables)
    write_default_rules(bureau.home.folder / "quality")
    path = bureau.home.folder / "quality" / "rules.toml"
    more = '[[rules]]\ncode = "broken"\ndimension = "validity"\ndomains = ["tax"]\n'
    more += 'zh = "坏"\nen = "b"\nfaulty = "nothing"\n'
    path.write_text(path.read_text("utf-8") + more, "utf-8")
    done = bureau.service.assess(DEFAULT, by="local")
    assert (done.kept.failed, done.kept.verdict) == (1, "block")
    with pytest.raises(NotAllowed, match="broken:tax"):
        gate(bureau)


def test_an_assessment_under_other_rules_does_not_pass(clean: QualityBureau) -> None:
    clean.service.assess(DEFAULT, by="local")
    write_default_rules(clean.home.folder / "quality")
    gate(clean)  # the same rules, now in the bureau's own files
    path = clean.home.folder / "quality" / "thresholds.toml"
    path.write_text(path.read_text("utf-8").replace("warn_below = 90", "warn_below = 91"), "utf-8")
    with pytest.raises(NotAllowed, match="was not assessed"):
        gate(clean)
    path.write_text("[weights]\nnothing = 1\n", "utf-8")
    with pytest.raises(InvalidInput):
        gate(clean)


def test_records_that_came_since_do_not_pass(clean: QualityBureau) -> None:
    clean.service.assess(DEFAULT, by="local")
    more = RecordTables(1)
    for domain, rows in more.rows.items():
        rows[0] |= {"enterprise": firm(50)}
        key = CATALOGUE.domain(domain).key[0]
        if isinstance(rows[0][key], str):
            rows[0][key] = "N-50"
    more.change("registration", 0, name="Firm 50")
    clean.deliver(more, date(2025, 2, 18))
    with pytest.raises(NotAllowed, match="was not assessed"):
        gate(clean)
    assert clean.service.assess(DEFAULT, by="local").new
    gate(clean)
    # What was known before is still assessed.
    assert not clean.service.assess(AssessmentRequest(as_of=KNOWN_ON), by="local").new
    assert len(entries(clean)) == 2


def test_a_later_day_and_a_kinder_baseline_do_not_outweigh_a_block(clean: QualityBureau) -> None:
    manifest = clean_head(clean)
    clean.service.assess(DEFAULT, by="local")
    late = clean.service.assess(AssessmentRequest(day=date(2025, 6, 1)), by="local")
    assert late.kept.verdict == "block"  # every later delivery is missing
    with pytest.raises(NotAllowed, match="delivery-missing"):
        gate(clean)
    # The assessment of an earlier day, made later, changes nothing, nor does another of the same day.
    with clean.store.begin() as session:
        kinder = replace(late.assessment, baseline="2025-02-01", checks=(), domains=(), verdict="pass")
        keep_assessment(clean.home, session, kinder, now=NOW, by="local")
    with pytest.raises(NotAllowed, match="delivery-missing"):
        gate(clean)
    assert manifest.sha256 == late.kept.manifest


def test_a_changed_or_lost_file_does_not_pass_and_is_made_again(clean: QualityBureau) -> None:
    kept = clean.service.assess(DEFAULT, by="local").kept
    path = clean.home.path(kept.file)
    path.write_bytes(path.read_bytes().replace(b'"pass"', b'"warn"'))
    with pytest.raises(DamagedFile):
        gate(clean)
    path.unlink()
    with pytest.raises(DamagedFile):
        gate(clean)
    again = clean.service.assess(DEFAULT, by="local")
    assert not again.new
    gate(clean)
    assert len(entries(clean)) == 1


def test_a_crash_before_the_row_leaves_nothing_that_counts(
    clean: QualityBureau, monkeypatch: pytest.MonkeyPatch
) -> None:

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lab.bureau.data.quality.kept_assessments.record", killed)
    with pytest.raises(KeyboardInterrupt):
        clean.service.assess(DEFAULT, by="local")
    with clean.store.begin_read() as session:
        assert not session.scalars(select(QualityAssessmentRow)).all()
    with pytest.raises(NotAllowed):
        gate(clean)
    monkeypatch.undo()
    assert clean.service.assess(DEFAULT, by="local").new


def test_an_assessment_with_a_failure_is_replaced_once_the_check_runs(
    clean: QualityBureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = assess_records

    def failing(*args: object, **named: object):  # type: ignore[no-untyped-def]
        found = real(*args, **named)  # type: ignore[arg-type]
        checks = (replace(found.checks[0], level="failed", reason="OutOfMemoryException"), *found.checks[1:])
        return replace(found, checks=checks, verdict="block")

    monkeypatch.setattr(quality_service, "assess_records", failing)
    assert clean.service.assess(DEFAULT, by="local").kept.failed == 1
    with pytest.raises(NotAllowed):
        gate(clean)
    monkeypatch.undo()
    assert clean.service.assess(DEFAULT, by="local").new
    gate(clean)
    assert len(entries(clean)) == 2
    with clean.store.begin_read() as session:
        assert len(list_kept(session)) == 1


def test_two_that_assess_at_once_have_one_row(clean: QualityBureau, monkeypatch: pytest.MonkeyPatch) -> None:
    real = assess_records

    def overtaken(*args: object, **named: object):  # type: ignore[no-untyped-def]
        monkeypatch.undo()
        clean.service.assess(DEFAULT, by="local")
        return real(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(quality_service, "assess_records", overtaken)
    clean.service.assess(DEFAULT, by="local")
    with clean.store.begin_read() as session:
        assert len(list_kept(session)) == 1
    assert len(entries(clean)) == 1


@pytest.mark.parametrize(
    "request_",
    [
        AssessmentRequest(day=date(2025, 2, 14)),
        AssessmentRequest(day=date(2025, 6, 2)),
        AssessmentRequest(baseline=KNOWN_ON),
        AssessmentRequest(baseline=date(2025, 2, 14)),
    ],
)
def test_days_that_do_not_fit_are_refused(clean: QualityBureau, request_: AssessmentRequest) -> None:
    with pytest.raises(InvalidInput):
        clean.service.assess(request_, by="local")


def test_without_records_there_is_nothing_to_assess(bureau: QualityBureau) -> None:
    with pytest.raises(NotFound):
        bureau.service.assess(DEFAULT, by="local")
    with pytest.raises(NotFound), bureau.store.begin_read() as session:
        choose_kept(session, "")


def test_an_assessment_is_chosen_by_its_hash(clean: QualityBureau) -> None:
    done = clean.service.assess(DEFAULT, by="local")
    with clean.store.begin_read() as session:
        kept = choose_kept(session, done.kept.sha256[:8])
        assert read_kept(clean.home, kept) == done.assessment
        with pytest.raises(NotFound):
            choose_kept(session, "zz")


def test_the_records_at_fault_are_listed_and_that_is_in_the_ledger(bureau: QualityBureau) -> None:
    tables = RecordTables()
    tables.change("tax", 3, sales=None)
    tables.change("tax", 7, sales=None)
    tables.change("permits", 2, enterprise=firm(77))
    bureau.deliver(tables)

    def listed(name: str) -> list[str]:
        found = list_faults(bureau.home, bureau.store, bureau.records, name, as_of=None, by="local")
        return found["enterprise"].to_list()

    assert listed("required-missing:tax.sales") == [firm(3), firm(7)]
    assert listed("firm-not-registered:permits") == [firm(77)]
    assert listed("code-unknown:tax.credit_rating") == []
    bodies = [entry.body for entry in entries(bureau, "quality.faults-listed")]
    assert len(bodies) == 3
    assert '"records":2' in bodies[0]
    assert firm(3) not in bodies[0]
    for name in ("required-missing:tax.nothing", "delivery-missing:tax", "x", "x:nothing"):
        with pytest.raises(NotFound):
            listed(name)


def test_the_rule_files_are_written_once(bureau: QualityBureau) -> None:
    folder = bureau.home.folder / "quality"
    written = write_default_rules(folder)
    assert [path.stat().st_mode & 0o777 for path in written] == [0o600, 0o600]
    with pytest.raises(Conflict):
        write_default_rules(folder)


def test_a_delivery_of_today_is_assessed_before_the_day_has_begun_in_utc(
    clean: QualityBureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bureau in China imports at seven in the morning: its day of receipt is a day that UTC has not reached."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        morning = datetime(KNOWN_ON.year, KNOWN_ON.month, KNOWN_ON.day, 7, tzinfo=ZoneInfo("Asia/Shanghai"))
        service = QualityService(clean.home, clean.store, clean.records, lambda: morning.astimezone(UTC))
        assert service.assess(DEFAULT, by="local").kept.day == KNOWN_ON.isoformat()
    finally:
        monkeypatch.undo()
        time.tzset()
