"""What an unfinished scoring run has paid for: how much was answered, and the scores of the batches that were.

The run says before its first batch is sent which rows its batches hold (``save_plan``). So the scores that were
answered can be given out even if a contract's end cut the run short, and no later command may finish it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.runs.metadata import read_run_metadata
from lab.bank.runs.results import RowStatus, outcome_table
from lab.bank.runs.run_files import (
    DIGESTS,
    digest_result,
    read_result,
    read_run_facts,
    read_run_file,
    write_run_facts,
    write_run_file,
)
from lab.bank.runs.store import CONTRACT, SHEET, Run, unfinished_run_folders
from lab.disk.checked_files import DamagedFile
from lab.disk.private_files import replace_private
from lab.terms.contract.document import parse_contract
from lab.terms.errors import NotAllowed, NotFound
from models.shared.portfolio_scores import interpret_sums
from models.shared.sheet import BankSheet

PLAN_ROWS, PLAN_ORDER, PLAN_DIGESTS = "plan.parquet", "plan.npz", "plan.json"


@dataclass(frozen=True)
class RunProgress:
    """What was paid for and answered, by the receipts that the run keeps.

    ``identifiers`` charged, canaries included; ``batches`` answered, with ``scores`` of enterprises; ``waiting``:
    batches that were encrypted and not answered, which may be charged and are answered without a new charge.
    """

    identifiers: int
    batches: int
    scores: int
    waiting: int


@dataclass(frozen=True)
class RunPlan:
    """``rows``: the table of results without scores; ``order`` int64 [n]: numbers of the rows in the batches' order;
    ``batch_rows``: how many each batch has, the last one fewer."""

    rows: pl.DataFrame
    order: NDArray[np.int64]
    batch_rows: int


def save_plan(run: Run, plan: RunPlan, *, sheet: bytes, contract: bytes) -> None:
    """Keep with the run which rows its batches hold, by which model and contract; ``Run.finish`` removes the plan."""
    table, order = io.BytesIO(), io.BytesIO()
    plan.rows.write_parquet(table)
    np.savez(order, order=plan.order, batch_rows=np.int64(plan.batch_rows))
    used = {SHEET: sheet, CONTRACT: contract}
    for name, content in used.items():
        replace_private(run.folder / name, content)
    write_run_facts(run.folder, PLAN_DIGESTS, {DIGESTS: {name: digest_result(used[name]) for name in used}})
    write_run_file(run.folder, PLAN_ROWS, table.getvalue())
    write_run_file(run.folder, PLAN_ORDER, order.getvalue())


def read_progress(folder: Path) -> RunProgress:
    """What an unfinished run in ``folder`` has paid for and has got."""
    matched = [_facts(path) for path in folder.glob("match-*.receipt.json")]
    scored = [_facts(path) for path in folder.glob("batch-*.receipt.json") if _sums_file(path).is_file()]
    return RunProgress(
        identifiers=sum(int(facts.get("identifiers", 0)) for facts in matched),
        batches=len(scored),
        scores=sum(int(facts.get("scored", 0)) for facts in scored),
        waiting=len(list(folder.glob("batch-*.frame"))),
    )


def read_partial_results(folder: Path) -> pl.DataFrame:
    """The table of results of an unfinished scoring run: enterprises whose batch was answered are ``scored``, the
    others ``not-answered``. Raises ``NotFound`` if no batch was answered."""
    answered = sorted(path for path in folder.glob("batch-*.receipt.json") if _sums_file(path).is_file())
    plan, planned = read_run_file(folder, PLAN_ORDER), read_run_file(folder, PLAN_ROWS)
    if not answered or plan is None or planned is None:
        raise NotFound(
            f"Expected batches of run {folder.name} that were answered; there are none.",
            next_step="run the command that began it again",
        )
    with np.load(io.BytesIO(plan), allow_pickle=False) as arrays:
        order, batch_rows = arrays["order"], int(arrays["batch_rows"])
    digests = read_run_facts(folder, PLAN_DIGESTS)[DIGESTS]
    sheet = BankSheet.from_json(read_result(folder, SHEET, digests))
    contract = parse_contract(read_result(folder, CONTRACT, digests), kept=True).contract
    rows, values = [], []
    for path in answered:
        with np.load(io.BytesIO(read_run_file(folder, _sums_file(path).name) or b""), allow_pickle=False) as arrays:
            start = int(path.name.split("-")[1].split(".")[0]) * batch_rows
            rows.append(order[start : start + batch_rows][arrays["places"]])
            values.append(arrays["values"])
    outcome = interpret_sums(sheet, np.concatenate(values, axis=1), step=contract.ceilings.precision)
    scored = np.concatenate(rows)
    results = outcome_table(outcome, sheet).with_columns(row=pl.Series(scored, dtype=pl.Int64))
    table = pl.read_parquet(io.BytesIO(planned))
    now = pl.when(pl.col("row").is_in(scored.tolist())).then(pl.lit(RowStatus.SCORED.value)).otherwise(pl.col("status"))
    return table.with_columns(status=now).join(results, on="row", how="left").sort("row")


@contextmanager
def name_what_was_answered(runs: Path, contract: str) -> Iterator[None]:
    """Have a refusal under a contract name the unfinished run whose answered scores can be given out, if any."""
    try:
        yield
    except NotAllowed as error:
        for folder in unfinished_run_folders(runs):
            metadata, paid = read_run_metadata(folder), read_progress(folder)
            if metadata is not None and metadata.contract == contract and paid.scores:
                step = f"`lab bank runs {folder.name} --out FILE` writes the {paid.scores:,} scores that were answered"
                raise NotAllowed(error.detail, next_step=f"{error.next_step}; {step}") from None
        raise


def _sums_file(receipt: Path) -> Path:
    return receipt.with_name(receipt.name.removesuffix(".receipt.json") + ".npz")


def _facts(path: Path) -> dict[str, Any]:
    """The facts of a receipt that the run keeps; it was verified before it was kept."""
    try:
        found = json.loads(read_run_file(path.parent, path.name) or b"")["entry"]["facts"]
    except (OSError, DamagedFile, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
