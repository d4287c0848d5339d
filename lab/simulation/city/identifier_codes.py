"""Made-up codes of enterprises for many at once: the unified code of GB 32100 of every kind, and what came before it.

A division that begins with ``99`` does not exist in GB/T 2260, so no code can name a real enterprise.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.city.draws import Flags, Integers
from lab.terms.identifiers.credit_code import ALPHABET, LEGAL_FORMS, USCC_LENGTH

LEGAL_FORM_PAIRS = tuple(department + form for department, forms in LEGAL_FORMS.items() for form in forms)
"""Places 1 and 2 of a code: every pair that GB 32100-2015 lists."""
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)  # GB 11714-1997, 4.2
_STEP = 412_345_679  # prime and coprime to 31 and 10: ``start + i * step`` visits every body once
_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_OUTSIDE_START = 60_000_000
Bytes = NDArray[np.uint8]


def make_credit_codes(
    pairs: Integers, divisions: Integers, old: Flags, *, seed: int, outside: bool = False
) -> pl.Series:
    """Distinct unified codes, [n]; ``pairs``: indexes of ``LEGAL_FORM_PAIRS``; ``divisions``: numbers of six digits.

    ``old``: enterprises from before October 2015, whose organisation code is eight digits; others begin with ``MA``.
    ``outside``: codes that no call without it gives for the same seed.
    """
    rows = len(pairs)
    codes = np.empty((rows, USCC_LENGTH), dtype=np.uint8)
    codes[:, :2] = np.array([list(pair.encode()) for pair in LEGAL_FORM_PAIRS], dtype=np.uint8)[pairs]
    codes[:, 2:8] = _digits(divisions, 6)
    start = int(np.random.default_rng([seed, 15]).integers(31**6))
    numbers = start + (np.arange(rows, dtype=np.int64) + outside * _OUTSIDE_START) * _STEP
    codes[:, 8:16] = np.where(old[:, None], _digits(numbers % 10**8, 8), _recent_bodies(numbers % 31**6))
    codes[:, 16] = _organisation_check(codes[:, 8:16])
    codes[:, 17] = _credit_check(codes[:, :17])
    return _as_text(codes)


def organisation_codes(codes: pl.Series) -> pl.Series:
    """The organisation codes of nine characters (GB 11714) inside unified codes."""
    return codes.str.slice(8, 9)


def make_registration_numbers(divisions: Integers, *, seed: int) -> pl.Series:
    """Distinct registration numbers of fifteen digits, [n]: division, number, check digit of ISO 7064 MOD 11,10."""
    start = int(np.random.default_rng([seed, 16]).integers(10**8))
    numbers = (start + np.arange(len(divisions), dtype=np.int64) * _STEP) % 10**8
    body = np.concatenate([_digits(divisions, 6), _digits(numbers, 8)], axis=1)
    check = np.full(len(divisions), 10, dtype=np.int64)
    for place in range(body.shape[1]):
        total = (check + body[:, place] - ord("0")) % 10
        check = np.where(total == 0, 10, total) * 2 % 11
    last = ((11 - check) % 10 + ord("0")).astype(np.uint8)
    return _as_text(np.concatenate([body, last[:, None]], axis=1))


def make_person_numbers(divisions: Integers, births: Integers, order: Integers) -> pl.Series:
    """Identity numbers of persons who do not exist, [n] (GB 11643): division, day of birth, order, check character.

    ``births``: numbers such as 19800131.
    """
    body = np.concatenate([_digits(divisions, 6), _digits(births, 8), _digits(order, 3)], axis=1)
    weights = np.array([pow(2, 17 - place, 11) for place in range(17)], dtype=np.int64)
    total = ((body.astype(np.int64) - ord("0")) * weights).sum(axis=1) % 11
    check = np.frombuffer(b"10X98765432", dtype=np.uint8)[total]
    return _as_text(np.concatenate([body, check[:, None]], axis=1))


def _digits(numbers: Integers, places: int) -> Bytes:
    powers = 10 ** np.arange(places - 1, -1, -1, dtype=np.int64)
    return np.asarray(numbers[:, None] // powers % 10 + ord("0"), dtype=np.uint8)


def _recent_bodies(numbers: Integers) -> Bytes:
    powers = 31 ** np.arange(6, dtype=np.int64)
    letters = _LETTERS[numbers[:, None] // powers % 31]
    start = np.broadcast_to(np.frombuffer(b"MA", dtype=np.uint8), (len(numbers), 2))
    return np.concatenate([start, letters], axis=1)


def _organisation_check(body: Bytes) -> Bytes:
    # GB 11714 counts A as 10, B as 11 ... Z as 35, over the whole Latin alphabet.
    values = np.where(body >= ord("A"), body.astype(np.int64) - ord("A") + 10, body.astype(np.int64) - ord("0"))
    total = (values * np.array(_ORGANISATION_WEIGHTS, dtype=np.int64)).sum(axis=1)
    return np.asarray(np.frombuffer(b"0123456789X", dtype=np.uint8)[(11 - total % 11) % 11])


def _credit_check(body: Bytes) -> Bytes:
    values = np.zeros(256, dtype=np.int64)
    values[_LETTERS] = np.arange(31)
    weights = np.array([pow(3, place, 31) for place in range(17)], dtype=np.int64)
    total = (values[body] * weights).sum(axis=1)
    return np.asarray(_LETTERS[(31 - total % 31) % 31])


def _as_text(codes: Bytes) -> pl.Series:
    rows, width = codes.shape
    text = np.ascontiguousarray(codes).tobytes().decode("ascii")
    return pl.Series([text[at : at + width] for at in range(0, rows * width, width)], dtype=pl.String)
