"""The records of one enterprise: what is known now or was known on a day, and how each record came to be.

The filters of codes say which segments may have the enterprise. Only those are checked and read, and of them only the
row groups that hold its code: a look costs the same however many enterprises there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain
from lab.bureau.data.records.manifest import Manifest, Segment
from lab.bureau.data.records.packs.pack_list import PLACE, ROW
from lab.bureau.data.records.packs.stored_rows import StoredRows
from lab.bureau.data.records.record_layout import DELETE, personal_schema
from lab.bureau.data.records.record_store import RecordStore
from lab.bureau.data.records.segments.code_filter import SoughtCode
from lab.bureau.data.records.segments.sealed_rows import read_sealed_rows
from lab.disk.checked_files import DamagedFile


@dataclass(frozen=True, slots=True)
class RecordVersion:
    """One version of a record: since when the bureau knew it, from which source file, and what it says.

    ``items``: the values by name; personal ones are among them only if they were asked for. Those of a deletion are
    empty.
    """

    record: str
    operation: str
    held_from: date
    held_to: date | None
    known_on: date
    source: str
    source_sha256: str
    items: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: dates as ISO text."""
        return {
            "record": self.record,
            "operation": self.operation,
            "held_from": str(self.held_from),
            "held_to": str(self.held_to) if self.held_to is not None else None,
            "known_on": str(self.known_on),
            "source": self.source,
            "source_sha256": self.source_sha256,
            "items": {name: str(one) if isinstance(one, date) else one for name, one in self.items.items()},
        }


@dataclass(frozen=True, slots=True)
class EnterpriseRecords:
    """The records of one enterprise by domain, in the catalogue's order; domains without any are left out.

    ``current``: the records that count, by ``held_from``. ``history``: all versions of each record in the order in
    which they became known, also of deleted ones; empty unless asked for.
    """

    manifest_sha256: str
    current: Mapping[str, tuple[RecordVersion, ...]]
    history: Mapping[str, tuple[RecordVersion, ...]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many records count."""
        return sum(len(found) for found in self.current.values())


def enterprise_records(
    records: RecordStore,
    manifest: Manifest,
    catalogue: Catalogue,
    code: str,
    *,
    history: bool = False,
    personal: bool = False,
) -> EnterpriseRecords:
    """The records of the enterprise ``code`` as of ``manifest`` (``RecordStore.manifest_as_of``).

    ``personal``: opens the sealed personal items; the caller has checked the permission and records the look. Raises
    ``DamagedFile`` for a file that is not the one stored.
    """
    current: dict[str, tuple[RecordVersion, ...]] = {}
    versions: dict[str, tuple[RecordVersion, ...]] = {}
    sought, packs = SoughtCode.of(code), records.packs.read()
    with records.lookups.cursor() as connection:
        for domain in catalogue.domains:
            stored = StoredRows.find(manifest.of_domain(domain.code), packs)
            rows = _find_rows(records, connection, stored, sought, code)
            if not rows:
                continue
            opened = _personal_items(records, domain, stored.segments, rows) if personal else {}
            shown = [item.name for item in domain.items if personal or not item.personal]
            made = tuple(_versions(shown, stored.segments, rows, opened))
            versions[domain.code] = made
            if counting := _current(made):
                current[domain.code] = counting
    return EnterpriseRecords(manifest.sha256, current, versions if history else {})


def _find_rows(
    records: RecordStore, connection: duckdb.DuckDBPyConnection, stored: StoredRows, sought: SoughtCode, code: str
) -> list[dict[str, Any]]:
    """The rows of one domain, oldest delivery first."""
    packs = [one for one in stored.packs if _may_have(records, one.codes_name, one.codes_sha256, sought)]
    loose = [
        (place, one)
        for place, one in stored.loose
        if _may_have(records, f"{one.codes_sha256}.codes", one.codes_sha256, sought)
    ]
    chosen = stored.chosen(packs, loose)
    if chosen.empty:
        return []
    paths = {name: records.files.looked_at(name, sha256, size) for name, sha256, size in chosen.files}
    query = f"SELECT * FROM {chosen.as_sql(paths)} WHERE enterprise = ? ORDER BY {PLACE}, {ROW}"
    found = connection.execute(query, [code])
    names = [str(column[0]) for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _may_have(records: RecordStore, name: str, sha256: str, sought: SoughtCode) -> bool:
    path = records.files.looked_at(name, sha256)
    try:
        return sought.may_be_in_file(path)
    except (ValueError, OSError):
        raise DamagedFile(path) from None


def _versions(
    shown: Sequence[str],
    segments: Sequence[Segment],
    rows: Sequence[Mapping[str, Any]],
    opened: Mapping[tuple[int, int], Mapping[str, Any]],
) -> Iterator[RecordVersion]:
    """The rows of one domain, oldest delivery first."""
    for row in rows:
        segment = segments[row[PLACE]]
        deleted = row["operation"] == DELETE
        # An item that became personal later is a plain column of earlier segments; it is shown as what it is now.
        items = {**row, **opened.get((row[PLACE], row[ROW]), {})}
        yield RecordVersion(
            record=row["record"],
            operation=row["operation"],
            held_from=row["held_from"],
            held_to=row["held_to"],
            known_on=segment.known_on,
            source=segment.source,
            source_sha256=segment.source_sha256,
            items={} if deleted else {name: items[name] for name in shown if name in items},
        )


def _current(versions: Sequence[RecordVersion]) -> tuple[RecordVersion, ...]:
    newest = {one.record: one for one in versions}
    left = (one for one in newest.values() if one.operation != DELETE)
    return tuple(sorted(left, key=lambda one: (one.held_from, one.record)))


def _personal_items(
    records: RecordStore, domain: Domain, segments: Sequence[Segment], rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[int, int], dict[str, Any]]:
    """The personal items of these rows, by segment and row number."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for place, segment in enumerate(segments):
        numbers = [int(row[ROW]) for row in rows if row[PLACE] == place]
        if not numbers or not segment.personal_sha256:
            continue
        path = records.files.looked_at(f"{segment.personal_sha256}.sealed", segment.personal_sha256)
        frame = read_sealed_rows(path, numbers, segment.sha256, records.keys.with_records_key)
        names = [name for name in personal_schema(domain) if name in frame.columns]
        opened = frame.select(names).iter_rows(named=True)
        found |= {(place, number): row for number, row in zip(numbers, opened, strict=True)}
    return found
