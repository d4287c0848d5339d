"""The page of what is read as what is the reader's own, and is linked."""

from __future__ import annotations

from lab.tables.cells.column_notes import NoteKind
from tests.support.reading_page import PAGE, render


def test_the_page_is_current() -> None:
    """Write it anew with `make pages` when this fails."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_the_page_explains_every_note_and_is_linked() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{kind.value}`" in page for kind in NoteKind)
    assert "(reading.md)" in (PAGE.parent / "README.md").read_text(encoding="utf-8")
