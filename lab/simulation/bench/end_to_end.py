"""The whole job measured over HTTP: from a portfolio's file to its portraits, both parties as processes of their own.

Before the clock starts there are the things that are done once: the register imported and evaluated, a model trained on
a pilot sample and published, a contract signed, the bank's set-up for the register version fetched (by a match of one
enterprise). What is then timed is one ``lab bank score``: reading the file, matching, encrypting, evaluation at the
bureau, decrypting, and writing every enterprise's score, grade and dimensions; and one portrait drawn as a page.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.simulation.bench.cpu_time import commands_cpu_seconds, process_cpu_seconds
from lab.simulation.bench.matching_files import ID, LABEL
from lab.simulation.bench.synthetic_firms import write_firm_files
from lab.simulation.local_deployment import LocalDeployment, MemoryMonitor
from lab.simulation.party_steps import (
    BENCHMARK_PARTIES,
    conclude_contract,
    import_register,
    run_scoring_job,
    set_up_bureau,
    train_model,
)
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


def measure(what: EndToEndWorkload, progress: Progress) -> dict[str, Any]:
    """Run it; the figures. Raises what a command raises, and ``ShulabError`` if not every enterprise was scored."""
    stage = LocalDeployment(what.folder, show_progress=what.show)
    stage.prepare()
    with progress.stage("measure", 5) as steps:
        files = write_firm_files(what.folder / "files", what.register, what.enterprises, what.columns)
        set_up_bureau(stage, BENCHMARK_PARTIES)
        import_register(stage, files.register, id_column=ID, id_kind="uscc")
        steps.advance()
        train_model(stage, files.pilot, id_column=ID, label=LABEL, name="credit")
        steps.advance()
        with stage.run_service() as service:
            contract = conclude_contract(
                stage,
                service,
                BENCHMARK_PARTIES,
                model="credit@1",
                detail=what.detail,
                engine=what.engine,
                purpose=Purpose.CREDIT_APPROVAL,
                identifiers=what.enterprises + 1,
            )
            one = what.folder / "files" / "one.csv"
            with files.portfolio.open(encoding="utf-8") as lines:
                one.write_text(next(lines) + next(lines), encoding="utf-8")
            first = what.folder / "one-matched.csv"
            words = ("--contract", contract, "--bureau", service.url, "--out", first, "--id", ID)
            stage.run_command("bank", "match", one, *words, "--home", stage.bank_home)
            steps.advance()
            at_bureau, at_bank = process_cpu_seconds(service.process.pid), commands_cpu_seconds()
            out = what.folder / "scores.parquet"
            memory, begun = MemoryMonitor(), time.perf_counter()
            facts = run_scoring_job(
                stage, service, files.portfolio, out, contract=contract, id_column=ID, memory=memory
            )
            seconds = time.perf_counter() - begun
            at_bureau = process_cpu_seconds(service.process.pid) - at_bureau
            at_bank = commands_cpu_seconds() - at_bank
            steps.advance()
            begun = time.perf_counter()
            page = what.folder / "portrait.html"
            if what.detail is not ResultDetail.TOTAL:
                stage.run_command("bank", "portrait", "--html", page, "--home", stage.bank_home)
            drawn = time.perf_counter() - begun
            steps.advance()
    if facts["scored"] != files.common:
        raise ShulabError(f"Wanted {files.common} scored; found {facts['scored']}.", next_step="report this as a fault")
    return {
        "enterprises": what.enterprises,
        "register": what.register,
        "scored": facts["scored"],
        "columns": facts["columns"],
        "outputs": facts["outputs"],
        "detail": what.detail.value,
        "engine": facts["engine"],
        "parameters": facts["parameters"],
        "seconds_end_to_end": round(seconds, 3),
        "seconds_by_step": facts["seconds"],
        "seconds_one_portrait": round(drawn, 3),
        "cpu_bureau": round(at_bureau, 3),
        "cpu_bank": round(at_bank, 3),
        "bytes_up": facts["bytes_up"],
        "bytes_down": facts["bytes_down"],
        "peak_rss_bureau": service.peak_rss,
        "peak_rss_bank": memory.peak_bytes,
    }
