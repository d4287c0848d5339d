"""Benchmark of matching, end to end: both parties as commands, a real service, and made-up files of any size.

Set-up is needed once for a contract and register version: evaluate the register under the contract's key, index it, and
download the set-up to the bank. Online is needed for each portfolio: blind, evaluate, unblind, look up. Both exclude
the start of commands and the reading of files, as for the peers (``tests/benchmarks/peers``); the processor seconds
(``cpu_*``, ``processor``) include them. ``processor`` splits them by phase and process into arithmetic and the rest.
The import is separate: its memory is not part of ``peak_rss_bureau``.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from lab.simulation.bench.matching_files import ID, LABEL, write_matching_files
from lab.simulation.bench.processor_time import (
    ProcessorTime,
    add_up,
    commands_cpu_seconds,
    describe_phase,
    process_cpu_seconds,
    service_arithmetic_seconds,
)
from lab.simulation.local_deployment import LocalDeployment, ServiceProcess
from lab.simulation.party_steps import (
    BENCHMARK_PARTIES,
    ContractTerms,
    conclude_contract,
    ready_parties,
    set_up_bureau,
    train_model,
)
from lab.simulation.process_monitor import MemoryMonitor
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.errors import ShulabError
from lab.terms.progress import Progress

_Reading: TypeAlias = tuple[float, float, float]
"""Processor seconds so far: of the bureau's service, of the commands that ended, and of the service's arithmetic."""


@dataclass(frozen=True)
class MatchingWorkload:
    """What is measured: sizes, engine, workers; ``folder`` is created and holds both parties' homes."""

    register: int
    portfolio: int
    engine: str
    folder: Path
    processes: int = 0
    cluster: str = ""
    show: bool = True


def measure(workload: MatchingWorkload, progress: Progress) -> dict[str, Any]:
    """Run it; returns the figures.

    Raises the error that a command reports, and ``ShulabError`` if the number of matches is wrong.
    """
    deployment = LocalDeployment(workload.folder, show_progress=workload.show)
    deployment.prepare()
    with progress.stage("measure", 5) as steps:
        files = write_matching_files(workload.folder / "files", workload.register, workload.portfolio)
        passwords = set_up_bureau(deployment, BENCHMARK_PARTIES)
        home = ("--home", deployment.bureau_home)
        importing, begun = MemoryMonitor(), time.perf_counter()
        words = ("bureau", "import", files.register, "--id", ID, "--no-evaluate", *home)
        deployment.run_command(*words, memory=importing)
        seconds_import = time.perf_counter() - begun
        steps.advance()
        train_model(deployment, files.pilot, "--family", "scorecard", id_column=ID, label=LABEL, name="credit")
        steps.advance()
        with ExitStack() as running:
            ready = ready_parties(deployment, BENCHMARK_PARTIES, passwords, running)
            service = ready.service
            terms = ContractTerms(
                "credit@1", ResultDetail.TOTAL, workload.engine, Purpose.CREDIT_APPROVAL, workload.portfolio + 1
            )
            contract = conclude_contract(deployment, ready, terms)
            evaluating, begun_cpu = MemoryMonitor(), commands_cpu_seconds()
            workers = ["--processes", str(workload.processes)]
            workers += ["--cluster", workload.cluster] if workload.cluster else []
            evaluated = deployment.run_command("bureau", "evaluate", *workers, *home, memory=evaluating)
            cpu_evaluate = commands_cpu_seconds() - begun_cpu
            steps.advance()
            matching, one = MemoryMonitor(), workload.folder / "files" / "one.csv"
            with files.register.open(encoding="utf-8") as register:  # its first enterprise, so that one is found
                one.write_text(register.readline() + register.readline(), encoding="utf-8")
            cpu_before = _cpu_seconds(deployment, service)
            first = _match(deployment, service, workload, contract, one, matching)
            cpu_first = _cpu_seconds(deployment, service)
            steps.advance()
            found = _match(deployment, service, workload, contract, files.portfolio, matching)
            cpu_online = _cpu_seconds(deployment, service)
            steps.advance()
    if found["matched"] != files.common:
        raise ShulabError(
            f"Expected {files.common} matches; found {found['matched']}.", next_step="report this as a fault"
        )
    evaluate = ProcessorTime(cpu_evaluate, evaluated["arithmetic_seconds"])
    processor = _processor_figures(evaluate, (cpu_before, cpu_first, cpu_online), first, found)
    return (
        _matching_figures(workload, evaluated, first, found)
        | processor
        | {
            "seconds_import": round(seconds_import, 3),
            "peak_rss_bureau": max(evaluating.peak_bytes, service.peak_rss),
            "peak_rss_bank": matching.peak_bytes,
            "peak_rss_import": importing.peak_bytes,
        }
    )


