"""The batches of a finished run, evaluated again by what has changed at the bureau: its register, or the model.

contract -> verify -> is there anything new -> open a job -> name each batch -> decrypt -> results -> end the job. Their
ciphertexts lie at the bureau by the contract's retention and are the bank's key's still, so hashes go out and nothing
else. What comes back is a run of its own, beside the old one, and each score is charged as in any job. A stopped one
goes on by the same call, without new charges.
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
from lab.bank.courier import Clock, Courier
from lab.bank.home import BankHome
from lab.bank.jobs import end_job, offer_context, open_job
from lab.bank.keys import BankKeys
from lab.bank.outlet import JobCard, Outlet
from lab.bank.results import check_suffix, output_names, score_table_again, write_scores
from lab.bank.run import FinishedRun, Run, finished_runs, open_run, run_key
from lab.bank.witness import Witness
from lab.terms.errors import InvalidInput, Refused
from lab.terms.progress import SILENT, Progress
from lab.terms.receipt import Receipt
from models.sheet import BankSheet

_AFRESH = "score the portfolio afresh (`lab bank score`)"


@dataclass(frozen=True)
class Request:
    """What is asked for: a finished run, and what is to be other than in it."""

    run: FinishedRun
    out: Path | None = None
    """Where results go; None: beside those of the run, under the new run's name."""
    model: tuple[str, int | None] | None = None
    """Name and version; None: the newest version that the contract allows of the run's model."""
    recipient: str | None = None
    """None: the run's own."""


@dataclass(frozen=True)
class Rescored:
    """The new run's manifest, or None when nothing has changed since ``run``, whose results are the present ones."""

    run: str
    register: str
    model: str
    manifest: dict[str, Any] | None


@dataclass(frozen=True)
class _Batch:
    """A batch as its run's receipt tells of it, and which of the run's rows it holds."""

    sha256: str
    rows: slice
    run: FinishedRun
    receipt: dict[str, Any]
    made_by: tuple[str, int, str]
    """Register, its version, and the model."""

    @property
    def size(self) -> int:
        return int(self.rows.stop - self.rows.start)


def rescore(
    home: BankHome, keys: BankKeys, outlet: Outlet, request: Request, *, progress: Progress = SILENT
) -> Rescored:
    """Have a run's batches evaluated again, and keep the new scores as a run.

    Raises what the contract check raises, ``Refused`` for a run under other keys, parameters or questions, and what the
    bureau refuses with: an enterprise that is not in the register under the contract any more, a ceiling, a retention
    that is over.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    old = request.run.manifest
    batches = _batches(request.run)
    agreement = _agreement(home, outlet, request, started)
    contract, model = agreement.contract, agreement.model
    context = keys.public_context(agreement.params)
    context_name = hashlib.sha256(context).hexdigest()
    _check_fits(request.run, agreement, context_name)
    register = outlet.register(contract.id, model.name, model.version)
    present = (*register, f"{model.name}@{model.version}")
    done = _done(home, contract.id, present)
    shown = (f"{register[0]}-{register[1]}", present[2])
    if all(batch.sha256 in done for batch in batches):
        return Rescored(done[batches[-1].sha256].run.folder.name, *shown, None)
    check_suffix(request.out or Path(old["out"]))
    terms = (contract.id, model.sheet_sha256, agreement.recipient, str(contract.ceilings.precision))
    key = run_key("again", request.run.folder.name, *terms)
    clock = Clock()
    with open_run(home.runs, key, now=started) as run:
        out = request.out or _beside(Path(old["out"]), run.id)
        sizes, names = [batch.size for batch in batches], [batch.sha256 for batch in batches]
        witness = Witness(home, contract.bureau, outlet.ledger_consistency)
        courier = Courier(agreement, keys.holder(agreement.params), outlet, run, clock, context_name, witness)
        _take_over(run, batches, done, agreement.sheet)
        if courier.missing(sizes):
            card = JobCard(agreement.recipient, model.name, model.version, sum(sizes))
            open_job(outlet, contract.id, run.id, card, folder="runs")
            offer_context(outlet, contract.id, run.id, context_name, context)
        values, receipts = courier.score_again(names, sizes, progress)
        codes = request.run.outputs["code"]
        outputs = pl.DataFrame([codes]).with_columns(
            pl.Series(name, values[row]) for row, name in enumerate(output_names(agreement.sheet))
        )
        step = contract.ceilings.precision
        scores = score_table_again(request.run.scores, codes, agreement.sheet, values, step=step)
        write_scores(scores, out)
        told = _manifest(agreement, request.run, run, receipts) | {"out": str(out), "context_sha256": context_name}
        told["warnings"] = end_job(outlet, contract.id, run.id)
        told |= {
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
            manifest=told,
        )
    return Rescored(run.id, *shown, told)


def _batches(run: FinishedRun) -> list[_Batch]:
    """A run's batches in the order of its outputs; raises ``Refused`` without any."""
    found, start = [], 0
    for told in run.manifest.get("receipts", []):
        receipt = Receipt.read(told)
        made_by = (receipt.register, receipt.register_version, f"{receipt.model}@{receipt.model_version}")
        found.append(_Batch(receipt.batch_sha256, slice(start, start + receipt.rows), run, told, made_by))
        start += receipt.rows
    if not found:
        raise Refused("This run scored no enterprise.", next_step="see `lab bank runs`")
    if start != len(run.outputs):
        raise InvalidInput("The run's outputs do not fit its receipts.", next_step=_AFRESH)
    return found


