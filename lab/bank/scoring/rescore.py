"""Scores the batches of a finished run again, after the bureau's register or the model has changed.

1. Verify the contract, and ask whether anything is new.
2. Open a job, and name each batch by its hash: the bureau still has the ciphertexts, by the contract's retention, and
   they are still under the bank's key. Nothing but hashes is sent.
3. Decrypt the replies, end the job, finish the run, write the table of results.

The bureau drops from a batch the enterprises that may not be scored any more. They end as ``not-rescored``, like those
of a batch that is refused. The result is a run of its own, beside the old one. Each score is charged as in any job. The
same call resumes a run that was stopped, without new charges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lab.bank.connection.client import BureauClient
from lab.bank.connection.responses import RegisterState
from lab.bank.contract.agreement import ActiveScoringContract, verify_scoring_contract
from lab.bank.contract.checkpoint_wait import describe_fork_detection
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.runs.batch_history import (
    SCORE_AGAIN_HINT,
    ScoredBatch,
    ScoreOrigin,
    find_current_batches,
    list_batches,
    reuse_batch,
)
from lab.bank.runs.delivery import give_out, was_given_out
from lab.bank.runs.job_requests import RescoringRequest
from lab.bank.runs.job_session import JobSession
from lab.bank.runs.manifest import RunTimer, describe_contract, describe_model, describe_run
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.results import (
    RowStatus,
    check_output_path,
    output_names,
    rescored_table,
)
from lab.bank.runs.store import BatchSums, FinishedRun, open_run, read_finished_run, run_key, translate_disk_errors
from lab.bank.runs.superseded_registers import keep_superseded
from lab.bank.scoring.batch_sender import BatchSender, PublicContext
from lab.bank.scoring.register_days import describe_register_days
from lab.terms.errors import NotAllowed
from lab.terms.names import ModelRef
from lab.terms.progress import SILENT, Progress
from models.shared.sheet import BankSheet

_DROPPED_NOTE = (
    "Enterprises not scored again: {0}. They are no longer in the register under this contract, or have used their "
    "scores (term: scores_per_enterprise), and end as not-rescored. Next: match afresh, and score what matched"
)


@dataclass(frozen=True)
class RescoringResult:
    """The new run and its manifest; without a manifest nothing has changed since ``run``, whose scores are current.

    ``given_out``: where the results of that run were written then, if they were.
    """

    run: str
    origin: ScoreOrigin
    manifest: dict[str, Any] | None
    given_out: Path | None = None


@dataclass(frozen=True)
class _RescoredBatches:
    """The batches of the old run, which of them were refused, and the sums of the others, by number."""

    batches: list[ScoredBatch]
    refused: Mapping[int, NotAllowed]
    sums: Mapping[int, BatchSums]

    @property
    def receipts(self) -> list[dict[str, Any]]:
        """The receipts of the batches that were evaluated, in their order."""
        return [dict(sums.receipt) for sums in self.sums.values()]

    @property
    def warnings(self) -> list[str]:
        """A warning for each batch that was refused, and one for all enterprises that were dropped from others."""
        dropped = sum(len(self.batches[number].rows) - len(sums.places) for number, sums in self.sums.items())
        found = [
            f"{len(self.batches[number].rows)} enterprises of a batch were not scored again: {error}"
            for number, error in sorted(self.refused.items())
        ]
        return found + ([_DROPPED_NOTE.format(dropped)] if dropped else [])

    def batch_rows(self, old: FinishedRun, sheet: BankSheet) -> pl.DataFrame:
        """The new run's ``batch_rows``: every enterprise of the batches that were evaluated, with its sums or null."""
        names, codes = output_names(sheet), old.batch_rows["code"]
        parts = [pl.DataFrame(schema={"code": pl.String} | dict.fromkeys(names, pl.Int64))]
        for number, sums in self.sums.items():
            scored = pl.DataFrame({"place": sums.places} | dict(zip(names, sums.values, strict=True)))
            rows = self.batches[number].rows
            everybody = pl.DataFrame({"place": np.arange(len(rows)), "code": codes[rows.start : rows.stop]})
            parts.append(everybody.join(scored, on="place", how="left", maintain_order="left").drop("place"))
        return pl.concat(parts)


@translate_disk_errors()
def rescore(
    home: BankHome, keys: BankKeys, client: BureauClient, request: RescoringRequest, *, progress: Progress = SILENT
) -> RescoringResult:
    """Have a run's batches evaluated again, and keep the new scores as a run.

    Enterprises that have left the register under the contract, or are at their ceiling, end as ``not-rescored``, with a
    warning; they do not stop the others. So do all enterprises of a batch that the bureau refuses as a whole. Raises
    what ``verify_scoring_contract`` raises, and ``NotAllowed`` for a run that scored nobody, for one under other keys,
    parameters or questions, or if every batch is refused.
    """
    timer = RunTimer()
    batches = list_batches(request.run)
    if not batches:
        raise NotAllowed("This run scored no enterprise.", next_step="see `lab bank runs`")
    active = _verify_contract(home, client, request, timer.started)
    contract, model = active.contract, active.model
    context = PublicContext.from_keys(keys, active.params)
    _check_fits(request.run, active, context.sha256)
    state = client.register_state(contract.id, model.name, model.version)
    keep_superseded(home.folder, contract.id, state)
    origin = ScoreOrigin(state.name, state.version, str(model))
    current = find_current_batches(home.runs, contract.id, origin)
    if all(batch.sha256 in current for batch in batches):
        return _give_out_current(current[batches[-1].sha256].run, origin, request.out)
    check_output_path(request.out or _former_output(request.run))
    precision = str(contract.ceilings.precision)
    key = run_key("again", request.run.folder.name, contract.id, model.sheet_sha256, active.recipient, precision)
    metadata = RunMetadata.for_contract(RunKind.RESCORE, contract, timer.started)
    with open_run(home.runs, key, metadata, now=timer.started) as run:
        for number, batch in enumerate(batches):
            if batch.sha256 in current and run.batch_sums(number) is None:
                reuse_batch(run, number, current[batch.sha256], active.sheet)
        job = JobSession(home, keys, client, active, run, progress)
        rescored = _rescore_batches(job, batches, BatchSender(job, context, timer), request)
        manifest = _finish(job, request, rescored, state, context, timer)
    return RescoringResult(run.id, origin, give_out(read_finished_run(run.folder), Path(manifest["out"])))


