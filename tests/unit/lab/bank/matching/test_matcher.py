"""Matching and counting against the protocol's bureau half in this process: under any batching, order, interruption."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from multiprocessing.connection import Listener
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.bank.home import BankHome
from lab.bank.matching import matcher
from lab.bank.matching.evaluation_store import open_evaluation_store
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.matcher import (
    MatchingParameters,
    count_matching_identifiers,
    intersect_identifiers,
    split_count_requests,
)
from lab.terms.errors import InvalidInput, NotAllowed, Unreachable
from lab.terms.progress import SILENT, Progress
from protocols.matching.bank import ENGINES, MIN_CANARIES, canary_count
from tests.support.protocol_bureau import CONTRACT, EPOCH, JOB, Cut, Registry, Remote, serve

ROOT = Path(__file__).resolve().parents[5]
CODES = [f"firm-{number:04d}" for number in range(400)]
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Party:
    """A bank's home and keys, and matching at a registry; ``per_request``: identifiers, beside their canaries."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.home, self.keys = BankHome.create(folder / "bank", name="某银行", key_file=folder / "bank.key")

    def match(
        self,
        registry: Registry | Remote,
        codes,
        *,
        per_request=50_000,
        progress: Progress = SILENT,
        job=JOB,
        processes=1,
    ):
        counterpart = MatchingJobClient(registry, CONTRACT, job, progress)
        ask = MatchingParameters(
            registry.engine, EPOCH, per_request + MIN_CANARIES, registry.public_key, processes=processes
        )
        return intersect_identifiers(self.home, self.keys, counterpart, ask, codes, progress=progress)

    def count(self, registry: Registry, codes, *, per_request=50_000, job=JOB, processes=1):
        counterpart = MatchingJobClient(registry, CONTRACT, job)
        ask = MatchingParameters(
            registry.engine, EPOCH, per_request + MIN_CANARIES, registry.public_key, processes=processes
        )
        return count_matching_identifiers(self.home, self.home.matches / job, self.keys, counterpart, ask, codes)

    def store(self, engine="x25519"):
        return open_evaluation_store(self.home.evaluations, CONTRACT, EPOCH, engine)


@pytest.fixture
def party(tmp_path: Path) -> Party:
    return Party(tmp_path)


def names(codes, found) -> list[str]:
    return [codes[index] for index in found.intersection.indices.tolist()]


@SLOW
@given(
    register=st.sets(st.sampled_from(CODES), max_size=60),
    portfolio=st.lists(st.sampled_from(CODES), unique=True, max_size=60),
    per_request=st.integers(1, 70),
    engine=st.sampled_from(ENGINES),
)
def test_the_match_is_the_intersection_whatever_the_sets_the_order_and_the_batches(
    tmp_path_factory, register, portfolio, per_request, engine
) -> None:
    party, registry = Party(tmp_path_factory.mktemp("p")), Registry(register, engine)
    found = party.match(registry, portfolio, per_request=per_request)
    assert names(portfolio, found) == [code for code in portfolio if code in register]
    assert (
        len(found.intersection.tags) == len(found.intersection.indices)
        and 0 <= found.intersection.false_positive_rate < 2**-30
    )
    assert found.identifiers_sent == registry.used == len(portfolio)
    again = party.match(registry, portfolio[::-1], per_request=per_request)
    assert names(portfolio[::-1], again) == names(portfolio, found)[::-1] and again.identifiers_sent == 0


@SLOW
@given(data=st.data(), late=st.booleans(), engine=st.sampled_from(ENGINES))
def test_interrupted_anywhere_it_goes_on_and_charges_each_identifier_once(
    tmp_path_factory, data, late: bool, engine: str
) -> None:
    party, registry = Party(tmp_path_factory.mktemp("p")), Registry(CODES[:50], engine)
    asked: set[str] = set()
    for _ in range(data.draw(st.integers(1, 4))):
        portfolio = data.draw(st.lists(st.sampled_from(CODES[:90]), unique=True, min_size=1, max_size=70))
        registry.cut = (len(registry.calls) + data.draw(st.integers(1, 9)), late)
        try:
            found = party.match(registry, portfolio, per_request=20)
        except Cut:
            registry.cut = None
            # Another portfolio comes next, or the same again: what was cut off is finished first.
            continue
        asked |= set(portfolio)
        assert names(portfolio, found) == [code for code in portfolio if code in CODES[:50]]
    registry.cut = None
    found = party.match(registry, CODES[:90], per_request=20)
    assert names(CODES[:90], found) == CODES[:50]
    assert registry.used == 90 and set(registry.elements.values()) == {1}
    with party.store(engine) as store:
        assert len(store) == 90 and store.pending_requests() == []


def test_tags_are_those_that_the_bureau_derives_and_engines_agree_on_the_match(tmp_path: Path) -> None:
    from protocols.matching.bureau import derive_tags_and_marks, evaluate_register

    found = {}
    for engine in ENGINES:
        party, registry = Party(tmp_path / engine), Registry(CODES[:120], engine)
        found[engine] = party.match(registry, CODES[100:200])
        values = evaluate_register(engine, registry.key(CONTRACT, "match"), CODES[100:120])
        assert np.array_equal(
            found[engine].intersection.tags, derive_tags_and_marks(CONTRACT, CODES[100:120], values)[:, :16]
        )
    assert len({tuple(one.intersection.indices.tolist()) for one in found.values()}) == 1


