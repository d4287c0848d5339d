"""Gives out the results of finished runs. They were paid for once; giving them out costs nothing and asks nobody.

A job is finished when its results are in its run. Only then is the file written that a person asked for. If that fails
(a full disk, a folder that is gone), or the process dies in between, the run says that it was not given out yet, and
the next command for the same job gives it out instead of paying again.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.bank.runs.metadata import read_run_metadata
from lab.bank.runs.results import write_result_table
from lab.bank.runs.store import FinishedRun, finished_run_folders, read_finished_run
from lab.disk.output_files import describe_disk_error
from lab.disk.private_files import replace_private
from lab.terms.errors import InvalidInput, ShulabError

_GIVEN_OUT = "given-out.json"
NOTHING_CHARGED = "nothing was charged: the results of an earlier run of the same job were given out"
_NOTHING_CHARGED_ZH = "未计费：给出的是同一作业此前一次运行的结果"


def give_out(run: FinishedRun, out: Path) -> dict[str, Any]:
    """Write a finished run's results to ``out``; returns its manifest, with the new ``out``.

    Raises what ``write_result_table`` raises, saying that the results are kept.
    """
    scores = run.scores
    try:
        write_result_table(scores, out)
    except ShulabError as error:
        name = run.folder.name
        raise type(error)(
            f"{error.detail} The job is finished and its results are kept in run {name}.",
            next_step=f"`lab bank runs {name} --out FILE` writes them at no charge; so does the same command",
        ) from None
    note = {"out": str(out.absolute()), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        replace_private(run.folder / _GIVEN_OUT, json.dumps(note, ensure_ascii=False).encode())
    except OSError as error:  # the file is written; without the note it would only be given out once more
        warning = f"the run could not note that its results were given out: {describe_disk_error(error)}"
        return run.manifest | {"out": str(out), "warnings": [*run.manifest["warnings"], warning]}
    return run.manifest | {"out": str(out)}


def was_given_out(run: FinishedRun) -> bool:
    """Whether the results were written to a file that a person asked for."""
    return (run.folder / _GIVEN_OUT).is_file()


def find_paid_run(runs: Path, contract: str, job: str, *, register: str | None) -> FinishedRun | None:
    """The latest finished run of the same ``job`` (its key), if it need not be paid for again; else None.

    It was not given out yet, or it was computed from the present ``register`` (name and version). ``register`` None: of
    those not given out alone.
    """
    found = [run for run in _runs_under(runs, contract) if run.manifest.get("job") == job]
    for run in sorted(found, key=lambda run: str(run.manifest.get("finished")), reverse=True):
        if not was_given_out(run) or (register is not None and run.manifest.get("register") == register):
            return run
    return None


def has_waiting_runs(runs: Path, contract: str) -> bool:
    """Whether a finished run under a contract was not given out yet. Cheap: it reads no results."""
    return any("job" in run.manifest and not was_given_out(run) for run in _runs_under(runs, contract))


def describe_given_out(run: FinishedRun, manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest of a run that was given out once more, instead of a job that is charged."""
    which = f"run {run.folder.name}, register {run.manifest.get('register', '')}"
    return manifest | {
        "charged": False,
        "warnings": [
            *manifest["warnings"],
            f"{NOTHING_CHARGED} ({which}) · {_NOTHING_CHARGED_ZH}（{which}）",
        ],
    }


def _runs_under(runs: Path, contract: str) -> list[FinishedRun]:
    """Finished runs under a contract; a damaged one of another contract stops nobody."""
    found = []
    for folder in finished_run_folders(runs):
        metadata = read_run_metadata(folder)
        if metadata is not None and metadata.contract != contract:
            continue
        try:
            found.append(read_finished_run(folder))
        except InvalidInput:
            if metadata is not None:
                raise
    return found
