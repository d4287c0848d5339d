"""What is wrong with the bureau's own data is told to the bank as the bureau's fault, without its columns' names."""

from __future__ import annotations

import pytest

from lab.bureau.data.register import DriftPolicy, RegisterLayout, import_register
from lab.bureau.exchange.scoring.own_faults import BureauDataFault, hide_own_faults
from lab.terms.errors import Busy, Conflict, InvalidInput, Unreachable
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.scoring.test_reevaluation import name_of
from tests.unit.lab.bureau.test_exchange import JOB, batch_of

SECRET = "private_item_of_the_bureau"


def lose_a_column(scene: Scene) -> None:
    """The register's next version lacks a column of the model, and a person accepted that."""
    path = scene.home.parent / "narrow.csv"
    scene.tables.register_csv(path)
    narrow = RegisterLayout("id", "opaque", columns=("a",))
    policy = DriftPolicy(scene.bureau.drift.published("main"), accept=True)
    import_register(scene.bureau.store, scene.bureau.home, path, narrow, policy=policy)


@pytest.mark.property(
    "No column of the bureau in an error",
    claim="An error about the bureau's own register or model reaches a bank without a column's or file's name.",
    topic="what leaves a party",
    code=["lab.bureau.exchange.scoring.own_faults"],
)
def test_a_column_that_the_register_lost_is_not_named_to_the_bank(scene: Scene) -> None:
    contract = scene.contract()
    lose_a_column(scene)
    batch = batch_of(scene, contract)
    charge = scene.bureau.scoring.receive(contract, JOB, batch)
    outcome = scene.bureau.scoring.evaluate(contract, JOB, charge.sha256)
    assert isinstance(outcome.error, BureauDataFault) and "missing: b" in outcome.error.cause
    with pytest.raises(Conflict, match="fault is at the bureau") as told:
        scene.bureau.scoring.reply(contract, JOB, name_of(batch))
    assert "missing" not in str(told.value) and "column" not in str(told.value)
    allowance = scene.bureau.bank_contracts.allowance(contract)
    assert allowance["scores"]["total"] == 0 and scene.bureau.jobs.find(contract, JOB).rows_used == 0


def test_every_error_of_the_block_is_hidden_but_what_a_later_try_may_mend() -> None:
    for error in (InvalidInput(SECRET), KeyError(SECRET), OSError(2, "no file", f"/home/{SECRET}"), ValueError(SECRET)):
        with pytest.raises(BureauDataFault) as found, hide_own_faults():
            raise error
        assert SECRET not in str(found.value) and found.value.as_dict()["error"] == "fault"
        assert (SECRET in found.value.cause) is isinstance(error, InvalidInput)
    for passing in (Unreachable("later"), Busy("busy")):
        with pytest.raises(type(passing)), hide_own_faults():
            raise passing
