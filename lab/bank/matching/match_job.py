"""The two jobs that end with matching: which rows of a portfolio the register holds, or only how many.

Matching alone lets the bureau learn a number and nothing else: which enterprises matched it learns when, and so far as,
the bank asks for scores later (``lab bank score``, under the same contract, which asks nothing twice). Counting needs a
contract for counting and tells either side a number alone.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lab.bank.connection.client import BureauClient, JobDescription
from lab.bank.contract.agreement import ActiveContract, verify_active_contract
from lab.bank.contract.checkpoint_wait import await_cosigned_checkpoint, describe_fork_detection
from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.job_lifecycle import (
    check_allowance,
    check_portfolio_allowance,
    end_job,
    make_receipt_handler,
    open_job,
)
from lab.bank.matching.matcher import (
    MAX_REQUEST_ELEMENTS,
    CountResult,
    MatchingParameters,
    MatchResult,
    count_matching_identifiers,
    intersect_identifiers,
    split_count_requests,
)
from lab.bank.portfolio import Portfolio, read_portfolio
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.results import check_output_path, match_table, write_result_table
from lab.bank.runs.store import Run, open_run, run_key
from lab.terms.contract.document import Operation
from lab.terms.progress import SILENT, Progress
from protocols.matching.bank import MIN_BITS_PER_ENTRY


@dataclass(frozen=True)
class MatchRequest:
    """What is asked for: a portfolio, a contract, and how to go about it. ``processes`` 0: one for each core."""

    portfolio: Path
    contract: str
    id_column: str | None = None
    processes: int = 0


def match_portfolio(
    home: BankHome,
    keys: BankKeys,
    outlet: BureauClient,
    errand: MatchRequest,
    out: Path,
    *,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Match a portfolio and write which rows matched to ``out``; returns the run's manifest.

    Raises what ``verify_active_contract`` and ``intersect_identifiers`` raise; the same call goes on then, without new
    charges.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    check_output_path(out)
    standing = verify_active_contract(home, outlet, errand.contract, now=started, operations=(Operation.MATCH,))
    contract, portfolio = standing.contract, _read_portfolio(standing, errand)
    key = run_key("match", contract.id, portfolio.sha256, portfolio.id_column, str(out.absolute()))
    with open_run(home.matches, key, RunMetadata.for_contract(RunKind.MATCH, contract, started), now=started) as run:
        found, warnings = None, list(portfolio.warnings)
        witness = LedgerWitness(home, contract.bureau, outlet.ledger_consistency)
        if portfolio.codes:
            check_portfolio_allowance(home, outlet, contract, portfolio.codes)
            counterpart, ask = _open_matching_job(witness, standing, outlet, run, portfolio, errand, progress)
            found = intersect_identifiers(home, keys, counterpart, ask, portfolio.codes, progress=progress)
        cosigned = await_cosigned_checkpoint(outlet, contract, run.matching_receipts(), witness, progress=progress)
        matched = found.intersection.indices if found else np.zeros(0, dtype=np.int64)
        write_result_table(match_table(portfolio, matched), out)
        if portfolio.codes:
            warnings += end_job(outlet, contract.id, run.id)
        manifest = _manifest(home, standing, outlet, portfolio, run, found, begun, started)
        manifest |= describe_fork_detection(contract, cosigned) | {
            "sent": found.identifiers_sent if found else 0,
            "false_positive_rate": found.intersection.false_positive_rate if found else 0.0,
            "warnings": warnings,
            "out": str(out),
        }
        run.finish_without_scores(manifest)
    return manifest


def count_portfolio(
    home: BankHome, keys: BankKeys, outlet: BureauClient, errand: MatchRequest, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Count how many enterprises of a portfolio match; returns the run's manifest.

    Raises what ``verify_active_contract`` and ``count_matching_identifiers`` raise; the same call goes on then, without
    new charges.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    standing = verify_active_contract(home, outlet, errand.contract, now=started, operations=(Operation.COUNT,))
    contract, portfolio = standing.contract, _read_portfolio(standing, errand)
    split_count_requests(len(portfolio.codes), min(contract.ceilings.identifiers_per_match, MAX_REQUEST_ELEMENTS))
    key = run_key("count", contract.id, portfolio.sha256, portfolio.id_column)
    with open_run(home.matches, key, RunMetadata.for_contract(RunKind.COUNT, contract, started), now=started) as run:
        if not run.resumed:
            check_allowance(outlet, contract, len(portfolio.codes))
        witness = LedgerWitness(home, contract.bureau, outlet.ledger_consistency)
        counterpart, ask = _open_matching_job(witness, standing, outlet, run, portfolio, errand, progress)
        counted = count_matching_identifiers(
            home, run.folder / "setup", keys, counterpart, ask, portfolio.codes, progress=progress
        )
        cosigned = await_cosigned_checkpoint(outlet, contract, run.matching_receipts(), witness, progress=progress)
        warnings = [*portfolio.warnings, *end_job(outlet, contract.id, run.id)]
        manifest = _manifest(home, standing, outlet, portfolio, run, counted, begun, started)
        manifest |= describe_fork_detection(contract, cosigned) | {"warnings": warnings}
        run.finish_without_scores(manifest)
    return manifest


def _read_portfolio(standing: ActiveContract, errand: MatchRequest) -> Portfolio:
    return read_portfolio(errand.portfolio, kind=standing.contract.id_kind, id_column=errand.id_column)


def _open_matching_job(
    witness: LedgerWitness,
    standing: ActiveContract,
    outlet: BureauClient,
    run: Run,
    portfolio: Portfolio,
    errand: MatchRequest,
    progress: Progress,
) -> tuple[MatchingJobClient, MatchingParameters]:
    """The run's job, opened or gone on with."""
    contract, model = standing.contract, standing.model
    card = JobDescription(standing.recipient, model.name, model.version, len(portfolio.codes))
    epoch = open_job(outlet, contract.id, run.id, card, folder="matches")
    most = contract.ceilings.identifiers_per_match
    ask = MatchingParameters(
        contract.engine, epoch, most, contract.bureau.public_key, not contract.consent.required, errand.processes
    )
    take = make_receipt_handler(witness, run, contract.id, epoch)
    return MatchingJobClient(outlet, contract.id, run.id, progress, take), ask


