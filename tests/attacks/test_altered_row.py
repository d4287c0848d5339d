"""Somebody with write access to the database raises a contract's ceilings, or makes an expired one run.

They have no key of either party. What stops it: both signatures over the document, verified at each use.
"""

from __future__ import annotations

import pytest

from lab.bureau.contracts import policy
from lab.terms.contract.document import Ceilings
from lab.terms.errors import NotAllowed
from protocols.matching.bank import MIN_CANARIES
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Altered row",
    who="somebody on the machine",
    wants="to change a contract by editing its row in the database",
    stopped_by={
        "both signatures": "A contract's document is verified by both parties' signatures at each use.",
    },
    code=["lab.bureau.contracts.enforcement"],
)

TEN = 10 + MIN_CANARIES


def raise_the_ceiling(scene: Scene) -> int:
    """How many identifiers a bank gets under a contract for ten, after the row was edited."""
    contract = scene.contract(ceilings=Ceilings(identifiers=TEN, identifiers_per_match=TEN))
    with scene.bureau.store.begin() as session:
        changed = f"replace(replace(document, '\"identifiers\":{TEN}', '\"identifiers\":1000'), "
        changed += f"'\"identifiers_per_match\":{TEN}', '\"identifiers_per_match\":1000')"
        session.connection().exec_driver_sql(f"UPDATE contract_versions SET document = {changed}")
    matched = scene.bank.match(scene.bureau, contract, scene.tables.codes[:50])
    return len(matched.indices)


@pytest.mark.without_control("both signatures")
def test_without_the_signatures_the_edited_terms_count(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "check_signatures", lambda *_: None)
    assert raise_the_ceiling(scene) == 50


@pytest.mark.with_control("both signatures")
def test_the_edited_row_lets_nothing_through(scene_on_both: Scene) -> None:
    with pytest.raises(NotAllowed, match="signature"):
        raise_the_ceiling(scene_on_both)
