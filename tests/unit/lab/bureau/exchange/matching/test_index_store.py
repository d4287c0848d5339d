"""A contract's index: what a bank looks up and what names a row, made in parts, kept, changed by delta, made once."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from lab.bureau.data.consents import ConsentingRows
from lab.bureau.data.register import Snapshot
from lab.bureau.exchange.matching.background_work import BackgroundWork
from lab.bureau.exchange.matching.index import BUCKETS_FILE, MANIFEST_FILE, TAGS_FILE, open_index
from lab.bureau.exchange.matching.index_store import ContractIndexes, IndexKey
from lab.bureau.exchange.matching.key_statements import KeyStatements
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.terms.errors import Busy, NotFound
from lab.terms.progress import Progress
from protocols.matching import bank
from protocols.matching.bureau import (
    SignedMatchingKey,
    derive_counting_marks,
    derive_tags_and_marks,
    matching_operation,
)
from tests.unit.lab.bureau.exchange.matching.test_evaluated_register import Room, codes_of

CONTRACT = "c-20260301-00000001"
ENGINE = "x25519"
MATCH = MatchingKeyScope(CONTRACT, "match", ENGINE, 1)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "bureau")
    yield made
    made.store.close()


@pytest.fixture
def preparation() -> Iterator[BackgroundWork]:
    made = BackgroundWork()
    yield made
    made.close()


@pytest.fixture
def indexes(room: Room, preparation: BackgroundWork) -> ContractIndexes:
    return opened(room, preparation)


class Stating(KeyStatements):
    """States keys of a contract that is in no table."""

    def get_or_make(self, use: MatchingKeyScope) -> SignedMatchingKey:
        return SignedMatchingKey(
            self._keys.matching_public_key(use.engine, use.epoch, use.contract, use.operation), 1, bytes(64)
        )


def opened(room: Room, preparation: BackgroundWork) -> ContractIndexes:
    return ContractIndexes(room.home, room.snapshots, room.evaluated, Stating(room.store, room.keys), preparation)


def which(snapshot: Snapshot, rows: list[int] | None = None, *, counting: str | None = None) -> IndexKey:
    admitted = None
    if rows is not None:
        admitted = ConsentingRows(hashlib.sha256(repr((snapshot.version, rows)).encode()).hexdigest(), np.array(rows))
    use = MatchingKeyScope(CONTRACT, matching_operation(counting is not None), ENGINE, 1)
    return IndexKey(use, RowSelection(snapshot, admitted), counting)


def held(indexes: ContractIndexes, wanted: IndexKey) -> Counter[tuple[int, int]]:
    """The places of a set-up, as a bank reads it."""
    index = indexes.get_or_make(wanted)
    setup = bank.read_setup(index.manifest)
    found: Counter[tuple[int, int]] = Counter()
    for number in range(setup.geometry.buckets):
        (coded,) = index.buckets(number, 1)
        bank.check_bucket(setup, number, coded)
        found.update((number, place) for place in bank.decode_bucket(coded, setup.geometry).tolist())
    return found


def placed(setup: bank.SetupManifest, marks: np.ndarray) -> Counter[tuple[int, int]]:
    buckets, places = bank.locate_marks(setup.geometry, marks)
    return Counter(zip(buckets.tolist(), places.tolist(), strict=True))


@pytest.mark.parametrize("rows", [1, 2, 500])
@pytest.mark.parametrize("group", [32 * 65_536, 100])
def test_an_index_holds_every_enterprise_and_nothing_else(
    room: Room, indexes: ContractIndexes, monkeypatch: pytest.MonkeyPatch, rows: int, group: int
) -> None:
    """``group``: how many entries are sorted in memory at once; a small one makes several files of each kind."""
    monkeypatch.setattr("lab.bureau.exchange.matching.index._GROUP", group)
    monkeypatch.setattr("lab.bureau.exchange.matching.index_store.CHUNK_ROWS", 130)
    codes = codes_of(range(rows))
    snapshot = room.bring(codes)
    index = indexes.get_or_make(which(snapshot))
    wanted = derive_tags_and_marks(CONTRACT, codes, room.directly(codes, use=MATCH))
    assert index.setup.entries == rows and held(indexes, which(snapshot)) == placed(index.setup, wanted[:, 16:])
    assert index.find(wanted[:, :16]).tolist() == list(range(rows))
    strange = wanted[:, :16].copy()
    strange[:, 15] ^= 1  # the same first 64 bits
    assert index.find(strange).tolist() == [-1] * rows
    assert index.find(wanted[:0, :16]).tolist() == []
    assert index.find(np.full((1, 16), 255, dtype=np.uint8)).tolist() == [-1]
    assert sorted(path.name for path in index.folder.iterdir()) == sorted(
        [BUCKETS_FILE, f"{BUCKETS_FILE}.digests", MANIFEST_FILE, TAGS_FILE, f"{TAGS_FILE}.digests"]
    )


def test_tags_that_begin_alike_are_told_apart(
    room: Room, indexes: ContractIndexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alike(contract: str, codes: list[str], values: np.ndarray) -> np.ndarray:
        made = derive_tags_and_marks(contract, codes, values).copy()
        made[:, :8] = 7
        return made

    monkeypatch.setattr("lab.bureau.exchange.matching.index_store.derive_tags_and_marks", alike)
    codes = codes_of(range(40))
    index = indexes.get_or_make(which(room.bring(codes)))
    wanted = alike(CONTRACT, codes, room.directly(codes, use=MATCH))
    assert index.find(wanted[:, :16]).tolist() == list(range(40))


def test_admitted_rows_alone_are_in_it(room: Room, indexes: ContractIndexes) -> None:
    codes = codes_of(range(300))
    snapshot, chosen = room.bring(codes), [0, 7, 8, 299]
    index = indexes.get_or_make(which(snapshot, chosen))
    wanted = derive_tags_and_marks(CONTRACT, codes, room.directly(codes, use=MATCH))
    assert held(indexes, which(snapshot, chosen)) == placed(index.setup, wanted[chosen][:, 16:])
    found = index.find(wanted[:, :16])
    assert np.flatnonzero(found >= 0).tolist() == chosen and found[chosen].tolist() == chosen
    nobody = indexes.get_or_make(which(snapshot, []))
    assert nobody.setup.entries == 0 and nobody.find(wanted[:, :16]).tolist() == [-1] * 300


def test_a_counting_index_is_of_its_job_and_has_no_tags(room: Room, indexes: ContractIndexes) -> None:
    codes = codes_of(range(100))
    snapshot = room.bring(codes)
    one, two = (indexes.get_or_make(which(snapshot, counting=job)) for job in ("one", "two"))
    values = room.directly(codes, use=replace(MATCH, operation="count"))
    assert one.setup.for_counting and (one.folder / TAGS_FILE).stat().st_size == 0
    for job, index in (("one", one), ("two", two)):
        found = held(indexes, which(snapshot, counting=job))
        assert found == placed(index.setup, derive_counting_marks(CONTRACT, job, values))
    assert not held(indexes, which(snapshot, counting="one")) & held(indexes, which(snapshot, counting="two"))
    with pytest.raises(NotFound):
        indexes.delta(two, one.setup.sha256, CONTRACT)


def test_a_delta_leads_from_one_version_to_the_next(room: Room, indexes: ContractIndexes) -> None:
    old = indexes.get_or_make(which(room.bring(codes_of(range(1000)))))
    new = indexes.get_or_make(which(room.bring(codes_of(range(5, 1010)))))
    assert old.setup.geometry == new.setup.geometry
    frame = indexes.delta(new, old.setup.sha256, CONTRACT)
    assert len(frame) < new.setup.total_bytes / 10
    before, after = bank.read_setup(old.manifest), bank.read_setup(new.manifest)
    for number, (added, removed) in enumerate(bank.read_delta(frame, before, after)):
        changed = bank.apply_delta(old.buckets(number, 1)[0], added, removed, after.geometry)
        bank.check_bucket(after, number, changed)
    for unknown in (new.setup.sha256, "0" * 64, "../manifest"):
        with pytest.raises(NotFound, match="delta"):
            indexes.delta(new, unknown, CONTRACT)
    with pytest.raises(NotFound):
        indexes.delta(new, old.setup.sha256, "c-20260301-00000002")


def test_a_delta_is_made_once(room: Room, indexes: ContractIndexes, monkeypatch: pytest.MonkeyPatch) -> None:
    old = indexes.get_or_make(which(room.bring(codes_of(range(100)))))
    new = indexes.get_or_make(which(room.bring(codes_of(range(5, 105)))))
    first = indexes.delta(new, old.setup.sha256, CONTRACT)
    monkeypatch.setattr("lab.bureau.exchange.matching.index_store.decode_bucket", None)
    assert indexes.delta(new, old.setup.sha256, CONTRACT) == first
    monkeypatch.undo()
    # With a large register it is made while the bank is told to come back.
    third = indexes.get_or_make(which(room.bring(codes_of(range(9, 109)))))
    monkeypatch.setattr("lab.bureau.exchange.matching.index_store._QUICK_COMPARISON_ENTRIES", 0)
    frames = []
    for _ in range(3000):
        try:
            frames.append(indexes.delta(third, new.setup.sha256, CONTRACT))
            break
        except Busy:
            sleep(0.02)
    changes = bank.read_delta(frames[0], bank.read_setup(new.manifest), bank.read_setup(third.manifest))
    assert sum(len(bank.decode_bucket(added, third.setup.geometry)) for added, _ in changes) == 4


def test_counts_push_out_nothing_that_a_delta_leads_from(room: Room, indexes: ContractIndexes) -> None:
    snapshot = room.bring(codes_of(range(100)))
    old = indexes.get_or_make(which(snapshot))
    for number in range(6):
        indexes.get_or_make(which(snapshot, counting=f"j-{number}"))
    new = indexes.get_or_make(which(room.bring(codes_of(range(5, 105)))))
    assert indexes.delta(new, old.setup.sha256, CONTRACT)
    base = room.evaluated.folder(replace(MATCH, operation="count"), RowSelection(snapshot))
    assert len(list((base / "sets").glob("count-*"))) == 4


def test_a_register_that_outgrows_its_geometry_has_no_delta(room: Room, indexes: ContractIndexes) -> None:
    old = indexes.get_or_make(which(room.bring(codes_of(range(100)))))
    new = indexes.get_or_make(which(room.bring(codes_of(range(1000)))))
    with pytest.raises(NotFound):
        indexes.delta(new, old.setup.sha256, CONTRACT)


def test_an_index_is_found_again_and_made_anew_where_it_is_damaged(room: Room, indexes: ContractIndexes) -> None:
    wanted = which(room.bring(codes_of(range(50))))
    made = indexes.get_or_make(wanted)
    again = opened(room, BackgroundWork())
    found = again.find(wanted)
    assert found is not None and found.manifest == made.manifest
    for name in (TAGS_FILE, BUCKETS_FILE):
        whole = (made.folder / name).read_bytes()
        (made.folder / name).write_bytes(whole[:-1])
        assert open_index(made.folder) is None
        fresh = opened(room, BackgroundWork())
        assert fresh.get_or_make(wanted).manifest == made.manifest
        assert (made.folder / name).read_bytes() == whole


def test_an_index_under_work_is_made_once(
    room: Room, indexes: ContractIndexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, calls = which(room.bring(codes_of(range(200)))), []

    def counted(contract: str, codes: list[str], values: np.ndarray) -> np.ndarray:
        calls.append(len(codes))
        sleep(0.1)
        return derive_tags_and_marks(contract, codes, values)

    monkeypatch.setattr("lab.bureau.exchange.matching.index_store.derive_tags_and_marks", counted)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: indexes.get_or_make(wanted).setup.sha256, range(4)))
    assert len(set(found)) == 1 and calls == [200]


def test_a_large_register_is_prepared_in_the_background(
    room: Room, indexes: ContractIndexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.bureau.exchange.matching.index_store._QUICK_EVALUATION_ROWS", 10)
    monkeypatch.setattr("lab.bureau.exchange.matching.index_store._QUICK_INDEX_ROWS", 10)
    wanted = which(room.bring(codes_of(range(200))))
    busy = 0
    while True:
        try:
            index = indexes.get_or_make(wanted)
            break
        except Busy as told:
            assert told.retry_after > 0 and "not begun" in told.detail
            busy += 1
            sleep(0.02)
    assert busy >= 2 and index.setup.entries == 200  # evaluated, then indexed


@pytest.mark.parametrize(
    ("done", "seconds", "left"), [(0, 9.0, 1), (50, 4.0, 4), (90, 9.0, 1), (1, 10.0, 15), (100, 5.0, 1)]
)
def test_who_waits_is_told_when_to_come_back(
    preparation: BackgroundWork, monkeypatch: pytest.MonkeyPatch, done: int, seconds: float, left: int
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    clock = [1000.0]
    monkeypatch.setattr("lab.bureau.exchange.matching.background_work.time.monotonic", lambda: clock[0])

    def work(progress: Progress) -> None:
        with progress.stage("index", 100) as stage:
            clock[0] += seconds
            stage.advance(done)
            begun.set()
            go_on.wait(10)

    with pytest.raises(Busy):
        preparation.get_result("work", False, work)
    assert begun.wait(10)
    with pytest.raises(Busy) as told:
        preparation.get_result("work", False, work)
    go_on.set()
    assert told.value.retry_after == left


def test_who_waits_behind_other_work_is_told_when_that_is_done(preparation: BackgroundWork) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(progress: Progress) -> None:
        with progress.stage("evaluate", 1000) as stage:
            sleep(0.02)
            stage.advance(1)
            begun.set()
            go_on.wait(10)

    with pytest.raises(Busy):
        preparation.get_result("one contract", False, work)
    assert begun.wait(10)
    with pytest.raises(Busy) as told:
        preparation.get_result("another", False, work)
    go_on.set()
    assert told.value.retry_after > 1


def test_work_that_fails_is_told_once_and_tried_again(preparation: BackgroundWork) -> None:
    tries: list[int] = []

    def work(_: object) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("full")
        return 5

    def asked() -> int:
        while True:
            try:
                return preparation.get_result("key", False, work)
            except Busy:
                sleep(0.01)

    with pytest.raises(OSError, match="full"):
        asked()
    assert asked() == 5 and len(tries) == 2


def test_a_bureau_that_ends_does_not_wait_for_the_whole_work() -> None:
    preparation, begun = BackgroundWork(), threading.Event()

    def endless(progress: object) -> None:
        with progress.stage("evaluate", 10**9) as stage:  # type: ignore[attr-defined]
            while True:
                begun.set()
                stage.advance(1)
                sleep(0.001)

    with pytest.raises(Busy):
        preparation.get_result("key", False, endless)
    assert begun.wait(10)
    ended = threading.Thread(target=preparation.close)
    ended.start()
    ended.join(10)
    assert not ended.is_alive()


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", [TAGS_FILE, f"{TAGS_FILE}.digests", BUCKETS_FILE, MANIFEST_FILE])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_damaged_index_is_made_again_before_anything_is_read_of_it(
    room: Room, indexes: ContractIndexes, name: str, is_open: bool
) -> None:
    codes = codes_of(range(500))
    wanted = which(room.bring(codes))
    made = indexes.get_or_make(wanted)
    tags = derive_tags_and_marks(CONTRACT, codes, room.directly(codes, use=MATCH))[:, :16]
    whole = (made.folder / name).read_bytes()
    flip(made.folder / name)
    reading = indexes if is_open else opened(room, BackgroundWork())
    assert reading.find_rows(wanted, tags).tolist() == list(range(500))
    count = made.setup.geometry.buckets
    coded = reading.read_buckets(wanted, made.setup.sha256, 0, count)
    assert [hashlib.sha256(one).digest() for one in coded] == list(made.setup.bucket_hashes)
    if not (is_open and name in (f"{TAGS_FILE}.digests", MANIFEST_FILE)):  # those are in memory
        assert (made.folder / name).read_bytes() == whole


def test_a_damaged_evaluated_register_is_mended_before_an_index_is_made_of_it(
    room: Room, indexes: ContractIndexes
) -> None:
    codes = codes_of(range(50))
    wanted = which(room.bring(codes))
    register = room.evaluated.get_or_evaluate(wanted.key_scope, wanted.selection)
    flip(register.folder / "values")
    tags = derive_tags_and_marks(CONTRACT, codes, room.directly(codes, use=MATCH))[:, :16]
    assert indexes.find_rows(wanted, tags).tolist() == list(range(50))


def test_the_index_of_another_version_is_not_taken(room: Room, indexes: ContractIndexes) -> None:
    codes = codes_of(range(100))
    old, new = which(room.bring(codes)), which(room.bring(codes[5:]))
    folders = [indexes.get_or_make(key).folder for key in (old, new)]
    for path in folders[0].iterdir():
        (folders[1] / path.name).write_bytes(path.read_bytes())
    fresh = opened(room, BackgroundWork())
    tags = derive_tags_and_marks(CONTRACT, codes, room.directly(codes, use=MATCH))[:, :16]
    assert fresh.find_rows(new, tags).tolist() == [-1] * 5 + list(range(95))


def test_a_damaged_delta_is_made_again(room: Room, indexes: ContractIndexes) -> None:
    old = indexes.get_or_make(which(room.bring(codes_of(range(100)))))
    new = indexes.get_or_make(which(room.bring(codes_of(range(5, 105)))))
    first = indexes.delta(new, old.setup.sha256, CONTRACT)
    flip(new.folder / f"delta-{old.setup.sha256}")
    assert indexes.delta(new, old.setup.sha256, CONTRACT) == first