def test_nothing_one_all_and_an_empty_register(party: Party) -> None:
    registry = Registry(CODES[:30])
    for portfolio in ([], CODES[:1], CODES[:30], CODES[30:60]):
        found = party.match(registry, portfolio)
        assert names(portfolio, found) == [code for code in portfolio if code in CODES[:30]]
    registry.update([])
    assert names(CODES, party.match(registry, CODES)) == []


def test_what_was_matched_is_looked_up_anew_in_the_next_register_and_not_sent_again(party: Party) -> None:
    registry = Registry(CODES[:300])
    assert len(party.match(registry, CODES).intersection.indices) == 300
    first = {path.name for path in (party.home.setups / CONTRACT).iterdir()}
    registry.update([*CODES[10:300], CODES[333]])
    registry.calls.clear()
    found = party.match(registry, CODES, job="job-2")
    assert names(CODES, found) == [*CODES[10:300], CODES[333]] and found.identifiers_sent == 0
    assert registry.calls == ["setup", "delta"]
    # The older set-up is gone.
    assert {path.name for path in (party.home.setups / CONTRACT).iterdir()} & first == {"lock"}
    assert registry.used == 400


def test_a_refusal_leaves_nothing_in_the_way_but_what_was_stopped_is_finished(party: Party) -> None:
    registry = Registry(CODES, ceiling=50)
    with pytest.raises(NotAllowed, match="ceiling"):
        party.match(registry, CODES[:60])
    assert len(party.match(registry, CODES[100:140]).intersection.indices) == 40
    # Cut off after the charge, and stopped before it is sent again: kept until the contract is resumed.
    registry.ceiling = 100
    registry.cut = (len(registry.calls) + 2, True)
    with pytest.raises(Cut):
        party.match(registry, CODES[:60])
    registry.cut, registry.state = None, "stopped"
    with pytest.raises(NotAllowed, match="stopped"):
        party.match(registry, CODES[200:203])
    registry.state = "open"
    with pytest.raises(NotAllowed, match="ceiling"):
        party.match(registry, CODES[200:203])
    assert registry.used == 100 and party.match(registry, CODES[:60]).identifiers_sent == 0


def test_what_waited_behind_a_refused_request_has_not_left_and_does_not_stay(party: Party) -> None:
    registry = Registry(CODES, ceiling=20)
    with pytest.raises(NotAllowed, match="ceiling"):
        party.match(registry, CODES[:80], per_request=20)
    with party.store() as store:
        assert store.pending_requests() == [] and len(store) == registry.used == 20
    assert registry.calls.count("match") == 2


def test_the_next_chunk_is_blinded_while_the_bureau_has_one(party: Party, monkeypatch) -> None:
    registry, blinded, release = Registry(CODES), [], threading.Event()
    blinding, answer = party.keys.__class__.blinding, registry.match

    def blind(keys, engine, contract, epoch, codes, **more):
        blinded.append(len(codes))
        if len(blinded) == 2:
            release.set()  # the second request is being made; until then the first is not answered
        return blinding(keys, engine, contract, epoch, codes, **more)

    def match_when_released(contract: str, job: str, frame: bytes) -> tuple[bytes, dict]:
        assert release.wait(30), "the second chunk waited for the answer to the first"
        return answer(contract, job, frame)

    monkeypatch.setattr(party.keys.__class__, "blinding", blind)
    monkeypatch.setattr(registry, "match", match_when_released)
    assert len(party.match(registry, CODES[:45], per_request=20).intersection.indices) == 45
    assert blinded == [15, 15, 15]


def test_a_request_larger_than_an_amendment_allows_is_not_sent_again(party: Party) -> None:
    registry = Registry(CODES)
    registry.cut = (3, True)
    with pytest.raises(Cut):
        party.match(registry, CODES[:60])
    assert registry.calls[-1] == "match"
    registry.cut = None
    assert len(party.match(registry, CODES[:60], per_request=10).intersection.indices) == 60
    assert max(list(registry.charged.values())[1:]) <= 10


def test_a_response_that_does_not_fit_is_refused_and_asked_for_again(party: Party, monkeypatch) -> None:
    registry = Registry(CODES)
    answer = registry._answer
    monkeypatch.setattr(
        registry, "_answer", lambda contract, frame, counted: answer(contract, frame, counted=counted)[:-1]
    )
    with pytest.raises(InvalidInput, match="does not fit"):
        party.match(registry, CODES[:10])
    monkeypatch.undo()
    assert len(party.match(registry, CODES[:20]).intersection.indices) == 20 and registry.used == 20


