"""``lab status``: the status of whichever parties have a folder on this machine, each asked in a process of its own.

It belongs to neither party and reads nothing of them by itself, so no process holds the code and the data of both.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.doctor.homes import BANK_HOME, BUREAU_HOME, HomeLayout
from lab.cli.terminal.option_types import JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.status import PartyStatus, StatusLine, show_status

BankFolderOption = Annotated[
    Path | None,
    typer.Option(help="银行目录 The bank's folder [default: SHULAB_BANK_HOME or ~/.shulab/bank].", show_default=False),
]
BureauFolderOption = Annotated[
    Path | None,
    typer.Option(
        help="数据局文件夹 The bureau's folder [default: SHULAB_BUREAU_HOME or ~/.shulab/bureau].", show_default=False
    ),
]
"""As ``--bank-home`` and ``--bureau-home``, of the commands that look at both parties' folders."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="状态 Status.")


@app.callback()
def group() -> None:
    """状态 Status."""


@app.command("status")
def status(
    bank_home: BankFolderOption = None,
    bureau_home: BureauFolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """状态 What is set up on this machine, what waits for you, and what comes next. Opens no secret, asks nobody."""
    output = CommandOutput(as_json)
    parties = ((BANK_HOME, bank_home), (BUREAU_HOME, bureau_home))
    folders = [(layout, layout.resolve_folder(named)) for layout, named in parties]
    found = [ask_party(layout, folder) for layout, folder in folders if (folder / layout.settings_file).exists()]
    for one in found:
        if "error" in one:
            output.alert(f"{one['party']}: {one['detail']} {one['next_step']}")
        else:
            show_status(output, _read(one))
    if not found:
        output.say("本机尚无银行或数据局 No bank and no bureau is set up here.")
        for layout, _ in folders:
            output.say(f"下一步 next: {layout.init_command}")
    output.print_result({"parties": found})
    if any("error" in one for one in found):
        raise typer.Exit(1)


def ask_party(layout: HomeLayout, folder: Path) -> dict[str, Any]:
    """What ``lab PARTY status --json`` answers; its error if it fails."""
    words = [sys.executable, "-m", "lab.cli", layout.check, "status", "--json", "--home", str(folder)]
    done = subprocess.run(words, capture_output=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        found = {"error": "fault", "detail": "its status could not be read.", "next_step": "run `lab doctor`"}
    return {"party": layout.check} | found


def _read(found: dict[str, Any]) -> PartyStatus:
    lines = (StatusLine(**(line | {"label": tuple(line["label"])})) for line in found["lines"])
    return PartyStatus(found["party"], found["name"], found["home"], tuple(lines))