def _processor_figures(
    evaluate: ProcessorTime,
    readings: tuple[_Reading, _Reading, _Reading],
    first: dict[str, Any],
    found: dict[str, Any],
) -> dict[str, Any]:
    """Processor seconds by phase and process; readings are before the first match, after it, and at the end."""
    before, between, after = readings
    setup = {
        "bureau, lab bureau evaluate": evaluate,
        "bureau, service": _service_time(before, between),
        "bank, first lab bank match": ProcessorTime(between[1] - before[1], first["arithmetic_seconds"]),
    }
    online = {
        "bureau, service": _service_time(between, after),
        "bank, lab bank match": ProcessorTime(after[1] - between[1], found["arithmetic_seconds"]),
    }
    return {
        "cpu_setup": round(add_up(setup).total, 3),
        "cpu_online_bureau": round(online["bureau, service"].total, 3),
        "cpu_online_bank": round(online["bank, lab bank match"].total, 3),
        "processor": {"setup": describe_phase(setup), "online": describe_phase(online)},
        "start_seconds_bank": found["start_seconds"],
    }


def _matching_figures(
    workload: MatchingWorkload, evaluated: dict[str, Any], first: dict[str, Any], found: dict[str, Any]
) -> dict[str, Any]:
    """Figures of an evaluation, of the first match, which fetches the set-up, and of the timed match."""
    online = sum(float(found["seconds"][step]) for step in ("setup", "match", "look-up"))
    return {
        "engine": workload.engine,
        "path": evaluated["path"][workload.engine],
        "register": workload.register,
        "portfolio": workload.portfolio,
        "matched": found["matched"],
        "seconds_setup": round(float(evaluated["seconds"]) + float(first["seconds"]["setup"]), 3),
        "seconds_evaluate": evaluated["seconds"],
        "seconds_index_and_fetch": first["seconds"]["setup"],
        "seconds_online": round(online, 3),
        "seconds_by_step": found["seconds"],
        "bytes_down": first["bytes_down"] + found["bytes_down"],
        "bytes_down_online": found["bytes_down"],
        "bytes_up": found["bytes_up"],
        "setup_bytes": first["setup_bytes"],
        "setup_bits_an_entry": round(8 * first["setup_bytes"] / workload.register, 3),
        "bound_bits_an_entry": 8 * first["least_bytes_an_entry"],
    }


def _cpu_seconds(deployment: LocalDeployment, service: ServiceProcess) -> _Reading:
    arithmetic = service_arithmetic_seconds(service.url, deployment.bureau_home)
    return process_cpu_seconds(service.process.pid), commands_cpu_seconds(), arithmetic


def _service_time(before: _Reading, after: _Reading) -> ProcessorTime:
    return ProcessorTime(after[0] - before[0], after[2] - before[2])


def _match(
    deployment: LocalDeployment,
    service: ServiceProcess,
    workload: MatchingWorkload,
    contract: str,
    portfolio: Path,
    memory: MemoryMonitor,
) -> dict[str, Any]:
    out = workload.folder / f"{portfolio.stem}-matched.csv"
    words = ("bank", "match", portfolio, "--contract", contract, "--bureau", service.url, "--out", out, "--id", ID)
    return deployment.run_command(
        *words, "--processes", str(workload.processes), "--home", deployment.bank_home, memory=memory
    )
