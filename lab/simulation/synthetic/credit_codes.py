"""Made-up unified social credit codes: valid by GB 32100-2015, and belonging to nobody.

The region digits are ``990100``; GB/T 2260 has no province 99, so no generated code can name a real enterprise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from stdnum.cn import uscc

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, table 1: no I, O, S, V, Z
PREFIX = "91" + "990100" + "MA"  # market regulator, enterprise, made-up region, the usual start of recent bodies
_BODY = 6
_SPACE = len(ALPHABET) ** _BODY
_STEP = 412_345_679  # prime, coprime to 31: ``start + i * step`` visits every body once
_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)  # GB 11714-1997, section 4.2


def make_codes(rows: int, *, start: int = 0, seed: int = 0) -> list[str]:
    """``rows`` distinct valid codes; another ``start`` range of the same seed gives other codes.

    The organisation part has the check character of GB 11714, the whole code that of GB 32100 (by python-stdnum).
    """
    offset = int(np.random.default_rng([seed, 18]).integers(_SPACE))
    return [_finish((offset + (start + i) * _STEP) % _SPACE) for i in range(rows)]


def _finish(number: int) -> str:
    body = []
    for _ in range(_BODY):
        number, digit = divmod(number, len(ALPHABET))
        body.append(ALPHABET[digit])
    organisation = "MA" + "".join(body)
    code = PREFIX[:-2] + organisation + _organisation_check(organisation)
    return code + str(uscc.calc_check_digit(code))


def _organisation_check(body: str) -> str:
    # GB 11714 counts A as 10, B as 11 ... Z as 35, over the whole Latin alphabet.
    total = sum(weight * int(character, 36) for weight, character in zip(_WEIGHTS, body, strict=True))
    check = (11 - total % 11) % 11
    return "X" if check == 10 else str(check)


def misspell_codes(codes: list[str], rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """The codes with typing errors, and the kind of each error.

    A reader can normalise ``full-width``, ``lower-case`` and ``spaced`` without guessing. It must set aside
    ``look-alike`` (a letter that the standard excludes) and ``check-digit``.
    """
    kinds: NDArray[np.str_] = rng.choice(
        ["full-width", "lower-case", "spaced", "look-alike", "check-digit"], len(codes)
    )
    return [_misspell(code, str(kind)) for code, kind in zip(codes, kinds, strict=True)], [str(kind) for kind in kinds]


def _misspell(code: str, kind: str) -> str:
    match kind:
        case "full-width":
            return "".join(chr(ord(character) + 0xFEE0) for character in code)
        case "lower-case":
            return code.lower()
        case "spaced":
            return f" {code[:8]} {code[8:17]} {code[17:]} "
        case "look-alike":
            return code[:2] + code[2:].replace("0", "O", 1)
        case _:
            return code[:-1] + ALPHABET[(ALPHABET.index(code[-1]) + 1) % len(ALPHABET)]
