"""Benchmark of the whole job over HTTP, from a portfolio's file to portraits; each party runs as its own process.

Before the clock starts, what is needed once is done: import and evaluate the register, train and publish a model, sign
a contract, and fetch the bank's set-up for the register version (by matching one enterprise). Timed are one
``lab bank score`` (read the file, match, encrypt, evaluate at the bureau, decrypt, and write the score, grade and
dimensions of every enterprise) and one portrait drawn as a page.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.simulation.bench.matching_files import ID, LABEL
from lab.simulation.bench.processor_time import commands_cpu_seconds, process_cpu_seconds
from lab.simulation.bench.synthetic_firms import write_firm_files
from lab.simulation.local_deployment import LocalDeployment, ServiceProcess
from lab.simulation.party_steps import (
    BENCHMARK_PARTIES,
    ContractTerms,
    ScoringJob,
    conclude_contract,
    import_register,
    ready_parties,
    run_scoring_job,
    set_up_bureau,
    train_model,
)
from lab.simulation.process_monitor import MemoryMonitor
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.errors import ShulabError
from lab.terms.progress import Progress


@dataclass(frozen=True)
class EndToEndWorkload:
    """What is measured: sizes, the model's columns, the contract's detail; ``folder`` holds both parties' homes."""

    enterprises: int
    register: int
    columns: int
    detail: ResultDetail
    folder: Path
    engine: str = "x25519"
    show: bool = True


@dataclass(frozen=True)
class _Measurement:
    """Figures of the timed part: the run's manifest, seconds, processor seconds of both parties, bytes of memory."""

    manifest: dict[str, Any]
    seconds: float
    seconds_portrait: float
    cpu_bureau: float
    cpu_bank: float
    peak_bank: int


def measure(workload: EndToEndWorkload, progress: Progress) -> dict[str, Any]:
    """Run it; returns the figures.

    Raises the error that a command reports, and ``ShulabError`` if not every enterprise was scored.
    """
    deployment = LocalDeployment(workload.folder, show_progress=workload.show)
    deployment.prepare()
    with progress.stage("measure", 5) as steps:
        files = write_firm_files(workload.folder / "files", workload.register, workload.enterprises, workload.columns)
        passwords = set_up_bureau(deployment, BENCHMARK_PARTIES)
        import_register(deployment, files.register, id_column=ID, id_kind="uscc")
        steps.advance()
        train_model(deployment, files.pilot, id_column=ID, label=LABEL, name="credit")
        steps.advance()
        with ExitStack() as running:
            ready = ready_parties(deployment, BENCHMARK_PARTIES, passwords, running)
            service = ready.service
            terms = ContractTerms(
                "credit@1", workload.detail, workload.engine, Purpose.CREDIT_APPROVAL, workload.enterprises + 1
            )
            contract = conclude_contract(deployment, ready, terms)
            _fetch_setup(deployment, service, contract, files.portfolio)
            steps.advance()
            measured = _measure_scoring(workload, deployment, service, contract, files.portfolio)
            steps.advance(2)
    found = measured.manifest
    if found["scored"] != files.common:
        raise ShulabError(
            f"Expected {files.common} scored; found {found['scored']}.", next_step="report this as a fault"
        )
    return {
        "enterprises": workload.enterprises,
        "register": workload.register,
        **{name: found[name] for name in ("scored", "columns", "outputs")},
        "detail": workload.detail.value,
        **{name: found[name] for name in ("engine", "parameters")},
        "seconds_end_to_end": round(measured.seconds, 3),
        "seconds_by_step": found["seconds"],
        "seconds_one_portrait": round(measured.seconds_portrait, 3),
        "cpu_bureau": round(measured.cpu_bureau, 3),
        "cpu_bank": round(measured.cpu_bank, 3),
        **{name: found[name] for name in ("bytes_up", "bytes_down")},
        "peak_rss_bureau": service.peak_rss,
        "peak_rss_bank": measured.peak_bank,
    }


def _fetch_setup(deployment: LocalDeployment, service: ServiceProcess, contract: str, portfolio: Path) -> None:
    """Match one enterprise, so that the bank has the set-up before the clock starts."""
    one = deployment.folder / "files" / "one.csv"
    with portfolio.open(encoding="utf-8") as lines:
        one.write_text(next(lines) + next(lines), encoding="utf-8")
    out = deployment.folder / "one-matched.csv"
    words = ("--contract", contract, "--bureau", service.url, "--out", out, "--id", ID)
    deployment.run_command("bank", "match", one, *words, "--home", deployment.bank_home)


def _measure_scoring(
    workload: EndToEndWorkload, deployment: LocalDeployment, service: ServiceProcess, contract: str, portfolio: Path
) -> _Measurement:
    cpu_bureau, cpu_bank = process_cpu_seconds(service.process.pid), commands_cpu_seconds()
    memory, begun = MemoryMonitor(), time.perf_counter()
    job = ScoringJob(portfolio, workload.folder / "scores.parquet", contract, ID)
    manifest = run_scoring_job(deployment, service, job, memory=memory)
    seconds = time.perf_counter() - begun
    cpu_bureau = process_cpu_seconds(service.process.pid) - cpu_bureau
    cpu_bank = commands_cpu_seconds() - cpu_bank
    begun = time.perf_counter()
    if workload.detail is not ResultDetail.TOTAL:
        page = workload.folder / "portrait.html"
        deployment.run_command("bank", "portrait", "--html", page, "--home", deployment.bank_home)
    drawn = time.perf_counter() - begun
    return _Measurement(manifest, seconds, drawn, cpu_bureau, cpu_bank, memory.peak_bytes)
