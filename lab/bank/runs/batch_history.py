"""The batches of finished runs: their hashes, and the register and model that their sums come from.

A batch keeps its hash through every run that had it evaluated. The receipts of a run are in the order of its
``batch_rows``, so they tell which rows belong to which batch. A run keeps the code of an enterprise that was dropped
from a batch: a later evaluation may score it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.bank.runs.results import output_names
from lab.bank.runs.store import BatchSums, FinishedRun, Run, finished_runs
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.ledger.receipt import ScoreReceipt
from models.shared.sheet import BankSheet

SCORE_AGAIN_HINT = "score the portfolio again with `lab bank score`"


@dataclass(frozen=True)
class ScoreOrigin:
    """What sums were computed from: the register, its version, and the model (``name@version``)."""

    register: str
    version: int
    model: str


@dataclass(frozen=True)
class ScoredBatch:
    """A batch of a finished run; ``rows``: its positions in the run's ``batch_rows``."""

    sha256: str
    rows: range
    run: FinishedRun
    receipt: dict[str, Any]
    origin: ScoreOrigin


def list_batches(run: FinishedRun) -> list[ScoredBatch]:
    """A run's batches in the order of its ``batch_rows``; raises ``InvalidInput`` if these and the receipts do not fit
    each other."""
    found: list[ScoredBatch] = []
    start = 0
    for entry in run.manifest.get("receipts", []):
        receipt = ScoreReceipt.read(entry)
        origin = ScoreOrigin(receipt.register, receipt.register_version, str(receipt.model_ref))
        found.append(ScoredBatch(receipt.batch_sha256, range(start, start + receipt.rows), run, entry, origin))
        start += receipt.rows
    if start != len(run.batch_rows):
        raise InvalidInput("The run's outputs do not fit its receipts.", next_step=SCORE_AGAIN_HINT)
    return found


def find_current_batches(runs: Path, contract: str, origin: ScoreOrigin) -> dict[str, ScoredBatch]:
    """The batches of finished runs under a contract that have sums of this origin already, by hash."""
    of_contract = [run for run in finished_runs(runs) if run.manifest.get("contract") == contract]
    scored = [run for run in of_contract if run.manifest.get("receipts")]
    return {batch.sha256: batch for run in scored for batch in list_batches(run) if batch.origin == origin}


def reuse_batch(run: Run, number: int, batch: ScoredBatch, sheet: BankSheet) -> None:
    """Save the current sums of a batch in a new run as well, because the bureau does not answer it a second time.

    Raises ``NotAllowed`` if the contract's detail has changed since.
    """
    names, rows = output_names(sheet), batch.run.batch_rows[batch.rows.start : batch.rows.stop]
    if any(name not in rows.columns for name in names):
        raise NotAllowed("The contract's detail has changed since these scores were made.", next_step=SCORE_AGAIN_HINT)
    places = np.flatnonzero(rows[names[0]].is_not_null().to_numpy()).astype(np.int64)
    values = np.stack([rows[name].gather(places).to_numpy() for name in names]).astype(np.int64)
    run.save_batch_sums(number, BatchSums(places, values, batch.receipt))
