"""A bank whose contract ended years ago uses the values of its matches to look enterprises up in set-ups of today.

It has kept F(x) of every identifier it ever asked for. With a new, small contract it fetches a set-up, and wants to
see which of its old list are in the register now, without asking for them and without a charge. What stops it: key
epochs: the values are of a key that is no more.
"""

from __future__ import annotations

import os

import pytest

from lab.bureau.key_management.keys import BureauKeys
from lab.terms.contract.document import Ceilings
from lab.terms.errors import NotAllowed
from protocols.matching import bank
from protocols.matching.bank import MIN_CANARIES, Blinding
from tests.support.bank_matching import ENGINE, places
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.matching.test_key_epochs import rotate

pytestmark = pytest.mark.threat(
    "Former partner",
    who="a bank",
    wants="to look enterprises up with the evaluations of a contract that ended years ago",
    stopped_by={
        "key epochs": (
            "Matching keys belong to an epoch. When it ends, they are destroyed with everything made under them."
        ),
    },
    shipped="one epoch until `lab bureau rotate-keys`",
    code=["lab.bureau.exchange.matching.key_epochs"],
)

LIST = 40


def look_up_the_old_list(scene: Scene) -> int:
    """How many of the old list the bank finds in the register, after new keys, under a contract for one identifier."""
    codes = scene.tables.codes[:LIST]
    old = scene.contract()
    scene.bank.open_job(scene.bureau, old)
    blinding = Blinding(ENGINE, os.urandom(32))
    stated = places(scene.bureau, old, "job-1")[0].signed_key
    values = blinding.finalize(
        scene.bureau.matching.match(old, "job-1", blinding.build_request(codes))[0], LIST, stated.public_key
    )
    scene.bureau.jobs.end(old, "job-1")
    scene.revoke(old)
    rotate(scene.bureau)
    new = scene.contract(ceilings=Ceilings(identifiers=1 + MIN_CANARIES))
    scene.bank.open_job(scene.bureau, new)
    setup, held = places(scene.bureau, new, "job-1")
    digests = bank.derive_tags_and_marks(new, codes, values)
    found = zip(*bank.locate_marks(setup.geometry, digests[:, bank.TAG_BYTES :]), strict=True)
    return sum(int(place) in held[bucket] for bucket, place in found)


@pytest.mark.without_control("key epochs")
def test_without_new_keys_the_old_list_is_looked_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key for every epoch and every contract."""
    lend = BureauKeys.with_matching_key
    monkeypatch.setattr(
        BureauKeys,
        "with_matching_key",
        lambda keys, engine, epoch, contract, operation, use: lend(keys, engine, 1, "every-contract", operation, use),
    )
    assert look_up_the_old_list(scene) == LIST


@pytest.mark.with_control("key epochs")
def test_the_old_values_are_nobodys(scene: Scene) -> None:
    assert look_up_the_old_list(scene) == 0
    scene.bureau.sweep()
    with pytest.raises(NotAllowed, match="destroyed"):
        scene.bureau.keys.with_matching_key(ENGINE, 1, "c-0001", "match", bytes)
