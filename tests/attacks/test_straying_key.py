"""A bureau that answers some elements of a request under another key than the one it published.

Who: the bureau. What it wants: to tell a bank's clients apart by the key that their tags were made under (a stretch, a
class, or a single client), or to make chosen ones fail to match, unnoticed. What stops it: m canaries hidden among the
t elements of a request. Straying on k elements is unnoticed with the chance C(t - k, m) / C(t, m) and no better, since
a canary is as uniform as a blinded identifier; once noticed, nothing of the answer is kept and nothing more is sent,
in whichever key epoch the bureau says that it is now, and by whichever process of the bank; so it can't be tried again
until it works. What is no answer at all says nothing of where the canaries are.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.bank.matching.evaluation_store import EvaluationStore
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.key_pins import MatchingKeyPins
from lab.bank.matching.matcher import MatchingParameters, intersect_identifiers
from lab.terms.errors import InvalidInput, NotAuthentic
from protocols.matching import bank, bureau
from protocols.matching.messages import read_elements
from protocols.matching.request_composition import canary_positions, undetected_probability
from protocols.wire.frame import FrameKind, MalformedFrame
from tests.attacks.test_many_keys_read_the_spread import unchecked
from tests.support import protocol_bureau
from tests.support.protocol_bureau import CONTRACT, Registry
from tests.unit.lab.bank.matching.test_matcher import CODES, Party

pytestmark = [
    pytest.mark.threat(
        "Another key for some identifiers",
        who="the bureau",
        wants="to answer some identifiers under another key, unnoticed",
        stopped_by={
            "canaries": (
                "Each request has at least 64 canaries, and at least one in a hundred. The public key is stated, "
                "signed and kept by the bank."
            ),
        },
        shipped="on; the chance of being caught is in [protocols/matching](../../protocols/matching/README.md)",
        code=["protocols.matching.bank", "lab.bank.matching.key_pins"],
    ),
    pytest.mark.threat(
        "Second try after being caught",
        who="the bureau",
        wants=(
            "to try again after wrong canaries, by announcing a new key epoch or through another process of the bank"
        ),
        stopped_by={
            "lasting note": "The bank's note of wrong canaries applies to every key epoch; only a person removes it.",
            "look before each request": "The bank looks for the note before each request.",
        },
        code=["lab.bank.matching.key_pins"],
    ),
    pytest.mark.threat(
        "Canaries found by invalid answers",
        who="the bureau",
        wants="to learn where the canaries are, by returning something that is not a group element in one place",
        stopped_by={
            "all answers first": "All elements of a response are validated before canaries are compared.",
        },
        code=["protocols.matching.bank"],
    ),
]

each_engine = pytest.mark.parametrize("engine", bank.ENGINES)


class Straying(Registry):
    """Answers the elements at some places under a key of its own."""

    strayed: tuple[int, ...] = ()

    def evaluate(self, key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        answers = super().evaluate(key, blinded).copy()
        other = bureau.derive_contract_key(self.secret, self.engine, "another", "match")
        places = [place for place in self.strayed if place < len(blinded)]
        answers[places] = super().evaluate(other, blinded[places])
        return answers


@pytest.mark.without_control("canaries")
@each_engine
def test_without_a_look_at_the_canaries_it_goes_unnoticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(bank.Blinding, "_identifier_positions", unchecked)
    hostile = Straying(CODES, engine)
    hostile.strayed = tuple(range(200))
    found = Party(tmp_path).match(hostile, CODES)
    assert (
        0 < len(found.intersection.indices) < len(CODES)
    )  # some clients are lost, chosen by the bureau; the bank sees a match


@pytest.mark.with_control("canaries")
@each_engine
@pytest.mark.parametrize("counting", [False, True])
def test_it_is_caught_and_nothing_is_kept_or_sent_again(tmp_path: Path, engine: str, counting: bool) -> None:
    party, hostile = Party(tmp_path), Straying(CODES, engine)
    hostile.strayed = tuple(range(200))
    ask = party.count if counting else party.match
    with pytest.raises(NotAuthentic, match="canaries were not answered under the published key") as caught:
        ask(hostile, CODES)
    assert "nothing more is sent" in (caught.value.next_step or "")
    if not counting:
        with party.store(engine) as store:
            assert len(store) == 0
    (kept,) = party.home.matching_keys.glob("*.strayed.json")
    assert set(json.loads(kept.read_text())) == {"found", "request_sha256", "at"}
    # An honest answer now would tell the bureau that what it strayed on before held a canary: nothing is sent.
    hostile.strayed = ()
    hostile.calls.clear()
    with pytest.raises(NotAuthentic, match="before"):
        ask(hostile, CODES)
    assert hostile.calls == ["setup"]


class NoPoint(Registry):
    """Answers one place by a point of the twist, and looks at how the bank takes it."""

    place = 0

    def evaluate(self, key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        answers = super().evaluate(key, blinded).copy()
        answers[self.place] = np.frombuffer((2).to_bytes(32, "little"), dtype=np.uint8)
        return answers


def taken(folder: Path, places: range) -> set[str]:
    """How banks take such an answer, over some places: by the errors, of which one lets them ask again.

    As many identifiers as canaries: each place holds one or the other with a chance of a half.
    """
    found = set()
    for place in places:
        hostile = NoPoint(CODES)
        hostile.place = place
        with pytest.raises((InvalidInput, NotAuthentic)) as caught:
            Party(folder / str(place)).match(hostile, CODES[: bank.MIN_CANARIES])
        found.add(type(caught.value).__name__)
    return found


@pytest.mark.without_control("all answers first")
def test_where_canaries_are_looked_at_first_the_failure_tells_which_place_holds_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finalize(self, response, count, public_key, pool=None, *, counting=False):
        evaluated = read_elements(response, FrameKind.MATCH_RESPONSE, "x25519", 32)
        evaluated = evaluated[self._identifier_positions(evaluated, count, public_key, counting)]
        try:
            return self._half.unblind(self._unblinding, evaluated)
        except ValueError as error:
            raise MalformedFrame(str(error)) from None

    monkeypatch.setattr(bank.Blinding, "finalize", finalize)
    # Each bank has an order of its own: 24 places are all of one kind with a probability of 2^-23.
    assert taken(tmp_path, range(24)) == {"InvalidInput", "NotAuthentic"}


@pytest.mark.with_control("all answers first")
def test_what_is_no_answer_is_taken_alike_at_every_place(tmp_path: Path) -> None:
    assert taken(tmp_path, range(24)) == {"InvalidInput"}


class Later(Straying):
    """The same bureau in another key epoch, which is its own to say."""

    epoch = 2

    def matching_setup(self, contract: str, job: str, *, counting: bool = False) -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(protocol_bureau, "EPOCH", self.epoch)
            return super().matching_setup(contract, job, counting=counting)


def try_again(folder: Path) -> int:
    """A bureau that was caught says that there is a new key epoch; identifiers that it gets to see then."""
    party, hostile = Party(folder), Straying(CODES)
    hostile.strayed = tuple(range(200))
    with pytest.raises(NotAuthentic, match="canaries"):
        party.match(hostile, CODES)
    again = Later(CODES)
    again.signing, again.public_key = hostile.signing, hostile.public_key
    ask = MatchingParameters(again.engine, again.epoch, 50_000, again.public_key, processes=1)
    with suppress(NotAuthentic):
        intersect_identifiers(party.home, party.keys, MatchingJobClient(again, CONTRACT, "job-2"), ask, CODES)
    return again.used


@pytest.mark.without_control("lasting note")
def test_where_a_new_epoch_forgives_the_bureau_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_this_epoch(self: MatchingKeyPins, setup: bank.SetupManifest) -> None:
        if self._path(setup, "strayed").exists():
            raise self._stop(setup, "answered under another key before")

    monkeypatch.setattr(MatchingKeyPins, "check_no_canary_failure", of_this_epoch)
    assert try_again(tmp_path) == len(CODES)


@pytest.mark.with_control("lasting note")
def test_a_new_epoch_forgives_nothing(tmp_path: Path) -> None:
    assert try_again(tmp_path) == 0


def wait_for_another(folder: Path) -> list[str]:
    """A process of the bank has looked at the set-up and waits its turn, while another finds the bureau out; what the
    bureau is asked then."""
    party, hostile = Party(folder), Straying(CODES)
    hostile.strayed = tuple(range(200))
    real = EvaluationStore.exclusive

    @contextmanager
    def alone(self: EvaluationStore, waiting=lambda: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EvaluationStore, "exclusive", real)
            with pytest.raises(NotAuthentic, match="canaries"):
                party.match(hostile, CODES)
            hostile.strayed = ()
            hostile.calls.clear()
            with real(self, waiting):
                yield

    with pytest.MonkeyPatch.context() as patch, suppress(NotAuthentic):
        patch.setattr(EvaluationStore, "exclusive", alone)
        party.match(hostile, CODES, job="job-2")
    return hostile.calls


@pytest.mark.without_control("look before each request")
def test_without_a_look_before_each_request_the_one_that_waited_sends_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MatchingKeyPins.check_no_canary_failure

    def at_the_set_up_alone(self: MatchingKeyPins, setup: bank.SetupManifest) -> None:
        if sys._getframe(1).f_code.co_name == "check":
            real(self, setup)

    monkeypatch.setattr(MatchingKeyPins, "check_no_canary_failure", at_the_set_up_alone)
    assert "match" in wait_for_another(tmp_path)


@pytest.mark.with_control("look before each request")
def test_the_one_that_waited_sends_nothing(tmp_path: Path) -> None:
    assert wait_for_another(tmp_path) == []


@pytest.mark.with_control("canaries")
def test_another_public_key_for_the_same_epoch_stops_the_bank_with_both_statements(tmp_path: Path) -> None:
    """Instead of straying from a key it can publish another one; then it has signed both."""
    party, hostile = Party(tmp_path), Registry(CODES)
    party.match(hostile, CODES[:10])
    hostile.secret = bureau.generate_key(hostile.engine)
    with pytest.raises(NotAuthentic, match="another matching key") as caught:
        party.match(hostile, CODES)
    assert "auditor" in (caught.value.next_step or "") and hostile.used == 10
    shown = [json.loads(path.read_text()) for path in sorted(party.home.matching_keys.glob("*key.json"))]
    assert len(shown) == 2 and shown[0]["bureau"] == shown[1]["bureau"] == hostile.public_key
    assert shown[0]["statement"]["public_key"] != shown[1]["statement"]["public_key"]


@pytest.mark.with_control("canaries")
def test_a_statement_that_the_bureau_did_not_sign_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    party, hostile = Party(tmp_path), Registry(CODES)
    stated = hostile.stated

    def altered(contract: str, operation: bureau.MatchingOperation) -> bureau.SignedMatchingKey:
        good = stated(contract, operation)
        return bureau.SignedMatchingKey(good.public_key, good.register_entries + 1, good.signature)

    monkeypatch.setattr(hostile, "stated", altered)
    with pytest.raises(NotAuthentic, match="statement of its matching key"):
        party.match(hostile, CODES)
    assert not list(party.home.matching_keys.glob("*")) if party.home.matching_keys.exists() else True


@pytest.mark.parametrize(
    "public_key", [bytes(32), (1).to_bytes(32, "little"), b"\xff" * 32, (2).to_bytes(32, "little")]
)
def test_a_public_key_that_takes_every_answer_is_refused(public_key: bytes) -> None:
    """Zero, small order, not canonical, or on the twist: against such a P wrong answers might pass for right ones."""
    with pytest.raises(ValueError):
        bank.check_public_key("x25519", public_key)


def test_a_false_number_of_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks beyond those that the manifest admits would raise the rate of false positives that the bank reckons by."""
    real, party, hostile = bureau.pack_setup, Party(tmp_path), Registry(CODES)

    def fewer(contents: bureau.SetupContents) -> bytes:
        return real(replace(contents, entries=contents.entries - 7))

    monkeypatch.setattr(bureau, "pack_setup", fewer)
    with pytest.raises(InvalidInput, match="393 entries; the buckets have 400"):
        party.match(hostile, CODES)
    assert "match" not in hostile.calls


