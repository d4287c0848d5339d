"""The batches of finished runs: which ciphertexts they were, and which register and model their sums come from.

A batch is known by its hash, through every run that had it evaluated. The receipts of a run stand in the order of its
outputs, so they say which rows are whose.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.bank.runs.results import output_names
from lab.bank.runs.store import FinishedRun, Run, finished_runs
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.ledger.receipt import ScoreReceipt
from models.shared.sheet import BankSheet

SCORE_AGAIN_HINT = "score the portfolio afresh (`lab bank score`)"


@dataclass(frozen=True)
class ScoreOrigin:
    """Where sums come from: the register, its version, and the model (``name@version``)."""

    register: str
    version: int
    model: str


@dataclass(frozen=True)
class ScoredBatch:
    """A batch of a finished run; ``rows``: its places in the run's outputs."""

    sha256: str
    rows: range
    run: FinishedRun
    receipt: dict[str, Any]
    origin: ScoreOrigin


def list_batches(run: FinishedRun) -> list[ScoredBatch]:
    """A run's batches in the order of its outputs. Raises ``InvalidInput`` if those do not fit the receipts."""
    found: list[ScoredBatch] = []
    start = 0
    for told in run.manifest.get("receipts", []):
        receipt = ScoreReceipt.read(told)
        origin = ScoreOrigin(receipt.register, receipt.register_version, str(receipt.model_ref))
        found.append(ScoredBatch(receipt.batch_sha256, range(start, start + receipt.rows), run, told, origin))
        start += receipt.rows
    if start != len(run.outputs):
        raise InvalidInput("The run's outputs do not fit its receipts.", next_step=SCORE_AGAIN_HINT)
    return found


def find_current_batches(runs: Path, contract: str, origin: ScoreOrigin) -> dict[str, ScoredBatch]:
    """What finished runs under a contract hold already of this origin, by hash."""
    of_contract = [run for run in finished_runs(runs) if run.manifest.get("contract") == contract]
    scored = [run for run in of_contract if run.manifest.get("receipts")]
    return {batch.sha256: batch for run in scored for batch in list_batches(run) if batch.origin == origin}


def reuse_batch(run: Run, number: int, batch: ScoredBatch, sheet: BankSheet) -> None:
    """Keep the sums of a batch that is up to date in a new run as well: the bureau gives no second reply to it."""
    names, outputs = output_names(sheet), batch.run.outputs[batch.rows.start : batch.rows.stop]
    if any(name not in outputs.columns for name in names):
        raise NotAllowed("The contract's detail has changed since these scores were made.", next_step=SCORE_AGAIN_HINT)
    values = np.stack([outputs[name].to_numpy() for name in names]).astype(np.int64)
    run.save_batch_sums(number, values, batch.receipt)
