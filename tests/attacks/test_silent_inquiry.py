"""A bank, with a clerk of the bureau, wants an enterprise scored without the enterprise ever hearing of it.

Credit-reporting rules make the bureau tell an enterprise who asked about it. What stops it: a score is charged by
writing the inquiry down, in one transaction, and the inquiry goes only if the batch is not answered.
"""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from lab.bureau.exchange import charges
from lab.bureau.ledger.inquiries import read_inquiries
from lab.bureau.store.tables import UsageRow
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.test_exchange import HERE, JOB, batch_of

pytestmark = pytest.mark.threat(
    "Silent inquiry",
    who="a bank",
    wants="to have an enterprise scored without the enterprise learning of it",
    stopped_by={
        "inquiry in the charge": (
            "A charge for a score writes an inquiry under the enterprise's pseudonym, which is listed for the "
            "enterprise."
        ),
    },
    code=["lab.bureau.ledger.inquiries", "lab.bureau.exchange.charges"],
)


def told(scene: Scene) -> list[str]:
    """Score six enterprises; what the first of them is told of who asked."""
    contract = scene.contract()
    assert scene.bureau.scoring.score(contract, JOB, batch_of(scene, contract))[0]
    scene.bureau.sweep()
    code, keys = scene.tables.codes[HERE.start], scene.bureau.keys
    return [one.bank for one in read_inquiries(scene.bureau.store, code, keys, by="person:auditor")]


@pytest.mark.without_control("inquiry in the charge")
def test_without_the_inquiry_in_the_charge_the_enterprise_hears_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count_alone(session, contract, job, batch, enterprises, now):
        session.execute(insert(UsageRow), [{"contract_id": contract.id, "counter": charges.SCORES, "used": 6}])

    monkeypatch.setattr("lab.bureau.exchange.scoring.batch_scoring.charge_scores", count_alone)
    assert told(scene) == []


@pytest.mark.with_control("inquiry in the charge")
def test_the_enterprise_is_told_who_asked(scene: Scene) -> None:
    assert told(scene) == ["Test bank"]
