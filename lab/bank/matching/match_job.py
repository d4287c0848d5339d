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

from lab.bank.connection.client import JobCard, Outlet
from lab.bank.contract.agreement import Standing, check_standing
from lab.bank.contract.checkpoint_wait import await_cosigned, describe
from lab.bank.contract.ledger_witness import Witness
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.job_client import Counterpart
from lab.bank.matching.job_lifecycle import check_allowance, check_before, end_job, open_job, take_receipts
from lab.bank.matching.matcher import CHUNK, Ask, Counted, Found, count, even_parts, match
from lab.bank.portfolio import Portfolio, read_portfolio
from lab.bank.runs.metadata import Label, RunKind
from lab.bank.runs.results import check_suffix, match_table, write_scores
from lab.bank.runs.store import Run, open_run, run_key
from lab.terms.contract.document import Operation
from lab.terms.progress import SILENT, Progress
from protocols.matching.bank import BOUND_BITS


@dataclass(frozen=True)
class Errand:
    """What is asked for: a portfolio, a contract, and how to go about it. ``processes`` 0: one for each core."""

    portfolio: Path
    contract: str
    id_column: str | None = None
    processes: int = 0


def match_portfolio(
    home: BankHome, keys: BankKeys, outlet: Outlet, errand: Errand, out: Path, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Match a portfolio and write which rows matched to ``out``; returns the run's manifest.

    Raises what ``check_standing`` and ``match`` raise; the same call goes on then, without new charges.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    check_suffix(out)
    standing = check_standing(home, outlet, errand.contract, now=started, operations=(Operation.MATCH,))
    contract, portfolio = standing.contract, _read(standing, errand)
    key = run_key("match", contract.id, portfolio.sha256, portfolio.id_column, str(out.absolute()))
    with open_run(home.matches, key, Label.of(RunKind.MATCH, contract, started), now=started) as run:
        found, warnings = None, list(portfolio.warnings)
        witness = Witness(home, contract.bureau, outlet.ledger_consistency)
        if portfolio.codes:
            check_before(home, outlet, contract, portfolio.codes)
            counterpart, ask = _open(witness, standing, outlet, run, portfolio, errand, progress)
            found = match(home, keys, counterpart, ask, portfolio.codes, progress=progress)
        cosigned = await_cosigned(outlet, contract, run.receipts(), witness, progress=progress)
        matched = found.match.indices if found else np.zeros(0, dtype=np.int64)
        write_scores(match_table(portfolio, matched), out)
        if portfolio.codes:
            warnings += end_job(outlet, contract.id, run.id)
        manifest = _manifest(home, standing, outlet, portfolio, run, found, begun, started)
        manifest |= describe(contract, cosigned) | {
            "sent": found.sent if found else 0,
            "false_positive_rate": found.match.false_positive_rate if found else 0.0,
            "warnings": warnings,
            "out": str(out),
        }
        run.finish_match(manifest)
    return manifest


def count_portfolio(
    home: BankHome, keys: BankKeys, outlet: Outlet, errand: Errand, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Count how many enterprises of a portfolio match; returns the run's manifest.

    Raises what ``check_standing`` and ``count`` raise; the same call goes on then, without new charges.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    standing = check_standing(home, outlet, errand.contract, now=started, operations=(Operation.COUNT,))
    contract, portfolio = standing.contract, _read(standing, errand)
    even_parts(len(portfolio.codes), min(contract.ceilings.identifiers_per_match, CHUNK))
    key = run_key("count", contract.id, portfolio.sha256, portfolio.id_column)
    with open_run(home.matches, key, Label.of(RunKind.COUNT, contract, started), now=started) as run:
        if not run.resumed:
            check_allowance(outlet, contract, len(portfolio.codes))
        witness = Witness(home, contract.bureau, outlet.ledger_consistency)
        counterpart, ask = _open(witness, standing, outlet, run, portfolio, errand, progress)
        counted = count(home, run.folder / "setup", keys, counterpart, ask, portfolio.codes, progress=progress)
        cosigned = await_cosigned(outlet, contract, run.receipts(), witness, progress=progress)
        warnings = [*portfolio.warnings, *end_job(outlet, contract.id, run.id)]
        manifest = _manifest(home, standing, outlet, portfolio, run, counted, begun, started)
        manifest |= describe(contract, cosigned) | {"warnings": warnings}
        run.finish_match(manifest)
    return manifest


def _read(standing: Standing, errand: Errand) -> Portfolio:
    return read_portfolio(errand.portfolio, kind=standing.contract.id_kind, id_column=errand.id_column)


def _open(
    witness: Witness,
    standing: Standing,
    outlet: Outlet,
    run: Run,
    portfolio: Portfolio,
    errand: Errand,
    progress: Progress,
) -> tuple[Counterpart, Ask]:
    """The run's job, opened or gone on with."""
    contract, model = standing.contract, standing.model
    card = JobCard(standing.recipient, model.name, model.version, len(portfolio.codes))
    epoch = open_job(outlet, contract.id, run.id, card, folder="matches")
    most = contract.ceilings.identifiers_per_match
    ask = Ask(contract.engine, epoch, most, contract.bureau.public_key, not contract.consent.required, errand.processes)
    take = take_receipts(witness, run, contract.id, epoch)
    return Counterpart(outlet, contract.id, run.id, progress, take), ask


def _manifest(
    home: BankHome,
    standing: Standing,
    outlet: Outlet,
    portfolio: Portfolio,
    run: Run,
    found: Found | Counted | None,
    begun: float,
    started: datetime,
) -> dict[str, Any]:
    contract = standing.contract
    matched = 0
    if found is not None:
        matched = found.matched if isinstance(found, Counted) else len(found.match.indices)
    entries = found.setup.entries if found else 0
    seconds = dict(found.seconds) if found else {}
    seconds["total"] = time.perf_counter() - begun
    return {
        "schema": "shulab-match/1",
        "kind": run.label.kind.value,
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
        "receipts": run.receipts(),
        "portfolio": portfolio.name,
        "portfolio_sha256": portfolio.sha256,
        "rows": portfolio.rows,
        "accepted": len(portfolio.codes),
        "set_aside": len(portfolio.set_aside),
        "set_aside_reasons": portfolio.reasons,
        "matched": matched,
        "setup_entries": entries,
        "setup_bytes": found.setup_bytes if found else 0,
        "setup_bytes_an_entry": round(found.setup_bytes / entries, 4) if found and entries else 0.0,
        "least_bytes_an_entry": BOUND_BITS / 8,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "bytes_up": outlet.bytes_up,
        "bytes_down": outlet.bytes_down,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "started": started.isoformat(timespec="seconds"),
        "delete_after": run.label.delete_after.isoformat(),
        "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
