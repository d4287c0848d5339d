"""Renders the bank's pages: templates of this package under its one style sheet (``lab.terms.text.styled_page``)."""

from __future__ import annotations

from typing import Any

from lab.terms.text.styled_page import render_styled_page


def render(template: str, /, **values: Any) -> str:
    """The page of ``template`` (a file of this package) as text."""
    return render_styled_page(__package__, template, "sheet.css", **values)
