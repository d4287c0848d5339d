"""One adverse record, found in the store for a case: by its hash, or by the enterprise's code and the record's key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain
from lab.bureau.data.credit_repair.rules.definition import AdverseSource, RepairRules
from lab.bureau.data.credit_repair.standing import is_adverse
from lab.bureau.data.records import Manifest, RecordStore, open_records
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.identifiers.single_code import read_code
from lab.terms.names import IdKind


@dataclass(frozen=True, slots=True)
class WantedRecord:
    """Which record is meant: ``record`` (its id), or ``enterprise`` (a code) with ``keys`` (values of the key items as
    text, dates as YYYY-MM-DD)."""

    domain: str
    record: str = ""
    enterprise: str = ""
    keys: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class AdverseRecord:
    """A record that the rules are about. ``values``: of the items that the rules read, by name."""

    source: AdverseSource
    record: str
    enterprise: str
    known_on: date
    values: Mapping[str, object]


def find_adverse_record(
    records: RecordStore, manifest: Manifest, catalogue: Catalogue, rules: RepairRules, wanted: WantedRecord
) -> AdverseRecord:
    """The record as it is known now; raises ``NotFound`` if there is none, ``InvalidInput`` for a domain without
    adverse records, a key that is not the domain's, and a record that is not adverse."""
    source = rules.source(wanted.domain)
    if source is None:
        raise InvalidInput(
            f"Expected a domain with adverse records: {', '.join(one.domain for one in rules.sources)}.",
            next_step="name one of these with --domain",
        )
    domain = catalogue.domain(source.domain)
    condition, values = _condition(domain, catalogue.id_kind, wanted)
    with open_records(records, manifest, catalogue, domains=[domain.code]) as connection:
        found = _read(connection, domain, source, condition, values)
    if not found:
        raise NotFound(
            "The store holds no such record of this domain.",
            next_step="check the enterprise's code and the record's key; a record that was deleted needs no case",
        )
    (first,) = found[:1]
    if len(found) > 1:
        raise InvalidInput(
            f"Expected the key of one record; {len(found)} have it.", next_step=f"give each of {', '.join(domain.key)}"
        )
    if not is_adverse(source, first.values):
        raise InvalidInput(
            "Expected an adverse record; the rules of credit repair are not about this one.",
            next_step="correct a wrong record with `lab bureau records correct`",
        )
    return first


def read_adverse_record(
    records: RecordStore,
    manifest: Manifest,
    catalogue: Catalogue,
    source: AdverseSource,
    record: str,
    day: date | None = None,
) -> AdverseRecord | None:
    """The record with this id as ``manifest`` has it, of those that held from ``day`` or before; None if there is none,
    or it is not adverse."""
    domain = catalogue.domain(source.domain)
    with open_records(records, manifest, catalogue, day=day, domains=[domain.code]) as connection:
        found = _read(connection, domain, source, "record = $record", {"record": record})
    return found[0] if found and is_adverse(source, found[0].values) else None


def _condition(domain: Domain, id_kind: IdKind, wanted: WantedRecord) -> tuple[str, dict[str, object]]:
    if wanted.record:
        return "record = $record", {"record": wanted.record}
    keys = wanted.keys or {}
    if not wanted.enterprise or set(keys) != set(domain.key):
        raise InvalidInput(
            f"Expected a record's id, or an enterprise's code with the key {', '.join(domain.key)}.",
            next_step=f"give --record, or --enterprise and --key {domain.key[0]}=VALUE",
        )
    values: dict[str, object] = {"enterprise": read_code(wanted.enterprise, id_kind)}
    parts = ["enterprise = $enterprise"]
    for number, name in enumerate(domain.key):
        values[f"key_{number}"] = keys[name]
        parts.append(f'CAST("{name}" AS VARCHAR) = $key_{number}')
    return " AND ".join(parts), values


def _read(
    connection: duckdb.DuckDBPyConnection,
    domain: Domain,
    source: AdverseSource,
    condition: str,
    values: dict[str, object],
) -> list[AdverseRecord]:
    items = source.items
    columns = ", ".join(f'"{item}"' for item in items)
    query = f'SELECT record, enterprise, known_on, {columns} FROM "{domain.code}" WHERE {condition} LIMIT 2'
    return [
        AdverseRecord(source, str(row[0]), str(row[1]), row[2], dict(zip(items, row[3:], strict=True)))
        for row in connection.execute(query, values).fetchall()
    ]


def find_enterprise(
    records: RecordStore, manifest: Manifest, catalogue: Catalogue, domain: str, record: str
) -> str | None:
    """The code of the enterprise that a record is about; None if the store has no such record now."""
    with open_records(records, manifest, catalogue, domains=[domain]) as connection:
        found = connection.execute(f'SELECT enterprise FROM "{domain}" WHERE record = ?', [record]).fetchone()
    return None if found is None else str(found[0])
