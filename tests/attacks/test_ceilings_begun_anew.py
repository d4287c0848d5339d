"""A bank waits for new matching keys, to have its ceilings begin anew.

Under the new keys every enterprise has another tag, so a count by tag would start at nothing, and two scores would be
had where the contract allows one. What stops it: enterprises are counted under a pseudonym that outlives the matching
keys.
"""

from __future__ import annotations

import pytest

from lab.bureau.exchange.scoring.dropped_rows import ChargedEnterprises
from lab.terms.contract.document import Ceilings
from lab.terms.errors import NotAllowed
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.matching.test_key_epochs import rotate, score

pytestmark = pytest.mark.threat(
    "Ceilings counted from zero",
    who="a bank",
    wants="to have its ceilings start at zero again when matching keys change",
    stopped_by={
        "lasting pseudonyms": "Ceilings count pseudonyms, which outlive the matching keys.",
    },
    code=["lab.bureau.exchange.charges", "lab.bureau.key_management.keys"],
)

ROWS = 4


def score_twice(scene: Scene) -> int:
    """Scores of each enterprise that the bank has in the end, under a contract that allows one."""
    contract = scene.contract(ceilings=Ceilings(scores_per_enterprise=1))
    codes, done = scene.tables.codes[:ROWS], 0
    for job in ("old", "new"):
        tags = scene.bank.match(scene.bureau, contract, codes, job).tags
        score(scene, contract, job, tags, 0, ROWS)
        done += 1
        rotate(scene.bureau)
    return done


@pytest.mark.without_control("lasting pseudonyms")
def test_without_lasting_pseudonyms_the_count_begins_anew(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The former way: who is counted is named by tag, as the bank itself names them."""
    monkeypatch.setattr(
        ChargedEnterprises,
        "pseudonyms",
        lambda _, session, validated: [bytes(tag).hex() for tag in validated.head.tags],
    )
    assert score_twice(scene) == 2


@pytest.mark.with_control("lasting pseudonyms")
def test_the_count_goes_on(scene: Scene) -> None:
    with pytest.raises(NotAllowed, match="scores_per_enterprise"):
        score_twice(scene)
