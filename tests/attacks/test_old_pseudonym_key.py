"""Somebody got hold of the pseudonyms' key of some time ago, and now of a copy of the bureau's database.

The codes of enterprises are public: with the key, each is hashed and looked up, and the copy says which firms which
bank had scored, and who consented to what. What stops them: pseudonyms are rotated, under one more key over the former
ones, in every row. What it does not stop: whoever also has a copy from before the rotation can tell rows by what they
have in common (the batches an enterprise was in), and entries of the ledger stay as they were written.
"""

# ruff: noqa: F811 (fixtures of another room)
from __future__ import annotations

import hashlib
import hmac
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import rfc8785
import sqlalchemy

from lab.bureau.bureau import Bureau
from lab.bureau.data.consents import pseudonym_rotation
from lab.bureau.data.consents.pseudonym_rotation import rotate_all_pseudonyms
from lab.bureau.ledger.inquiries import read_inquiries
from lab.bureau.store import Database
from lab.bureau.store.tables import Base, ConsentRow, InquiryRow, LedgerEntryRow, PseudonymKeyCountRow
from lab.terms.consent import format_consent_time
from lab.terms.contract.document import Ceilings, Purpose
from lab.terms.errors import Conflict, NotAllowed
from tests.support.bureau_fixtures import model, open_scene, scene, scene_on_both, tables  # noqa: F401
from tests.support.bureau_scene import Bank, Scene

pytestmark = pytest.mark.threat(
    "Old pseudonym key",
    who="somebody on the machine",
    wants="to name enterprises with a leaked, former key of pseudonyms and the present database",
    stopped_by={
        "pseudonym rotation": "A rotation computes every pseudonym again, under one more key.",
    },
    shipped="by command (`lab bureau rotate-pseudonyms`)",
    code=["lab.bureau.data.consents.pseudonym_rotation"],
)

ROOT = Path(__file__).resolve().parents[2]
FIRMS = range(5)


def scored(scene: Scene, contract: str, job: str = "job-1") -> None:
    """The bank has the first firms scored, once."""
    codes = scene.tables.codes[: len(FIRMS)]
    matched = scene.bank.match(scene.bureau, contract, codes, job)
    scene.bank.put_context(scene.bureau, contract, job)
    sheet = scene.model.sheet(scene.document(contract).detail)
    batch = scene.bank.batch(sheet, matched.tags, scene.tables.bank[: len(FIRMS)], contract)
    scene.bureau.scoring.score(contract, job, batch)


def consented(scene: Scene, folder: Path) -> Path:
    """The first firms consent to their bank, by a file."""
    lines = ["code,bank,purpose,starts,expires,evidence,public_key,signature"]
    for code in scene.tables.codes[: len(FIRMS)]:
        lines.append(f"{code},{Bank().party.name},credit-approval,2026-01-01,2027-01-01,paper 7,,")
    file = folder / "consents.csv"
    file.write_text("\n".join(lines) + "\n")
    scene.bureau.consents.import_file(file, by="local", id_kind="opaque")
    return file


def everything(store: Database) -> list[tuple[str, dict[str, Any]]]:
    """A copy of the database: every row of every table."""
    with store.begin_read() as session:
        return [
            (table.name, dict(row))
            for table in Base.metadata.sorted_tables
            for row in session.execute(sqlalchemy.select(table)).mappings()
        ]


def named(copy: list[tuple[str, dict[str, Any]]], key: bytes, codes: list[str]) -> set[str]:
    """Which of these codes somebody with an old key finds in a copy: in plain sight, hashed again, or in an id."""
    cells = " ".join(str(cell) for _, row in copy for cell in row.values())
    found = set()
    for code in codes:
        name = hmac.new(key, code.encode(), hashlib.sha256).hexdigest()[:32]
        guesses = [name, hashlib.sha256(name.encode()).hexdigest()]
        for table, row in copy:
            if table == ConsentRow.__tablename__:
                evidence = json.loads(row["evidence"])
                about = ["shulab-consent/1", name, row["bank_id"], row["purpose"]]
                about += [
                    format_consent_time(row["starts"]),
                    format_consent_time(row["expires"]),
                    evidence.get("reference", ""),
                    "",
                ]
                guesses.append(hashlib.sha256(rfc8785.dumps(about)).hexdigest())
        if any(guess in cells for guess in guesses):
            found.add(code)
    return found