def _agreement(home: BankHome, outlet: Outlet, request: Request, now: datetime) -> Agreement:
    """The contract in force, for the model that was asked for or the newest version of the run's."""
    old = request.run.manifest
    contract, name = str(old["contract"]), str(old["model"]).partition("@")[0]
    recipient = request.recipient or str(old["recipient"])

    def check(model: tuple[str, int | None]) -> Agreement:
        return check_agreement(home, outlet, contract, now=now, model=model, recipient=recipient)

    agreement = check(request.model or (name, None))
    if request.model is not None:
        return agreement
    newest = max(model.version for model in agreement.contract.models if model.name == name)
    return agreement if agreement.model.version == newest else check((name, newest))


def _check_fits(run: FinishedRun, agreement: Agreement, context: str) -> None:
    """Raise ``Refused`` unless the run's ciphertexts are answers to the model's questions, under the keys of now."""
    sheet, old = agreement.sheet, run.manifest
    if old["parameters"] != agreement.params.name or old.get("context_sha256", context) != context:
        raise Refused("This run was encrypted under other keys or parameters than the present.", next_step=_AFRESH)
    if BankSheet.from_json(run.sheet).questions != sheet.questions:
        raise Refused(
            f"Model {sheet.model}@{sheet.version} asks other questions than {old['model']}, which this run answered.",
            next_step=_AFRESH,
        )


def _done(home: BankHome, contract: str, present: tuple[str, int, str]) -> dict[str, _Batch]:
    """What finished runs under the contract hold already of the present register and model, by hash."""
    runs = [run for run in finished_runs(home.runs) if run.manifest.get("contract") == contract]
    scored = [run for run in runs if run.manifest.get("receipts")]
    return {batch.sha256: batch for run in scored for batch in _batches(run) if batch.made_by == present}


def _take_over(run: Run, batches: list[_Batch], done: dict[str, _Batch], sheet: BankSheet) -> None:
    """Where the register changed in the middle of a run, some batches are up to date: the bureau gives no second reply
    to those, and their sums are here."""
    names = output_names(sheet)
    for number, batch in enumerate(batches):
        kept = done.get(batch.sha256)
        if kept is not None and run.values(number) is None:
            outputs = kept.run.outputs[kept.rows]
            if any(name not in outputs.columns for name in names):
                raise Refused("The contract's detail has changed since this run.", next_step=_AFRESH)
            values: NDArray[np.int64] = np.stack([outputs[name].to_numpy() for name in names]).astype(np.int64)
            run.keep_values(number, values, kept.receipt)


def _beside(out: Path, run: str) -> Path:
    return out.with_name(f"{out.stem}-{run}{out.suffix}")


def _manifest(agreement: Agreement, old: FinishedRun, run: Run, receipts: list[dict[str, Any]]) -> dict[str, Any]:
    """The old run's manifest, with what is another's in this one."""
    contract, sheet = agreement.contract, agreement.sheet
    registers = sorted({f"{r.register}-{r.register_version}" for r in map(Receipt.read, receipts)})
    return old.manifest | {
        "run": run.id,
        "rescored_from": old.folder.name,
        "resumed": run.resumed,
        "version": contract.version,
        "contract_sha256": contract.sha256,
        "purpose": contract.purpose.value,
        "recipient": agreement.recipient,
        "detail": contract.detail.value,
        "model": f"{sheet.model}@{sheet.version}",
        "sheet_sha256": agreement.model.sheet_sha256,
        "register": ", ".join(registers),
        "outputs": len(sheet.outputs),
        "receipts": receipts,
    }
