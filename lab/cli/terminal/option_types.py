"""Choices that several commands offer, so that they are the same words everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DespiteWarningsOption = Annotated[
    bool,
    typer.Option(
        "--despite-warnings", help="已核对警告 Go on although names in the contract look odd; ask nothing about it."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="输出一个 JSON 对象 Print one JSON object.")]
SessionFileOption = Annotated[
    Path | None,
    typer.Option(
        "--session",
        metavar="FILE",
        help="登录文件 Where your sign-in is kept [default: SHULAB_SESSION or ~/.shulab/session.json].",
        show_default=False,
    ),
]
BureauHomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="数据局文件夹 The bureau's folder [default: SHULAB_BUREAU_HOME or ~/.shulab/bureau]."),
]


class ModelFamily(StrEnum):
    """Which family of models."""

    boosted = "boosted"
    scorecard = "scorecard"


class InteractionMode(StrEnum):
    """One bank feature a path, or free."""

    one = "one"
    free = "free"