@pytest.mark.with_control("canaries")
@pytest.mark.parametrize("strayed", [1, 3, 8, 20, 50])
def test_it_is_caught_as_often_as_the_formula_says(strayed: int) -> None:
    """Over many requests for 100 identifiers, by their canaries' places; the bureau strays where it likes best."""
    tries, elements = 4_000, 164
    stray, missed = set(range(strayed)), 0
    for number in range(tries):
        places = set(canary_positions(number.to_bytes(32, "big"), 100).tolist())
        assert len(places) == 64
        missed += not places & stray
    chance = comb(elements - strayed, 64) / comb(elements, 64)
    assert undetected_probability(elements, 64, strayed) == pytest.approx(chance)
    assert abs(missed / tries - chance) < 5 * (chance * (1 - chance) / tries) ** 0.5 + 1e-3


def test_it_is_caught_end_to_end_as_often_as_the_formula_says() -> None:
    key, other = (bureau.generate_key("x25519") for _ in range(2))
    public, names, tries, strayed, caught = (
        bureau.compute_public_key("x25519", key),
        [f"n{i}" for i in range(40)],
        120,
        2,
        0,
    )
    for _ in range(tries):
        blinding = bank.Blinding("x25519", os.urandom(32))
        elements = bureau.read_request("x25519", blinding.build_request(names), ceiling=200)
        answers = bureau.evaluate_elements("x25519", key, elements).copy()
        answers[:strayed] = bureau.evaluate_elements("x25519", other, elements[:strayed])
        try:
            blinding.finalize(bureau.pack_response("x25519", answers), len(names), public)
        except bank.CanaryMismatch:
            caught += 1
    chance = 1 - undetected_probability(104, 64, strayed)
    # Six standard deviations; of 120 tries more are missed, or fewer, with a probability of 6e-8.
    assert abs(caught / tries - chance) < 6 * (chance * (1 - chance) / tries) ** 0.5


