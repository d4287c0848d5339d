"""The batches of a finished run, evaluated again by what has changed at the bureau: its register, or the model.

contract -> verify -> is there anything new -> open a job -> name each batch -> decrypt -> results -> end the job. Their
ciphertexts lie at the bureau by the contract's retention and are the bank's key's still, so hashes go out and nothing
else. What comes back is a run of its own, beside the old one, and each score is charged as in any job. A stopped one
goes on by the same call, without new charges.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from lab.bank.connection.client import BureauClient, JobDescription
from lab.bank.contract.agreement import ActiveScoringContract, verify_scoring_contract
from lab.bank.contract.checkpoint_wait import await_cosigned_checkpoint, describe_fork_detection
from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.job_lifecycle import end_job, open_job, upload_context
from lab.bank.runs.batch_history import (
    SCORE_AGAIN_HINT,
    ScoredBatch,
    ScoreOrigin,
    find_current_batches,
    list_batches,
    reuse_batch,
)
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.results import check_output_path, output_names, rescored_table, write_result_table
from lab.bank.runs.store import FinishedRun, Run, open_run, run_key
from lab.bank.scoring.batch_sender import BatchSender, StepTimer
from lab.bank.scoring.job import run_statistics
from lab.terms.errors import NotAllowed
from lab.terms.progress import SILENT, Progress
from models.shared.sheet import BankSheet


@dataclass(frozen=True)
class RescoringRequest:
    """What is asked for: a finished run, and what is to be other than in it."""

    run: FinishedRun
    out: Path | None = None
    """Where results go; None: beside those of the run, under the new run's name."""
    model: tuple[str, int | None] | None = None
    """Name and version; None: the newest version that the contract allows of the run's model."""
    recipient: str | None = None
    """None: the run's own."""


@dataclass(frozen=True)
class RescoringResult:
    """The new run and its manifest; None for that when nothing has changed since ``run``, whose results are of now."""

    run: str
    origin: ScoreOrigin
    manifest: dict[str, Any] | None


def rescore(
    home: BankHome, keys: BankKeys, outlet: BureauClient, request: RescoringRequest, *, progress: Progress = SILENT
) -> RescoringResult:
    """Have a run's batches evaluated again, and keep the new scores as a run.

    A batch that the bureau refuses (an enterprise in it is not in the register under the contract any more, or is at
    its ceiling) does not hold up the others: its enterprises end as ``not-rescored``, with a warning. Raises what the
    contract check raises, ``NotAllowed`` for a run of nobody, under other keys, parameters or questions, or if every
    batch is refused.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    batches = list_batches(request.run)
    if not batches:
        raise NotAllowed("This run scored no enterprise.", next_step="see `lab bank runs`")
    agreement = _verify_contract_for(home, outlet, request, started)
    contract, model = agreement.contract, agreement.model
    context = keys.public_context(agreement.params)
    context_name = hashlib.sha256(context).hexdigest()
    _check_fits(request.run, agreement, context_name)
    origin = ScoreOrigin(
        *outlet.register_version(contract.id, model.name, model.version), f"{model.name}@{model.version}"
    )
    done = find_current_batches(home.runs, contract.id, origin)
    if all(batch.sha256 in done for batch in batches):
        return RescoringResult(done[batches[-1].sha256].run.folder.name, origin, None)
    former_out = Path(request.run.manifest["out"])
    check_output_path(request.out or former_out)
    terms = (contract.id, model.sheet_sha256, agreement.recipient, str(contract.ceilings.precision))
    clock = StepTimer()
    key, label = (
        run_key("again", request.run.folder.name, *terms),
        RunMetadata.for_contract(RunKind.RESCORE, contract, started),
    )
    with open_run(home.runs, key, label, now=started) as run:
        for number, batch in enumerate(batches):
            if batch.sha256 in done and run.batch_sums(number) is None:
                reuse_batch(run, number, done[batch.sha256], agreement.sheet)
        witness = LedgerWitness(home, contract.bureau, outlet.ledger_consistency)
        courier = BatchSender(agreement, keys.key_holder(agreement.params), outlet, run, clock, context_name, witness)
        sizes = [len(batch.rows) for batch in batches]
        if courier.missing_batches(sizes):
            card = JobDescription(agreement.recipient, model.name, model.version, sum(sizes))
            open_job(outlet, contract.id, run.id, card, folder="runs")
            upload_context(outlet, contract.id, run.id, context_name, context)
        refused: dict[int, NotAllowed] = {}
        values, receipts = courier.rescore([batch.sha256 for batch in batches], sizes, refused, progress)
        if refused:
            _check_goes_on(home, outlet, request, run)
            if len(refused) == len(batches):
                raise refused[0]
        cosigned = await_cosigned_checkpoint(outlet, contract, receipts, witness, progress=progress)
        codes = _codes(request.run, batches, refused)
        outputs = pl.DataFrame([codes]).with_columns(
            pl.Series(name, values[row]) for row, name in enumerate(output_names(agreement.sheet))
        )
        step = contract.ceilings.precision
        scores = rescored_table(request.run.scores, codes, agreement.sheet, values, step=step)
        out = request.out or former_out.with_name(f"{former_out.stem}-{run.id}{former_out.suffix}")
        write_result_table(scores, out)
        warnings = [
            f"{sizes[number]} enterprises of a batch were not scored again: {error}"
            for number, error in sorted(refused.items())
        ]
        manifest = _manifest(agreement, request.run, run, receipts) | describe_fork_detection(contract, cosigned)
        manifest |= {
            "match_receipts": [],
            "context_sha256": context_name,
            "scored": len(codes),
            "not_rescored": sum(sizes[number] for number in refused),
            "warnings": warnings + end_job(outlet, contract.id, run.id),
            "out": str(out),
        }
        manifest |= run_statistics(outlet, clock, run, begun, started)
        run.finish(
            scores=scores,
            outputs=outputs,
            sheet=agreement.sheet.to_json(),
            contract=agreement.signed.model_dump_json(by_alias=True).encode(),
            manifest=manifest,
        )
    return RescoringResult(run.id, origin, manifest)


def _verify_contract_for(
    home: BankHome, outlet: BureauClient, request: RescoringRequest, now: datetime
) -> ActiveScoringContract:
    """The contract in force, for the model that was asked for or the newest version of the run's."""
    old = request.run.manifest
    contract, name = str(old["contract"]), str(old["model"]).partition("@")[0]
    recipient = request.recipient or str(old["recipient"])

    def check(model: tuple[str, int | None]) -> ActiveScoringContract:
        return verify_scoring_contract(home, outlet, contract, now=now, model=model, recipient=recipient)

    agreement = check(request.model or (name, None))
    if request.model is not None:
        return agreement
    newest = max(model.version for model in agreement.contract.models if model.name == name)
    return agreement if agreement.model.version == newest else check((name, newest))


