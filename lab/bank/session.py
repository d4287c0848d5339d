"""One scoring job from the contract to the results.

contract -> verify -> open the job -> match -> indicators -> encrypt -> score -> decrypt -> results -> end the job.
Encryption goes on while the bureau evaluates what it already has (``lab.bank.courier``); everything paid for is kept in
the run's folder (``lab.bank.run``), so that a job that was stopped goes on without new charges. Every row of the
portfolio ends in exactly one status: ``scored``, ``not-matched``, ``skipped`` (matched, but not to be scored) or
``set-aside`` with its reason.
"""

from __future__ import annotations

import hashlib
import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.agreement import Agreement, check_agreement
from lab.bank.courier import Clock, Courier, strict
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.outlet import JobCard, Outlet
from lab.bank.portfolio import Portfolio, read_codes, read_portfolio
from lab.bank.results import check_suffix, output_names, score_table, write_scores
from lab.bank.run import Match, Run, open_run, run_key
from lab.bank.witness import Witness
from lab.terms.errors import Conflict, Refused, ShulabError
from lab.terms.progress import SILENT, Progress
from lab.terms.receipt import Receipt
from models.features import require_columns, unreadable
from protocols.matching.bank import Matcher


@dataclass(frozen=True)
class Job:
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


def score_portfolio(
    home: BankHome, keys: BankKeys, outlet: Outlet, job: Job, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Score a portfolio under a contract; returns the run's manifest.

    Raises what the contract check raises, ``InvalidInput`` for a portfolio or an answer that does not fit, ``Refused``
    beyond a ceiling, ``Unreachable`` when the bureau does not answer; then the run can be continued by the same call.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    check_suffix(job.out)
    agreement = check_agreement(home, outlet, job.contract, now=started, model=job.model, recipient=job.recipient)
    contract = agreement.contract
    portfolio = read_portfolio(job.portfolio, kind=contract.id_kind, id_column=job.id_column)
    require_columns(portfolio.frame, agreement.sheet.features)
    skip = read_codes(job.skip, kind=contract.id_kind) if job.skip else frozenset()
    context = keys.public_context(agreement.params)
    context_name = hashlib.sha256(context).hexdigest()
    key = run_key(*_terms_of(agreement), portfolio.sha256, portfolio.id_column, *sorted(skip), context_name, _path(job))
    clock = Clock()
    with open_run(home.runs, key, now=started) as run:
        _open(agreement, portfolio, outlet, run)
        match = _match(agreement, portfolio, outlet, run, clock, progress)
        wanted = _wanted(match, portfolio, skip)
        tags, indices = match.tags[wanted], match.indices[wanted]
        if len(indices):
            _offer_context(outlet, contract.id, run.id, context_name, context)
        witness = Witness(home, contract.bureau, outlet.ledger_consistency)
        courier = Courier(agreement, keys.holder(agreement.params), outlet, run, clock, context_name, witness)
        values, receipts = courier.score(portfolio.frame, tags, indices, progress)
        outputs = pl.DataFrame(
            {"code": pl.Series([portfolio.codes[i] for i in indices.tolist()], dtype=pl.String)}
            | {name: values[row] for row, name in enumerate(output_names(agreement.sheet))}
        )
        scores = score_table(portfolio, match.indices, indices, agreement.sheet, values)
        write_scores(scores, job.out)
        warnings = _end(agreement, portfolio, outlet, run)
        manifest = _manifest(home, agreement, portfolio, job, run, match, receipts)
        manifest["warnings"] += warnings
        manifest |= {
            "skipped": len(match.indices) - len(indices),
            "scored": len(indices),
            "seconds": {k: round(v, 3) for k, v in clock.seconds.items()}
            | {"total": round(time.perf_counter() - begun, 3)},
            "bytes_up": outlet.bytes_up,
            "bytes_down": outlet.bytes_down,
            "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "started": started.isoformat(timespec="seconds"),
            "delete_after": f"{started + timedelta(days=contract.retention_days):%Y-%m-%d}",
            "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        run.finish(
            scores=scores,
            outputs=outputs,
            sheet=agreement.sheet.to_json(),
            contract=agreement.signed.model_dump_json(by_alias=True).encode(),
            manifest=manifest,
        )
    return manifest


def _terms_of(agreement: Agreement) -> tuple[str, ...]:
    """What of a contract makes a job the same job. An amendment that leaves these as they are lets a run go on."""
    contract, ceilings = agreement.contract, agreement.contract.ceilings
    sizes = (ceilings.identifiers_per_match, ceilings.rows_per_batch, ceilings.precision)
    terms = (contract.id, agreement.model.sheet_sha256, contract.engine, contract.parameters, agreement.recipient)
    return (*terms, *map(str, sizes))


def _path(job: Job) -> str:
    return str(job.out.absolute())


def _open(agreement: Agreement, portfolio: Portfolio, outlet: Outlet, run: Run) -> None:
    """Open the run's job at the bureau, or go on with it; what is left is looked at before anything is charged."""
    contract, codes = agreement.contract, portfolio.codes
    if not codes:
        return
    size = contract.ceilings.identifiers_per_match
    parts = [codes[start : start + size] for start in range(0, len(codes), size)]
    asked = sum(len(part) for number, part in enumerate(parts) if run.match(number) is None)
    if asked:
        _check_allowance(outlet, contract.id, asked)
    model = agreement.model
    try:
        outlet.open_job(contract.id, run.id, JobCard(agreement.recipient, model.name, model.version, len(codes)))
    except Conflict as error:
        raise Conflict(
            error.detail, next_step=f"remove the folder {run.id} of runs, or give another --out, and begin anew"
        ) from None


def _end(agreement: Agreement, portfolio: Portfolio, outlet: Outlet, run: Run) -> list[str]:
    """Tell the bureau that the job is done. The results are here already, so a failure is a warning, no error."""
    if not portfolio.codes:
        return []
    try:
        outlet.end_job(agreement.contract.id, run.id)
    except ShulabError as error:
        return [f"the bureau could not be told that the job has ended: {error.detail}"]
    return []


def _match(
    agreement: Agreement, portfolio: Portfolio, outlet: Outlet, run: Run, clock: Clock, progress: Progress
) -> Match:
    """Which codes the register holds, in portfolio order, by as many requests as the contract's ceiling needs."""
    contract, codes = agreement.contract, portfolio.codes
    size = contract.ceilings.identifiers_per_match
    starts = range(0, len(codes), size)
    kept = {part: match for part in range(len(starts)) if (match := run.match(part)) is not None}
    setup: bytes | None = None
    with progress.stage("match", len(codes)) as stage, clock.step("match"):
        for part, start in enumerate(starts):
            chunk = codes[start : start + size]
            if part not in kept:
                # One set-up serves all requests of the run: it is made for the longest of them.
                setup = setup or outlet.matching_setup(contract.id, run.id, min(size, len(codes)))
                kept[part] = _match_chunk(contract.engine, contract.id, run.id, chunk, setup, outlet)
                run.keep_match(part, kept[part])
            stage.advance(len(chunk))
    return Match(
        np.concatenate([np.zeros(0, np.int64), *(kept[part].indices + starts[part] for part in range(len(starts)))]),
        np.concatenate([np.zeros((0, 16), np.uint8), *(kept[part].tags for part in range(len(starts)))]),
        sum(match.false_positive_rate for match in kept.values()),
    )


def _match_chunk(engine: str, contract: str, job: str, chunk: tuple[str, ...], setup: bytes, outlet: Outlet) -> Match:
    with strict("matching"):
        matcher = Matcher(engine, chunk)
        found = matcher.finish(setup, outlet.match(contract, job, matcher.request()), contract=contract)
    return Match(found.indices, found.tags, found.false_positive_rate)


def _check_allowance(outlet: Outlet, contract: str, asked: int) -> None:
    """Refuse here what the bureau would refuse, before anything is charged."""
    left = outlet.allowance(contract).get("identifiers", {}).get("left")
    if isinstance(left, int) and asked > left:
        raise Refused(
            f"Contract {contract} has {left} identifiers left to match; the portfolio has {asked}.",
            next_step="score a smaller portfolio, or ask the bureau for a contract with a higher ceiling",
        )


def _wanted(match: Match, portfolio: Portfolio, skip: frozenset[str]) -> NDArray[np.int64]:
    """Positions in ``match`` to be scored, by tag: the order of a batch then tells nothing of the portfolio's order."""
    keep = [place for place, index in enumerate(match.indices.tolist()) if portfolio.codes[index] not in skip]
    places = np.array(keep, dtype=np.int64)
    return places[np.lexsort(match.tags[places].T[::-1])] if keep else places


def _offer_context(outlet: Outlet, contract: str, job: str, name: str, context: bytes) -> None:
    if not outlet.has_context(contract, job, name):
        outlet.put_context(contract, job, name, context)


def _manifest(
    home: BankHome,
    agreement: Agreement,
    portfolio: Portfolio,
    job: Job,
    run: Run,
    match: Match,
    receipts: list[dict[str, Any]],
) -> dict[str, Any]:
    contract, sheet = agreement.contract, agreement.sheet
    numbers = unreadable(portfolio.frame, sheet.features)
    warnings = list(portfolio.warnings)
    warnings += [f"column {name}: {count} cells are no numbers and count as missing" for name, count in numbers.items()]
    registers = sorted({f"{r.register}-{r.register_version}" for r in map(Receipt.read, receipts)})
    return {
        "schema": "shulab-run/1",
        "run": run.id,
        "resumed": run.resumed,
        "bank": home.name,
        "bureau": contract.bureau.name,
        "contract": contract.id,
        "version": contract.version,
        "contract_sha256": contract.sha256,
        "purpose": contract.purpose.value,
        "recipient": agreement.recipient,
        "detail": contract.detail.value,
        "model": f"{sheet.model}@{sheet.version}",
        "sheet_sha256": agreement.model.sheet_sha256,
        "register": ", ".join(registers),
        "engine": contract.engine,
        "parameters": agreement.params.name,
        "columns": len(sheet.columns),
        "outputs": len(sheet.outputs),
        "portfolio": portfolio.name,
        "portfolio_sha256": portfolio.sha256,
        "rows": portfolio.rows,
        "accepted": len(portfolio.codes),
        "set_aside": len(portfolio.set_aside),
        "set_aside_reasons": portfolio.reasons,
        "matched": len(match.indices),
        "false_positive_rate": match.false_positive_rate,
        "warnings": warnings,
        "receipts": receipts,
        "out": str(job.out),
    }
