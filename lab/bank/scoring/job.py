"""One scoring job, from the contract to the results.

1. Verify the contract (``lab.bank.contract.agreement``) and read the portfolio (``lab.bank.portfolio``).
2. Open the run on disk, or resume it (``lab.bank.runs.store``).
3. Match the portfolio (``lab.bank.matching.match_job``).
4. Encrypt the matched rows, have them scored, decrypt the sums (``lab.bank.scoring.batch_sender``).
5. Wait for the witnesses of the bureau's ledger (``lab.bank.contract.checkpoint_wait``).
6. Write the table of results (``lab.bank.runs.results``) and the figures (``lab.bank.runs.manifest``), end the job.

Everything paid for is kept, in the run's folder and by contract (``lab.bank.matching.evaluation_store``), so a job that
was stopped is resumed without new charges. Every row of the portfolio ends in exactly one status: ``scored``,
``not-matched``, ``skipped`` (matched, but not to be scored) or ``set-aside`` with its reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.connection.client import BureauClient
from lab.bank.contract.agreement import ActiveScoringContract, verify_scoring_contract
from lab.bank.contract.checkpoint_wait import describe_fork_detection
from lab.bank.exclusion_list import read_exclusion_list
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.match_job import match_for_scoring
from lab.bank.portfolio import Portfolio, read_portfolio
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.runs.job_session import JobSession
from lab.bank.runs.manifest import RunTimer, describe_contract, describe_model, describe_portfolio, describe_run
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.results import check_output_path, output_names, score_table, write_result_table
from lab.bank.runs.store import Intersection, open_run, run_key, unresumable_run_warnings
from lab.bank.scoring.batch_sender import BatchSender, PublicContext
from lab.bank.scoring.column_check import check_columns, describe_moved_items
from lab.terms.progress import SILENT, Progress

_TAG_FORMAT = "tags of a key for each contract"
"""Part of a run's key: a run that was interrupted under tags of another kind is not resumed, for they match nothing."""


def score_portfolio(
    home: BankHome, keys: BankKeys, client: BureauClient, request: ScoringRequest, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Score a portfolio under a contract; returns the run's manifest.

    Raises what ``verify_scoring_contract`` raises, ``InvalidInput`` for a portfolio or a response that does not fit,
    ``NotAllowed`` beyond a ceiling, ``Unreachable`` when the bureau does not answer. The same call resumes the run.
    """
    check_output_path(request.out)
    timer = RunTimer()
    active = verify_scoring_contract(
        home, client, request.contract, now=timer.started, model=request.model, recipient=request.recipient
    )
    contract = active.contract
    with timer.step("read"):
        portfolio = read_portfolio(request.portfolio, kind=contract.id_kind, id_column=request.id_column)
    columns = check_columns(portfolio, active.sheet, accept_drift=request.accept_drift)
    moved = client.register_state(contract.id, active.model.name, active.model.version)[2]
    skip = read_exclusion_list(request.skip, kind=contract.id_kind, portfolio=portfolio)
    context = PublicContext.from_keys(keys, active.params)
    key = _run_key(active, portfolio, skip.codes, context, request.out)
    metadata = RunMetadata.for_contract(RunKind.SCORE, contract, timer.started)
    with open_run(home.runs, key, metadata, now=timer.started) as run:
        job = JobSession(home, keys, client, active, run, progress)
        with timer.step("match"):
            matched = match_for_scoring(job, portfolio.codes, request.processes)
        chosen = _select_for_scoring(matched, portfolio, skip.codes)
        tags, indices = matched.tags[chosen], matched.indices[chosen]
        sums, receipts = BatchSender(job, context, timer).score(portfolio.frame, tags, indices)
        match_receipts = run.matching_receipts()
        evidence = job.await_cosigned([*match_receipts, *receipts])
        with timer.step("results"):
            scores = score_table(
                portfolio, matched.indices, indices, active.sheet, sums, step=contract.ceilings.precision
            )
            write_result_table(scores, request.out)
        warnings = job.end_at_bureau() if portfolio.codes else []
        manifest = _build_manifest(job, portfolio, matched, len(indices), receipts)
        manifest |= columns.describe() | describe_fork_detection(contract, evidence) | describe_run(job, timer)
        manifest |= {"context_sha256": context.sha256, "match_receipts": match_receipts, "out": str(request.out)}
        manifest["warnings"] += [*skip.warnings, *columns.warnings, *describe_moved_items(moved), *warnings]
        manifest["warnings"] += unresumable_run_warnings(home.runs, contract.id)
        run.finish(
            scores=scores,
            outputs=_outputs_table(portfolio, indices, active, sums),
            sheet=active.sheet.to_json(),
            contract=active.signed.model_dump_json(by_alias=True).encode(),
            manifest=manifest,
        )
    return manifest


def _run_key(
    active: ActiveScoringContract, portfolio: Portfolio, skip: frozenset[str], context: PublicContext, out: Path
) -> str:
    """What makes two jobs the same job. An amendment of the contract that leaves all of this alone resumes a run."""
    contract, ceilings = active.contract, active.contract.ceilings
    return run_key(
        _TAG_FORMAT,
        contract.id,
        active.model.sheet_sha256,
        contract.engine,
        contract.parameters,
        active.recipient,
        *map(str, (ceilings.identifiers_per_match, ceilings.rows_per_batch, ceilings.precision)),
        portfolio.sha256,
        portfolio.id_column,
        *sorted(skip),
        context.sha256,
        str(out.absolute()),
    )


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
    job: JobSession[ActiveScoringContract],
    portfolio: Portfolio,
    matched: Intersection,
    scored: int,
    receipts: list[dict[str, Any]],
) -> dict[str, Any]:
    """The contract, the model and the portfolio, and how many of its rows matched and were scored."""
    return {
        "schema": "shulab-run/1",
        **describe_contract(job),
        **describe_model(job.active, receipts),
        "engine": job.contract.engine,
        "parameters": job.active.params.name,
        "columns": len(job.active.sheet.columns),
        **describe_portfolio(portfolio),
        "matched": len(matched.indices),
        "false_positive_rate": matched.false_positive_rate,
        "skipped": len(matched.indices) - scored,
        "scored": scored,
        "receipts": receipts,
        "warnings": list(portfolio.warnings),
    }