def _give_out_current(run: FinishedRun, origin: ScoreOrigin, out: Path | None) -> RescoringResult:
    """Nothing has changed since ``run``: its results are written where ``out`` says, and where they never were."""
    if out is None and not was_given_out(run):
        out = Path(run.manifest["out"])
    if out is not None:
        give_out(run, out)
    return RescoringResult(run.folder.name, origin, None, out)


def _rescore_batches(
    job: JobSession[ActiveScoringContract], batches: list[ScoredBatch], sender: BatchSender, request: RescoringRequest
) -> _RescoredBatches:
    sizes = [len(batch.rows) for batch in batches]
    if sender.missing_batches(sizes):
        job.open_at_bureau(sum(sizes))
    refused: dict[int, NotAllowed] = {}
    sums = sender.rescore([batch.sha256 for batch in batches], sizes, refused)
    if refused:
        _check_still_active(job, request)
        if len(refused) == len(batches):
            raise refused[0]
    return _RescoredBatches(batches, refused, sums)


def _finish(
    job: JobSession[ActiveScoringContract],
    request: RescoringRequest,
    rescored: _RescoredBatches,
    state: RegisterState,
    context: PublicContext,
    timer: RunTimer,
) -> dict[str, Any]:
    """Write the results, end the job and finish the run; returns the manifest."""
    old, run, sheet = request.run, job.run, job.active.sheet
    evidence = job.await_cosigned(rescored.receipts)
    batch_rows = rescored.batch_rows(old, sheet)
    scored = batch_rows.drop_nulls()
    values = np.stack([scored[name].to_numpy() for name in output_names(sheet)]).astype(np.int64)
    scores = rescored_table(old.scores, scored["code"], sheet, values, step=job.contract.ceilings.precision)
    former = _former_output(old)
    out = request.out or former.with_name(f"{former.stem}-{run.id}{former.suffix}")
    manifest = old.manifest | describe_contract(job) | describe_model(job.active, rescored.receipts)
    manifest |= describe_register_days(manifest["register"], state, job.ask_register)
    manifest.pop("job", None)  # a rescored run is the same job as nothing that `lab bank score` starts
    manifest |= describe_fork_detection(job.contract, evidence) | {
        "rescored_from": old.folder.name,
        "receipts": rescored.receipts,
        "match_receipts": [],
        "context_sha256": context.sha256,
        "scored": len(scored),
        "not_rescored": len(scores.filter(pl.col("status") == RowStatus.NOT_RESCORED.value)),
        "warnings": rescored.warnings + job.end_at_bureau(),
        "out": str(out),
    }
    manifest |= describe_run(job, timer)
    run.finish(
        scores=scores,
        outputs=batch_rows,
        sheet=sheet.to_json(),
        contract=job.active.signed.model_dump_json(by_alias=True).encode(),
        manifest=manifest,
    )
    return manifest


def _former_output(run: FinishedRun) -> Path:
    return Path(run.manifest["out"])


def _verify_contract(
    home: BankHome, client: BureauClient, request: RescoringRequest, now: datetime
) -> ActiveScoringContract:
    """The contract in force, for the model that was asked for, or else the newest version of the run's model."""
    old = request.run.manifest
    contract, name = str(old["contract"]), ModelRef.parse(str(old["model"])).name
    recipient = request.recipient or str(old["recipient"])

    def verify(model: ModelRef) -> ActiveScoringContract:
        return verify_scoring_contract(home, client, contract, now=now, model=model, recipient=recipient)

    active = verify(request.model or ModelRef(name))
    if request.model is not None:
        return active
    newest = max(model.version for model in active.contract.models if model.name == name)
    return active if active.model.version == newest else verify(ModelRef(name, newest))


def _check_fits(run: FinishedRun, active: ActiveScoringContract, context: str) -> None:
    """Raise ``NotAllowed`` unless the run's ciphertexts answer the model's questions, under the bank's present keys."""
    sheet, old = active.sheet, run.manifest
    if old["parameters"] != active.params.name or old.get("context_sha256", context) != context:
        raise NotAllowed(
            "This run was encrypted under other keys or parameters than the present.", next_step=SCORE_AGAIN_HINT
        )
    if BankSheet.from_json(run.sheet).columns_sha256 != sheet.columns_sha256:
        raise NotAllowed(
            f"Model {sheet.ref} asks other questions than {old['model']}, which this run answered.",
            next_step=SCORE_AGAIN_HINT,
        )


def _check_still_active(job: JobSession[ActiveScoringContract], request: RescoringRequest) -> None:
    """Raise what stops the contract, or ``NotAllowed`` if its job was stopped: then no batch was refused for itself,
    and the same call resumes the run later."""
    contract = _verify_contract(job.home, job.client, request, datetime.now(UTC)).contract
    if job.client.job(contract.id, job.run.id).get("state") != "open":
        raise NotAllowed(
            "The job was stopped with its contract.", next_step="run the same command again when the contract is active"
        )
