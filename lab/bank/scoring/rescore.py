"""The batches of a finished run, evaluated again by what has changed at the bureau: its register, or the model.

contract -> verify -> is there anything new -> open a job -> name each batch -> decrypt -> results -> end the job. Their
ciphertexts lie at the bureau by the contract's retention and are the bank's key's still, so hashes go out and nothing
else. What comes back is a run of its own, beside the old one, and each score is charged as in any job. A stopped one
goes on by the same call, without new charges.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from lab.bank.connection.client import JobCard, Outlet
from lab.bank.contract.agreement import Agreement, check_agreement
from lab.bank.contract.checkpoint_wait import await_cosigned, describe
from lab.bank.contract.ledger_witness import Witness
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.job_lifecycle import end_job, offer_context, open_job
from lab.bank.runs.batch_history import AFRESH, Batch, Origin, batches_of, take_over, up_to_date
from lab.bank.runs.metadata import Label, RunKind
from lab.bank.runs.results import check_suffix, output_names, score_table_again, write_scores
from lab.bank.runs.store import FinishedRun, Run, open_run, run_key
from lab.bank.scoring.batch_sender import Clock, Courier
from lab.bank.scoring.job import figures
from lab.terms.errors import Refused
from lab.terms.progress import SILENT, Progress
from models.shared.sheet import BankSheet


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
    """The new run and its manifest; None for that when nothing has changed since ``run``, whose results are of now."""

    run: str
    origin: Origin
    manifest: dict[str, Any] | None


def rescore(
    home: BankHome, keys: BankKeys, outlet: Outlet, request: Request, *, progress: Progress = SILENT
) -> Rescored:
    """Have a run's batches evaluated again, and keep the new scores as a run.

    A batch that the bureau refuses (an enterprise in it is not in the register under the contract any more, or is at
    its ceiling) does not hold up the others: its enterprises end as ``not-rescored``, with a warning. Raises what the
    contract check raises, ``Refused`` for a run of nobody, under other keys, parameters or questions, or if every batch
    is refused.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    batches = batches_of(request.run)
    if not batches:
        raise Refused("This run scored no enterprise.", next_step="see `lab bank runs`")
    agreement = _agreement(home, outlet, request, started)
    contract, model = agreement.contract, agreement.model
    context = keys.public_context(agreement.params)
    context_name = hashlib.sha256(context).hexdigest()
    _check_fits(request.run, agreement, context_name)
    origin = Origin(*outlet.register(contract.id, model.name, model.version), f"{model.name}@{model.version}")
    done = up_to_date(home.runs, contract.id, origin)
    if all(batch.sha256 in done for batch in batches):
        return Rescored(done[batches[-1].sha256].run.folder.name, origin, None)
    former_out = Path(request.run.manifest["out"])
    check_suffix(request.out or former_out)
    terms = (contract.id, model.sheet_sha256, agreement.recipient, str(contract.ceilings.precision))
    clock = Clock()
    key, label = run_key("again", request.run.folder.name, *terms), Label.of(RunKind.RESCORE, contract, started)
    with open_run(home.runs, key, label, now=started) as run:
        for number, batch in enumerate(batches):
            if batch.sha256 in done and run.values(number) is None:
                take_over(run, number, done[batch.sha256], agreement.sheet)
        witness = Witness(home, contract.bureau, outlet.ledger_consistency)
        courier = Courier(agreement, keys.holder(agreement.params), outlet, run, clock, context_name, witness)
        sizes = [len(batch.rows) for batch in batches]
        if courier.missing(sizes):
            card = JobCard(agreement.recipient, model.name, model.version, sum(sizes))
            open_job(outlet, contract.id, run.id, card, folder="runs")
            offer_context(outlet, contract.id, run.id, context_name, context)
        refused: dict[int, Refused] = {}
        values, receipts = courier.score_again([batch.sha256 for batch in batches], sizes, refused, progress)
        if refused:
            _check_goes_on(home, outlet, request, run)
            if len(refused) == len(batches):
                raise refused[0]
        cosigned = await_cosigned(outlet, contract, receipts, witness, progress=progress)
        codes = _codes(request.run, batches, refused)
        outputs = pl.DataFrame([codes]).with_columns(
            pl.Series(name, values[row]) for row, name in enumerate(output_names(agreement.sheet))
        )
        step = contract.ceilings.precision
        scores = score_table_again(request.run.scores, codes, agreement.sheet, values, step=step)
        out = request.out or former_out.with_name(f"{former_out.stem}-{run.id}{former_out.suffix}")
        write_scores(scores, out)
        warnings = [
            f"{sizes[number]} enterprises of a batch were not scored again: {error}"
            for number, error in sorted(refused.items())
        ]
        manifest = _manifest(agreement, request.run, run, receipts) | describe(contract, cosigned)
        manifest |= {
            "match_receipts": [],
            "context_sha256": context_name,
            "scored": len(codes),
            "not_rescored": sum(sizes[number] for number in refused),
            "warnings": warnings + end_job(outlet, contract.id, run.id),
            "out": str(out),
        }
        manifest |= figures(outlet, clock, run, begun, started)
        run.finish(
            scores=scores,
            outputs=outputs,
            sheet=agreement.sheet.to_json(),
            contract=agreement.signed.model_dump_json(by_alias=True).encode(),
            manifest=manifest,
        )
    return Rescored(run.id, origin, manifest)


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
        raise Refused("This run was encrypted under other keys or parameters than the present.", next_step=AFRESH)
    if BankSheet.from_json(run.sheet).questions != sheet.questions:
        raise Refused(
            f"Model {sheet.model}@{sheet.version} asks other questions than {old['model']}, which this run answered.",
            next_step=AFRESH,
        )


def _check_goes_on(home: BankHome, outlet: Outlet, request: Request, run: Run) -> None:
    """Raise what keeps the contract from going on, or ``Refused`` when its job was stopped: then what was refused was
    not a batch, and the same call goes on later."""
    contract = _agreement(home, outlet, request, datetime.now(UTC)).contract
    if outlet.job(contract.id, run.id).get("state") != "open":
        raise Refused("The job was stopped with its contract.", next_step="run the same command again when it goes on")


def _codes(old: FinishedRun, batches: list[Batch], refused: dict[int, Refused]) -> pl.Series:
    """The codes of the batches that were answered, in their order."""
    places = [place for number, batch in enumerate(batches) if number not in refused for place in batch.rows]
    return old.outputs["code"].gather(places)


def _manifest(agreement: Agreement, old: FinishedRun, run: Run, receipts: list[dict[str, Any]]) -> dict[str, Any]:
    """The old run's manifest, with what is another's in this one."""
    return old.manifest | {
        "run": run.id,
        "rescored_from": old.folder.name,
        "resumed": run.resumed,
        **agreement.facts(receipts),
        "receipts": receipts,
    }
