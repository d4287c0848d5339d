"""A bank that sorts a count's answers back, and uses them elsewhere.

Who: a bank with a counting contract, which is to learn how many of its clients the register holds and not which. It
blinds every code under a scalar of its own, tries all pairs of scalar and answer, and finds for each code the pair
whose mark is in the job's set-up. What it wants: which clients match; and with their values, tags and marks under a
matching contract it has as well, beyond that contract's ceilings.

What stops the second: the key of counting is another one than that of matching, and each contract has its own
(``protocols.matching.key_derivation``). Nothing stops the first: counting is for parties who would rather not know, and
within its contract the ceilings bound what can be learnt. Padding a set of a few clients up to the least count is the
same in kind.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from numpy.typing import NDArray

from protocols.matching import bureau
from protocols.matching.engines.x25519 import bank as x25519
from protocols.matching.messages import derive_counting_marks, derive_tags_and_marks, pack_elements, read_elements
from protocols.wire.frame import FrameKind
from tests.support.protocol_bureau import CONTRACT, JOB, Registry

pytestmark = pytest.mark.threat(
    "Count sorted back",
    who="a bank",
    wants="to sort the answers to a count back to its identifiers and match with them under another contract",
    stopped_by={
        "counting key": (
            "Counting has a key of its own. Within the counting contract, sorting back is [not "
            "prevented](not-prevented.md#counts-can-be-compared)."
        ),
    },
    code=["protocols.matching.key_derivation"],
)

REGISTER = [f"firm-{number:03d}" for number in range(0, 400, 2)]
CLIENTS = [f"firm-{number:03d}" for number in range(100, 270)]
OTHER = "c-0002"


class OneKey(Registry):
    """The former derivation: one key an epoch, for all contracts and for counting."""

    def key(self, contract: str, operation: bureau.MatchingOperation) -> bytes:
        return super().key("all", "match")


def places(registry: Registry, contract: str, counting: bool) -> tuple[bureau.SetupManifest, set[tuple[int, int]]]:
    setup = bureau.read_setup(registry.matching_setup(contract, JOB, counting=counting))
    coded = registry._setups[setup.sha256][1]
    found = {(bucket, place) for bucket, one in enumerate(coded) for place in listed(one, setup)}
    return setup, found


def listed(coded: bytes, setup: bureau.SetupManifest) -> list[int]:
    values: list[int] = bureau.decode_bucket(coded, setup.geometry).tolist()
    return values


def sorted_back(registry: Registry) -> dict[str, NDArray[np.uint8]]:
    """The codes that match, with their values: what the bank makes of one count."""
    setup, held = places(registry, CONTRACT, counting=True)
    pairs = [x25519.derive_blinding_keys(os.urandom(32)) for _ in CLIENTS]
    rows = [x25519.blind(key, [code]) for (key, _), code in zip(pairs, CLIENTS, strict=True)]
    request = pack_elements(FrameKind.MATCH_REQUEST, "x25519", np.concatenate(rows))
    answers = read_elements(registry.count_matches(CONTRACT, JOB, request)[0], FrameKind.MATCH_RESPONSE, "x25519", 32)
    found = {}
    for code, (_, unblinding) in zip(CLIENTS, pairs, strict=True):
        values = x25519.unblind(unblinding, answers)
        buckets, marks = bureau.locate_marks(setup.geometry, derive_counting_marks(CONTRACT, JOB, values))
        hits = [n for n, at in enumerate(zip(buckets.tolist(), marks.tolist(), strict=True)) if at in held]
        if hits:
            found[code] = values[hits[0]]
    return found


def named_under(registry: Registry, contract: str, found: dict[str, NDArray[np.uint8]]) -> set[str]:
    """Which codes the bank finds in a matching contract's set-up by the values of a count, having asked nothing."""
    setup, held = places(registry, contract, counting=False)
    marks = derive_tags_and_marks(contract, list(found), np.stack(list(found.values())))[:, 16:]
    at = zip(*(part.tolist() for part in bureau.locate_marks(setup.geometry, marks)), strict=True)
    return {code for code, place in zip(found, at, strict=True) if place in held}


@pytest.mark.without_control("counting key")
def test_with_one_key_a_count_gives_matches_under_every_contract() -> None:
    registry = OneKey(REGISTER)
    found = sorted_back(registry)
    matching = set(CLIENTS) & set(REGISTER)
    assert set(found) == matching
    for contract in (CONTRACT, OTHER):
        assert named_under(registry, contract, found) == matching


@pytest.mark.with_control("counting key")
def test_a_count_gives_nothing_under_any_matching_contract() -> None:
    registry = Registry(REGISTER)
    found = sorted_back(registry)
    for contract in (CONTRACT, OTHER):
        assert named_under(registry, contract, found) == set()


def test_within_its_contract_a_count_is_sorted_back_still() -> None:
    """Not prevented, and stated: this bank learns which clients match, of as many as the ceiling lets it ask.

    The values are of the counting contract's key, so they name the same clients in its later jobs, and nowhere else.
    """
    registry = Registry(REGISTER)
    found = sorted_back(registry)
    assert set(found) == set(CLIENTS) & set(REGISTER)
    assert registry.used == len(CLIENTS) - 64  # elements were charged, whatever they are


@pytest.mark.parametrize("few", [1, 3])
def test_padding_defeats_the_least_count_still(few: int) -> None:
    """Not prevented, and stated: codes that are known not to be in the register fill a count of one or of three up."""
    registry = Registry(REGISTER)
    setup, held = places(registry, CONTRACT, counting=True)
    codes = [*REGISTER[:few], *(f"nobody-{number:03d}" for number in range(164 - few))]
    key, unblinding = x25519.derive_blinding_keys(os.urandom(32))
    request = pack_elements(FrameKind.MATCH_REQUEST, "x25519", x25519.blind(key, codes))
    answers = read_elements(registry.count_matches(CONTRACT, JOB, request)[0], FrameKind.MATCH_RESPONSE, "x25519", 32)
    marks = derive_counting_marks(CONTRACT, JOB, x25519.unblind(unblinding, answers))
    at = zip(*(part.tolist() for part in bureau.locate_marks(setup.geometry, marks)), strict=True)
    assert sum(place in held for place in at) == few
