"""A bank that uses what was evaluated under one contract to match under another, beyond that one's ceilings.

Who: a bank with two contracts (or two that pool theirs): under the first it may ask much and score nothing, under the
second it may score and ask little; or the second requires consent. What it wants: tags and marks under the second
contract of everything that it had evaluated under the first, for nothing. What stops it: the key of each contract is
its own, derived from the epoch's secret (``protocols.matching.key_derivation``), so that a value says nothing under
another.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.bank.matching.evaluation_store import open_evaluation_store
from lab.terms.contract.document import ConsentClause
from protocols.matching import bank, bureau
from protocols.matching.key_derivation import derive_contract_key
from tests.support.bank_matching import places
from tests.support.bureau_fixtures import model, open_scene, scene, tables
from tests.support.bureau_scene import Scene
from tests.support.protocol_bureau import CONTRACT, EPOCH, JOB, Registry
from tests.unit.lab.bank.matching.test_matcher import CODES, Party

pytestmark = pytest.mark.threat(
    "Evaluations used under another contract",
    who="a bank",
    wants="to match under one contract with what was evaluated under another",
    stopped_by={
        "contract keys": "Each contract and operation has a matching key of its own.",
    },
    code=["protocols.matching.key_derivation", "lab.bureau.key_management.keys"],
)

__all__ = ["model", "open_scene", "scene", "tables"]
OTHER = "c-0002"


class OneKey(Registry):
    """The former derivation: one key an epoch for all contracts."""

    def key(self, contract: str, operation: bureau.MatchingOperation) -> bytes:
        return super().key("all", "match")


def carried_over(party: Party, registry: Registry) -> set[str]:
    """Codes that the bank finds in the other contract's set-up by values that it had under its own."""
    party.match(registry, CODES)
    with open_evaluation_store(party.home.evaluations, CONTRACT, EPOCH, registry.engine) as store:
        values, held = store.look_up(CODES)
    assert held.all()
    asked = len(registry.calls)
    setup, inside = places(registry, OTHER, JOB)
    found = looked_up(setup, inside, bank.derive_tags_and_marks(OTHER, CODES, values))
    assert "match" not in registry.calls[asked:]
    return {CODES[index] for index in found}


def looked_up(setup: bank.SetupManifest, inside: list[set[int]], digests: NDArray[np.uint8]) -> list[int]:
    buckets, found = bank.locate_marks(setup.geometry, digests[:, bank.TAG_BYTES :])
    at = zip(buckets.tolist(), found.tolist(), strict=True)
    return [index for index, (bucket, place) in enumerate(at) if place in inside[bucket]]


@pytest.mark.without_control("contract keys")
@pytest.mark.parametrize("engine", bank.ENGINES)
def test_with_one_key_evaluations_of_one_contract_match_under_another(tmp_path: Path, engine: str) -> None:
    assert carried_over(Party(tmp_path), OneKey(CODES[:150], engine)) == set(CODES[:150])


@pytest.mark.with_control("contract keys")
@pytest.mark.parametrize("engine", bank.ENGINES)
def test_evaluations_of_one_contract_match_nothing_under_another(tmp_path: Path, engine: str) -> None:
    assert carried_over(Party(tmp_path), Registry(CODES[:150], engine)) == set()


@pytest.mark.with_control("contract keys")
def test_keys_of_contracts_operations_and_engines_have_nothing_in_common() -> None:
    secret = bytes(range(32))
    about = [(contract, operation) for contract in (CONTRACT, OTHER, "c-00") for operation in ("match", "count")]
    keys = {derive_contract_key(secret, engine, *one) for engine in bank.ENGINES for one in about}  # type: ignore[arg-type]
    assert len(keys) == 2 * len(about)


def values_of(
    scene: Scene, contract: str, codes: list[str], operation: bureau.MatchingOperation = "match"
) -> NDArray[np.uint8]:
    """What a bank has after it asked for these codes: the bureau's own key is used in its place."""
    about = ("x25519", 1, contract, operation)
    return scene.bureau.keys.with_matching_key(*about, lambda key: bureau.evaluate_register("x25519", key, codes))


@pytest.mark.with_control("contract keys")
def test_a_whole_bureau_gives_nothing_under_a_contract_for_what_it_evaluated_under_another(scene: Scene) -> None:
    """Also where the other requires consent: those who did not consent can't be looked up by the first one's values."""
    free, bound = scene.contract(), scene.contract(consent=ConsentClause(required=True, why="it is to decide"))
    other = scene.contract()
    codes = scene.tables.codes
    for contract in (free, other, bound):
        scene.bank.open_job(scene.bureau, contract)
    values = values_of(scene, free, codes)
    found = {}
    for contract in (free, other):
        setup, inside = places(scene.bureau, contract, "job-1")
        found[contract] = looked_up(setup, inside, bank.derive_tags_and_marks(contract, codes, values))
    assert len(found[free]) == len(codes) and found[other] == []
    setup, inside = places(scene.bureau, bound, "job-1")
    assert setup.entries == 0 and looked_up(setup, inside, bank.derive_tags_and_marks(bound, codes, values)) == []
