"""A bureau's adverse records and cases of credit repair, with a clock that a test moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.credit_repair import CaseDetails, CaseKind, CaseRequest, CreditRepairService, WantedRecord
from lab.bureau.data.credit_repair.exclusion import excluded_records
from lab.bureau.data.records import RecordStore, open_records, record_ids
from lab.bureau.store import Database
from lab.simulation.synthetic.credit_codes import make_codes
from tests.support.small_catalogue import deliver, open_store

CODES = make_codes(6, seed=36)
STEWARD = "person:steward"
START = date(2026, 9, 1)


@dataclass
class DayClock:
    """Noon of a day that a test sets; each call is a second later, so that entries have an order."""

    day: date = START
    calls: int = 0

    def __call__(self) -> datetime:
        self.calls += 1
        return datetime(self.day.year, self.day.month, self.day.day, 12, tzinfo=UTC) + timedelta(seconds=self.calls)


@dataclass
class RepairScene:
    """Records, the service under test, and what counts."""

    home: BureauHome
    store: Database
    records: RecordStore
    service: CreditRepairService
    clock: DayClock

    def deliver(
        self, domain: str, known_on: date, rows: Sequence[Mapping[str, object]], kind: str = "imported"
    ) -> None:
        """Store rows of ``enterprise`` and items."""
        found = default_catalogue().domain(domain)
        kinds = {name: type_ for name, type_ in _schema(domain).items() if any(name in row for row in rows)}
        frame = pl.DataFrame([{name: row.get(name) for name in kinds} for row in rows], schema=kinds)
        deliver(self.records, found, known_on, frame, kind)

    def penalty(self, number: str = "罚-1", enterprise: str = CODES[0], **items: object) -> str:
        """Store one penalty, known on 2026-01-10 unless ``known_on`` says otherwise; returns the record's id."""
        known_on = items.pop("known_on", date(2026, 1, 10))
        row = {
            "enterprise": enterprise,
            "decision_number": number,
            "authority": "市场监督管理局",
            "kind": "fine",
            "seriousness": "ordinary",
            "decided_on": date(2026, 1, 5),
        } | items
        if not isinstance(known_on, date):
            raise TypeError("a day")
        self.deliver("penalties", known_on, [row])
        return self.record_id("penalties", row)

    def record_id(self, domain: str, row: Mapping[str, object]) -> str:
        """The id of a record with these key values."""
        found = default_catalogue().domain(domain)
        kinds = {name: type_ for name, type_ in _schema(domain).items() if name in ("enterprise", *found.key)}
        return str(record_ids(found, pl.DataFrame([{name: row[name] for name in kinds}], schema=kinds))[0])

    def open(self, kind: CaseKind, record: str, domain: str = "penalties", **more: object) -> CaseDetails:
        """Open a case with all its papers, unless ``more`` says otherwise."""
        given: dict[str, object] = {"corrected_on": date(2026, 2, 1), "commitment": True} if kind == "repair" else {}
        texts = {"evidence": "申请 2026-0001", "grounds": "all duties are done"}
        request = CaseRequest(kind, WantedRecord(domain, record=record), **(texts | given | more))  # type: ignore[arg-type]
        return self.service.open_case(request, by=STEWARD)

    def left_out(self, day: date, domain: str = "penalties") -> set[str]:
        """The records of a domain that do not count on a day, by what was known at its end."""
        catalogue = default_catalogue()
        with self.store.begin_read() as session:
            manifest = self.records.manifest_as_of(session, day)
            return set(excluded_records(session, self.records, catalogue, manifest, day)[domain])

    def counting(self, day: date, *, exclude: bool, domain: str = "penalties") -> int:
        """How many records of a domain a query of that day sees."""
        catalogue = default_catalogue()
        with self.store.begin_read() as session:
            manifest = self.records.manifest_as_of(session, day)
            excluded = excluded_records(session, self.records, catalogue, manifest, day) if exclude else None
        with open_records(
            self.records, manifest, catalogue, day=day, domains=[domain], excluded=excluded
        ) as connection:
            found = connection.execute(f'SELECT count(*) FROM "{domain}"').fetchone()
        return int(found[0]) if found else 0


def open_scene(folder: Path, store: Database) -> RepairScene:
    """A new bureau's home in ``folder``, without records."""
    records = open_store(folder / "bureau", store)
    home, clock = BureauHome.open(folder / "bureau"), DayClock()
    return RepairScene(home, store, records, CreditRepairService(store, home, records, clock), clock)


def _schema(domain: str) -> dict[str, type[pl.DataType] | pl.DataType]:
    kinds: dict[str, type[pl.DataType]] = {
        "text": pl.String,
        "code": pl.String,
        "integer": pl.Int64,
        "number": pl.Float64,
        "amount": pl.Float64,
        "date": pl.Date,
        "yes-no": pl.Boolean,
    }
    found = default_catalogue().domain(domain)
    return {"enterprise": pl.String, **{one.name: kinds[one.type.value] for one in found.items if not one.personal}}