def _check_fits(run: FinishedRun, agreement: ActiveScoringContract, context: str) -> None:
    """Raise ``NotAllowed`` unless the run's ciphertexts are answers to the model's questions, under the keys of now."""
    sheet, old = agreement.sheet, run.manifest
    if old["parameters"] != agreement.params.name or old.get("context_sha256", context) != context:
        raise NotAllowed(
            "This run was encrypted under other keys or parameters than the present.", next_step=SCORE_AGAIN_HINT
        )
    if BankSheet.from_json(run.sheet).columns_sha256 != sheet.columns_sha256:
        raise NotAllowed(
            f"Model {sheet.model}@{sheet.version} asks other questions than {old['model']}, which this run answered.",
            next_step=SCORE_AGAIN_HINT,
        )


def _check_goes_on(home: BankHome, outlet: BureauClient, request: RescoringRequest, run: Run) -> None:
    """Raise what keeps the contract from going on, or ``NotAllowed`` when its job was stopped: then what was refused
    was not a batch, and the same call goes on later."""
    contract = _verify_contract_for(home, outlet, request, datetime.now(UTC)).contract
    if outlet.job(contract.id, run.id).get("state") != "open":
        raise NotAllowed(
            "The job was stopped with its contract.", next_step="run the same command again when it goes on"
        )


def _codes(old: FinishedRun, batches: list[ScoredBatch], refused: dict[int, NotAllowed]) -> pl.Series:
    """The codes of the batches that were answered, in their order."""
    places = [place for number, batch in enumerate(batches) if number not in refused for place in batch.rows]
    return old.outputs["code"].gather(places)


def _manifest(
    agreement: ActiveScoringContract, old: FinishedRun, run: Run, receipts: list[dict[str, Any]]
) -> dict[str, Any]:
    """The old run's manifest, with what is another's in this one."""
    return old.manifest | {
        "run": run.id,
        "rescored_from": old.folder.name,
        "resumed": run.resumed,
        **agreement.manifest_fields(receipts),
        "receipts": receipts,
    }
