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
from lab.bureau.data.credit_repair.notice_text import NoticeRecord, write_letter
from lab.bureau.data.credit_repair.rule_file import check_against_catalogue
from lab.bureau.data.credit_repair.rules import AdverseSource, RepairRules
from lab.bureau.data.credit_repair.rules_in_force import rules_in_force
from lab.bureau.data.credit_repair.standing import is_adverse, record_standing
from lab.bureau.data.records import RecordStore, open_records
from lab.bureau.ledger import record
from lab.bureau.store import Database
from lab.disk.output_files import write_output_file
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


def write_notices(
    store: Database,
    home: BureauHome,
    records: RecordStore,
    folder: Path,
    *,
    since: date,
    today: date,
    by: str,
    progress: Progress = SILENT,
) -> NoticesWritten:
    """Write a page and a text for each record with a notice that the bureau learned of on ``since`` or later.

    Files are named by the record's hash; the same call again writes the same files. Raises ``NotFound``,
    ``InvalidInput`` or ``MachineFault`` for a folder that cannot be written.
    """
    with store.begin_read() as session:
        catalogue, rules = current_catalogue(home, session), rules_in_force(session)
        manifest = records.head(session)
    check_against_catalogue(rules, catalogue)
    sources = [source for source in rules.sources if source.notice]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    undated = 0
    domains = [source.domain for source in sources]
    with open_records(records, manifest, catalogue, domains=domains) as connection:
        for source in sources:
            domain = catalogue.domain(source.domain)
            with progress.stage("notices", _count(connection, domain, since)) as stage:
                for one in _recent(connection, domain, source, since):
                    stage.advance(1)
                    if not is_adverse(source, one.values):
                        continue
                    standing = record_standing(source, one.values, today)
                    _write(folder, one, source, rules, domain, bureau=home.settings.name, today=today)
                    counts[standing.adverse_class.code] += 1
                    undated += standing.started is None
    done = NoticesWritten(sum(counts.values()), dict(sorted(counts.items())), undated, folder)
    facts = {"since": since.isoformat(), "letters": done.letters, "by_class": done.by_class, "undated": undated}
    write_output_file(folder / SUMMARY_FILE, (json.dumps(facts, indent=1) + "\n").encode())
    with store.begin() as session:
        ledger_facts = {"since": since.isoformat(), "letters": done.letters, "rules": rules.sha256}
        record(session, "repair.noticed", None, ledger_facts, by=by)
    return done


@dataclass(frozen=True, slots=True)
class _RecentRecord:
    record: str
    enterprise: str
    values: dict[str, object]


def _write(
    folder: Path,
    one: _RecentRecord,
    source: AdverseSource,
    rules: RepairRules,
    domain: Domain,
    *,
    bureau: str,
    today: date,
) -> None:
    shown = {(item.zh, item.en): _show(item, one.values.get(item.name)) for item in _shown_items(domain)}
    standing = record_standing(source, one.values, today)
    letter = write_letter(NoticeRecord(one.enterprise, shown), standing, rules, bureau=bureau, written_on=today)
    write_output_file(folder / f"{one.record}.html", letter.as_html().encode())
    write_output_file(folder / f"{one.record}.txt", letter.as_text().encode())


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
