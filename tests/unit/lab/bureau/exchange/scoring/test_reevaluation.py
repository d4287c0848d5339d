"""A batch evaluated again: what has to be new, what has to be there still, and that each evaluation is charged."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from lab.bureau.data.register import RegisterLayout, import_register
from lab.bureau.exchange import JobParameters
from lab.bureau.model_registry.registry import publish_model, save_model
from lab.bureau.store.tables import RepairCaseRow, SupersededVersionRow
from lab.terms.contract.document import Ceilings, PinnedModel, ResultDetail
from lab.terms.errors import Conflict, NotAllowed, NotFound
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.sheet import BankSheet
from tests.support.bureau_scene import RECIPIENT, Scene
from tests.unit.lab.bureau.test_exchange import HERE, JOB, batch_of

AGAIN = "job-2"


def name_of(batch: bytes) -> str:
    return hashlib.sha256(batch).hexdigest()


def sent(scene: Scene, contract: str) -> bytes:
    """A batch that was answered in the first job; the second is open."""
    batch = batch_of(scene, contract)
    scene.bureau.scoring.score(contract, JOB, batch)
    scene.bank.open_job(scene.bureau, contract, AGAIN, rows=6)
    return batch


def import_again(scene: Scene, *, by: int = 1, without: tuple[int, ...] = ()) -> pl.DataFrame:
    """The register's next version: each enterprise has the records of one ``by`` places before it."""
    changed = scene.tables.public[np.roll(np.arange(len(scene.tables.codes)), by)]
    table = changed.select(pl.Series("id", scene.tables.codes), pl.all())
    table = table.filter(~pl.col("id").is_in([scene.tables.codes[row] for row in without]))
    path = scene.home.parent / "again.csv"
    table.write_csv(path)
    import_register(scene.bureau.store, scene.bureau.home, path, RegisterLayout("id", "opaque"), name="main")
    return changed


def again(scene: Scene, contract: str, batch: bytes, job: str = AGAIN) -> bytes:
    """The reply to a batch in a later job."""
    charge = scene.bureau.scoring.receive_rescoring(contract, job, name_of(batch))
    scene.bureau.scoring.evaluate(contract, job, charge.sha256)
    answer = scene.bureau.scoring.reply(contract, job, charge.sha256)
    assert answer is not None
    return answer[0]


def plain(scene: Scene, batch: bytes, reply: bytes, public: pl.DataFrame) -> bool:
    """Whether a reply decrypts to the sums in clear over these public records, in some order of the rows."""
    sheet = scene.model.sheet(ResultDetail.FULL)
    sums = scene.model.score_weights(public[HERE], ResultDetail.FULL).apply_to_indicators(
        sheet.compute_indicators(scene.tables.bank[HERE])
    )
    found = scene.bank.keys.decrypt(reply, rows=6, batch=batch)
    return np.array_equal(found, sums)


