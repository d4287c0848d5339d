"""Large made-up files for benchmarks: the valid codes of ``lab.simulation.synthetic.credit_codes``, a million a second.

The sizes and the seed fix the content of three files: a register (code and one item), a portfolio of which half is in
the register, and a small pilot sample, since a contract that allows scoring needs a trained model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.simulation.synthetic.credit_codes import ALPHABET, PREFIX

ID, PUBLIC_ITEM, BANK_FEATURE, LABEL = "uscc", "arrears", "overdrawn", "bad"
PILOT_ROWS = 600
"""Largest number of rows of the pilot sample: enough for a scorecard of one item and one feature."""

_CHUNK = 1 << 20  # rows made at a time: 40 MB of intermediate values
_BODY = 6
_SPACE = len(ALPHABET) ** _BODY
_STEP = 412_345_679  # prime, coprime to 31: ``start + i * step`` visits each body once (``credit_codes``)
_STRIDE = 7_368_787  # prime: ``i * stride mod n`` draws clients all over the register, each once unless n divides it
_GB_11714 = (3, 7, 9, 10, 5, 8, 4, 2)
_GB_32100 = tuple(pow(3, place, 31) for place in range(17))
_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)


@dataclass(frozen=True)
class MatchingBenchmarkFiles:
    """Paths of the made-up files, and how many of the portfolio's codes are in the register."""

    register: Path
    portfolio: Path
    pilot: Path
    common: int


def make_code_letters(rows: int, *, start: int = 0, seed: int = 0) -> NDArray[np.uint8]:
    """The codes of ``make_codes`` with the same arguments, as ASCII letters; [rows, 18]."""
    return _letters(start + np.arange(rows, dtype=np.int64), seed)


def _letters(indices: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
    offset = int(np.random.default_rng([seed, 18]).integers(_SPACE))
    # Below 2^63: indices stay below 31^6, and so does the step.
    number = (offset + indices % _SPACE * _STEP) % _SPACE
    letters = np.empty((len(indices), 18), dtype=np.uint8)
    letters[:, : len(PREFIX)] = np.frombuffer(PREFIX.encode(), dtype=np.uint8)
    for place in range(len(PREFIX), len(PREFIX) + _BODY):
        number, digit = np.divmod(number, len(ALPHABET))
        letters[:, place] = _LETTERS[digit]
    letters[:, 16] = np.frombuffer(b"0123456789X", dtype=np.uint8)[
        (11 - _weigh(letters[:, 8:16], _GB_11714, 36) % 11) % 11
    ]
    letters[:, 17] = _LETTERS[(31 - _weigh(letters[:, :17], _GB_32100, 31) % 31) % 31]
    return letters


def _weigh(letters: NDArray[np.uint8], weights: tuple[int, ...], base: int) -> NDArray[np.int64]:
    """The weighted sum of characters, counted over the Latin alphabet (base 36) or that of GB 32100 (31)."""
    value = np.zeros(256, dtype=np.int64)
    for character in ALPHABET:
        value[ord(character)] = int(character, 36) if base == 36 else ALPHABET.index(character)
    total = np.zeros(len(letters), dtype=np.int64)
    for place, weight in enumerate(weights):
        total += weight * value[letters[:, place]]
    return total


def write_matching_files(folder: Path, register: int, portfolio: int, *, seed: int = 1) -> MatchingBenchmarkFiles:
    """Write ``register.csv``, ``portfolio.csv`` and ``pilot.csv`` of these sizes into ``folder``.

    Half of the portfolio (rounded down, and no more than there are) is in the register, spread over it; the other half
    is nowhere in it. Both halves are mixed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = min(portfolio // 2, register)
    files = MatchingBenchmarkFiles(folder / "register.csv", folder / "portfolio.csv", folder / "pilot.csv", common)
    with files.register.open("wb") as file:
        file.write(f"{ID},{PUBLIC_ITEM}\n".encode())
        for indices in _chunks(np.arange(register, dtype=np.int64)):
            file.write(_lines(indices, (_item(indices),), seed))
    clients = np.concatenate([_draw(common, register), register + np.arange(portfolio - common, dtype=np.int64)])
    np.random.default_rng([seed, 19]).shuffle(clients)
    with files.portfolio.open("wb") as file:
        file.write(f"{ID},{BANK_FEATURE}\n".encode())
        for indices in _chunks(clients):
            file.write(_lines(indices, (_bank_feature(indices),), seed))
    pilot = np.arange(min(PILOT_ROWS, register), dtype=np.int64)
    label = (
        _item(pilot) + _bank_feature(pilot) + np.random.default_rng([seed, 20]).integers(0, 6, len(pilot)) > 12
    ) * 1
    with files.pilot.open("wb") as file:
        file.write(f"{ID},{BANK_FEATURE},{LABEL}\n".encode())
        file.write(_lines(pilot, (_bank_feature(pilot), label), seed))
    return files


def _draw(count: int, register: int) -> NDArray[np.int64]:
    """``count`` different rows of the register, spread over it."""
    stride = _STRIDE if register % _STRIDE else 1
    return np.arange(count, dtype=np.int64) * stride % max(register, 1)


def _item(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return indices * 2_654_435_761 % 1_000_003 % 10  # one digit that looks random, without a random generator


def _bank_feature(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return indices * 1_597_334_677 % 1_000_033 % 10


def _chunks(indices: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for begin in range(0, len(indices), _CHUNK):
        yield indices[begin : begin + _CHUNK]


def _lines(indices: NDArray[np.int64], digits: tuple[NDArray[np.int64], ...], seed: int) -> bytes:
    """Lines of a code and of columns of one digit. All have the same length, so a block of lines is one array."""
    lines = np.empty((len(indices), 18 + 2 * len(digits) + 1), dtype=np.uint8)
    lines[:, :18] = _letters(indices, seed)
    for column, digit in enumerate(digits):
        lines[:, 18 + 2 * column] = ord(",")
        lines[:, 19 + 2 * column] = ord("0") + digit
    lines[:, -1] = ord("\n")
    return lines.tobytes()
