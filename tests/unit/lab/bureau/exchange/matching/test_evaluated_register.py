"""The evaluated register: done in shards that a kill does not undo, taken over from version to version, pruned."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.consents import ConsentingRows
from lab.bureau.data.register import (
    DriftPolicy,
    RegisterLayout,
    Snapshot,
    SnapshotReader,
    find_snapshot,
    import_register,
)
from lab.bureau.exchange.matching.evaluated_register import EvaluatedRegisterStore, EvaluationSummary
from lab.bureau.exchange.matching.evaluation_reuse import EarlierEvaluations
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.store import Database, migrate, open_database
from lab.bureau.store.tables import LedgerEntryRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import NotAllowed, Unreachable
from protocols.compute_pool import ComputePoolError, SerialComputePool
from protocols.matching.bureau import evaluate_register

ROOT = Path(__file__).resolve().parents[6]
USE = MatchingKeyScope("c-0001", "match", "x25519", 1)
SHARD = 64
"""Small here, so that a few hundred rows are several shards."""


class Watching(SerialComputePool):
    """A crew that remembers which identifiers it was given."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.calls = 0

    def map(self, function: Any, rows: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        for row in rows:
            self.calls += 1
            self.asked += row[2]
            yield function(*row)


class Lost(SerialComputePool):
    """A crew whose workers are gone after some rows."""

    def map(self, function: Any, rows: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        for number, row in enumerate(rows):
            if number == 2:
                raise ComputePoolError("The workers died.")
            yield function(*row)


class Room:
    """A bureau's registers and what is evaluated of them."""

    def __init__(self, folder: Path) -> None:
        self.home = BureauHome.create(folder, name="某局")
        self.keys = BureauKeys.create(self.home)
        self.store: Database = open_database(self.home.database_url)
        migrate(self.store.engine)
        self.store.sign, self.store.bureau_key = self.keys.sign, self.keys.public_key_hex
        self.snapshots = SnapshotReader(self.home)
        self.evaluated = EvaluatedRegisterStore(self.store, self.home, self.keys, self.snapshots)

    def bring(self, codes: Iterable[str]) -> Snapshot:
        source = self.home.folder / "source.csv"
        pl.DataFrame({"id": list(codes)}).with_columns(a=pl.lit("1")).write_csv(source)
        accepted = DriftPolicy(accept=True)  # as few as a test likes
        import_register(self.store, self.home, source, RegisterLayout("id", "opaque"), policy=accepted)
        with self.store.begin_read() as session:
            return find_snapshot(session, "main")

    def directly(self, codes: Iterable[str], engine: str = "x25519", use: MatchingKeyScope = USE) -> np.ndarray:
        about = (engine, 1, use.contract, use.operation)
        return self.keys.with_matching_key(*about, lambda key: evaluate_register(engine, key, list(codes)))

    def told(self) -> list[dict[str, Any]]:
        with self.store.begin_read() as session:
            rows = session.scalars(
                select(LedgerEntryRow).where(LedgerEntryRow.kind == "register.evaluated").order_by(LedgerEntryRow.seq)
            )
            return [json.loads(row.body)["facts"] for row in rows]


def codes_of(numbers: Iterable[int]) -> list[str]:
    return [f"firm-{number:05d}" for number in numbers]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr("lab.bureau.exchange.matching.evaluated_register.REGISTER_CHUNK_ROWS", SHARD)
    made = Room(tmp_path / "bureau")
    yield made
    made.store.close()


@pytest.mark.parametrize("engine", ["x25519", "openmined"])
@pytest.mark.parametrize("rows", [1, SHARD - 1, SHARD, SHARD + 1, 3 * SHARD])
def test_every_row_is_evaluated_whatever_the_shards(room: Room, engine: str, rows: int) -> None:
    codes = codes_of(range(rows))
    snapshot = room.bring(reversed(codes))
    assert room.snapshots.identifiers(snapshot) == codes
    found = room.evaluated.get_or_evaluate(replace(USE, engine=engine), RowSelection(snapshot))
    assert found.evaluations.read(0, 10**6).tolist() == room.directly(codes, engine).tolist()
    assert found.folder.joinpath("values").stat().st_mode & 0o777 == 0o600


def test_what_changed_alone_is_evaluated_and_the_ledger_counts_it(room: Room) -> None:
    first = room.bring(codes_of(range(0, 400, 2)))
    room.evaluated.evaluate(USE, RowSelection(first))
    # Enterprises go (0, 2, …, 18), come (odd ones) and stay; some come before and after all there were.
    left = [*codes_of([*range(20, 400, 2), *range(101, 131, 2)]), "aaa", "zzz"]
    second, crew = room.bring(left), Watching()
    done = room.evaluated.evaluate(USE, RowSelection(second), pool=crew)
    new = {*codes_of(range(101, 131, 2)), "aaa", "zzz"}
    assert set(crew.asked) == new and len(crew.asked) == len(new)
    assert done == EvaluationSummary(rows=207, computed=17, reused=190, resumed=0)
    assert (
        room.evaluated.get_or_evaluate(USE, RowSelection(second)).evaluations.read(0, 10**6).tolist()
        == room.directly(sorted(left)).tolist()
    )
    assert [(one["rows"], one["computed"], one["carried"]) for one in room.told()] == [(200, 200, 0), (207, 17, 190)]
    assert not {"aaa", "firm-00101"} & set(json.dumps(room.told()).split('"'))
    assert room.evaluated.evaluate(USE, RowSelection(second), pool=crew) is None and len(room.told()) == 2


_KILLED = """
import os, signal, sys
from pathlib import Path
from lab.bureau.exchange.matching import evaluated_register
from lab.bureau.exchange.matching.row_selection import RowSelection, MatchingKeyScope
from lab.bureau.bureau import Bureau
from lab.bureau.data.register import find_snapshot
from protocols.compute_pool import SerialComputePool

evaluated_register.REGISTER_CHUNK_ROWS, left = int(sys.argv[2]), int(sys.argv[3])
real = os.fdatasync
def sync(descriptor):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    real(descriptor)
os.fdatasync = sync
with Bureau.open(Path(sys.argv[1])) as bureau:
    with bureau.store.begin_read() as session:
        snapshot = find_snapshot(session, "main")
    scope = MatchingKeyScope("c-0001", "match", "x25519", 1)
    bureau.evaluated_registers.evaluate(scope, RowSelection(snapshot), pool=SerialComputePool())
"""


@pytest.mark.property(
    "Evaluated register resumes",
    claim="An interrupted evaluation of a register continues and repeats no finished shard.",
    topic="matching",
    code=["lab.bureau.exchange.matching.evaluated_register"],
)
@pytest.mark.parametrize("shards", [0, 1, 4])
def test_killed_it_goes_on_and_does_no_finished_shard_again(room: Room, shards: int) -> None:
    codes = codes_of(range(6 * SHARD + 5))
    snapshot = room.bring(codes)
    script = [sys.executable, "-c", _KILLED, str(room.home.folder), str(SHARD), str(shards)]
    assert subprocess.run(script, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert not room.evaluated.is_evaluated(USE, RowSelection(snapshot))
    crew = Watching()
    done = room.evaluated.evaluate(USE, RowSelection(snapshot), pool=crew)
    assert crew.asked == codes[shards * SHARD :]
    assert done == EvaluationSummary(len(codes), len(codes) - shards * SHARD, 0, shards * SHARD)
    assert (
        room.evaluated.get_or_evaluate(USE, RowSelection(snapshot)).evaluations.read(0, 10**6).tolist()
        == room.directly(codes).tolist()
    )
    assert sorted(path.name for path in room.evaluated.folder(USE, RowSelection(snapshot)).iterdir()) == [
        "lock",
        "values",
        "values.digests",
    ]


def test_lost_workers_lose_what_they_had_in_hand_and_no_more(room: Room) -> None:
    codes = codes_of(range(5 * SHARD))
    snapshot = room.bring(codes)
    with pytest.raises(Unreachable, match="died") as lost:
        room.evaluated.evaluate(USE, RowSelection(snapshot), pool=Lost())
    assert lost.value.next_step
    crew = Watching()
    room.evaluated.evaluate(USE, RowSelection(snapshot), pool=crew)
    assert crew.asked == codes[2 * SHARD :]


def test_what_an_interrupted_evaluation_has_done_is_taken_over_by_the_next_version(room: Room) -> None:
    oldest = room.bring(codes_of(range(100)))
    room.evaluated.evaluate(USE, RowSelection(oldest))
    begun = room.bring(codes_of(range(50, 50 + 5 * SHARD)))
    with pytest.raises(Unreachable):
        room.evaluated.evaluate(USE, RowSelection(begun), pool=Lost())
    left = codes_of(range(40, 50 + 5 * SHARD, 3))
    newest, crew = room.bring(left), Watching()
    done = room.evaluated.evaluate(USE, RowSelection(newest), pool=crew)
    known = {*codes_of(range(100)), *codes_of(range(50, 50 + 2 * SHARD))}  # two shards of the second were done
    assert crew.asked == [code for code in left if code not in known]
    assert done == EvaluationSummary(len(left), len(crew.asked), len(left) - len(crew.asked), resumed=0)
    assert (
        room.evaluated.get_or_evaluate(USE, RowSelection(newest)).evaluations.read(0, 10**6).tolist()
        == room.directly(left).tolist()
    )


def test_a_file_of_the_wrong_length_is_not_believed(room: Room) -> None:
    codes = codes_of(range(100))
    snapshot = room.bring(codes)
    values = room.evaluated.get_or_evaluate(USE, RowSelection(snapshot)).folder / "values"
    values.write_bytes(values.read_bytes()[:-1])
    assert not room.evaluated.is_evaluated(USE, RowSelection(snapshot))
    assert (
        room.evaluated.get_or_evaluate(USE, RowSelection(snapshot)).evaluations.read(0, 10**6).tolist()
        == room.directly(codes).tolist()
    )


def test_the_newest_three_versions_stay_and_a_removed_one_can_be_had_again(room: Room) -> None:
    versions = []
    for count in (10, 20, 30, 40):
        versions.append(room.bring(codes_of(range(count))))
        room.evaluated.evaluate(USE, RowSelection(versions[-1]))
    assert [room.evaluated.is_evaluated(USE, RowSelection(one)) for one in versions] == [False, True, True, True]
    crew = Watching()
    room.evaluated.evaluate(USE, RowSelection(versions[0]), pool=crew)
    assert crew.asked == []  # the newest has them all


def test_a_destroyed_epoch_is_evaluated_no_more(room: Room) -> None:
    snapshot = room.bring(codes_of(range(10)))
    room.evaluated.get_or_evaluate(USE, RowSelection(snapshot))
    room.keys.destroy_matching_keys(1)
    room.evaluated.remove_epoch(1)
    with pytest.raises(NotAllowed, match="epoch 1"):
        room.evaluated.get_or_evaluate(USE, RowSelection(snapshot))


def admitted(rows: list[int]) -> ConsentingRows:
    return ConsentingRows(hashlib.sha256(repr(rows).encode()).hexdigest(), np.array(rows, dtype=np.int64))


def test_admitted_rows_alone_are_evaluated_and_taken_over_when_consents_come(room: Room) -> None:
    codes = codes_of(range(6 * SHARD))
    snapshot, crew = room.bring(codes), Watching()
    some = RowSelection(snapshot, admitted(list(range(0, 6 * SHARD, 5))))
    assert room.evaluated.evaluate(USE, some, pool=crew) == EvaluationSummary(77, 77, 0, 0)
    assert crew.asked == codes[::5]
    assert (
        room.evaluated.get_or_evaluate(USE, some).evaluations.read(0, 10**6).tolist()
        == room.directly(codes[::5]).tolist()
    )
    more, crew = RowSelection(snapshot, admitted(sorted({*range(5, 6 * SHARD, 5), 7, 300}))), Watching()
    room.evaluated.evaluate(USE, more, pool=crew)
    assert crew.asked == [codes[7]]  # 300 had consented before; the withdrawn first one is left out
    left = [codes[row] for row in sorted({*range(5, 6 * SHARD, 5), 7, 300})]
    assert room.evaluated.get_or_evaluate(USE, more).evaluations.read(0, 10**6).tolist() == room.directly(left).tolist()
    # Another version of the register, with other rows admitted: taken over by identifier.
    later, crew = room.bring([*codes[100:], "zzz"]), Watching()
    next_ = RowSelection(later, admitted([0, 3, len(codes) - 100]))
    room.evaluated.evaluate(USE, next_, pool=crew)
    assert crew.asked == [codes[103], "zzz"]


def test_each_contract_and_operation_has_values_of_its_own(room: Room) -> None:
    codes = codes_of(range(20))
    extent = RowSelection(room.bring(codes))
    uses = [USE, replace(USE, contract="c-0002"), replace(USE, operation="count")]
    found = [room.evaluated.get_or_evaluate(use, extent).evaluations.read(0, 20) for use in uses]
    for use, values in zip(uses, found, strict=True):
        assert values.tolist() == room.directly(codes, use=use).tolist()
    joined = np.concatenate(found)
    assert len(np.unique(joined, axis=0)) == 60
    assert room.evaluated.remove_contracts(lambda contract: contract == "c-0002") == 1
    assert [room.evaluated.is_evaluated(use, extent) for use in uses] == [True, False, True]


def test_what_a_former_version_evaluated_for_all_contracts_is_removed_and_never_read(room: Room) -> None:
    extent = RowSelection(room.bring(codes_of(range(10))))
    former = room.home.path("evaluated/1/x25519") / f"main-1-{extent.snapshot.sha256[:12]}"
    former.mkdir(parents=True)
    (former / "values").write_bytes(bytes(320))
    assert not room.evaluated.is_evaluated(USE, extent)
    room.evaluated.get_or_evaluate(USE, extent)
    assert room.evaluated.remove_legacy() == 1 and not former.exists()
    assert room.evaluated.is_evaluated(USE, extent) and room.evaluated.remove_legacy() == 0


class Listed:
    """Identifiers from memory, as ``SnapshotReader`` reads them from a file."""

    def __init__(self, codes: list[str]) -> None:
        self.codes = codes

    def identifiers(self, _: Snapshot, first: int = 0, count: int | None = None) -> list[str]:
        return self.codes[first:][:count]


class InMemory:
    """Evaluations from memory, as ``Evaluations`` reads them from a file."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def find(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(len(rows), dtype=bool), self.values[rows]


@settings(max_examples=200, deadline=None)
@given(old=st.sets(st.text("abc", max_size=4)), new=st.sets(st.text("abc", max_size=4)), data=st.data())
def test_merging_finds_what_both_have_in_any_windows(old: set[str], new: set[str], data: st.DataObject) -> None:
    had, asked = sorted(old), sorted(new)
    values = np.arange(32 * len(had), dtype=np.uint8).reshape(-1, 32)
    snapshot = Snapshot("main", 1, "id", "opaque", len(had), (), "", "")
    window = data.draw(st.integers(1, 5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.bureau.exchange.matching.evaluation_reuse._WINDOW", window)
        carried = EarlierEvaluations(Listed(had), RowSelection(snapshot), InMemory(values))  # type: ignore[arg-type]
        found: dict[str, list[int]] = {}
        while asked:
            count = data.draw(st.integers(1, 4))
            part, asked = asked[:count], asked[count:]
            places, known = carried.find_evaluations(part)
            found |= {part[place]: value.tolist() for place, value in zip(places, known, strict=True)}
    assert found == {code: values[had.index(code)].tolist() for code in sorted(old & new)}


def flip(path: Path, at: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def test_a_damaged_shard_is_never_read_and_is_made_again_alone(room: Room) -> None:
    codes = codes_of(range(4 * SHARD + 3))
    selection = RowSelection(room.bring(codes))
    found = room.evaluated.get_or_evaluate(USE, selection)
    flip(found.folder / "values", (2 * SHARD + 5) * 32)
    assert found.evaluations.read(0, SHARD).tolist() == room.directly(codes[:SHARD]).tolist()
    with pytest.raises(DamagedFile):
        found.evaluations.read(0, len(codes))
    assert room.evaluated.mend(USE, selection) == 1 and not room.evaluated.is_evaluated(USE, selection)
    crew = Watching()
    done = room.evaluated.evaluate(USE, selection, pool=crew)
    assert crew.asked == codes[2 * SHARD : 3 * SHARD]
    assert done == EvaluationSummary(len(codes), SHARD, 0, len(codes) - SHARD)
    again = room.evaluated.get_or_evaluate(USE, selection).evaluations.read(0, 10**6)
    assert again.tolist() == room.directly(codes).tolist() and room.evaluated.mend(USE, selection) == 0


def test_a_damaged_shard_does_not_pass_into_the_next_version(room: Room) -> None:
    codes = codes_of(range(3 * SHARD))
    first = room.evaluated.get_or_evaluate(USE, RowSelection(room.bring(codes)))
    flip(first.folder / "values", SHARD * 32)
    second, crew = RowSelection(room.bring([*codes, "zzz"])), Watching()
    room.evaluated.evaluate(USE, second, pool=crew)
    assert crew.asked == [*codes[SHARD : 2 * SHARD], "zzz"]
    found = room.evaluated.get_or_evaluate(USE, second).evaluations.read(0, 10**6)
    assert found.tolist() == room.directly([*codes, "zzz"]).tolist()


def test_a_damaged_finished_shard_of_an_interrupted_evaluation_is_made_again(room: Room) -> None:
    codes = codes_of(range(5 * SHARD))
    selection = RowSelection(room.bring(codes))
    with pytest.raises(Unreachable):
        room.evaluated.evaluate(USE, selection, pool=Lost())
    flip(room.evaluated.folder(USE, selection) / "partial", 3)
    crew = Watching()
    room.evaluated.evaluate(USE, selection, pool=crew)
    assert crew.asked == [*codes[:SHARD], *codes[2 * SHARD :]]


@pytest.mark.parametrize("other", [replace(USE, contract="c-0002"), replace(USE, epoch=1, operation="count")])
def test_the_files_of_another_key_are_not_taken(room: Room, other: MatchingKeyScope) -> None:
    codes = codes_of(range(20))
    selection = RowSelection(room.bring(codes))
    mine = room.evaluated.get_or_evaluate(USE, selection).folder
    theirs = room.evaluated.get_or_evaluate(other, selection).folder
    for name in ("values", "values.digests"):
        shutil.copyfile(theirs / name, mine / name)
    assert not room.evaluated.is_evaluated(USE, selection)
    found = room.evaluated.get_or_evaluate(USE, selection).evaluations.read(0, 20)
    assert found.tolist() == room.directly(codes).tolist()


def test_damaged_consenting_rows_are_not_reused(room: Room) -> None:
    codes = codes_of(range(100))
    snapshot = room.bring(codes)
    some = RowSelection(snapshot, admitted(list(range(0, 100, 5))))
    flip(room.evaluated.get_or_evaluate(USE, some).folder / "rows", -8)
    more, crew = RowSelection(snapshot, admitted(list(range(0, 100, 4)))), Watching()
    room.evaluated.evaluate(USE, more, pool=crew)
    assert crew.asked == codes[::4]
