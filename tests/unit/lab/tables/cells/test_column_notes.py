"""Notes name counts, in both languages."""

from __future__ import annotations

from lab.tables.cells.column_notes import ColumnNote, NoteKind


def test_a_note_begins_with_its_count() -> None:
    assert ColumnNote(NoteKind.SENTINEL, 1234).text[0].startswith("1,234 格")
    assert ColumnNote(NoteKind.SENTINEL, 1234).text[1].startswith("1,234 cells")
    assert len({kind.value for kind in NoteKind}) == len(NoteKind)
