"""Records with two times against a naive reckoning in Python: any additions, corrections and deletions, any day."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.bureau.data.records import RecordStore, enterprise_records, fetch_frame, open_records
from lab.bureau.store import open_database
from tests.support.small_catalogue import COURTS, SMALL_CATALOGUE, deliver, open_store

FIRST = date(2025, 1, 1)
FIRMS, CASES, DAYS = ("a", "b", "c"), ("1", "2"), 6


@dataclass(frozen=True)
class Change:
    """One row of a delivery. The operation follows from what is held, unless ``delete``."""

    enterprise: str
    case: str
    filed: int
    staff: int
    delete: bool


changes = st.builds(
    Change, st.sampled_from(FIRMS), st.sampled_from(CASES), st.integers(0, DAYS), st.integers(0, 9), st.booleans()
)
deliveries = st.lists(st.tuples(st.integers(0, 1), st.lists(changes, min_size=1, max_size=4)), max_size=7)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=deliveries, seen=st.integers(0, DAYS), held=st.integers(0, DAYS))
def test_every_view_is_what_a_naive_reckoning_says(
    migrated_file: Path, plan: list[tuple[int, list[Change]]], seen: int, held: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(migrated_file, f"{folder}/records.db")
        database = open_database(f"sqlite:///{folder}/records.db")
        key = Ed25519PrivateKey.generate()
        database.sign, database.bureau_key = key.sign, key.public_key().public_bytes_raw().hex()
        records = open_store(Path(folder) / "bureau", database)
        known = carry_out(records, plan)
        day, holding = FIRST + timedelta(days=seen), FIRST + timedelta(days=held)
        expected = naive(known, day)
        with database.begin_read() as session:
            manifest = records.manifest_as_of(session, day)
        for limit in (None, holding):
            with open_records(records, manifest, SMALL_CATALOGUE, day=limit) as connection:
                query = "SELECT enterprise, case_number, filed_on, staff, known_on FROM courts ORDER BY ALL"
                found = fetch_frame(connection, query).rows()
            wanted = sorted(row for row in expected if limit is None or row[2] <= limit)
            assert found == wanted
        for firm in FIRMS:
            current = enterprise_records(records, manifest, SMALL_CATALOGUE, firm).current.get("courts", ())
            looked = [(firm, *(one.items[name] for name in ("case_number", "filed_on", "staff"))) for one in current]
            assert sorted(looked) == sorted(row[:4] for row in expected if row[0] == firm)
        database.close()


Row = tuple[str, str, date, int | None, date]
Known = list[tuple[date, str, Row]]


def carry_out(records: RecordStore, plan: list[tuple[int, list[Change]]]) -> Known:
    """Deliver what the plan says; all rows with their operation, in the order in which they became known."""
    day, known, held = FIRST, Known(), set[tuple[str, str]]()
    for later, rows in plan:
        day += timedelta(days=later)
        operations: dict[str, dict[tuple[str, str], Row]] = {"imported": {}, "corrected": {}, "deleted": {}}
        once = {(one.enterprise, one.case): one for one in rows}
        for name, one in once.items():
            filed = FIRST + timedelta(days=one.filed)
            if one.delete and name not in held:
                continue
            kind = "deleted" if one.delete else "corrected" if name in held else "imported"
            operations[kind][name] = (*name, filed, None if one.delete else one.staff, day)
        for kind, chosen in operations.items():
            if not chosen:
                continue
            values = pl.DataFrame(
                [row[:4] for row in chosen.values()],
                schema={"enterprise": pl.String, "case_number": pl.String, "filed_on": pl.Date, "staff": pl.Int64},
                orient="row",
            )
            deliver(records, COURTS, day, values, kind)
            held = held - set(chosen) if kind == "deleted" else held | set(chosen)
            known += [(day, kind, row) for row in chosen.values()]
    return known


def naive(known: Known, day: date) -> list[Row]:
    """One record after the other, in the order of knowing."""
    now: dict[tuple[str, str], Row] = {}
    for when, kind, row in known:
        if when > day:
            continue
        if kind == "deleted":
            del now[row[0], row[1]]
        else:
            now[row[0], row[1]] = row
    return sorted(now.values())
