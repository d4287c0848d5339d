"""`lab doctor --deep` and the bureau's records: damage and a lost file are named, also without the bureau's key."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from lab.bureau.bureau import Bureau
from lab.cli.doctor.findings import DoctorVerdict
from lab.cli.doctor.record_check import check_records
from tests.support.small_catalogue import TAX, deliver

APRIL, MAY = date(2025, 4, 1), date(2025, 5, 10)


def test_records_are_compared_and_what_is_lost_or_damaged_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "bureau"
    homes = {"bank": tmp_path / "none", "bureau": folder}
    with Bureau.create(folder, name="Test bureau") as bureau:
        assert check_records(homes) == []
        for code in ("a", "b"):
            deliver(bureau.records, TAX, MAY, pl.DataFrame({"enterprise": [code], "period": [APRIL], "sales": [1.0]}))
        first, second = sorted(bureau.records.files.segments.glob("*.parquet"))
    (folder / "keys" / "seal.key").rename(tmp_path / "away")
    (whole,) = check_records(homes)
    assert whole.verdict is DoctorVerdict.OK and whole.value == 0
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    line, *found = check_records(homes)
    assert line.verdict is DoctorVerdict.WRONG
    assert {one.value for one in found} == {first.name, second.name}
