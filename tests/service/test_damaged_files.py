"""Damage to any kept file of either home changes no result in silence: it is mended, or refused with the next step.

Both homes are walked after real jobs, and each file is damaged in turn: a bit flipped, cut short, exchanged with
another of its kind, removed. Then a stopped job is resumed, the portfolio is scored anew under another contract, and
the finished runs are read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from lab.cli.doctor.digests import BANK_DIGESTS, BUREAU_DIGESTS
from lab.disk import checked_blocks
from lab.disk.digest_survey import survey_digests
from tests.support.bureau_fixtures import model, open_scene, scene, tables
from tests.support.bureau_scene import Scene
from tests.support.damaged_homes import DamagedHomes, cut, flip, kind_of, prepare_homes, refusals, remove, swap

__all__ = ["model", "open_scene", "scene", "tables"]

LAYOUTS = {"bank": BANK_DIGESTS, "bureau": BUREAU_DIGESTS}
DAMAGES: tuple[Callable[[Path], None], ...] = (flip, cut, swap, remove)
NOT_READ = ("lock", ".lock", "service.jsonl", "given-out.json")
"""Locks and logs, and a note of which only the existence counts."""
OWN_CHECK = (
    *(".head", ".sealed", ".buckets", ".checkpoint", "bureau.toml", "bank.toml", "seal.key", "bank.key"),
    *("bureau.db", "bureau.db-wal", "bureau.db-shm", "jobs.db", "rejected.csv"),
)
"""Signed or sealed files, buckets that are compared with their manifest, settings, and the database."""
MENDED = ("evaluated/", "contexts/", "setups/")
"""Made or fetched again by themselves: no job may be refused for them."""


@pytest.fixture
def homes(scene: Scene, tmp_path: Path) -> DamagedHomes:
    return prepare_homes(scene, tmp_path)


def chosen(homes: DamagedHomes, *, every: bool) -> list[tuple[str, Path, Callable[[Path], None]]]:
    """Files and damages: all of them, or one file of each kind with one damage each, in turn."""
    found, kinds = [], set()
    for party in homes.homes:
        for path in homes.files(party):
            if path.name.endswith((*NOT_READ, *OWN_CHECK)) or (not every and kind_of(path) in kinds):
                continue
            kinds.add(kind_of(path))
            damages = DAMAGES if every else (DAMAGES[len(kinds) % len(DAMAGES)],)
            found += [(party, path, damage) for damage in damages]
    return found


def work(homes: DamagedHomes, expected: dict[str, pl.DataFrame]) -> list[str]:
    """Do everything with the homes as they are; returns what was refused. Any other result fails."""
    first, second = homes.contracts
    told = []
    with homes.served() as house:
        told.append(refusals(lambda: homes.score(house, first, again=True), expected["resumed"]))
        told.append(refusals(lambda: homes.score(house, second, again=True), expected["fresh"]))
    tables = list(expected.values())
    for read in homes.read_runs():
        told.append(refusals(lambda read=read: _one_of(read(), tables), pl.DataFrame()))  # type: ignore[misc]
    return [one for one in told if one]


def _one_of(found: pl.DataFrame, tables: list[pl.DataFrame]) -> pl.DataFrame:
    assert any(found.equals(table) for table in tables), "a damaged run was read as if it were whole"
    return pl.DataFrame()


def expect(homes: DamagedHomes) -> dict[str, pl.DataFrame]:
    """The results with undamaged files."""
    runs = {f"run-{number}": read() for number, read in enumerate(homes.read_runs())}
    with homes.served() as house:
        resumed = homes.score(house, homes.contracts[0], again=True)
        fresh = homes.score(house, homes.contracts[1], again=True)
    assert not resumed.equals(runs["run-0"]) and set(resumed["status"]) == {"scored", "not-matched"}
    return {"resumed": resumed, "fresh": fresh, "first": runs["run-0"], "second": runs["run-1"]}


def walk(homes: DamagedHomes, *, every: bool) -> dict[str, list[str]]:
    """Damage each file in turn and work; the refusals, by kind of file and damage."""
    expected = expect(homes)
    refused: dict[str, list[str]] = {}
    for party, path, damage in chosen(homes, every=every):
        homes.restore()
        damage(homes.homes[party] / path)
        told = work(homes, expected)
        assert all("Next:" in one for one in told)
        assert not told or not path.as_posix().startswith(MENDED), (path, told)
        refused[f"{kind_of(path)} {damage.__name__}"] = told
    return refused


@pytest.mark.timeout(3600)
@pytest.mark.property(
    "Damage is never silent",
    claim="Damage to a kept file of the bank or the bureau changes no score in silence: the file is made again, or the "
    "work is refused with the next step.",
    topic="limits and interruptions",
    code=["lab.disk.checked_files", "lab.disk.checked_blocks", "lab.disk.checked_rows"],
)
def test_damage_to_any_kept_file_changes_no_result_in_silence(homes: DamagedHomes) -> None:
    refused = walk(homes, every=False)
    assert len(refused) > 20 and any(refused.values())


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_every_damage_to_every_file_changes_no_result_in_silence(homes: DamagedHomes) -> None:
    walk(homes, every=True)


@pytest.mark.timeout(1800)
def test_without_the_digests_damage_is_silent(homes: DamagedHomes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed tags with the comparison of blocks taken out: scores change, and nobody is told."""
    expected = expect(homes)
    monkeypatch.setattr(checked_blocks.BlockTable, "has_block", lambda *_: True)
    changed = 0
    for path in homes.files("bureau"):
        if path.name == "tags":
            homes.restore()
            rearrange_rows(homes.homes["bureau"] / path)
            try:
                work(homes, expected)
            except AssertionError:
                changed += 1
    assert changed


def rearrange_rows(path: Path) -> None:
    """Give each tag the row of the next one: what a changed byte may do."""
    entries = bytearray(path.read_bytes())
    rows = [bytes(entries[at + 16 : at + 24]) for at in range(0, len(entries), 24)]
    for place, at in enumerate(range(0, len(entries), 24)):
        entries[at + 16 : at + 24] = rows[(place + 1) % len(rows)]
    path.write_bytes(bytes(entries))


def test_the_doctor_finds_every_damaged_file(homes: DamagedHomes) -> None:
    for party, home in homes.homes.items():
        whole = survey_digests(home, LAYOUTS[party])
        assert not whole.damaged and not whole.lost
        for path in homes.files(party):
            if path.name.endswith((*NOT_READ, *OWN_CHECK)):
                continue
            kept = (home / path).read_bytes()
            for damage in (flip, cut):
                damage(home / path)
                found = survey_digests(home, LAYOUTS[party])
                assert found.damaged, path
                (home / path).write_bytes(kept)