def _manifest(
    home: BankHome,
    standing: ActiveContract,
    outlet: BureauClient,
    portfolio: Portfolio,
    run: Run,
    found: MatchResult | CountResult | None,
    begun: float,
    started: datetime,
) -> dict[str, Any]:
    contract = standing.contract
    matched = 0
    if found is not None:
        matched = found.matched if isinstance(found, CountResult) else len(found.intersection.indices)
    entries = found.setup.entries if found else 0
    seconds = dict(found.seconds) if found else {}
    seconds["total"] = time.perf_counter() - begun
    return {
        "schema": "shulab-match/1",
        "kind": run.metadata.kind.value,
        "run": run.id,
        "resumed": run.resumed,
        "bank": home.name,
        "bureau": contract.bureau.name,
        "contract": contract.id,
        "version": contract.version,
        "contract_sha256": contract.sha256,
        "purpose": contract.purpose.value,
        "recipient": standing.recipient,
        "engine": contract.engine,
        "receipts": run.matching_receipts(),
        "portfolio": portfolio.name,
        "portfolio_sha256": portfolio.sha256,
        "rows": portfolio.rows,
        "accepted": len(portfolio.codes),
        "set_aside": len(portfolio.set_aside),
        "set_aside_reasons": portfolio.set_aside_counts,
        "matched": matched,
        "setup_entries": entries,
        "setup_bytes": found.setup_bytes if found else 0,
        "setup_bytes_an_entry": round(found.setup_bytes / entries, 4) if found and entries else 0.0,
        "least_bytes_an_entry": MIN_BITS_PER_ENTRY / 8,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "bytes_up": outlet.bytes_up,
        "bytes_down": outlet.bytes_down,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "started": started.isoformat(timespec="seconds"),
        "delete_after": run.metadata.delete_after.isoformat(),
        "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
