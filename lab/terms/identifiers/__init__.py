"""Identifiers of enterprises: one written form for bank and bureau, and what their reader must be told.

``normalisation`` brings identifiers to one form; ``credit_code`` knows GB 32100-2015; ``spreadsheet_marks`` what a
spreadsheet does to identifiers; ``reasons`` why a row has no usable identifier; ``notes`` what was accepted with a
warning.
"""

from lab.terms.identifiers.normalisation import NormalisedIdentifiers, normalise_identifiers
from lab.terms.identifiers.notes import IdentifierNote, describe_notes, note_sentences
from lab.terms.identifiers.reasons import OPAQUE_MAX_CHARACTERS, RejectionReason

__all__ = [
    "OPAQUE_MAX_CHARACTERS",
    "IdentifierNote",
    "NormalisedIdentifiers",
    "RejectionReason",
    "describe_notes",
    "normalise_identifiers",
    "note_sentences",
]
