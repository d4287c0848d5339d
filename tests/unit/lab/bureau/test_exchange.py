"""Jobs through the office: stopped in the middle, amended, rounded to a contract's step, and forgotten in time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import ContractDraft, build_contract, find_contract_models
from lab.bureau.data.register import RegisterLayout, import_register
from lab.bureau.exchange import JobParameters
from lab.bureau.exchange.delivered_results import list_deliveries
from lab.bureau.exchange.retention import RetentionSweep
from lab.bureau.exchange.scoring import evaluation
from lab.bureau.model_registry.registry import save_model
from lab.bureau.store.tables import BatchRow, ContextRow, InquiryRow
from lab.bureau.workers.pool import WorkerPool
from lab.terms.contract.document import Ceilings, ContractItem, Operation, PinnedModel, ReleaseForm, ResultDetail
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from models.shared.sheet import BankSheet
from protocols.matching.bureau import MIN_CANARIES
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS, ParameterSet
from protocols.wire.frame import Frame, FrameKind, unpack_frame
from tests.support.bureau_scene import RECIPIENT, Scene

JOB = "job-1"
HERE = slice(10, 16)


def batch_of(scene: Scene, contract: str, rows: slice = HERE, job: str = JOB) -> bytes:
    """An encrypted batch under an open job, whose context is held."""
    tags = scene.bank.match(scene.bureau, contract, scene.tables.codes[rows], job).tags
    scene.bank.put_context(scene.bureau, contract, job)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    return scene.bank.batch(sheet, tags, scene.tables.bank[rows], contract)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something happen while a worker evaluates, once."""

    def arrange(event: Callable[[], object]) -> None:
        run, events = WorkerPool.run, [event]

        def slow(pool: WorkerPool, function: Any, *arguments: Any, **named: Any) -> Any:
            result = run(pool, function, *arguments, **named)
            if events:
                events.pop()()
            return result

        monkeypatch.setattr(WorkerPool, "run", slow)

    return arrange


