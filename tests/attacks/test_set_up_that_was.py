"""A bank fetches marks that are no longer in force, or are another contract's.

An enterprise has withdrawn its consent. The bank holds its value from before, and wants to know whether the
enterprise still stands there, by fetching the set-up of before by its name; or it fetches, under a contract that
requires consent, the set-up of a contract that does not. What stops it: a name is served only if it is the present
set-up of the very contract that asks.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bureau.exchange.matching.index import MANIFEST_FILE, ContractIndex, open_index
from lab.bureau.exchange.matching.index_store import ContractIndexes
from lab.bureau.exchange.matching.match_requests import MatchingService
from lab.terms.errors import NotFound
from protocols.matching import bank
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.test_access import CONSENT, give

pytestmark = pytest.mark.threat(
    "Set-ups out of force",
    who="a bank",
    wants="to fetch marks that are no longer in force, or that belong to another contract",
    stopped_by={
        "present set-up": (
            "A contract is served its present set-up only, made for its register version and the present consents."
        ),
        "own contract": "A set-up is served under its own contract only.",
    },
    code=["lab.bureau.exchange.matching.index_store"],
)

GONE = 4


def manifest(scene: Scene, contract: str) -> bank.SetupManifest:
    scene.bank.open_job(scene.bureau, contract)
    return bank.read_setup(scene.bureau.matching.setup(contract, "job-1"))


def is_there(scene: Scene, contract: str, setup: bank.SetupManifest, digest) -> bool:
    """Whether a value stands in a set-up, bucket by bucket as the bureau hands them out under ``contract``."""
    bucket, place = (int(one[0]) for one in bank.locate_marks(setup.geometry, digest[:, bank.TAG_BYTES :]))
    shard = scene.bureau.matching.shard(contract, "job-1", setup.sha256, bucket, 1)
    (coded,) = bank.read_shard(shard, setup, bucket, 1)
    return place in bank.decode_bucket(coded, setup.geometry).tolist()


def look_after_the_withdrawal(scene: Scene) -> bool:
    contract, codes = scene.contract(consent=CONSENT), scene.tables.codes
    give(scene, range(GONE + 1))
    matched = scene.bank.match(scene.bureau, contract, codes[: GONE + 1])
    before = manifest(scene, contract)
    scene.bureau.consents.withdraw([codes[GONE]], reason="by letter", by="person:steward", id_kind="opaque")
    return is_there(scene, contract, before, matched.digests[[GONE]])


def look_under_another_contract(scene: Scene) -> bool:
    """One agreed; another firm did not, whose value under the open contract the bank has."""
    narrow, wide = scene.contract(consent=CONSENT), scene.contract()
    give(scene, range(2))
    matched = scene.bank.match(scene.bureau, wide, scene.tables.codes[:9])
    of_wide = manifest(scene, wide)
    manifest(scene, narrow)
    scene.revoke(wide)
    return is_there(scene, narrow, of_wide, matched.digests[[8]])


@pytest.fixture
def any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set-ups by their name alone, as a store of files would give them."""

    def find(indexes: ContractIndexes, sha256: str) -> ContractIndex:
        folders: list[Path] = [path.parent for path in indexes._home.path("evaluated").rglob(MANIFEST_FILE)]
        found = [index for index in map(open_index, folders) if index is not None and index.setup.sha256 == sha256]
        return found[0]

    def by_name(room: MatchingService, contract: str, job: str, sha256: str) -> tuple[None, ContractIndex]:
        return None, find(room._indexes, sha256)

    def read(indexes: ContractIndexes, _: None, sha256: str, first: int, count: int) -> list[bytes]:
        return find(indexes, sha256).buckets(first, count)

    monkeypatch.setattr(MatchingService, "_find_index", by_name)
    monkeypatch.setattr(ContractIndexes, "read_buckets", read)


@pytest.mark.without_control("present set-up")
@pytest.mark.usefixtures("any_name")
def test_without_the_contract_a_withdrawn_enterprise_is_seen(scene: Scene) -> None:
    assert look_after_the_withdrawal(scene)


@pytest.mark.without_control("own contract")
@pytest.mark.usefixtures("any_name")
def test_without_the_contract_another_contracts_marks_are_fetched(scene: Scene) -> None:
    assert look_under_another_contract(scene)


@pytest.mark.with_control("present set-up")
def test_a_set_up_that_was_is_not_there(scene: Scene) -> None:
    with pytest.raises(NotFound):
        look_after_the_withdrawal(scene)


@pytest.mark.with_control("own contract")
def test_another_contracts_set_up_is_not_there(scene: Scene) -> None:
    with pytest.raises(NotFound):
        look_under_another_contract(scene)
