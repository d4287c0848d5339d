"""Notices ("two papers at once"): a letter for each penalty, that goes out with the penalty's own paper.

The letters name the enterprise, because they are for it; they are written where the caller says and kept nowhere else.
The ledger has their number.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import current_catalogue
from lab.bureau.data.catalogue.item_definition import Domain, Item
from lab.bureau.data.credit_repair.notices.letter import NoticeRecord, write_letter
from lab.bureau.data.credit_repair.rules.definition import AdverseSource, RepairRules
from lab.bureau.data.credit_repair.rules.files import check_against_catalogue
from lab.bureau.data.credit_repair.rules.in_force import rules_in_force
from lab.bureau.data.credit_repair.standing import RecordStanding, is_adverse, record_standing
from lab.bureau.data.records import RecordStore, open_records
from lab.bureau.ledger import Fact, record
from lab.bureau.store import Database
from lab.disk.output_files import translate_output_errors, write_output_file
from lab.terms.progress import SILENT, Progress
from lab.terms.text.bilingual import BilingualText

SUMMARY_FILE = "notices.json"
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class NoticesWritten:
    """What was written: letters in all and by class; ``undated``: those whose record has no day of decision."""

    letters: int
    by_class: dict[str, int]
    undated: int
    folder: Path


@dataclass(frozen=True, slots=True)
class NoticeRequest:
    """Letters about records that the bureau learned of on ``since`` or later, written to ``folder`` by ``by``."""

    folder: Path
    since: date
    today: date
    by: str


def write_notices(
    store: Database, home: BureauHome, records: RecordStore, request: NoticeRequest, progress: Progress = SILENT
) -> NoticesWritten:
    """Write a page and a text for each record that gets a notice.

    Files are named by the record's hash; the same call again writes the same files. Raises ``NotFound``,
    ``InvalidInput`` or ``MachineFault`` for a folder that cannot be written.
    """
    with store.begin_read() as session:
        catalogue, rules = current_catalogue(home, session), rules_in_force(session)
        manifest = records.head(session)
    check_against_catalogue(rules, catalogue)
    sources = [source for source in rules.sources if source.notice]
    with translate_output_errors(request.folder):
        request.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    undated = 0
    with open_records(records, manifest, catalogue, domains=[source.domain for source in sources]) as connection:
        for source in sources:
            writer = _LetterWriter(request, source, rules, catalogue.domain(source.domain), home.settings.name)
            with progress.stage("notices", _count(connection, writer.domain, request.since)) as stage:
                for one in _recent(connection, writer.domain, source, request.since):
                    stage.advance(1)
                    if is_adverse(source, one.values):
                        standing = writer.write(one)
                        counts[standing.adverse_class.code] += 1
                        undated += standing.started is None
    done = NoticesWritten(sum(counts.values()), dict(sorted(counts.items())), undated, request.folder)
    facts = {"since": request.since.isoformat(), "letters": done.letters, "by_class": done.by_class, "undated": undated}
    write_output_file(request.folder / SUMMARY_FILE, (json.dumps(facts, indent=1) + "\n").encode())
    with store.begin() as session:
        ledger_facts: dict[str, Fact] = {
            "since": request.since.isoformat(),
            "letters": done.letters,
            "rules": rules.sha256,
        }
        record(session, "repair.noticed", None, ledger_facts, by=request.by)
    return done


@dataclass(frozen=True, slots=True)
class _RecentRecord:
    record: str
    enterprise: str
    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class _LetterWriter:
    """Writes the letters about the records of one domain."""

    request: NoticeRequest
    source: AdverseSource
    rules: RepairRules
    domain: Domain
    bureau: str

    def write(self, one: _RecentRecord) -> RecordStanding:
        standing = record_standing(self.source, one.values, self.request.today)
        shown = {(item.zh, item.en): _show(item, one.values.get(item.name)) for item in _shown_items(self.domain)}
        about = NoticeRecord(one.enterprise, shown)
        letter = write_letter(about, standing, self.rules, bureau=self.bureau, written_on=self.request.today)
        write_output_file(self.request.folder / f"{one.record}.html", letter.as_html().encode())
        write_output_file(self.request.folder / f"{one.record}.txt", letter.as_text().encode())
        return standing


def _shown_items(domain: Domain) -> list[Item]:
    """What a letter says of the decision: the items that every record has, none about a person."""
    return [item for item in domain.items if (item.required or item.name in domain.key) and not item.personal]


def _show(item: Item, value: object) -> str:
    if value is None:
        return "—"
    words: BilingualText | None = item.codes.get(str(value))
    if words is not None:
        return " ".join(words)
    return value.isoformat() if isinstance(value, date) else str(value)


def _count(connection: duckdb.DuckDBPyConnection, domain: Domain, since: date) -> int:
    found = connection.execute(f'SELECT count(*) FROM "{domain.code}" WHERE known_on >= ?', [since]).fetchone()
    return int(found[0]) if found else 0


def _recent(
    connection: duckdb.DuckDBPyConnection, domain: Domain, source: AdverseSource, since: date
) -> Iterator[_RecentRecord]:
    names: Sequence[str] = tuple(dict.fromkeys([*source.items, *(item.name for item in _shown_items(domain))]))
    columns = ", ".join(f'"{name}"' for name in names)
    query = f'SELECT record, enterprise, {columns} FROM "{domain.code}" WHERE known_on >= ? ORDER BY record'
    cursor = connection.execute(query, [since])
    while page := cursor.fetchmany(_PAGE):
        for row in page:
            yield _RecentRecord(str(row[0]), str(row[1]), dict(zip(names, row[2:], strict=True)))
