"""Options of a command as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from lab.cli.terminal.command_options import take_options


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Shared:
    home: Annotated[Path | None, typer.Option("--home", help="The folder.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


@dataclass(frozen=True, kw_only=True)
class Paint(Shared):
    wall: Annotated[str, typer.Argument(help="Which wall.")]
    colour: Annotated[Colour, typer.Option("--colour")] = Colour.RED
    names: Annotated[list[str] | None, typer.Option("--name")] = None


def run(*words: str, seen: list[Paint] | None = None):
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @take_options(Paint)
    def paint(options: Paint) -> None:
        """Paint a wall."""
        (seen if seen is not None else []).append(options)

    return CliRunner().invoke(app, list(words))


def test_the_body_takes_one_value() -> None:
    seen: list[Paint] = []
    found = run("north", "--colour", "blue", "--name", "a", "--name", "b", "--home", "/x", "--json", seen=seen)
    assert found.exit_code == 0, found.output
    assert seen == [Paint(wall="north", colour=Colour.BLUE, names=["a", "b"], home=Path("/x"), as_json=True)]


def test_defaults_are_those_of_the_fields() -> None:
    seen: list[Paint] = []
    assert run("north", seen=seen).exit_code == 0
    assert seen == [Paint(wall="north")]


def test_a_field_without_default_is_required() -> None:
    found = run()
    assert found.exit_code == 2 and "WALL" in found.output.upper()


def test_help_shows_own_options_before_shared_ones() -> None:
    text = run("--help").output
    assert "Paint a wall." in text and "Which wall." in text
    assert text.index("--colour") < text.index("--name") < text.index("--home") < text.index("--json")


def test_a_class_may_declare_a_shared_option_anew() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Strict(Shared):
        home: Path | None = Path("/strict")

    app = typer.Typer(rich_markup_mode=None)
    seen: list[Strict] = []
    app.command()(take_options(Strict)(seen.append))
    assert CliRunner().invoke(app, []).exit_code == 0
    assert seen == [Strict(home=Path("/strict"))]


def test_what_cannot_be_a_parameter_is_refused() -> None:
    @dataclass
    class Thawed:
        name: str = ""

    @dataclass(frozen=True)
    class Factory:
        names: list[str] = field(default_factory=list)

    for options in (int, Thawed, Factory):
        with pytest.raises(TypeError, match="Expected"):
            take_options(options)
