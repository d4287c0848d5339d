"""One scoring job from the contract to the results.

contract -> verify -> match -> indicators -> encrypt -> score -> decrypt -> results. Encryption goes on while the bureau
evaluates what it already has; everything paid for is kept in the run's folder (``lab.bank.run``), so that a job that
was stopped goes on without new charges. Every row of the portfolio ends in exactly one status: ``scored``,
``not-matched``, ``skipped`` (matched, but not to be scored) or ``set-aside`` with its reason.
"""

from __future__ import annotations

import hashlib
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.agreement import Agreement, check_agreement
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.outlet import Outlet
from lab.bank.portfolio import Portfolio, read_codes, read_portfolio
from lab.bank.results import check_suffix, output_names, score_table, write_scores
from lab.bank.run import Match, Run, open_run, run_key
from lab.bank.witness import Exchange, Witness
from lab.terms.errors import InvalidInput, Refused
from lab.terms.progress import SILENT, Progress, Stage
from lab.terms.receipt import Receipt
from models.features import require_columns, unreadable
from protocols.matching.bank import Matcher
from protocols.scoring.bank import KeyHolder

IN_FLIGHT = 2
"""Batches that the bureau may have at once: one under evaluation, one on the way; more would only fill memory."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Job:
    """What is asked for: a portfolio, a contract, and where the scores go."""

    portfolio: Path
    contract: str
    out: Path
    id_column: str | None = None
    skip: Path | None = None


@dataclass
class _Clock:
    """Seconds by step. Steps overlap, so they may add up to more than the total."""

    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("match", "encrypt", "score", "decrypt"), 0.0)
    )

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun


def score_portfolio(
    home: BankHome, keys: BankKeys, outlet: Outlet, job: Job, *, progress: Progress = SILENT
) -> dict[str, Any]:
    """Score a portfolio under a contract; returns the run's manifest.

    Raises what the contract check raises, ``InvalidInput`` for a portfolio or an answer that does not fit, ``Refused``
    beyond a ceiling, ``Unreachable`` when the bureau does not answer; then the run can be continued by the same call.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    check_suffix(job.out)
    agreement = check_agreement(home, outlet, job.contract, now=started)
    contract = agreement.contract
    portfolio = read_portfolio(job.portfolio, kind=contract.id_kind, id_column=job.id_column)
    require_columns(portfolio.frame, agreement.sheet.features)
    skip = read_codes(job.skip, kind=contract.id_kind) if job.skip else frozenset()
    context = keys.public_context(agreement.params)
    context_name = hashlib.sha256(context).hexdigest()
    key = run_key(
        contract.sha256, portfolio.sha256, portfolio.id_column, *sorted(skip), context_name, str(job.out.absolute())
    )
    clock = _Clock()
    with open_run(home.runs, key, now=started) as run:
        match = _match(agreement, portfolio, outlet, run, clock, progress)
        wanted = _wanted(match, portfolio, skip)
        tags, indices = match.tags[wanted], match.indices[wanted]
        if len(indices):
            _offer_context(outlet, contract.id, context_name, context)
        witness = Witness(home, contract.bureau, outlet.ledger_consistency)
        courier = _Courier(agreement, keys.holder(agreement.params), outlet, run, clock, context_name, witness)
        values, receipts = courier.score(portfolio.frame, tags, indices, progress)
        outputs = pl.DataFrame(
            {"code": pl.Series([portfolio.codes[i] for i in indices.tolist()], dtype=pl.String)}
            | {name: values[row] for row, name in enumerate(output_names(agreement.sheet))}
        )
        scores = score_table(portfolio, match.indices, indices, agreement.sheet, values)
        write_scores(scores, job.out)
        manifest = _manifest(home, agreement, portfolio, job, run, match, receipts)
        manifest |= {
            "skipped": len(match.indices) - len(indices),
            "scored": len(indices),
            "seconds": {k: round(v, 3) for k, v in clock.seconds.items()}
            | {"total": round(time.perf_counter() - begun, 3)},
            "bytes_up": outlet.bytes_up,
            "bytes_down": outlet.bytes_down,
            "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "started": started.isoformat(timespec="seconds"),
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


def _match(
    agreement: Agreement, portfolio: Portfolio, outlet: Outlet, run: Run, clock: _Clock, progress: Progress
) -> Match:
    """Which codes the register holds, in portfolio order, by as many requests as the contract's ceiling needs."""
    contract, codes = agreement.contract, portfolio.codes
    size = contract.ceilings.identifiers_per_match
    starts = range(0, len(codes), size)
    kept = {part: match for part in range(len(starts)) if (match := run.match(part)) is not None}
    asked = sum(len(codes[start : start + size]) for part, start in enumerate(starts) if part not in kept)
    setup: bytes | None = None
    with progress.stage("match", len(codes)) as stage, clock.step("match"):
        if asked:
            _check_allowance(outlet, contract.id, asked)
        for part, start in enumerate(starts):
            chunk = codes[start : start + size]
            if part not in kept:
                # One set-up serves all requests of the run: it is made for the longest of them.
                setup = setup or outlet.matching_setup(contract.id, min(size, len(codes)))
                kept[part] = _match_chunk(contract.engine, contract.id, chunk, setup, outlet)
                run.keep_match(part, kept[part])
            stage.advance(len(chunk))
    return Match(
        np.concatenate([np.zeros(0, np.int64), *(kept[part].indices + starts[part] for part in range(len(starts)))]),
        np.concatenate([np.zeros((0, 16), np.uint8), *(kept[part].tags for part in range(len(starts)))]),
        sum(match.false_positive_rate for match in kept.values()),
    )


def _match_chunk(engine: str, contract: str, chunk: tuple[str, ...], setup: bytes, outlet: Outlet) -> Match:
    with _strict("matching"):
        matcher = Matcher(engine, chunk)
        found = matcher.finish(setup, outlet.match(contract, matcher.request()), contract=contract)
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


def _offer_context(outlet: Outlet, contract: str, name: str, context: bytes) -> None:
    if not outlet.has_context(contract, name):
        outlet.put_context(contract, name, context)


class _Courier:
    """Encrypts, sends, decrypts: batch k + 1 is encrypted while the bureau evaluates batch k."""

    def __init__(
        self,
        agreement: Agreement,
        holder: KeyHolder,
        outlet: Outlet,
        run: Run,
        clock: _Clock,
        context: str,
        witness: Witness,
    ) -> None:
        self._agreement = agreement
        self._holder = holder
        self._outlet = outlet
        self._run = run
        self._clock = clock
        self._context = context
        self._witness = witness

    def score(
        self, frame: pl.DataFrame, tags: NDArray[np.uint8], indices: NDArray[np.int64], progress: Progress
    ) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
        """Sums int64 [outputs, rows] and the receipts, batch by batch."""
        sheet, size = self._agreement.sheet, self._rows_per_batch
        parts = [slice(start, start + size) for start in range(0, len(indices), size)]
        found = {number: kept for number in range(len(parts)) if (kept := self._run.values(number)) is not None}
        open_parts = [number for number in range(len(parts)) if number not in found]
        with ExitStack() as stack:
            encrypting = stack.enter_context(progress.stage("encrypt", len(open_parts) * len(sheet.columns)))
            scoring = stack.enter_context(progress.stage("score", len(open_parts)))
            decrypting = stack.enter_context(progress.stage("decrypt", len(open_parts)))
            on_the_way: deque[tuple[int, bytes, Future[tuple[bytes, dict[str, Any]]]]] = deque()
            for number in open_parts:
                part = parts[number]
                batch = self._encrypt(number, frame[indices[part]], tags[part], encrypting)
                if len(on_the_way) == IN_FLIGHT:
                    self._receive(*on_the_way.popleft(), parts, found, len(indices), scoring, decrypting)
                on_the_way.append((number, batch, _start(lambda batch=batch: self._send(batch))))  # type: ignore[misc]
            while on_the_way:
                self._receive(*on_the_way.popleft(), parts, found, len(indices), scoring, decrypting)
        empty = np.zeros((len(sheet.outputs), 0), dtype=np.int64)
        values = np.concatenate([empty, *(found[number][0] for number in range(len(parts)))], axis=1)
        return values, [found[number][1] for number in range(len(parts))]

    @property
    def _rows_per_batch(self) -> int:
        return min(self._agreement.contract.ceilings.rows_per_batch, self._agreement.params.slots)

    def _encrypt(self, number: int, frame: pl.DataFrame, tags: NDArray[np.uint8], stage: Stage) -> bytes:
        kept = self._run.batch(number)
        if kept is not None:
            stage.advance(len(self._agreement.sheet.columns))
            return kept
        with self._clock.step("encrypt"):
            answers = self._agreement.sheet.indicators(frame)
            contract = self._agreement.contract.id
            batch = self._holder.encrypt(
                tags, answers, contract=contract, context=self._context, on_column=stage.advance
            )
        self._run.keep_batch(number, batch)
        return batch

    def _send(self, batch: bytes) -> tuple[bytes, dict[str, Any]]:
        return self._outlet.score(self._agreement.contract.id, batch)

    def _receive(
        self,
        number: int,
        batch: bytes,
        answer: Future[tuple[bytes, dict[str, Any]]],
        parts: list[slice],
        found: dict[int, tuple[NDArray[np.int64], dict[str, Any]]],
        total: int,
        scoring: Stage,
        decrypting: Stage,
    ) -> None:
        with self._clock.step("score"):
            reply, receipt = answer.result()
        sheet, rows = self._agreement.sheet, len(range(*parts[number].indices(total)))
        model = f"{sheet.model}@{sheet.version}"
        exchanged = Exchange(self._agreement.contract.id, self._run.id, model, rows, batch, reply)
        self._witness.check(receipt, exchanged)
        scoring.advance(1)
        with self._clock.step("decrypt"), _strict("scoring"):
            values = self._holder.decrypt(reply, rows=rows, batch=batch)
        wanted = len(self._agreement.sheet.outputs)
        if len(values) != wanted:
            raise InvalidInput(
                f"The bureau's reply has {len(values)} outputs; the sheet says {wanted}.", next_step="ask the bureau"
            )
        self._run.keep_values(number, values, receipt)
        found[number] = (values, receipt)
        decrypting.advance(1)


def _start(task: Callable[[], _T]) -> Future[_T]:
    """Run ``task`` in a thread that does not keep the process alive, so that an interrupted job ends at once."""
    future: Future[_T] = Future()

    def work() -> None:
        try:
            future.set_result(task())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


@contextmanager
def _strict(what: str) -> Iterator[None]:
    """A protocol's complaint about the other side's bytes as an error with a next step; it holds no value."""
    try:
        yield
    except ValueError as error:
        raise InvalidInput(
            f"The bureau's {what} answer does not fit: {error}.", next_step="ask the bureau; check both versions"
        ) from None


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
        "contract_sha256": contract.sha256,
        "purpose": contract.purpose.value,
        "detail": contract.detail.value,
        "model": f"{sheet.model}@{sheet.version}",
        "sheet_sha256": contract.model.sheet_sha256,
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
