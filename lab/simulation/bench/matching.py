"""Matching measured end to end: both parties as commands, a real service between them, made-up files of any size.

Set-up is what is done once for a contract and register version: evaluating it under the contract's key, indexing it,
and the bank's download of its set-up. Online is what is done for a portfolio: blinding, evaluation, unblinding,
look-up. The starts of commands and the reading of files are left out of both seconds, as they are for the peers
(``tests/benchmarks/peers``), but not out of the processor seconds (``cpu_*``). The import stands by itself: its memory
is no part of ``peak_rss_bureau``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.simulation.bench.cpu_time import commands_cpu_seconds, process_cpu_seconds
from lab.simulation.bench.matching_files import ID, LABEL, write_matching_files
from lab.simulation.local_deployment import LocalDeployment, MemoryMonitor, ServiceProcess
from lab.simulation.party_steps import BENCHMARK_PARTIES, conclude_contract, set_up_bureau, train_model
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.errors import ShulabError
from lab.terms.progress import Progress


@dataclass(frozen=True)
class MatchingWorkload:
    """What is measured: sizes, engine, workers; ``folder`` is made and holds both parties' homes."""

    register: int
    portfolio: int
    engine: str
    folder: Path
    processes: int = 0
    cluster: str = ""
    show: bool = True


def measure(what: MatchingWorkload, progress: Progress) -> dict[str, Any]:
    """Run it; the figures. Raises what a command raises, and ``ShulabError`` if the intersection is wrong."""
    stage = LocalDeployment(what.folder, show_progress=what.show)
    stage.prepare()
    with progress.stage("measure", 5) as steps:
        files = write_matching_files(what.folder / "files", what.register, what.portfolio)
        set_up_bureau(stage, BENCHMARK_PARTIES)
        home = ("--home", stage.bureau_home)
        importing, begun = MemoryMonitor(), time.perf_counter()
        stage.run_command("bureau", "import", files.register, "--id", ID, "--no-evaluate", *home, memory=importing)
        seconds_import = time.perf_counter() - begun
        steps.advance()
        train_model(stage, files.pilot, "--family", "scorecard", id_column=ID, label=LABEL, name="credit")
        steps.advance()
        with stage.run_service() as service:
            contract = conclude_contract(
                stage,
                service,
                BENCHMARK_PARTIES,
                model="credit@1",
                detail=ResultDetail.TOTAL,
                engine=what.engine,
                purpose=Purpose.CREDIT_APPROVAL,
                identifiers=what.portfolio + 1,
            )
            workers = ("--processes", str(what.processes), *(("--cluster", what.cluster) if what.cluster else ()))
            evaluating, spent = MemoryMonitor(), commands_cpu_seconds()
            evaluated = stage.run_command("bureau", "evaluate", *workers, *home, memory=evaluating)
            cpu_evaluate = commands_cpu_seconds() - spent
            steps.advance()
            matching = MemoryMonitor()
            one = what.folder / "files" / "one.csv"
            one.write_text("\n".join(files.portfolio.read_text().splitlines()[:2]) + "\n")
            at_bureau, at_bank = [process_cpu_seconds(service.process.pid)], [commands_cpu_seconds()]
            first = _match(stage, service, what, contract, one, matching)
            at_bureau.append(process_cpu_seconds(service.process.pid))
            at_bank.append(commands_cpu_seconds())
            steps.advance()
            found = _match(stage, service, what, contract, files.portfolio, matching)
            at_bureau.append(process_cpu_seconds(service.process.pid))
            at_bank.append(commands_cpu_seconds())
            steps.advance()
    if found["matched"] != files.common:
        raise ShulabError(
            f"Wanted {files.common} matches; found {found['matched']}.", next_step="report this as a fault"
        )
    online = sum(float(found["seconds"][step]) for step in ("setup", "match", "look-up"))
    return {
        "engine": what.engine,
        "path": evaluated["path"][what.engine],
        "register": what.register,
        "portfolio": what.portfolio,
        "matched": found["matched"],
        "seconds_setup": round(float(evaluated["seconds"]) + float(first["seconds"]["setup"]), 3),
        "seconds_evaluate": evaluated["seconds"],
        "seconds_index_and_fetch": first["seconds"]["setup"],
        "seconds_online": round(online, 3),
        "seconds_by_step": found["seconds"],
        "seconds_import": round(seconds_import, 3),
        "cpu_setup": round(cpu_evaluate + at_bureau[1] - at_bureau[0] + at_bank[1] - at_bank[0], 3),
        "cpu_online_bureau": round(at_bureau[2] - at_bureau[1], 3),
        "cpu_online_bank": round(at_bank[2] - at_bank[1], 3),
        "bytes_down": first["bytes_down"] + found["bytes_down"],
        "bytes_down_online": found["bytes_down"],
        "bytes_up": found["bytes_up"],
        "setup_bytes": first["setup_bytes"],
        "setup_bits_an_entry": round(8 * first["setup_bytes"] / what.register, 3),
        "bound_bits_an_entry": 8 * first["least_bytes_an_entry"],
        "peak_rss_bureau": max(evaluating.peak_bytes, service.peak_rss),
        "peak_rss_bank": matching.peak_bytes,
        "peak_rss_import": importing.peak_bytes,
    }


def _match(
    stage: LocalDeployment,
    service: ServiceProcess,
    what: MatchingWorkload,
    contract: str,
    portfolio: Path,
    memory: MemoryMonitor,
) -> dict[str, Any]:
    out = what.folder / f"{portfolio.stem}-matched.csv"
    words = ("bank", "match", portfolio, "--contract", contract, "--bureau", service.url, "--out", out, "--id", ID)
    return stage.run_command(*words, "--processes", str(what.processes), "--home", stage.bank_home, memory=memory)
