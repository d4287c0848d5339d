"""One scoring job from the contract to the results.

contract -> verify -> open the job -> match -> indicators -> encrypt -> score -> decrypt -> results -> end the job.
Encryption goes on while the bureau evaluates what it already has (``lab.bank.scoring.batch_sender``); everything paid
for is kept, in the run's folder (``lab.bank.runs.store``) and by contract (``lab.bank.matching.evaluation_store``), so
that a job that was stopped goes on without new charges. Every row of the portfolio ends in exactly one status:
``scored``, ``not-matched``, ``skipped`` (matched, but not to be scored) or ``set-aside`` with its reason.
"""

from __future__ import annotations

import hashlib
import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.connection.client import BureauClient, JobDescription
from lab.bank.contract.agreement import ActiveScoringContract, verify_scoring_contract
from lab.bank.contract.checkpoint_wait import await_cosigned_checkpoint, describe_fork_detection
from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.job_lifecycle import (
    check_portfolio_allowance,
    end_job,
    make_receipt_handler,
    open_job,
    upload_context,
)
from lab.bank.matching.matcher import MatchingParameters, intersect_identifiers
from lab.bank.portfolio import Portfolio, read_codes, read_portfolio
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.results import check_output_path, output_names, score_table, write_result_table
from lab.bank.runs.store import Intersection, Run, open_run, run_key, unresumable_run_warnings
from lab.bank.scoring.batch_sender import BatchSender, StepTimer
from lab.terms.progress import SILENT, Progress
from models.shared.features import count_unreadable_cells, require_columns

_TAG_FORMAT = "tags of a key for each contract"
"""A run that was interrupted under tags of another kind is not gone on with: they name nobody any more."""


@dataclass(frozen=True)
class ScoringRequest:
    """What is asked for: a portfolio, a contract, and where the scores go."""

    portfolio: Path
    contract: str
    out: Path
    id_column: str | None = None
    skip: Path | None = None
    model: tuple[str, int | None] | None = None
    """Name and version; None: the contract's first."""
    recipient: str | None = None
    """Who in the bank the results are for; None: the first that the contract names."""
    processes: int = 0
    """How many to match with; 0: one for each core."""