@pytest.fixture
def used(scene_on_both: Scene, tmp_path: Path) -> tuple[Scene, str]:
    contract = scene_on_both.contract(ceilings=Ceilings(scores_per_enterprise=1))
    scored(scene_on_both, contract)
    consented(scene_on_both, tmp_path)
    read_inquiries(scene_on_both.bureau.store, scene_on_both.tables.codes[0], scene_on_both.bureau.keys, by="local")
    return scene_on_both, contract


def leaked(scene: Scene) -> bytes:
    """The key of some time ago."""
    return scene.bureau.keys._pseudonym[1]


@pytest.mark.without_control("pseudonym rotation")
def test_without_a_rotation_an_old_key_names_every_firm(used: tuple[Scene, str]) -> None:
    scene, _ = used
    codes = scene.tables.codes[:20]
    assert named(everything(scene.bureau.store), leaked(scene), codes) == set(codes[: len(FIRMS)])


@pytest.mark.with_control("pseudonym rotation")
def test_after_a_rotation_an_old_key_names_nobody(used: tuple[Scene, str]) -> None:
    scene, _ = used
    key = leaked(scene)
    done = rotate_all_pseudonyms(scene.bureau.store, scene.bureau.keys, by="local")
    assert (done.keys, done.inquiries, done.consents) == (2, len(FIRMS), len(FIRMS))
    assert named(everything(scene.bureau.store), key, scene.tables.codes[:20]) == set()
    rotate_all_pseudonyms(scene.bureau.store, scene.bureau.keys, by="local")
    for number in (1, 2):
        assert named(everything(scene.bureau.store), scene.bureau.keys._pseudonym[number], scene.tables.codes) == set()


def test_what_was_counted_of_an_enterprise_goes_on(used: tuple[Scene, str], tmp_path: Path) -> None:
    scene, contract = used
    code, consents = scene.tables.codes[0], scene.bureau.consents
    told = read_inquiries(scene.bureau.store, code, scene.bureau.keys, by="local")
    before = [
        (one.bank, one.purpose, one.starts, one.state) for one in consents.list_for_enterprise(code, id_kind="opaque")
    ]
    rotate_all_pseudonyms(scene.bureau.store, scene.bureau.keys, by="local")
    scene.reopen()
    assert read_inquiries(scene.bureau.store, code, scene.bureau.keys, by="local") == told and told
    consents = scene.bureau.consents
    after = [
        (one.bank, one.purpose, one.starts, one.state) for one in consents.list_for_enterprise(code, id_kind="opaque")
    ]
    assert after == before and before
    again = consents.import_file(tmp_path / "consents.csv", by="local", id_kind="opaque")
    assert (again.imported, len(again.set_aside_rows)) == (0, 0), "the same file is the same consents"
    with pytest.raises(NotAllowed, match="scores_per_enterprise"):
        scored(scene, contract, "job-2")  # the ceiling of one score was reached before
    done = consents.withdraw([code], reason="asked", by="local", purpose=Purpose.CREDIT_APPROVAL, id_kind="opaque")
    assert done.consents == 1
    with scene.bureau.store.begin_read() as session:
        kinds = list(session.scalars(sqlalchemy.select(LedgerEntryRow.kind)))
    assert kinds.count("pseudonyms.rotated") == 1
    assert kinds.count("configuration.changed") == 1, "hashes of settings are of no pseudonym"


def test_rows_lie_in_the_order_of_their_new_names(used: tuple[Scene, str]) -> None:
    """In the old order, the place of a row in an old copy and in a new one would tell which is which."""
    scene, _ = used
    rotate_all_pseudonyms(scene.bureau.store, scene.bureau.keys, by="local")
    place = "ctid" if scene.bureau.store.engine.dialect.name == "postgresql" else "rowid"
    with scene.bureau.store.begin_read() as session:
        names = list(session.scalars(sqlalchemy.text(f"SELECT enterprise FROM inquiries ORDER BY {place}")))
    assert names == sorted(names) and len(names) == len(FIRMS)