def test_a_batch_is_evaluated_again_by_a_new_register_and_charged_once_for_each(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    batch = sent(scene, contract)
    with pytest.raises(Conflict, match="Nothing has changed"):
        scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 6
    assert scene.bureau.jobs.find(contract, AGAIN).rows_used == 0
    public = import_again(scene)
    found = scene.bureau.jobs.register(contract)
    assert found == {"name": "main", "version": 2, "moved": [], "superseded": [], "day": None}
    reply = again(scene, contract, batch)
    assert plain(scene, batch, reply, public) and not plain(scene, batch, reply, scene.tables.public)
    assert again(scene, contract, batch) == reply
    assert scene.bureau.scoring.score(contract, JOB, batch)[0] != reply  # the first job's own reply stays
    allowed = scene.bureau.bank_contracts.allowance(contract)["scores"]
    assert (allowed["total"], allowed["used"]) == (12, 2)
    assert scene.bureau.jobs.find(contract, AGAIN).rows_used == 6
    assert [scene.ledger().count(f"score.{kind}") for kind in ("charged", "answered", "returned")] == [2, 2, 0]
    scene.bank.open_job(scene.bureau, contract, "job-3")
    with pytest.raises(Conflict, match="job job-2"):
        scene.bureau.scoring.receive_rescoring(contract, "job-3", name_of(batch))
    with pytest.raises(Conflict, match="another job"):
        scene.bureau.scoring.score(contract, "job-3", batch)


def test_what_was_never_answered_under_the_contract_is_not_evaluated_again(scene: Scene) -> None:
    contract, other = scene.contract(), scene.contract()
    batch = sent(scene, contract)
    waits = batch_of(scene, contract, slice(20, 26))
    scene.bureau.scoring.receive(contract, JOB, waits)
    scene.bank.open_job(scene.bureau, other, AGAIN)
    import_again(scene)
    for which, one in ((contract, waits), (contract, b"never sent"), (other, batch)):
        with pytest.raises(NotFound, match="No answered batch"):
            scene.bureau.scoring.receive_rescoring(which, AGAIN, name_of(one))


def test_if_nobody_is_left_the_batch_is_refused_and_nothing_is_charged(scene: Scene) -> None:
    contract = scene.contract()
    batch = sent(scene, contract)
    import_again(scene, without=tuple(range(HERE.start, HERE.stop)))
    with pytest.raises(NotAllowed, match="6 of 6 enterprises in the batch are not in the register under this contract"):
        scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 6


def test_stopped_contracts_ceilings_and_ended_retention_refuse(scene: Scene) -> None:
    contract = scene.contract(ceilings=Ceilings(scores_per_enterprise=2))
    batch = sent(scene, contract)
    scene.later(days=3)
    import_again(scene)
    scene.suspend(contract)
    with pytest.raises(NotAllowed, match="suspended"):
        scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
    scene.resume(contract)
    scene.bank.open_job(scene.bureau, contract, AGAIN, rows=6)
    again(scene, contract, batch)
    import_again(scene, by=2)
    scene.bank.open_job(scene.bureau, contract, "job-3")
    with pytest.raises(NotAllowed, match="scores_per_enterprise"):
        scene.bureau.scoring.receive_rescoring(contract, "job-3", name_of(batch))
    scene.amend(contract, ceilings=Ceilings(scores_per_enterprise=9), retention_days=7)
    scene.later(days=5)  # of the second reply seven days are not over, of the bytes they are
    with pytest.raises(NotAllowed, match="retention_days"):
        scene.bureau.scoring.receive_rescoring(contract, "job-3", name_of(batch))
    assert scene.bureau.sweep().replies == 1
    with pytest.raises(NotAllowed, match="retention_days"):
        scene.bureau.scoring.receive_rescoring(contract, "job-3", name_of(batch))
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 12


def test_bytes_removed_before_the_evaluation_give_the_charge_back(scene: Scene) -> None:
    contract = scene.contract()
    batch = sent(scene, contract)
    import_again(scene)
    scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
    for path in (scene.home / "batches").iterdir():
        path.write_bytes(b"another")
    assert scene.bureau.scoring.evaluate(contract, AGAIN, name_of(batch)).state == "returned"
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 6
    assert list((scene.home / "batches").iterdir())  # they are the first job's


def test_after_new_matching_keys_a_batch_is_sent_afresh(scene: Scene) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    scene.bureau.scoring.score(contract, JOB, batch)
    scene.bureau.epochs.prepare()
    scene.bureau.epochs.switch()
    scene.bank.open_job(scene.bureau, contract, AGAIN)
    import_again(scene)
    with pytest.raises(NotAllowed, match="matching keys"):
        scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))


@pytest.mark.property(
    "Same questions",
    claim="Ciphertexts are evaluated again only by a model that asks the same questions.",
    topic="scoring",
    code=["lab.bureau.exchange.scoring.reevaluation"],
)
def test_a_new_model_with_the_same_questions_is_a_new_evaluation_and_with_others_it_is_refused(scene: Scene) -> None:
    contract = scene.contract()
    batch = sent(scene, contract)
    same = replace(scene.model, version=2)
    other = train_model(
        scene.tables.public,
        scene.tables.bank,
        1 - scene.tables.label,
        TrainingSettings(family="scorecard", name="credit", version=3),
    ).model
    models = list(scene.document(contract).models)
    for model in (same, other):
        save_model(scene.bureau.store, scene.bureau.home, model, "main")
        publish_model(scene.bureau.store, scene.bureau.home, "credit", model.version)
        sheet = hashlib.sha256(model.sheet(ResultDetail.FULL).to_json()).hexdigest()
        models.append(PinnedModel(name="credit", version=model.version, sheet_sha256=sheet))
    scene.amend(contract, models=tuple(models))
    for version in (2, 3):
        terms = JobParameters(RECIPIENT, "credit", version, 6)
        scene.bureau.jobs.open(contract, f"model-{version}", terms)
    assert isinstance(again(scene, contract, batch, "model-2"), bytes)
    with pytest.raises(NotAllowed, match="other questions"):
        scene.bureau.scoring.receive_rescoring(contract, "model-3", name_of(batch))
    assert (
        BankSheet.from_json(scene.bureau.jobs.sheet(contract, "credit", 2)).columns_sha256
        == scene.model.sheet(ResultDetail.TOTAL).columns_sha256
    )


def test_the_register_s_answer_names_versions_in_which_a_record_was_put_right(scene: Scene) -> None:
    contract = scene.contract()
    with scene.bureau.store.begin() as session:
        case = dict.fromkeys(("opened_by", "evidence", "grounds", "rules_sha256"), "x")
        days = {"opened_on": date(2026, 9, 1), "due_on": date(2026, 9, 15), "opened_at": scene.clock.now}
        row = RepairCaseRow(
            id="r-1", kind="repair", domain="penalties", record="0" * 32, state="granted", **case, **days
        )
        row.due_certain = True
        session.add(row)
        session.flush()
        for register, version in (("main", 2), ("main", 1), ("other", 7)):
            session.add(SupersededVersionRow(case_id="r-1", register=register, version=version))
    assert scene.bureau.jobs.register(contract)["superseded"] == [1, 2]
