"""Renders pages: one kind of template environment, one style sheet a page, and nothing else that loads or runs.

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


def render_styled_page(package: str, template: str, style_sheet: str, /, **values: Any) -> str:
    """The page of ``template`` as text. It and ``style_sheet`` are files of ``package``; the template also gets
    ``style`` and ``style_hash``. Raises jinja2's ``UndefinedError`` for a value that the template names and is not
    given."""
    style = _read(package, style_sheet)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    trusted = Markup(style)  # our own file
    return _environment(package).get_template(template).render(style=trusted, style_hash=f"sha256-{digest}", **values)


def make_visible(value: Any) -> Any:
    """A value as a page shows it: text made visible; markup of our own drawings, built from such text, as it is."""
    return escape_hidden(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=FunctionLoader(lambda name: _read(package, name)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=make_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _read(package: str, name: str) -> str:
    return (files(package) / name).read_text(encoding="utf-8")