@pytest.mark.parametrize("step", ["suspend", "revoke"])
def test_a_batch_under_evaluation_is_not_answered_once_its_contract_is_stopped(
    scene_on_both: Scene, step: str, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    scene = scene_on_both
    contract = scene.contract()
    batch = batch_of(scene, contract)
    meanwhile(lambda: getattr(scene, step)(contract))
    with pytest.raises(NotAllowed, match="suspended" if step == "suspend" else "revoked"):
        scene.bureau.scoring.score(contract, JOB, batch)
    assert list((scene.home / "replies").iterdir()) == []
    assert scene.bureau.jobs.find(contract, JOB).state == "stopped"
    assert scene.bureau.jobs.find(contract, JOB).rows_used == 0
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 0
    assert scene.ledger()[-4:] == [f"contract.{step.rstrip('e')}ed", "job.stopped", "score.returned", "refused"]
    with scene.bureau.store.begin_read() as session:
        assert [one.what for one in list_deliveries(session, contract)] == ["match"]
        assert session.query(InquiryRow).count() == 0
    if step == "suspend":
        scene.resume(contract)
        with pytest.raises(NotAllowed, match="stopped"):
            scene.bureau.scoring.score(contract, JOB, batch)
        before = scene.bureau.bank_contracts.allowance(contract)["jobs"]
        assert scene.bank.open_job(scene.bureau, contract).state == "open"
        assert scene.bureau.bank_contracts.allowance(contract)["jobs"] == before
        scene.bureau.scoring.score(contract, JOB, batch)
        assert scene.bureau.jobs.find(contract, JOB).rows_used == 6


def test_a_match_under_evaluation_is_not_answered_either(
    scene: Scene, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    contract = scene.contract()
    meanwhile(lambda: scene.suspend(contract))
    with pytest.raises(NotAllowed, match="suspended"):
        scene.bank.match(scene.bureau, contract, scene.tables.codes[:5])
    assert scene.bureau.bank_contracts.allowance(contract)["identifiers"]["used"] == 0
    with scene.bureau.store.begin_read() as session:
        assert list_deliveries(session, contract) == []


def test_what_was_delivered_is_listed(scene: Scene) -> None:
    contract = scene.contract()
    _, receipt = scene.bureau.scoring.score(contract, JOB, batch_of(scene, contract))
    with scene.bureau.store.begin_read() as session:
        match, scores = list_deliveries(session, contract)
    assert (match.what, match.rows, match.recipient, match.model) == ("match", 6 + MIN_CANARIES, RECIPIENT, "credit@1")
    assert (scores.what, scores.rows, scores.job, scores.entry) == ("scores", 6, JOB, receipt.entry_number)


@pytest.mark.property(
    "Leakage budget",
    claim=(
        "What all replies of a model reveal to a bank by their noise is added up over its contracts, and "
        "refused beyond the bound of the parameter set."
    ),
    topic="scoring",
    code=["lab.bureau.exchange.scoring.leakage_budget", "protocols.scoring.parameters"],
)
def test_what_replies_tell_adds_up_for_a_bank_and_model_over_contracts_and_is_refused_beyond_its_bound(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = scene.contract(), scene.contract()
    batches = [batch_of(scene, first), batch_of(scene, first, slice(16, 20)), batch_of(scene, second)]
    scene.bureau.scoring.score(first, JOB, batches[0])
    with scene.bureau.store.begin_read() as session:
        spent = session.scalars(select(BatchRow.spent)).one()
    counts = scene.model.weight_counts(ResultDetail.FULL)
    assert spent == PARAMETERS[DEFAULT_PARAMETERS].leakage_share(counts) > 0
    monkeypatch.setattr(ParameterSet, "leakage_share", lambda *_: 0.6)
    for contract, batch in ((first, batches[1]), (second, batches[2])):
        if contract == first:
            scene.bureau.scoring.score(contract, JOB, batch)
            continue
        with pytest.raises(NotAllowed, match=r"within 2\^-40 .* this batch takes 60\.0%") as refused:
            scene.bureau.scoring.score(contract, JOB, batch)
        assert "next version" in refused.value.next_step
    assert scene.bureau.bank_contracts.allowance(second)["scores"]["total"] == 0


@pytest.mark.property(
    "Ciphertexts used once",
    claim="A ciphertext that was sent in one batch is refused in another.",
    topic="scoring",
    code=["lab.bureau.exchange.scoring.leakage_budget"],
)
def test_a_ciphertext_that_was_sent_in_another_batch_is_refused(scene: Scene) -> None:
    contract = scene.contract()
    batch, other = batch_of(scene, contract), batch_of(scene, contract, slice(16, 20))
    scene.bureau.scoring.score(contract, JOB, batch)
    first, second = unpack_frame(batch, FrameKind.BATCH), unpack_frame(other, FrameKind.BATCH)
    mixed = Frame(FrameKind.BATCH, second.meta, (*second.parts[:-1], first.parts[-1])).pack()
    with pytest.raises(Conflict, match=r"1 of .* ciphertexts in this batch were sent in another one"):
        scene.bureau.scoring.score(contract, JOB, mixed)
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 6
    scene.bureau.scoring.score(contract, JOB, other)


@pytest.mark.property(
    "Jobs within the contract",
    claim=("A job does only what the contract allows, and an amendment that the bank did not sign runs nothing."),
    topic="contracts and consent",
    code=["lab.bureau.exchange.access", "lab.bank.contract.agreement"],
)
def test_a_job_is_what_the_contract_allows(scene: Scene) -> None:
    contract = scene.contract(ceilings=Ceilings(rows_per_job=10, jobs_per_day=1))
    terms = JobParameters(RECIPIENT, "credit", 1, 10)
    for wrong, term in (
        (replace(terms, recipient="Somebody else"), "recipients"),
        (replace(terms, model="other"), "models"),
        (replace(terms, model_version=2), "models"),
        (replace(terms, rows=11), "rows_per_job"),
        (replace(terms, rows=0), "rows_per_job"),
    ):
        with pytest.raises(NotAllowed, match=f"term: {term}"):
            scene.bureau.jobs.open(contract, JOB, wrong)
    assert scene.bureau.bank_contracts.allowance(contract)["jobs"]["used"] == 0
    with pytest.raises(NotFound, match="no such job"):
        scene.bureau.matching.setup(contract, JOB)
    scene.bureau.jobs.open(contract, JOB, terms)
    with pytest.raises(NotAllowed, match="jobs_per_day"):
        scene.bureau.jobs.open(contract, "job-2", terms)
    scene.later(hours=24)
    scene.bureau.jobs.open(contract, "job-2", terms)


def test_a_batch_keeps_within_its_jobs_rows_and_stays_in_its_job(scene: Scene) -> None:
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract, "small", rows=5)
    with pytest.raises(Conflict, match="other terms"):
        scene.bank.open_job(scene.bureau, contract, "small", rows=6)
    scene.bank.open_job(scene.bureau, contract)
    batch = batch_of(scene, contract)
    with pytest.raises(NotAllowed, match=r"5 enterprises \(term: rows_per_job\)"):
        scene.bureau.scoring.score(contract, "small", batch)
    scene.bureau.scoring.score(contract, JOB, batch)
    with pytest.raises(Conflict, match="another job"):
        scene.bureau.scoring.score(contract, "small", batch)


def test_a_job_goes_on_under_an_amendment_that_allows_it(scene: Scene) -> None:
    contract = scene.contract()
    first, second = batch_of(scene, contract), batch_of(scene, contract, slice(20, 26))
    scene.bureau.scoring.score(contract, JOB, first)
    scene.amend(contract, retention_days=30)
    assert scene.document(contract).version == 2
    assert [one["state"] for one in scene.bureau.bank_contracts.list_versions(contract)] == ["active", "retired"]
    scene.bureau.scoring.score(contract, JOB, second)
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 12


@pytest.mark.parametrize(
    ("changes", "term"),
    [
        ({"recipients": ("Risk department",)}, "recipients"),
        ({"detail": ResultDetail.TOTAL}, "detail"),
        ({"operations": (Operation.MATCH,), "detail": ResultDetail.TOTAL}, "operations"),
        ({"models": (PinnedModel(name="credit", version=2, sheet_sha256="0" * 64),)}, "models"),
        ({"ceilings": Ceilings(rows_per_job=999)}, "rows_per_job"),
        ({"ceilings": Ceilings(rows_per_batch=5)}, "rows_per_batch"),
        ({"items": ()}, "items"),
        ({"engine": "another"}, "engine"),
        ({"parameters": "others"}, "parameters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_job_stops_where_an_amendment_no_longer_allows_it(scene: Scene, changes: dict[str, Any], term: str) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    save_model(scene.bureau.store, scene.bureau.home, replace(scene.model, version=2), "main")
    if term == "parameters":
        with pytest.raises(NotAllowed, match="term: parameters"):
            scene.amend(contract, **changes)
            scene.bureau.contexts.has(contract, JOB, "0" * 64)
        return
    scene.amend(contract, **changes)
    with pytest.raises(NotAllowed, match=f"term: {term}"):
        scene.bureau.scoring.score(contract, JOB, batch)
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 0


def test_items_released_for_nothing_stop_the_model_that_reads_them(scene: Scene) -> None:
    contract = scene.contract()
    items = scene.document(contract).items
    assert items
    scene.amend(contract, items=(ContractItem(code=items[0].code, form=ReleaseForm.NONE), *items[1:]))
    with pytest.raises(NotAllowed, match="term: items"):
        scene.bank.open_job(scene.bureau, contract, "job-2")


@pytest.mark.property(
    "Precision",
    claim="Replies are no finer than the contract's step.",
    topic="scoring",
    code=["models.bureau.model"],
)
@pytest.mark.parametrize("detail", [ResultDetail.TOTAL, ResultDetail.FULL])
def test_replies_are_multiples_of_the_contracts_step(scene: Scene, detail: ResultDetail) -> None:
    step = 1000
    contract = scene.contract(detail=detail, ceilings=Ceilings(precision=step))
    batch = batch_of(scene, contract)
    reply, _ = scene.bureau.scoring.score(contract, JOB, batch)
    values = scene.bank.keys.decrypt(reply, rows=6, batch=batch)
    assert (values % step == 0).all() and values.any()
    fine = scene.model.score_weights(scene.tables.public[HERE], detail)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    answers = sheet.compute_indicators(scene.tables.bank[HERE])
    assert not (fine.apply_to_indicators(answers) % step == 0).all()
    if detail is ResultDetail.TOTAL:
        gap = np.abs(values - fine.apply_to_indicators(answers)).max() * scene.model.quantum
        assert gap <= scene.model.error_bound_at(step) + scene.model.error_bound


def test_a_step_too_large_for_the_models_sums_is_refused(scene: Scene) -> None:
    with pytest.raises(InvalidInput, match="term: precision"):
        scene.contract(ceilings=Ceilings(precision=1_000_000))
    contract = scene.contract()
    scene.amend(contract, ceilings=Ceilings(precision=1_000_000))
    batch = batch_of(scene, contract)
    with pytest.raises(NotAllowed, match="term: precision"):
        scene.bureau.scoring.score(contract, JOB, batch)
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 0


@pytest.mark.property(
    "Retention at the bureau",
    claim="The bureau removes data whose retention is over, and records the removal.",
    topic="limits and interruptions",
    code=["lab.bureau.exchange.retention"],
)
def test_what_is_past_its_time_is_removed_and_recorded(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    scene.amend(contract, retention_days=7)
    batch = batch_of(scene, contract)
    scene.bureau.scoring.score(contract, JOB, batch)
    scene.later(days=6)
    late = batch_of(scene, contract, slice(20, 26))
    reply, _ = scene.bureau.scoring.score(contract, JOB, late)
    assert scene.bureau.sweep() == RetentionSweep()
    scene.later(days=1, hours=1)
    assert scene.bureau.sweep() == RetentionSweep(replies=1, contexts=1)
    assert scene.ledger()[-1] == "retention.swept"
    assert scene.bureau.sweep() == RetentionSweep()
    with scene.bureau.store.begin_read() as session:
        assert session.query(ContextRow).count() == 0
        assert {row.state for row in session.query(BatchRow)} == {"answered"}
        assert session.query(InquiryRow).count() == 12  # who asked about whom is not the bank's to be forgotten
    with pytest.raises(NotFound, match="context"):
        scene.bureau.scoring.score(contract, JOB, late)
    scene.bank.put_context(scene.bureau, contract)
    assert scene.bureau.scoring.score(contract, JOB, late)[0] == reply
    with pytest.raises(InvalidInput, match="retention_days"):
        scene.bureau.scoring.score(contract, JOB, batch)
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 12
    scene.later(days=60)
    scene.bureau.sweep()
    assert scene.bureau.bank_contracts.find(contract)[1] == "expired"
    assert scene.bureau.jobs.find(contract, JOB).state == "stopped"
    assert {"contract.expired", "job.stopped"} <= set(scene.ledger()[-4:])


@pytest.mark.property(
    "Dead workers",
    claim="A batch whose worker keeps dying is given back with the reason; other batches are not affected.",
    topic="limits and interruptions",
    code=["lab.bureau.workers.pool"],
)
def test_a_batch_whose_worker_dies_again_and_again_is_given_back_and_says_why(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    sha256 = scene.bureau.scoring.receive(contract, JOB, batch).sha256
    assert scene.bureau.scoring.reply(contract, JOB, sha256) is None
    assert scene.bureau.jobs.progress(contract, JOB)["batches"] == {"charged": 1, "answered": 0, "returned": 0}
    assert [charge.sha256 for charge in scene.bureau.scoring.list_waiting()] == [sha256]
    assert scene.bureau.scoring.evaluate(contract, JOB, sha256).state == "answered"
    assert scene.bureau.scoring.evaluate(contract, JOB, sha256).state == "answered"  # done already
    assert scene.bureau.scoring.reply(contract, JOB, sha256) is not None
    assert scene.ledger().count("score.answered") == 1

    charge = scene.bureau.scoring.receive(contract, JOB, batch_of(scene, contract, slice(20, 26)))
    run = WorkerPool.run
    monkeypatch.setattr(WorkerPool, "run", lambda pool, *_, **__: run(pool, exec, "import os; os._exit(3)"))
    assert scene.bureau.scoring.evaluate(contract, JOB, charge.sha256).state == "returned"
    with pytest.raises(InvalidInput, match="worker"):
        scene.bureau.scoring.reply(contract, JOB, charge.sha256)
    assert not list((scene.home / "batches").glob(f"*{charge.sha256}*"))
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 6


def test_a_context_that_earlier_rules_let_pass_is_not_held_and_is_judged_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    with scene.bureau.store.begin() as session:
        row = session.scalars(select(ContextRow)).one()
        name, row.rules = row.sha256, 1
    assert not scene.bureau.contexts.has(contract, JOB, name)
    with pytest.raises(NotFound, match="context"):
        scene.bureau.scoring.score(contract, JOB, batch)
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 0
    judged: list[str] = []
    run = WorkerPool.run

    def listened(pool: WorkerPool, function: Any, *arguments: Any, **named: Any) -> Any:
        judged.append(function.__name__)
        return run(pool, function, *arguments, **named)

    monkeypatch.setattr(WorkerPool, "run", listened)
    assert scene.bank.put_context(scene.bureau, contract) == name
    assert judged == ["check_context"] and scene.bureau.contexts.has(contract, JOB, name)
    scene.bureau.scoring.score(contract, JOB, batch)


def test_what_an_older_home_holds_ends_in_a_clear_state(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts and batches in SEAL's form, as an older version kept them: none is used, and each says why."""
    contract = scene.contract()
    waits, answered = batch_of(scene, contract), batch_of(scene, contract, slice(16, 20))
    scene.bureau.scoring.score(contract, JOB, answered)
    with monkeypatch.context() as patch:  # charged, and the service ended before it was evaluated
        patch.setattr(evaluation.BatchEvaluator, "evaluate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            scene.bureau.scoring.score(contract, JOB, waits)
    _as_an_older_version_left_it(scene)
    scene.reopen()

    [charge] = scene.bureau.scoring.list_waiting()
    assert scene.bureau.scoring.evaluate(contract, JOB, charge.sha256).state == "returned"
    with pytest.raises(InvalidInput, match="earlier form"):
        scene.bureau.scoring.reply(contract, JOB, charge.sha256)
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 4
    scene.bank.open_job(scene.bureau, contract, "job-2", rows=4)
    with scene.bureau.store.begin_read() as session:
        former = session.scalars(select(BatchRow.sha256).where(BatchRow.state == "answered")).one()
    source = scene.tables.register_csv(scene.home.parent / "second.csv")
    import_register(
        scene.bureau.store,
        scene.bureau.home,
        source,
        RegisterLayout("id", "opaque", columns=["a", "b"]),
    )
    with pytest.raises(InvalidInput, match="earlier form"):
        scene.bureau.scoring.receive_rescoring(contract, "job-2", former)

    with scene.bureau.store.begin_read() as session:
        kept = session.scalars(select(ContextRow)).one()
        older = (scene.home / kept.file).read_bytes()
    assert not scene.bureau.contexts.has(contract, JOB, kept.sha256)
    with pytest.raises(InvalidInput, match="earlier form"):
        scene.bureau.contexts.put(contract, JOB, kept.sha256, older)
    fresh = batch_of(scene, contract, slice(20, 26))
    scene.bureau.scoring.score(contract, JOB, fresh)


def test_a_contract_whose_set_is_not_offered_any_more_is_refused_with_what_to_do(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set is dropped while a batch waits: the contract still matches, all else says why, an amendment mends it."""
    contract = scene.contract()
    with monkeypatch.context() as former:
        former.setitem(PARAMETERS, "bgv-4096-a", PARAMETERS[DEFAULT_PARAMETERS])
        scene.amend(contract, parameters="bgv-4096-a")
        waits, answered = batch_of(scene, contract), batch_of(scene, contract, slice(16, 20))
        reply = scene.bureau.scoring.score(contract, JOB, answered)
        charge = scene.bureau.scoring.receive(contract, JOB, waits)
    scene.reopen()

    assert scene.bureau.scoring.evaluate(contract, JOB, charge.sha256).state == "returned"
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 4

    def drafted() -> None:
        with scene.bureau.store.begin() as session:
            works, choices = (
                find_contract_models(session, scene.bureau.models, [("credit", 1)]),
                ContractOptions(parameters="bgv-4096-a"),
            )
            build_contract(
                session, ContractDraft(scene.bureau.party, scene.bank.party, works, choices), scene.clock.now
            )

    frame = scene.bank.keys.public_context() + b"\0"
    for refused in (
        lambda: scene.bureau.scoring.reply(contract, JOB, charge.sha256),
        lambda: scene.bureau.scoring.score(contract, JOB, waits),
        lambda: scene.bureau.contexts.put(contract, JOB, hashlib.sha256(frame).hexdigest(), frame),
        drafted,
    ):
        with pytest.raises(InvalidInput, match="one of the parameter sets bgv-8192-a; found bgv-4096-a") as error:
            refused()
        assert "amended (term: parameters)" in error.value.next_step
    assert scene.bureau.scoring.reply(contract, JOB, hashlib.sha256(answered).hexdigest()) == reply
    scene.bank.match(scene.bureau, contract, scene.tables.codes[:5])

    scene.amend(contract, parameters=DEFAULT_PARAMETERS)
    scene.bank.open_job(scene.bureau, contract, "job-2")
    scene.bureau.scoring.score(contract, "job-2", batch_of(scene, contract, slice(20, 26), "job-2"))


def _as_an_older_version_left_it(scene: Scene) -> None:
    """Contexts and batches lose what tells the present form, and are named by what is left."""
    with scene.bureau.store.begin() as session:
        for context in session.scalars(select(ContextRow)):
            context.sha256, context.rules = _without_its_form(scene.home / context.file, FrameKind.CONTEXT), 1
        for batch in session.scalars(select(BatchRow)):
            assert batch.file is not None
            former, batch.sha256 = batch.sha256, _without_its_form(scene.home / batch.file, FrameKind.BATCH)
            session.execute(update(InquiryRow).where(InquiryRow.batch == former).values(batch=batch.sha256))


def _without_its_form(path: Path, kind: FrameKind) -> str:
    frame = unpack_frame(path.read_bytes(), kind)
    meta = {name: value for name, value in frame.meta.items() if name != "form"}
    data = Frame(kind, meta, frame.parts).pack()
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
