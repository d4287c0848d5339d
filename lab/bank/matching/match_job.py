"""Jobs that match: for scoring, for a table of the rows that match, or only for their number.

Matching tells the bureau how many identifiers were asked, and nothing else. It learns which enterprises match only when
the bank asks for their scores (``lab bank score`` under the same contract, which sends no identifier a second time).
Counting needs a contract that allows it, and gives both sides a number alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.bank.connection.client import BureauClient
from lab.bank.contract.agreement import ActiveContract, verify_active_contract
from lab.bank.contract.checkpoint_wait import describe_fork_detection
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.job_lifecycle import check_allowance, check_portfolio_allowance, open_matching_job
from lab.bank.matching.matcher import (
    MAX_REQUEST_ELEMENTS,
    CountResult,
    MatchResult,
    count_matching_identifiers,
    intersect_identifiers,
    split_count_requests,
)
from lab.bank.matching.unmatched_hints import hint_sentences, require_usable_codes
from lab.bank.portfolio import read_portfolio
from lab.bank.runs.job_requests import CountRequest, MatchRequest
from lab.bank.runs.job_session import JobSession
from lab.bank.runs.manifest import RunTimer, describe_contract, describe_portfolio, describe_run
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.results import check_output_path, check_output_rows, match_table, write_result_table
from lab.bank.runs.store import Intersection, open_run, run_key, translate_disk_errors
from lab.terms.contract.document import Operation
from lab.terms.progress import SILENT, Progress
from protocols.matching.bank import MIN_BITS_PER_ENTRY, TAG_BYTES


def match_for_scoring(job: JobSession[ActiveContract], codes: Sequence[str], processes: int) -> Intersection:
    """Open the job at the bureau, or resume it, and find which ``codes`` the register holds.

    A run keeps to the intersection that it has once found. Raises what ``check_portfolio_allowance``,
    ``open_matching_job`` and ``intersect_identifiers`` raise.
    """
    if not codes:
        return Intersection(np.zeros(0, np.int64), np.zeros((0, TAG_BYTES), np.uint8), 0.0)
    kept = job.run.intersection()
    if kept is None:
        check_portfolio_allowance(job, codes)
    client, parameters = open_matching_job(job, len(codes), processes)
    if kept is None:
        found = intersect_identifiers(job.home, job.keys, client, parameters, codes, progress=job.progress)
        kept = found.intersection
        job.run.save_intersection(kept)
    return kept


@translate_disk_errors()
def match_portfolio(
    home: BankHome, keys: BankKeys, client: BureauClient, request: MatchRequest, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Match a portfolio and write which rows matched; returns the run's manifest.

    Raises what ``verify_active_contract`` and ``intersect_identifiers`` raise; the same call resumes the run without
    new charges.
    """
    check_output_path(request.out)
    timer, start_seconds = RunTimer({}), time.process_time()
    active = verify_active_contract(home, client, request.contract, now=timer.started, operations=(Operation.MATCH,))
    contract = active.contract
    portfolio = read_portfolio(request.portfolio, kind=contract.id_kind, id_column=request.id_column)
    require_usable_codes(portfolio, contract.id_kind)
    check_output_rows(request.out, portfolio.rows)
    key = run_key("match", contract.id, portfolio.sha256, portfolio.id_column)
    metadata = RunMetadata.for_contract(RunKind.MATCH, contract, timer.started)
    with open_run(home.matches, key, metadata, now=timer.started) as run:
        job = JobSession(home, keys, client, active, run, progress)
        found, warnings = None, list(portfolio.warnings)
        if portfolio.codes:
            check_portfolio_allowance(job, portfolio.codes)
            job_client, parameters = open_matching_job(job, len(portfolio.codes), request.processes)
            found = intersect_identifiers(home, keys, job_client, parameters, portfolio.codes, progress=progress)
            timer.seconds.update(found.seconds)
        evidence = job.await_cosigned(run.matching_receipts())
        matched = found.intersection.indices if found else np.zeros(0, dtype=np.int64)
        write_result_table(match_table(portfolio, matched), request.out)
        if portfolio.codes:
            warnings += job.end_at_bureau()
            warnings += [] if len(matched) else hint_sentences(portfolio, contract.id_kind)
        manifest = _describe_matching(job, found) | describe_portfolio(portfolio)
        manifest |= describe_fork_detection(contract, evidence) | {
            "matched": len(matched),
            "sent": found.identifiers_sent if found else 0,
            "false_positive_rate": found.intersection.false_positive_rate if found else 0.0,
            "warnings": warnings,
            "out": str(request.out),
            "start_seconds": round(start_seconds, 3),
        }
        manifest |= describe_run(job, timer)
        run.finish_without_scores(manifest)
    return manifest


@translate_disk_errors()
def count_portfolio(
    home: BankHome, keys: BankKeys, client: BureauClient, request: CountRequest, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Count how many enterprises of a portfolio match; returns the run's manifest.

    Raises what ``verify_active_contract`` and ``count_matching_identifiers`` raise; the same call resumes the run
    without new charges.
    """
    timer = RunTimer({})
    active = verify_active_contract(home, client, request.contract, now=timer.started, operations=(Operation.COUNT,))
    contract = active.contract
    portfolio = read_portfolio(request.portfolio, kind=contract.id_kind, id_column=request.id_column)
    require_usable_codes(portfolio, contract.id_kind)
    split_count_requests(len(portfolio.codes), min(contract.ceilings.identifiers_per_match, MAX_REQUEST_ELEMENTS))
    key = run_key("count", contract.id, portfolio.sha256, portfolio.id_column)
    metadata = RunMetadata.for_contract(RunKind.COUNT, contract, timer.started)
    with open_run(home.matches, key, metadata, now=timer.started) as run:
        job = JobSession(home, keys, client, active, run, progress)
        if not run.resumed:
            check_allowance(job, len(portfolio.codes))
        job_client, parameters = open_matching_job(job, len(portfolio.codes), request.processes)
        counted = count_matching_identifiers(
            home, run.folder / "setup", keys, job_client, parameters, portfolio.codes, progress=progress
        )
        timer.seconds.update(counted.seconds)
        evidence = job.await_cosigned(run.matching_receipts())
        warnings = [*portfolio.warnings, *job.end_at_bureau()]
        warnings += [] if counted.matched else hint_sentences(portfolio, contract.id_kind)
        manifest = _describe_matching(job, counted) | describe_portfolio(portfolio)
        manifest |= describe_fork_detection(contract, evidence) | {"matched": counted.matched, "warnings": warnings}
        manifest |= describe_run(job, timer)
        run.finish_without_scores(manifest)
    return manifest


def _describe_matching(job: JobSession[ActiveContract], found: MatchResult | CountResult | None) -> dict[str, Any]:
    """The contract, its receipts, and what the set-up cost; ``found`` None: there was nothing to match."""
    entries = found.setup.entries if found else 0
    return {
        "schema": "shulab-match/1",
        **describe_contract(job),
        "engine": job.contract.engine,
        "receipts": job.run.matching_receipts(),
        "setup_entries": entries,
        "setup_bytes": found.setup_bytes if found else 0,
        "setup_bytes_an_entry": round(found.setup_bytes / entries, 4) if found and entries else 0.0,
        "least_bytes_an_entry": MIN_BITS_PER_ENTRY / 8,
        "arithmetic_seconds": round(found.arithmetic_seconds, 3) if found else 0.0,
    }
