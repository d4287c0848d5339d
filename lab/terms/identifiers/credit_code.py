"""The unified social credit code of GB 32100-2015, for many codes at once.

| places | what is there | characters |
|---|---|---|
| 1 | the department that registers | 1 to 9, A (military), N (agriculture), Y (others) |
| 2 | the category of organisation within it | 1 to 9 |
| 3 to 8 | the administrative division of the registering office (GB/T 2260) | digits |
| 9 to 17 | the organisation code (GB 11714), with its own check digit in place 17 | the alphabet; X for ten |
| 18 | the check character (GB/T 17710, ISO 7064 MOD 31-3) | the alphabet |

python-stdnum's ``stdnum.cn.uscc.validate`` (2.2 and the main branch of August 2026) demands digits in all of the first
eight places, so it refuses every code of a rural collective (N), a military unit (A) or another organisation (Y). Only
its ``calc_check_digit`` is used here, which takes every character of the alphabet; the format is checked here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from stdnum.cn import uscc

USCC_LENGTH: Final = 18
ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, table 1: without I, O, Z, S, V
LOOK_ALIKES: Final = "IOZSV"

LEGAL_FORMS: Final[dict[str, str]] = {
    "1": "1239",  # 机构编制 public institutions: organ, institution, mass organisation, other
    "2": "19",  # 外交 foreign affairs: resident foreign news office, other
    "3": "123459",  # 司法行政 justice: law firm, notary, legal service, forensics, arbitration, other
    "4": "19",  # 文化 culture: foreign cultural centre, other
    "5": "1239",  # 民政 civil affairs: association, private non-enterprise unit, foundation, other
    "6": "129",  # 旅游 tourism: foreign office, office of Hong Kong, Macao or Taiwan, other
    "7": "129",  # 宗教 religion: place of worship, school, other
    "8": "19",  # 工会 trade unions: local union, other
    "9": "123",  # 工商 market regulation: enterprise, sole trader, farmers' cooperative
    "A": "19",  # 中央军委改革和编制办公室 military: institution, other
    "N": "1239",  # 农业 agriculture: collective of a group, of a village, of a township, other
    "Y": "1",  # 其他 other departments: not divided further
}
"""Place 1 and the characters that place 2 may have with it: GB 32100-2015, table of departments and categories, with
amendment 1 of 2016. Departments may be added, so a pair that is not here is worth a warning and no more."""

_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)  # GB 11714-1997, 4.2
_ORGANISATION_START: Final = 8
_ORGANISATION_CHECK: Final = 16

Letters = NDArray[np.uint8]
"""Well-formed codes as ASCII, [n, 18]."""


def as_letters(codes: list[str]) -> Letters:
    """Codes of 18 ASCII characters each as an array, [n, 18]."""
    return np.array(codes, dtype=f"S{USCC_LENGTH}").view(np.uint8).reshape(-1, USCC_LENGTH)


def check_character_fits(codes: Letters) -> NDArray[np.bool_]:
    """Whether the character in place 18 is right, [n]. It finds every change of a single character."""
    table = _contributions()
    total = np.zeros(len(codes), dtype=np.uint16)
    for place in range(USCC_LENGTH - 1):
        total += table[place, codes[:, place]]
    expected = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)[(31 - total % 31) % 31]
    return np.asarray(expected == codes[:, -1], dtype=np.bool_)


def organisation_check_fits(codes: Letters) -> NDArray[np.bool_]:
    """Whether the check digit of the organisation code, in place 17, is right, [n] (GB 11714, modulo 11)."""
    values = np.zeros(256, dtype=np.uint16)  # the whole Latin alphabet counts: A is 10, B is 11 ... Z is 35
    for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        values[ord(character)] = value
    total = np.zeros(len(codes), dtype=np.uint16)  # at most 48 * 35
    for place, weight in enumerate(_ORGANISATION_WEIGHTS, _ORGANISATION_START):
        total += weight * values[codes[:, place]]
    expected = np.frombuffer(b"0123456789X", dtype=np.uint8)[(11 - total % 11) % 11]
    return np.asarray(expected == codes[:, _ORGANISATION_CHECK], dtype=np.bool_)


def form_is_listed(codes: Letters) -> NDArray[np.bool_]:
    """Whether places 1 and 2 are a pair of ``LEGAL_FORMS``, [n]."""
    return np.asarray(_listed_pairs()[codes[:, 0], codes[:, 1]], dtype=np.bool_)


@lru_cache(maxsize=1)
def _listed_pairs() -> NDArray[np.bool_]:
    table = np.zeros((256, 256), dtype=np.bool_)
    for department, categories in LEGAL_FORMS.items():
        for category in categories:
            table[ord(department), ord(category)] = True
    return table


@lru_cache(maxsize=1)
def _contributions() -> NDArray[np.uint8]:
    """What each character adds to the sum modulo 31 at each of the 17 places, [17, 256].

    The sum of GB 32100-2015, 4.7 is linear in the characters, so it follows from python-stdnum's results for codes with
    a single non-zero character. A table of them checks a million codes at once; stdnum takes 17 µs for each.
    """
    table = np.zeros((USCC_LENGTH - 1, 256), dtype=np.uint8)
    for place in range(USCC_LENGTH - 1):
        for character in ALPHABET:
            body = "0" * place + character + "0" * (USCC_LENGTH - 2 - place)
            table[place, ord(character)] = (31 - ALPHABET.index(uscc.calc_check_digit(body))) % 31
    return table
