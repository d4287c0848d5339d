"""Notes about identifiers: a count and a sentence, in both languages."""

from __future__ import annotations

from lab.terms.identifiers import IdentifierNote, describe_notes, note_sentences


def test_each_note_that_counts_something_is_a_sentence_in_both_languages() -> None:
    assert describe_notes({}) == () == note_sentences({IdentifierNote.DECIMAL: 0})
    for note in IdentifierNote:
        ((zh, en),) = describe_notes({note: 1234})
        assert zh == f"1,234 {note.zh}" and en == f"1,234 {note.en}"
        assert note_sentences({note: 1234}) == (f"{en} · {zh}",)
