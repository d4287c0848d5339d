"""A disk that is full while a delivery is read: it is said, and nothing is lost or half stored."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.delivering_bureau import FIRMS, TAX, TAX_HEADER, DeliveringBureau, open_delivering_bureau, tax_rows


@pytest.fixture
def city(tmp_path: Path, migrated_file: Path) -> Iterator[DeliveringBureau]:
    """A new bureau, without records."""
    with open_delivering_bureau(tmp_path, migrated_file) as opened:
        yield opened


def import_with_limit(city: DeliveringBureau, file: Path, most: int | None) -> subprocess.CompletedProcess[str]:
    """``lab bureau records import`` in a process that may write no file of more than ``most`` bytes."""

    def limit() -> None:
        if most is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    lab = Path(sys.executable).with_name("lab")
    home, mapping = city.bureau.home.folder, city.folder / "tax.toml"
    mapping.write_text(TAX)
    words = [lab, "bureau", "records", "import", file, "--mapping", mapping, "--home", home, "--json"]
    words += ["--received", "2026-06-01"]
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, preexec_fn=limit, timeout=300, check=False
    )


@pytest.mark.parametrize("most", [1_000, 40_000])
def test_a_full_disk_is_said_and_nothing_is_lost(city: DeliveringBureau, most: int) -> None:
    """With 1,000 bytes the file of rows set aside does not fit; with 40,000 the segment."""
    city.tax("before.csv", tax_rows(period="2024-01-01"))
    months = [f"{year}-{month:02d}-01" for year in range(2000, 2024) for month in range(1, 13)]
    rows = [row for month in months for row in tax_rows(FIRMS, month)]
    rows += [f"bad,2026-03-01,{number},0,A级" for number in range(200)]
    file = city.write("large.csv", TAX_HEADER, rows)
    held = len(city.held())
    failed = import_with_limit(city, file, most)
    assert failed.returncode == 9, failed.stderr[-500:]
    said = failed.stdout + failed.stderr
    assert "Traceback" not in said and ("disk" in said.lower() or "磁盘" in said)
    assert not any(firm in said for firm in FIRMS)
    assert len(city.held()) == held
    done = import_with_limit(city, file, None)
    assert done.returncode == 0, done.stderr[-500:]
    found = json.loads(done.stdout)
    assert (found["stored"], found["set_aside"], found["known"]) == (len(months) * len(FIRMS), 200, 0)
    assert len(city.held()) == held + found["stored"]
    assert not list(city.records.files.staging.iterdir())
