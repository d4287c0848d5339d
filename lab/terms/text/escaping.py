r"""Text from outside as a person must see it: every character of it, itself or as its escape, in its order.

A name that somebody else wrote may hold what steers a terminal (controls, ECMA-48), turns the direction of writing (UAX
#9), is not drawn at all (the property Default_Ignorable_Code_Point of the Unicode Character Database), or is drawn over
its neighbours (combining marks). Whoever signs must see that it is there. ``escape_hidden`` shows each such character
as ``\uXXXX`` or ``\UXXXXXXXX``, a backslash as two, so that no text can be taken for another's escape.

What has been made visible is of type ``VisibleText`` and is left as it is; so text may pass here at each edge, and
pages, terminals and files need not know who was first.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Self

_UNDRAWN = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
"""Default_Ignorable_Code_Point (DerivedCoreProperties, Unicode 16), and the interlinear annotations beside them."""
_BLANK = ((0x2800, 0x2800), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159))
"""Drawn as nothing although they have a width."""
_FRAME = ((0x2500, 0x259F),)
"""What tables, panels and bars are drawn with: in a name they would draw a cell or a bar of their own."""
_LOOSE_MARKS = (
    *((0x0300, 0x036F), (0x0483, 0x0489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF)),
    *((0x302A, 0x302D), (0x3099, 0x309A), (0xFE20, 0xFE2F)),
)
"""Combining marks of no script of their own: drawn over whatever stands before."""
_MOST_MARKS = 3  # of a script's own marks in a row; more pile up over other lines


def _class(*ranges: tuple[int, int]) -> str:
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)


_NEVER = re.compile(f"[{_class(*_UNDRAWN, *_BLANK)}]")
_LOOSE = re.compile(f"[{_class(*_LOOSE_MARKS)}]")
_DOUBTFUL = re.compile(f"[\\\\{_class(*_UNDRAWN, *_BLANK, *_FRAME, *_LOOSE_MARKS)}]|^ |  | $")
_BORDER = re.compile(f"[{_class(*_FRAME)}]")


class VisibleText(str):
    """Text that can be shown as it is: no character of it steers, turns or hides anything; line feeds separate lines.

    Made from a ``str``, it has hidden characters written out; backslashes, spaces and frames, which only a name from
    outside must not have, are left: it is for text that was put together from what ``escape_hidden`` returned.
    """

    __slots__ = ()

    def __new__(cls, text: str = "") -> Self:
        """Escape what is hidden in ``text``; safe text is taken as it is."""
        if isinstance(text, cls):
            return text
        plain = text.isprintable() and not _NEVER.search(text)
        return super().__new__(cls, text if plain else "".join(map(_shown_or_line, text)))


def escape_hidden(text: str) -> VisibleText:
    """``text`` with every character to be seen, as above. What is ``VisibleText`` already is returned as it is.

    Written out are all characters of the general categories Cc, Cf, Cs, Co, Cn, Zl, Zp and Zs but the space, those
    named at the top of this module, spaces at either end and each further space of a row, marks that belong to no
    letter, and the characters of our own frames.
    """
    if isinstance(text, VisibleText):
        return text
    if text.isprintable() and not _DOUBTFUL.search(text) and (text.isascii() or not any(map(_is_mark, text))):
        return VisibleText(text)
    return VisibleText("".join(_pieces(text)))


def find_hidden(text: str) -> str:
    """The first character of ``text`` that ``escape_hidden`` writes out, but a backslash; empty if there is none."""
    for char, piece in zip(text, _pieces(text), strict=True):
        if piece != char and char != "\\":
            return char
    return ""


def describe_character(char: str) -> str:
    """A character by its code point and, where it has one, its name in the Unicode Character Database."""
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()


def join_visible_lines(lines: Iterable[str]) -> VisibleText:
    """Several texts as the lines of one."""
    return VisibleText("\n".join(escape_hidden(line) for line in lines))


def dump_visible_json(facts: Any, *, indent: int | None = None) -> str:
    """``facts`` as JSON (RFC 8259) that is the same to a program and hides nothing from a reader: hidden characters
    stand as JSON's own escapes."""
    text = json.dumps(facts, ensure_ascii=False, default=str, indent=indent)
    if text.isprintable() and not _NEVER.search(text):
        return text
    return "".join(char if char == "\n" or _seen(char) else json.dumps(char)[1:-1] for char in text)


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Me")


def _shown_or_line(char: str) -> str:
    return char if char == "\n" or _seen(char) else _escape(char)


def _seen(char: str) -> bool:
    return char.isprintable() and not _NEVER.match(char)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _pieces(text: str) -> list[str]:
    """What each character is shown as, [characters]."""
    found = []
    cluster, marks = "", 0  # the letter that a mark would join, composed; a script's own marks since the last letter
    last = len(text) - 1
    for place, char in enumerate(text):
        piece = char
        if char == "\\":
            piece = "\\\\"
        elif not _seen(char) or _BORDER.match(char):
            piece = _escape(char)
        elif char == " ":
            piece = char if 0 < place < last and text[place - 1] != " " else _escape(char)
        elif _LOOSE.match(char):
            joined = unicodedata.normalize("NFC", cluster + char)
            cluster, piece = (joined, char) if cluster and len(joined) == 1 else ("", _escape(char))
            found.append(piece)
            continue
        elif _is_mark(char):
            marks += 1
            at_letter = place > 0 and unicodedata.category(text[place - 1])[0] in "LM"
            found.append(char if at_letter and marks <= _MOST_MARKS else _escape(char))
            continue
        cluster, marks = (char if piece == char else ""), 0
        found.append(piece)
    return found
