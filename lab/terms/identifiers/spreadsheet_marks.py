"""What a spreadsheet does to identifiers: it guards them as text, or takes them for numbers.

A guard (``'0123``, ``="0123"``) is written to keep leading zeros and is no part of the identifier. A number in decimal
form (``101600.0``) is an identifier that passed through a column of floats. An exponent (``1.016E+05``) has lost
digits, and so may a decimal number of more than 15 digits: a float64 holds 15 decimal digits and no more (IEEE 754).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from lab.terms.text.text_formula import without_text_formula

_FLOAT_DIGITS: Final = 15
_LEADING_MARKS: Final = r"^['\s]+"
_DECIMAL: Final = rf"^[0-9]{{1,{_FLOAT_DIGITS}}}\.0+$"
# A sign or a decimal point makes an exponent: ``12E5`` may well be a register number.
_EXPONENT: Final = r"^[+-]?[0-9]+(?:[.,][0-9]+[eE][+-]?|[eE][+-])[0-9]+$"
_LONG_DECIMAL: Final = rf"^[0-9]{{{_FLOAT_DIGITS + 1},}}\.0+$"


def without_text_guards(text: pl.Expr) -> pl.Expr:
    """Text without outer white space and without the apostrophe or the formula that marks it as text."""
    bare = without_text_formula(text.str.strip_chars().str.replace(_LEADING_MARKS, ""))
    return bare.str.replace(_LEADING_MARKS, "").str.strip_chars()


def is_decimal(text: pl.Expr) -> pl.Expr:
    """Whether text is a whole number written with a decimal part of zeros, with every digit still there."""
    return text.str.contains(_DECIMAL)


def without_decimals(text: pl.Expr) -> pl.Expr:
    """A text for which ``is_decimal`` holds as the whole number that it is; other texts are changed too."""
    return text.str.replace(r"\.0+$", "")


def is_rounded(text: pl.Expr) -> pl.Expr:
    """Whether text is a number in a form in which digits may be lost."""
    return text.str.contains(_EXPONENT) | text.str.contains(_LONG_DECIMAL)
