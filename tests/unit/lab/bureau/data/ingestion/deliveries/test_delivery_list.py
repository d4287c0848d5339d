"""Lists of deliveries: checked before anything is read, read in order, and resumed after kill -9."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.ingestion.deliveries.delivery_list import check_mappings, read_deliveries, read_delivery_list
from lab.terms.errors import InvalidInput, NotFound
from tests.support.delivering_bureau import TAX, TAX_HEADER, DeliveringBureau, tax_rows

ROOT = Path(__file__).resolve().parents[6]
TODAY = datetime.date(2026, 6, 30)


def listed(city: DeliveringBureau, months: int = 4) -> Path:
    """A list of monthly files, a correction and a deletion."""
    (city.folder / "tax.toml").write_text(TAX)
    lines = []
    for month in range(1, months + 1):
        city.write(f"t{month}.csv", TAX_HEADER, tax_rows(period=f"2026-{month:02d}-01"))
        lines.append(f'[[deliveries]]\nfile = "t{month}.csv"\nmapping = "tax.toml"\nreceived = 2026-06-{month:02d}\n')
    city.write("c.csv", TAX_HEADER, [row.replace("A级", "B级") for row in tax_rows(period="2026-01-01")[:5]])
    city.write("d.csv", TAX_HEADER, tax_rows(period="2026-02-01")[:3])
    for file, operation in (("c.csv", "correct"), ("d.csv", "delete")):
        lines.append(
            f'[[deliveries]]\nfile = "{file}"\nmapping = "tax.toml"\nreceived = 2026-06-20\n'
            f'operation = "{operation}"\nreason = "found wrong"\n'
        )
    path = city.folder / "deliveries.toml"
    path.write_text("\n".join(lines))
    return path


def test_a_list_is_read_in_order_and_again_changes_nothing(city: DeliveringBureau) -> None:
    found = read_delivery_list(listed(city), TODAY)
    check_mappings(found, default_catalogue())
    results = read_deliveries(city.reader, found)
    assert [one.counts.stored for one in results] == [60, 60, 60, 60, 5, 3]
    held = city.held()
    assert len(held) == 237
    again = read_deliveries(city.reader, found)
    assert all(one.known for one in again) and city.held() == held


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('file = "t2.csv"', 'fil = "t2.csv"'), r"deliveries.2.fil \(did you mean file\?\)"),
        (('operation = "correct"', 'operation = "fix"'), "deliveries.5.operation: does not fit"),
        (("received = 2026-06-02", "received = 2026-06-28"), "number 3 was received before"),
        (('operation = "correct"\nreason = "found wrong"', 'operation = "correct"'), "the reason of a correction"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_before_anything_is_read(
    city: DeliveringBureau, change: tuple[str, str], words: str
) -> None:
    path = listed(city)
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(InvalidInput, match=words):
        read_delivery_list(path, TODAY)


def test_files_that_are_not_there_are_named(city: DeliveringBureau) -> None:
    path = listed(city)
    (city.folder / "t3.csv").unlink()
    with pytest.raises(NotFound, match=r"1 are not there: number 3 \(t3.csv\)"):
        read_delivery_list(path, TODAY)


def test_a_file_that_cannot_be_read_stops_the_list_and_keeps_what_was_read(city: DeliveringBureau) -> None:
    path = listed(city)
    good = (city.folder / "t3.csv").read_bytes()
    city.write("t3.csv", TAX_HEADER.replace("等级", "级别"), tax_rows(period="2026-03-01"))
    with pytest.raises(InvalidInput, match=r"items\.credit_rating\.column"):
        read_deliveries(city.reader, read_delivery_list(path, TODAY))
    assert len(city.held()) == 120
    (city.folder / "t3.csv").write_bytes(good)
    results = read_deliveries(city.reader, read_delivery_list(path, TODAY))
    assert [one.known for one in results] == [True, True, False, False, False, False] and len(city.held()) == 237


def test_kill_9_at_any_moment_loses_nothing_and_ends_in_the_same_state(city: DeliveringBureau, tmp_path: Path) -> None:
    path = listed(city)
    twin = tmp_path / "twin"
    city.bureau.close()
    shutil.copytree(city.bureau.home.folder, twin)
    command = [sys.executable, "-m", "lab.cli", "bureau", "records", "import", "--deliveries", str(path), "--home"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, str(twin)], check=True, capture_output=True, env=environment, timeout=300)
    home = city.bureau.home.folder
    for place in range(5):
        running = subprocess.Popen(
            [*command, str(home)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for_segments(home, place + 1, running)
        running.send_signal(signal.SIGKILL)
        running.wait()
    subprocess.run([*command, str(home)], check=True, capture_output=True, env=environment, timeout=300)
    states = []
    for folder in (twin, home):
        with Bureau.open(folder) as bureau:
            one = DeliveringBureau(bureau, path.parent)
            with bureau.store.begin_read() as session:
                manifest = one.records.head(session)
            states.append((one.held(), [(seg.source_sha256, seg.rows, seg.operations) for seg in manifest.segments]))
        assert not list((folder / "deliveries" / "set-aside").glob(".*.partial"))
    assert states[0] == states[1] and len(states[0][0]) == 237


def _wait_for_segments(home: Path, wanted: int, running: subprocess.Popen[bytes]) -> None:
    """Until so many segments are in the folder, or the process has ended."""
    until = time.monotonic() + 120
    while time.monotonic() < until and running.poll() is None:
        if len(list((home / "records" / "segments").glob("*.parquet"))) >= wanted:
            return
        time.sleep(0.002)