def score_portfolio(
    home: BankHome, keys: BankKeys, outlet: BureauClient, job: ScoringRequest, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Score a portfolio under a contract; returns the run's manifest.

    Raises what the contract check raises, ``InvalidInput`` for a portfolio or an answer that does not fit,
    ``NotAllowed`` beyond a ceiling, ``Unreachable`` when the bureau does not answer; then the run can be continued by
    the same call.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    check_output_path(job.out)
    agreement = verify_scoring_contract(
        home, outlet, job.contract, now=started, model=job.model, recipient=job.recipient
    )
    contract = agreement.contract
    clock = StepTimer()
    with clock.step("read"):
        portfolio = read_portfolio(job.portfolio, kind=contract.id_kind, id_column=job.id_column)
    require_columns(portfolio.frame, agreement.sheet.features)
    skip = read_codes(job.skip, kind=contract.id_kind) if job.skip else frozenset()
    context = keys.public_context(agreement.params)
    context_name = hashlib.sha256(context).hexdigest()
    key = run_key(
        *_run_key_parts(agreement),
        portfolio.sha256,
        portfolio.id_column,
        *sorted(skip),
        context_name,
        _output_path(job),
    )
    with open_run(home.runs, key, RunMetadata.for_contract(RunKind.SCORE, contract, started), now=started) as run:
        witness = LedgerWitness(home, contract.bureau, outlet.ledger_consistency)
        with clock.step("match"):
            matched = _match(home, keys, outlet, run, agreement, portfolio.codes, job.processes, witness, progress)
        wanted = _select_for_scoring(matched, portfolio, skip)
        tags, indices = matched.tags[wanted], matched.indices[wanted]
        courier = BatchSender(agreement, keys.key_holder(agreement.params), outlet, run, clock, context_name, witness)
        # If nothing is missing, the job may have ended at the bureau, just before this was stopped.
        if courier.missing_batches(courier.batch_sizes(len(indices))):
            upload_context(outlet, contract.id, run.id, context_name, context)
        values, receipts = courier.score(portfolio.frame, tags, indices, progress)
        of_matching = run.matching_receipts()
        cosigned = await_cosigned_checkpoint(outlet, contract, [*of_matching, *receipts], witness, progress=progress)
        outputs = pl.DataFrame(
            {"code": pl.Series([portfolio.codes[i] for i in indices.tolist()], dtype=pl.String)}
            | {name: values[row] for row, name in enumerate(output_names(agreement.sheet))}
        )
        step = agreement.contract.ceilings.precision
        with clock.step("results"):
            scores = score_table(portfolio, matched.indices, indices, agreement.sheet, values, step=step)
            write_result_table(scores, job.out)
        warnings = end_job(outlet, contract.id, run.id) if portfolio.codes else []
        manifest = _manifest(home, agreement, portfolio, job, run, matched, receipts)
        manifest["warnings"] += warnings + unresumable_run_warnings(home.runs, contract.id)
        manifest |= (
            describe_fork_detection(contract, cosigned)
            | {
                "match_receipts": of_matching,
                "context_sha256": context_name,
                "skipped": len(matched.indices) - len(indices),
                "scored": len(indices),
            }
            | run_statistics(outlet, clock, run, begun, started)
        )
        run.finish(
            scores=scores,
            outputs=outputs,
            sheet=agreement.sheet.to_json(),
            contract=agreement.signed.model_dump_json(by_alias=True).encode(),
            manifest=manifest,
        )
    return manifest


def run_statistics(outlet: BureauClient, clock: StepTimer, run: Run, begun: float, started: datetime) -> dict[str, Any]:
    """What a run is and took, and until when it may be kept; ``begun``: by ``time.perf_counter``."""
    seconds = {name: round(value, 3) for name, value in clock.seconds.items()}
    return {
        "kind": run.metadata.kind.value,
        "seconds": seconds | {"total": round(time.perf_counter() - begun, 3)},
        "bytes_up": outlet.bytes_up,
        "bytes_down": outlet.bytes_down,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "started": started.isoformat(timespec="seconds"),
        "delete_after": run.metadata.delete_after.isoformat(),
        "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
    }


def _run_key_parts(agreement: ActiveScoringContract) -> tuple[str, ...]:
    """What of a contract makes a job the same job. An amendment that leaves these as they are lets a run go on."""
    contract, ceilings = agreement.contract, agreement.contract.ceilings
    sizes = (ceilings.identifiers_per_match, ceilings.rows_per_batch, ceilings.precision)
    terms = (contract.id, agreement.model.sheet_sha256, contract.engine, contract.parameters, agreement.recipient)
    return (_TAG_FORMAT, *terms, *map(str, sizes))


def _output_path(job: ScoringRequest) -> str:
    return str(job.out.absolute())


def _match(
    home: BankHome,
    keys: BankKeys,
    outlet: BureauClient,
    run: Run,
    agreement: ActiveScoringContract,
    codes: tuple[str, ...],
    processes: int,
    witness: LedgerWitness,
    progress: Progress,
) -> Intersection:
    """Open the run's job at the bureau, or go on with it, and learn which codes the register holds."""
    contract, model, kept = agreement.contract, agreement.model, run.intersection()
    if not codes:
        return Intersection(np.zeros(0, np.int64), np.zeros((0, 16), np.uint8), 0.0)
    if kept is None:
        check_portfolio_allowance(home, outlet, contract, codes)
    card = JobDescription(agreement.recipient, model.name, model.version, len(codes))
    epoch = open_job(outlet, contract.id, run.id, card, folder="runs")
    if kept is None:
        take = make_receipt_handler(witness, run, contract.id, epoch)
        counterpart = MatchingJobClient(outlet, contract.id, run.id, progress, take)
        most = contract.ceilings.identifiers_per_match
        ask = MatchingParameters(
            contract.engine, epoch, most, contract.bureau.public_key, not contract.consent.required, processes
        )
        kept = intersect_identifiers(home, keys, counterpart, ask, codes, progress=progress).intersection
        run.save_intersection(kept)
    return kept


def _select_for_scoring(matched: Intersection, portfolio: Portfolio, skip: frozenset[str]) -> NDArray[np.int64]:
    """Positions in ``matched`` to be scored, by tag: a batch's order then tells nothing of the portfolio's order."""
    keep = [place for place, index in enumerate(matched.indices.tolist()) if portfolio.codes[index] not in skip]
    places = np.array(keep, dtype=np.int64)
    return places[np.lexsort(matched.tags[places].T[::-1])] if keep else places


def _manifest(
    home: BankHome,
    agreement: ActiveScoringContract,
    portfolio: Portfolio,
    job: ScoringRequest,
    run: Run,
    matched: Intersection,
    receipts: list[dict[str, Any]],
) -> dict[str, Any]:
    contract, sheet = agreement.contract, agreement.sheet
    numbers = count_unreadable_cells(portfolio.frame, sheet.features)
    warnings = list(portfolio.warnings)
    warnings += [f"column {name}: {count} cells are no numbers and count as missing" for name, count in numbers.items()]
    return {
        "schema": "shulab-run/1",
        "run": run.id,
        "resumed": run.resumed,
        "bank": home.name,
        "bureau": contract.bureau.name,
        "contract": contract.id,
        **agreement.manifest_fields(receipts),
        "engine": contract.engine,
        "parameters": agreement.params.name,
        "columns": len(sheet.columns),
        "portfolio": portfolio.name,
        "portfolio_sha256": portfolio.sha256,
        "rows": portfolio.rows,
        "accepted": len(portfolio.codes),
        "set_aside": len(portfolio.set_aside),
        "set_aside_reasons": portfolio.set_aside_counts,
        "matched": len(matched.indices),
        "false_positive_rate": matched.false_positive_rate,
        "warnings": warnings,
        "receipts": receipts,
        "out": str(job.out),
    }
