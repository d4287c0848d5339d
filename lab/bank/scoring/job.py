"""One scoring job, from the contract to the results.

1. Verify the contract (``lab.bank.contract.agreement``) and read the portfolio (``lab.bank.portfolio``).
2. Open the run on disk, or resume it (``lab.bank.runs.store``).
3. Match the portfolio (``lab.bank.matching.match_job``).
4. Encrypt the matched rows, have them scored, decrypt the sums (``lab.bank.scoring.batch_sender``).
5. Wait for the witnesses of the bureau's ledger (``lab.bank.contract.checkpoint_wait``).
6. End the job, and finish the run: its results (``lab.bank.runs.results``) and figures (``lab.bank.runs.manifest``).
7. Write the file that was asked for (``lab.bank.runs.delivery``).

Everything paid for is kept, in the run's folder and by contract (``lab.bank.matching.evaluation_store``), so a job that
was stopped is resumed without new charges. Every row of the portfolio ends in exactly one status: ``scored``,
``not-matched``, ``skipped`` (matched, but not to be scored) or ``set-aside`` with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.connection.client import BureauClient
from lab.bank.connection.responses import RegisterState
from lab.bank.contract.agreement import ActiveScoringContract, verify_scoring_contract
from lab.bank.contract.checkpoint_wait import describe_fork_detection
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.match_job import match_for_scoring
from lab.bank.matching.unmatched_hints import hint_sentences
from lab.bank.portfolio import Portfolio
from lab.bank.runs.delivery import describe_given_out, find_paid_run, give_out, was_given_out
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.runs.job_session import JobSession
from lab.bank.runs.manifest import RunTimer, describe_contract, describe_model, describe_portfolio, describe_run
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.partial_results import RunPlan, name_what_was_answered, save_plan
from lab.bank.runs.results import check_output_path, output_names, score_table, unanswered_table
from lab.bank.runs.store import (
    FinishedRun,
    Intersection,
    open_run,
    read_finished_run,
    translate_disk_errors,
    unresumable_run_warnings,
)
from lab.bank.runs.superseded_registers import keep_superseded
from lab.bank.scoring.batch_sender import BatchSender
from lab.bank.scoring.column_check import ColumnCheck, check_columns, describe_moved_items
from lab.bank.scoring.job_inputs import JobInputs, find_waiting_run, read_inputs
from lab.bank.scoring.register_days import describe_register_days
from lab.terms.progress import SILENT, Progress
from lab.terms.witnessing.cosignature_evidence import CosignatureEvidence


@translate_disk_errors()
def score_portfolio(
    home: BankHome, keys: BankKeys, client: BureauClient, request: ScoringRequest, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Score a portfolio under a contract; returns the run's manifest.

    A finished run of the same job that was never given out is given out, and nothing is charged (``charged`` False). So
    is one that was, if it was computed from the present register, unless ``request.again`` asks for new scores.

    Raises what ``verify_scoring_contract`` raises, ``InvalidInput`` for a portfolio or a response that does not fit,
    ``NotAllowed`` beyond a ceiling, ``Unreachable`` when the bureau does not answer, ``MachineFault`` when the
    disk refuses. The same call resumes the run.
    """
    check_output_path(request.out)
    timer = RunTimer()
    waiting = find_waiting_run(home, keys, request)
    if waiting is not None:
        return describe_given_out(waiting, give_out(waiting, request.out))
    with name_what_was_answered(home.runs, request.contract):
        active = verify_scoring_contract(
            home, client, request.contract, now=timer.started, model=request.model, recipient=request.recipient
        )
    with timer.step("read"):
        inputs = read_inputs(keys, active.contract, active.model, active.recipient, request)
    columns = check_columns(inputs.portfolio, active.sheet, accept_drift=request.accept_drift)
    state = client.register_state(active.contract.id, active.model.name, active.model.version)
    keep_superseded(home.folder, active.contract.id, state)
    metadata = RunMetadata.for_contract(RunKind.SCORE, active.contract, timer.started)
    paid = _find_paid_run(home, active, inputs, request, state.label)
    if paid is None:
        with open_run(home.runs, inputs.key, metadata, now=timer.started) as run:
            # Another process may have ended the same job just before this run was opened.
            paid = None if run.resumed else _find_paid_run(home, active, inputs, request, state.label)
            if paid is None:
                job = JobSession(home, keys, client, active, run, progress)
                _score_into_run(job, inputs, request, timer, _Findings(state, columns))
            else:
                run.discard()
    if paid is not None:
        return describe_given_out(paid, give_out(paid, request.out))
    return give_out(read_finished_run(run.folder), request.out)


def _find_paid_run(
    home: BankHome, active: ActiveScoringContract, inputs: JobInputs, request: ScoringRequest, register: str
) -> FinishedRun | None:
    """The finished run of the same job that is given out instead of being paid for again, if there is one."""
    paid = find_paid_run(home.runs, active.contract.id, inputs.key, register=register)
    return None if paid is not None and request.again and was_given_out(paid) else paid


@dataclass(frozen=True)
class _Findings:
    """What is known before a job begins: the register, and the check of the portfolio's columns."""

    register: RegisterState
    columns: ColumnCheck


