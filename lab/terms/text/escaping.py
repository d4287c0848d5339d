r"""Makes every character of a text from outside visible, as itself or as its escape, in the text's order.

A name that somebody else wrote may hold characters that control a terminal (ECMA-48), change the direction of writing
(UAX #9), are invisible (the property Default_Ignorable_Code_Point of the Unicode Character Database), or are drawn over
their neighbours (combining marks). Whoever signs must see them. ``escape_hidden`` writes each such character as
``\uXXXX`` or ``\UXXXXXXXX``, and a backslash as two, so that no text looks like the escape of another.

Escaped text is of type ``VisibleText`` and is never escaped again. So every page, terminal and file can escape what it
shows, whether or not somebody did before.
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
"""Blank characters that have a width."""
_FRAME = ((0x2500, 0x259F),)
"""Characters that draw tables, panels and bars: in a name they could imitate a cell or a bar."""
_LOOSE_MARKS = (
    *((0x0300, 0x036F), (0x0483, 0x0489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF)),
    *((0x302A, 0x302D), (0x3099, 0x309A), (0xFE20, 0xFE2F)),
)
"""Combining marks without a script of their own: drawn over whatever character precedes."""
_MOST_MARKS = 3  # a script's own marks in a row; more would pile up over other lines


def _class(*ranges: tuple[int, int]) -> str:
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)


_NEVER = re.compile(f"[{_class(*_UNDRAWN, *_BLANK)}]")
_LOOSE = re.compile(f"[{_class(*_LOOSE_MARKS)}]")
_DOUBTFUL = re.compile(f"[\\\\{_class(*_UNDRAWN, *_BLANK, *_FRAME, *_LOOSE_MARKS)}]|^ |  | $")
_BORDER = re.compile(f"[{_class(*_FRAME)}]")


class VisibleText(str):
    """Text that is safe to show: no character controls, reverses or hides anything; line feeds separate lines.

    The constructor escapes hidden characters of a ``str``. It leaves backslashes, spaces and frame characters, which
    only names from outside must not have: it is for text composed from results of ``escape_hidden``.
    """

    __slots__ = ()

    def __new__(cls, text: str = "") -> Self:
        """Escape what is hidden in ``text``; safe text is taken as it is."""
        if isinstance(text, cls):
            return text
        plain = text.isprintable() and not _NEVER.search(text)
        return super().__new__(cls, text if plain else "".join(map(_shown_or_line, text)))


def escape_hidden(text: str) -> VisibleText:
    """``text`` with every character visible; ``VisibleText`` is returned unchanged.

    Escaped are all characters of the general categories Cc, Cf, Cs, Co, Cn, Zl, Zp and Zs except the space; the
    characters listed at the top of this module; spaces at either end and repeated spaces; marks without a letter; and
    frame characters.
    """
    if isinstance(text, VisibleText):
        return text
    if text.isprintable() and not _DOUBTFUL.search(text) and (text.isascii() or not any(map(_is_mark, text))):
        return VisibleText(text)
    return VisibleText("".join(_pieces(text)))


def find_hidden(text: str) -> str:
    """The first character of ``text`` that ``escape_hidden`` escapes, backslashes aside; empty if there is none."""
    for char, piece in zip(text, _pieces(text), strict=True):
        if piece != char and char != "\\":
            return char
    return ""


def describe_character(char: str) -> str:
    """A character's code point and its name in the Unicode Character Database, if it has one."""
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()


def join_visible_lines(lines: Iterable[str]) -> VisibleText:
    """Several texts as the lines of one."""
    return VisibleText("\n".join(escape_hidden(line) for line in lines))


def dump_visible_json(facts: Any, *, indent: int | None = None) -> str:
    """``facts`` as JSON (RFC 8259) with hidden characters as JSON's own escapes: the same to a program, and visible to
    a reader.
    """
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
    """How each character is shown, [characters]."""
    found = []
    cluster, marks = "", 0  # the letter that a mark would join, composed; a script's own marks since the last letter
    for place, char in enumerate(text):
        if _LOOSE.match(char) and _seen(char):
            cluster = _compose(cluster, char)
            piece = char if cluster else _escape(char)
        elif _is_mark(char) and _seen(char):
            marks += 1
            piece = char if marks <= _MOST_MARKS and _follows_letter(text, place) else _escape(char)
        else:
            piece = _base_piece(text, place)
            cluster, marks = (char if piece == char else ""), 0
        found.append(piece)
    return found


def _compose(letter: str, mark: str) -> str:
    """Letter and mark as one character (NFC), or empty if there is none."""
    joined = unicodedata.normalize("NFC", letter + mark)
    return joined if letter and len(joined) == 1 else ""


def _follows_letter(text: str, place: int) -> bool:
    return place > 0 and unicodedata.category(text[place - 1])[0] in "LM"


def _base_piece(text: str, place: int) -> str:
    """How a character that is no combining mark is shown."""
    char = text[place]
    if char == "\\":
        return "\\\\"
    if not _seen(char) or _BORDER.match(char):
        return _escape(char)
    if char == " ":
        inside = 0 < place < len(text) - 1 and text[place - 1] != " "
        return char if inside else _escape(char)
    return char
