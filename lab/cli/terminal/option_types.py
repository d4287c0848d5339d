"""Options and choices that several commands share, so that their words are the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
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
RoleOption = Annotated[
    list[str],
    typer.Option(
        "--role", help="角色(可重复) Role: officer, steward, researcher, auditor, administrator, requester; repeatable."
    ),
]
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


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """The options of every command that asks a bureau's service as the person who signed in."""

    session: SessionFileOption = None
    as_json: JsonOption = False


class ModelFamily(StrEnum):
    """A family of models."""

    boosted = "boosted"
    scorecard = "scorecard"


class InteractionMode(StrEnum):
    """How many bank features may appear on one path of a tree: one, or any number."""

    one = "one"
    free = "free"


class CatalogueFormat(StrEnum):
    """In which form a catalogue is exported."""

    dcat = "dcat"
    odcs = "odcs"
    xlsx = "xlsx"
    csv = "csv"
    toml = "toml"


CatalogueVersionOption = Annotated[
    int | None,
    typer.Option(
        "--version", min=0, help="版本 Version of the catalogue; 0: embedded [default: in force].", show_default=False
    ),
]