def _score_into_run(
    job: JobSession[ActiveScoringContract],
    inputs: JobInputs,
    request: ScoringRequest,
    timer: RunTimer,
    found: _Findings,
) -> None:
    """Do the job and finish its run."""
    home, active = job.home, job.active
    done = _match_and_score(job, inputs, request.processes, timer)
    warnings = job.end_at_bureau() if inputs.portfolio.codes else []
    columns = found.columns
    manifest = _build_manifest(job, inputs, done, found.register) | columns.describe() | describe_run(job, timer)
    manifest["out"] = str(request.out)
    manifest["warnings"] += [
        *inputs.skip.warnings,
        *columns.warnings,
        *describe_moved_items(found.register.moved),
        *warnings,
    ]
    manifest["warnings"] += unresumable_run_warnings(home.runs, active.contract.id)
    job.run.finish(
        scores=done.scores,
        outputs=_outputs_table(inputs.portfolio, done.indices, active, done.sums),
        sheet=active.sheet.to_json(),
        contract=active.signed.model_dump_json(by_alias=True).encode(),
        manifest=manifest,
    )


@dataclass(frozen=True)
class _Scored:
    """What a job found. ``indices``: positions in the portfolio's codes, in the order of ``sums``."""

    matched: Intersection
    indices: NDArray[np.int64]
    sums: NDArray[np.int64]
    receipts: list[dict[str, Any]]
    match_receipts: list[dict[str, Any]]
    evidence: CosignatureEvidence | None
    scores: pl.DataFrame


def _match_and_score(
    job: JobSession[ActiveScoringContract], inputs: JobInputs, processes: int, timer: RunTimer
) -> _Scored:
    """Match, encrypt, have scored, decrypt, and wait for the witnesses."""
    with timer.step("match"):
        matched = match_for_scoring(job, inputs.portfolio.codes, processes)
    chosen = _select_for_scoring(matched, inputs.portfolio, inputs.skip.codes)
    tags, indices = matched.tags[chosen], matched.indices[chosen]
    sender = BatchSender(job, inputs.context, timer)
    _save_plan(job, inputs.portfolio, matched.indices, indices, sender.largest_batch)
    sums, receipts = sender.score(inputs.portfolio.frame, tags, indices)
    match_receipts = job.run.matching_receipts()
    evidence = job.await_cosigned([*match_receipts, *receipts])
    with timer.step("results"):
        step = job.contract.ceilings.precision
        scores = score_table(inputs.portfolio, matched.indices, indices, job.active.sheet, sums, step=step)
    return _Scored(matched, indices, sums, receipts, match_receipts, evidence, scores)


def _save_plan(
    job: JobSession[ActiveScoringContract],
    portfolio: Portfolio,
    matched: NDArray[np.int64],
    indices: NDArray[np.int64],
    batch_rows: int,
) -> None:
    """Keep which rows the batches will hold, so that what is answered can be given out whatever happens then."""
    rows = unanswered_table(portfolio, matched, indices)
    plan = RunPlan(rows, portfolio.row_numbers[indices], batch_rows)
    contract = job.active.signed.model_dump_json(by_alias=True).encode()
    save_plan(job.run, plan, sheet=job.active.sheet.to_json(), contract=contract)


def _select_for_scoring(matched: Intersection, portfolio: Portfolio, skip: frozenset[str]) -> NDArray[np.int64]:
    """Positions in ``matched`` to be scored, sorted by tag: a batch's order then says nothing of the portfolio's."""
    keep = [place for place, index in enumerate(matched.indices.tolist()) if portfolio.codes[index] not in skip]
    places = np.array(keep, dtype=np.int64)
    return places[np.lexsort(matched.tags[places].T[::-1])] if keep else places


def _outputs_table(
    portfolio: Portfolio, indices: NDArray[np.int64], active: ActiveScoringContract, sums: NDArray[np.int64]
) -> pl.DataFrame:
    """The decrypted sums, int64 [outputs, rows], as a table: ``code`` and one column for each output."""
    codes = pl.Series([portfolio.codes[index] for index in indices.tolist()], dtype=pl.String)
    return pl.DataFrame({"code": codes} | {name: sums[row] for row, name in enumerate(output_names(active.sheet))})


def _build_manifest(
    job: JobSession[ActiveScoringContract], inputs: JobInputs, done: _Scored, register: RegisterState
) -> dict[str, Any]:
    """The contract, the model and the portfolio, and how many of its rows matched and were scored."""
    facts = {
        "schema": "shulab-run/1",
        "job": inputs.key,
        **describe_contract(job),
        **describe_model(job.active, done.receipts),
        "engine": job.contract.engine,
        "parameters": job.active.params.name,
        "columns": len(job.active.sheet.columns),
        **describe_portfolio(inputs.portfolio),
        "matched": len(done.matched.indices),
        "false_positive_rate": done.matched.false_positive_rate,
        "skipped": len(done.matched.indices) - len(done.indices),
        "scored": len(done.indices),
        "receipts": done.receipts,
        "match_receipts": done.match_receipts,
        "context_sha256": inputs.context.sha256,
        "warnings": list(inputs.portfolio.warnings),
    }
    if inputs.portfolio.codes and not len(done.matched.indices):
        facts["warnings"] += hint_sentences(inputs.portfolio, job.contract.id_kind)
    facts["register"] = facts["register"] or register.label  # no receipt names one if nobody was scored
    facts |= describe_register_days(facts["register"], register, job.ask_register)
    return facts | describe_fork_detection(job.contract, done.evidence)