def test_canaries_can_be_told_from_identifiers_by_nothing_in_their_bytes() -> None:
    """Both are uniform: over many requests, what a classifier by any single bit would gain is within chance."""
    canaries, others = [], []
    for _ in range(40):
        seed = os.urandom(32)
        elements = bureau.read_request("x25519", bank.Blinding("x25519", seed).build_request(CODES[:64]), ceiling=200)
        places = canary_positions(seed, 64)
        canaries.append(elements[places])
        others.append(np.delete(elements, places, axis=0))
    bits = [np.unpackbits(np.concatenate(rows), axis=1).mean(axis=0) for rows in (canaries, others)]
    free = bits[0] > 0  # the top bit of a u-coordinate is zero
    assert free.sum() == 255 and ((bits[1] > 0) == free).all()
    # 2,560 of each: a bit's share differs by 0.014 (one sigma); any of 255 bits by 6.5 with a probability of 2e-8.
    assert np.abs(bits[0] - bits[1])[free].max() < 6.5 * (0.5 / 2560) ** 0.5


def test_a_request_is_the_same_bytes_again_with_the_same_canaries(tmp_path: Path) -> None:
    """An interrupted request shows its canaries to nobody by being sent again."""
    party = Party(tmp_path)
    one, again = (party.keys.blinding("x25519", CONTRACT, 1, CODES[:70]).build_request(CODES[:70]) for _ in range(2))
    assert one == again