@pytest.mark.with_control("pseudonym rotation")
def test_no_old_name_stays_in_the_file(scene: Scene, tmp_path: Path) -> None:
    scored(scene, scene.contract())
    with scene.bureau.store.begin_read() as session:
        old = list(session.scalars(sqlalchemy.select(InquiryRow.enterprise)))
    assert rotate_all_pseudonyms(scene.bureau.store, scene.bureau.keys, by="local").cleared
    for file in scene.home.glob("bureau.db*"):
        data = file.read_bytes()
        assert not [name for name in old if name.encode() in data], file.name


ROTATE = """\
import os, signal, sys
from pathlib import Path
from lab.bureau.data.consents import pseudonym_rotation
from lab.bureau.bureau import Bureau
moment = sys.argv[2]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "key":
    pseudonym_rotation._lock_tables = die
elif moment == "rows":
    pseudonym_rotation.record = die
elif moment == "committed":
    pseudonym_rotation.purge_deleted_rows = die
with Bureau.open(Path(sys.argv[1])) as bureau:
    pseudonym_rotation.rotate_all_pseudonyms(bureau.store, bureau.keys, by="local")
"""


@pytest.mark.parametrize("moment", ["key", "rows", "committed"])
def test_killed_at_any_moment_the_database_stands_under_the_keys_that_it_names(
    used: tuple[Scene, str], moment: str
) -> None:
    """After the key was sealed, before the entry, and before the file was cleared."""
    scene, _ = used
    code = scene.tables.codes[0]
    told = read_inquiries(scene.bureau.store, code, scene.bureau.keys, by="local")
    done = subprocess.run([sys.executable, "-c", ROTATE, str(scene.home), moment], cwd=ROOT, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    scene.reopen()
    with scene.bureau.store.begin_read() as session:
        assert session.get_one(PseudonymKeyCountRow, 1).keys == (2 if moment == "committed" else 1)
    assert read_inquiries(scene.bureau.store, code, scene.bureau.keys, by="local") == told
    rotate_all_pseudonyms(scene.bureau.store, scene.bureau.keys, by="local")
    assert read_inquiries(scene.bureau.store, code, scene.bureau.keys, by="local") == told and told


def test_who_needs_a_pseudonym_meanwhile_waits_and_finds_the_new_ones(
    used: tuple[Scene, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service runs on while another process rotates: it never compares an old name with new rows."""
    scene, _ = used
    code, other = scene.tables.codes[0], Bureau.open(scene.home, clock=scene.clock)
    told = read_inquiries(scene.bureau.store, code, scene.bureau.keys, by="local")
    begun, found = threading.Event(), []
    renamed = pseudonym_rotation._renamed

    def slow(*words: Any) -> Any:
        begun.set()
        time.sleep(0.3)
        return renamed(*words)

    monkeypatch.setattr(pseudonym_rotation, "_renamed", slow)
    rotation = threading.Thread(target=lambda: rotate_all_pseudonyms(scene.bureau.store, scene.bureau.keys, by="local"))
    rotation.start()
    begun.wait(30)
    found.append(read_inquiries(other.store, code, other.keys, by="local"))
    rotation.join()
    found.append(read_inquiries(other.store, code, other.keys, by="local"))
    other.close()
    assert found == [told, told] and told


def test_two_rotations_at_once_are_one_or_two_and_never_a_mixture(used: tuple[Scene, str]) -> None:
    scene, _ = used
    code = scene.tables.codes[0]
    told = read_inquiries(scene.bureau.store, code, scene.bureau.keys, by="local")
    failed: list[Exception] = []

    def rotate() -> None:
        try:
            rotate_all_pseudonyms(scene.bureau.store, scene.bureau.keys, by="local")
        except Conflict as error:
            failed.append(error)

    threads = [threading.Thread(target=rotate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with scene.bureau.store.begin_read() as session:
        assert session.get_one(PseudonymKeyCountRow, 1).keys == 3 - len(failed)
    assert read_inquiries(scene.bureau.store, code, scene.bureau.keys, by="local") == told