class Watcher:
    """Notes the stages."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.done: dict[str, int] = {}

    @contextmanager
    def stage(self, name: str, total: int):
        self.stages.append((name, total))
        yield _Noted(self, name)


class _Noted:
    def __init__(self, watcher: Watcher, name: str) -> None:
        self.watcher, self.name = watcher, name

    def advance(self, units: int = 1) -> None:
        self.watcher.done[self.name] = self.watcher.done.get(self.name, 0) + units


def test_a_busy_bureau_is_waited_for_and_it_is_said(party: Party, monkeypatch) -> None:
    from lab.cli.terminal.output import STAGE_LABELS

    registry, watcher = Registry(CODES), Watcher()
    registry.busy = 3
    assert len(party.match(registry, CODES[:10], progress=watcher).intersection.indices) == 10
    assert [name for name, _ in watcher.stages] == ["wait", "setup", "match", "look-up"]
    assert watcher.done == {"wait": 1, "setup": 5, "match": 10, "look-up": 5}
    assert all(name in STAGE_LABELS for name, _ in watcher.stages)
    monkeypatch.setattr(registry, "retry_policy", type(registry.retry_policy)(longest_wait=0.001, busy_timeout=0.05))
    registry.busy = 10**9
    with pytest.raises(Unreachable, match="evaluating"):
        party.match(registry, CODES[:10])


def test_several_processes_find_the_same(party: Party, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(matcher, "MIN_IDENTIFIERS_FOR_POOL", 10)
    portfolio = [f"firm-{number:05d}" for number in range(5000)]
    registry = Registry(portfolio[::2])
    found = party.match(registry, portfolio, processes=2)
    assert names(portfolio, found) == portfolio[::2]
    counted = party.count(registry, portfolio, processes=2)
    assert counted.matched == 2500


@pytest.mark.parametrize("engine", ENGINES)
def test_a_count_is_the_size_of_the_intersection_and_nothing_is_kept_of_it(tmp_path: Path, engine: str) -> None:
    party, registry = Party(tmp_path), Registry(CODES[:150], engine)
    for portfolio, per_request in ((CODES[100:250], 50_000), (CODES[100:350], 200), (CODES[:150], 150)):
        counted = party.count(registry, portfolio, per_request=per_request)
        assert (counted.asked, counted.matched) == (len(portfolio), len(set(portfolio) & set(CODES[:150])))
        assert counted.setup.for_counting
    assert not party.home.evaluations.exists() and not party.home.setups.exists()
    left = [path.name for path in party.home.matches.rglob("*") if path.is_file()]
    assert left == ["lock"]


def test_an_interrupted_count_is_charged_once(party: Party) -> None:
    registry = Registry(CODES[:150])
    for cut in (2, 2, 3, 4):  # the set-up is held from the second time on
        registry.calls.clear()
        registry.cut = (cut, True)
        with pytest.raises(Cut):
            party.count(registry, CODES, per_request=150)
    registry.cut = None
    assert party.count(registry, CODES, per_request=150).matched == 150
    assert registry.used == 400


def test_too_few_are_not_counted() -> None:
    for total in (0, 1, 99):
        with pytest.raises(InvalidInput, match="at least 100"):
            split_count_requests(total, 50_000)
    for total, most in ((150, 100 + MIN_CANARIES), (1000, 99 + MIN_CANARIES), (100, MIN_CANARIES), (100, 1)):
        with pytest.raises(NotAllowed, match="identifiers_per_match"):
            split_count_requests(total, most)
    assert split_count_requests(100, 100 + MIN_CANARIES) == [100] and split_count_requests(401, 200 + MIN_CANARIES) == [
        134,
        134,
        133,
    ]


@given(total=st.integers(100, 10**6), most=st.integers(200 + MIN_CANARIES, 50_000))
def test_parts_add_up_and_none_is_too_small_or_too_large(total: int, most: int) -> None:
    parts = split_count_requests(total, most)
    assert sum(parts) == total and min(parts) >= 100
    assert all(part + canary_count(part) <= most for part in parts)


MILLION = """
import json, resource, sys
from multiprocessing.connection import Client
from pathlib import Path
from tests.unit.lab.bank.matching.test_matcher import Party
from tests.support.protocol_bureau import Remote
with Client(sys.argv[1], authkey=b"test") as connection:
    party = Party(Path(sys.argv[2]))
    codes = tuple(f"firm-{number:013d}" for number in range(0, 2_000_000, 2))
    found = party.match(Remote(connection), codes, processes=2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(json.dumps([len(found.intersection.indices), found.identifiers_sent, peak, workers, found.seconds]))
"""


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_million_identifiers_are_matched_in_bounded_memory(tmp_path: Path) -> None:
    registry = Registry(f"firm-{number:013d}" for number in range(0, 300_000, 3))
    address = str(tmp_path / "socket")
    with Listener(address, authkey=b"test") as listener:
        command = [sys.executable, "-c", MILLION, address, str(tmp_path / "bank")]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            serve(registry, listener)
            matched, sent, peak, workers, seconds = json.loads(child.communicate()[0])
    assert (matched, sent, registry.used) == (50_000, 1_000_000, 1_000_000)
    assert peak < 512 * 2**20 and workers < 256 * 2**20, (peak, workers, seconds)
    assert len([call for call in registry.calls if call == "match"]) == 21
