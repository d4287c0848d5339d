"""A bank that may count repeats its blinded elements, each a number of times of its own, to see which of them match.

The answers to a count come sorted, so that nobody knows whose is whose. An element that stands in the request three
times stands in the answer three times, and betrays itself. What stops it: a request may hold an element once.
(Blinding each identifier under a key of its own betrays the order as well; see `docs/security/not-prevented.md`.)
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from lab.terms.contract.document import Operation, ResultDetail
from lab.terms.errors import InvalidInput
from protocols.matching import bank
from protocols.matching.engines.x25519 import bank as x25519
from protocols.matching.messages import pack_elements, read_elements
from protocols.wire.frame import FrameKind
from tests.support.bank_matching import ENGINE
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Repeats in a count",
    who="a bank",
    wants=(
        "to learn which of its clients match, under a contract that allows a count alone, by repeating each "
        "element a different number of times"
    ),
    stopped_by={
        "no repeats": "A request holds each element once.",
    },
    code=["protocols.matching.engines"],
)

ASKED = 18


def read_who_matches(scene: Scene) -> list[str]:
    """Which of eighteen identifiers the register holds, under a contract that allows a count alone."""
    contract = scene.contract(detail=ResultDetail.TOTAL)
    scene.amend(contract, operations=(Operation.COUNT,), items=())
    scene.bank.open_job(scene.bureau, contract)
    codes = [scene.tables.codes[row] if row % 3 else f"stranger-{row:02d}" for row in range(ASKED)]
    key, unblinding = x25519.derive_blinding_keys(bytes(32))
    elements = x25519.blind(key, codes)
    times = np.arange(1, ASKED + 1)
    request = pack_elements(FrameKind.MATCH_REQUEST, ENGINE, np.repeat(elements, times, axis=0))
    answer, _ = scene.bureau.matching.count(contract, "job-1", request)
    evaluated = read_elements(answer, FrameKind.MATCH_RESPONSE, ENGINE, 32)
    value_of = {number: value for value, number in Counter(map(bytes, evaluated)).items()}
    ordered = np.stack([np.frombuffer(value_of[number], dtype=np.uint8) for number in times.tolist()])
    values = x25519.unblind(unblinding, ordered)
    setup = bank.read_setup(scene.bureau.matching.setup(contract, "job-1", counting=True))
    shard = scene.bureau.matching.shard(contract, "job-1", setup.sha256, 0, setup.geometry.buckets)
    coded = bank.read_shard(shard, setup, 0, setup.geometry.buckets)
    held = [set(bank.decode_bucket(one, setup.geometry).tolist()) for one in coded]
    places = zip(*bank.locate_marks(setup.geometry, bank.derive_counting_marks(contract, "job-1", values)), strict=True)
    return [code for code, (bucket, place) in zip(codes, places, strict=True) if int(place) in held[bucket]]


@pytest.mark.without_control("no repeats")
def test_without_the_rule_on_repeats_each_match_is_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.matching.engines.x25519.element_checks.check_distinct", lambda _: None)
    assert read_who_matches(scene) == [scene.tables.codes[row] for row in range(ASKED) if row % 3]


@pytest.mark.with_control("no repeats")
def test_repeats_are_refused(scene: Scene) -> None:
    with pytest.raises(InvalidInput, match="repeated"):
        read_who_matches(scene)
