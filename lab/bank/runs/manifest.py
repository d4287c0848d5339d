"""The figures of a run: each part of ``manifest.json`` is written here once, for every kind of job."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab.bank.contract.agreement import ActiveContract, ActiveScoringContract
from lab.bank.portfolio import Portfolio
from lab.bank.runs.job_session import JobSession
from lab.terms.ledger.receipt import ScoreReceipt

SCORING_STEPS = ("read", "match", "encrypt", "score", "decrypt", "results")


@dataclass
class RunTimer:
    """When a run started, and its seconds by step. Steps overlap, so they may add up to more than the total."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SCORING_STEPS, 0.0))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _begun: float = field(default_factory=time.perf_counter)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time spent in the block to a step."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun

    def totals(self) -> dict[str, float]:
        """Seconds by step and in total, to the millisecond."""
        found = self.seconds | {"total": time.perf_counter() - self._begun}
        return {name: round(value, 3) for name, value in found.items()}


def describe_run(job: JobSession[ActiveContract], timer: RunTimer) -> dict[str, Any]:
    """What the run is, what it cost, and until when it may be kept."""
    return {
        "run": job.run.id,
        "kind": job.run.metadata.kind.value,
        "resumed": job.run.resumed,
        "seconds": timer.totals(),
        "bytes_up": job.client.bytes_up,
        "bytes_down": job.client.bytes_down,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "started": timer.started.isoformat(timespec="seconds"),
        "delete_after": job.run.metadata.delete_after.isoformat(),
        "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
    }


def describe_contract(job: JobSession[ActiveContract]) -> dict[str, Any]:
    """Under which contract, between whom and for whom the run was made."""
    contract = job.contract
    return {
        "bank": job.home.name,
        "bureau": contract.bureau.name,
        "contract": contract.id,
        "version": contract.version,
        "contract_sha256": contract.sha256,
        "purpose": contract.purpose.value,
        "recipient": job.active.recipient,
    }


def describe_portfolio(portfolio: Portfolio) -> dict[str, Any]:
    """The portfolio file, and how many of its rows were accepted and set aside."""
    return {
        "portfolio": portfolio.name,
        "portfolio_sha256": portfolio.sha256,
        "rows": portfolio.rows,
        "accepted": len(portfolio.codes),
        "set_aside": len(portfolio.set_aside),
        "set_aside_reasons": portfolio.set_aside_counts,
    }


def describe_model(active: ActiveScoringContract, receipts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The model that scored, and the register that its ``receipts`` name."""
    sheet, registers = active.sheet, {f"{r.register}-{r.register_version}" for r in map(ScoreReceipt.read, receipts)}
    return {
        "detail": active.contract.detail.value,
        "model": str(sheet.ref),
        "sheet_sha256": active.model.sheet_sha256,
        "register": ", ".join(sorted(registers)),
        "outputs": len(sheet.outputs),
    }
