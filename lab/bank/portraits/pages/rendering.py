"""Renders pages: one template environment, one style sheet, and a policy under which nothing else can load or run.

A page is one file. It refers to nothing outside itself, has no script, and its Content-Security-Policy allows only the
style sheet, by its hash, so that even a value that escaped wrongly could load nothing. Every value is escaped and shown
as ``lab.terms.text.escaping`` writes it: a name cannot hide a part of itself or change the direction of the line.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from lab.terms.text.escaping import escape_hidden


def render(template: str, **values: Any) -> str:
    """The page of ``template`` (a file of this package) as text."""
    style = _read("sheet.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    trusted = Markup(style)  # our own file
    return _environment().get_template(template).render(style=trusted, style_hash=f"sha256-{digest}", **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=make_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def make_visible(value: Any) -> Any:
    """A value as a page shows it: text made visible; markup of our own drawings, built from such text, as it is."""
    return escape_hidden(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
