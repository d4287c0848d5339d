"""The encoding of a text file: found by what decodes, refused where a guess would misread.

A byte-order mark decides; without one, zero bytes that make line ends and ASCII characters show UTF-16. Else the file
is UTF-8, or GB18030 (with GBK and GB2312). Nearly any bytes decode as GB18030, so two things are checked first: no line
is UTF-8 (the file would be two files put together), and the decoded characters are those of Chinese text. Windows-1252,
Big5 and Shift_JIS decode into rare characters, and are refused.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

from lab.tables.table_file import SAVE_AS_CSV
from lab.tables.text.lines import iterate_lines, open_text
from lab.terms.errors import InvalidInput

_DECODED_AT_ONCE = 8 << 20
"""Characters that are decoded at once to find the encoding."""
_HEAD_BYTES = 4096
_JUDGED_CHARACTERS = 100_000
"""Characters beyond ASCII after which the decoded text counts as judged."""
_RARE_SHARE = 0.5
"""Measured: 0.05 of the characters of simplified text are rare, 0.45 of traditional text in GBK; of Big5 read as
GB18030 0.78, of Windows-1252 0.5 to 1."""
_SURE_CHARACTERS = 3
"""Chinese characters of a line that is valid UTF-8, from which on chance is no explanation."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_PUNCTUATION = re.compile("[\u00b0\u00b1\u00b7\u00d7\u2010-\u2030\u2103\u2160-\u216b\u3000-\u301f\uff00-\uffef]")
_INSIDE_A_WORD = re.compile(r"[A-Za-z][^\x00-\x7f]{1,2}[A-Za-z]")
_LINE_END = re.compile(r"[\r\n]")
_PRINTED_ASCII = re.compile(r"[!-~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(slots=True)
class _Scan:
    """What the characters of a file are. ``rare``, ``within``: of the first ``judged`` characters beyond ASCII, those
    that Chinese text seldom has, and those that stand alone between Latin letters.
    """

    has_text: bool = False
    quoted: bool = False
    zero: bool = False
    judged: int = 0
    rare: int = 0
    within: int = 0
    _known: dict[str, bool] = field(default_factory=dict)

    def add(self, text: str, *, judge: bool) -> None:
        """Take the next piece of the file; ``judge``: look at its characters."""
        self.has_text = self.has_text or bool(text.strip())
        self.quoted, self.zero = self.quoted or '"' in text, self.zero or "\x00" in text
        if judge and self.judged < _JUDGED_CHARACTERS and not text.isascii():
            found = _NOT_ASCII.findall(text)
            self.judged += len(found)
            self.rare += sum(self._is_rare(character) for character in found)
            self.within += len(_INSIDE_A_WORD.findall(text))

    @property
    def is_chinese(self) -> bool:
        """Whether the characters beyond ASCII are those of Chinese text."""
        return self.rare < _RARE_SHARE * self.judged and self.within < _RARE_SHARE * self.judged

    def _is_rare(self, character: str) -> bool:
        if character not in self._known:
            self._known[character] = not _PUNCTUATION.match(character) and not (
                "\u4e00" <= character <= "\u9fff" and _is_gb2312(character)
            )
        return self._known[character]


def detect_encoding(path: Path) -> tuple[str, bool]:
    """The encoding in which the whole file can be read, and whether it holds a quotation mark.

    Raises ``InvalidInput`` if the file is empty, binary, in an unknown encoding, or in two.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    encoding = _encoding_by_bytes(head)
    try:
        return encoding, _scan(path, encoding).quoted
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise _bad_bytes(path, encoding) from None
    _refuse_two_encodings(path)
    try:
        found = _scan(path, "gb18030", judge=True)
    except UnicodeDecodeError:
        raise _bad_bytes(path, "gb18030") from None
    if not found.is_chinese:
        raise InvalidInput(
            f"Expected text in UTF-8, GB18030 or UTF-16; {path.name} is not UTF-8, and its characters are not those of "
            "Chinese text in GB18030. It may be in Windows-1252, Big5 or another encoding.",
            next_step=SAVE_AS_CSV,
        )
    return "gb18030", found.quoted


def _encoding_by_bytes(head: bytes) -> str:
    """The encoding that the first bytes show; ``utf-8`` if they show none."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\x00" in head:
        for encoding in ("utf-16-le", "utf-16-be"):
            text = head[: len(head) // 2 * 2].decode(encoding, errors="ignore")
            if _LINE_END.search(text) and _PRINTED_ASCII.search(text) and not _CONTROLS.search(text):
                return encoding
    return "utf-8"


def _scan(path: Path, encoding: str, *, judge: bool = False) -> _Scan:
    """What is in the file; raises ``UnicodeDecodeError``, and ``InvalidInput`` if it is empty or binary."""
    found = _Scan()
    with open_text(path, encoding) as file:
        while text := file.read(_DECODED_AT_ONCE):
            found.add(text, judge=judge)
    if found.zero:
        raise InvalidInput(
            f"Expected text in UTF-8, GB18030 or UTF-16; {path.name} has zero bytes, so it is none of them.",
            next_step=SAVE_AS_CSV,
        )
    if not found.has_text:
        raise InvalidInput(f"Expected a table with a header line; {path.name} is empty.", next_step="export it again")
    return found


def _refuse_two_encodings(path: Path) -> None:
    """Raise ``InvalidInput`` if some lines of a file that is not UTF-8 are UTF-8 in Chinese, beyond chance."""
    first: dict[bool, int] = {}
    counts = {True: 0, False: 0}
    with open_text(path, "latin-1") as file:
        for number, line in enumerate(iterate_lines(file, path.name), start=1):
            if line.isascii():
                continue
            try:
                text = line.encode("latin-1").decode("utf-8")
            except UnicodeDecodeError:
                is_utf8 = False
            else:
                if len(_CHINESE.findall(text)) < _SURE_CHARACTERS:
                    continue
                is_utf8 = True
            first.setdefault(is_utf8, number)
            counts[is_utf8] += 1
    if len(first) == 2:
        odd = counts[True] <= counts[False]
        raise InvalidInput(
            f"Expected one encoding in {path.name}; found UTF-8 and another: line {first[odd]:,} is the first of "
            f"{counts[odd]:,} in {'UTF-8' if odd else 'another encoding'}.",
            next_step="export the table in one piece, in UTF-8",
        )


def _bad_bytes(path: Path, encoding: str) -> InvalidInput:
    """The error for a file that is in no encoding that is read, with the first line that shows it."""
    where = ""
    if not encoding.startswith("utf-16"):
        with open_text(path, "latin-1") as file:
            for number, line in enumerate(iterate_lines(file, path.name), start=1):
                try:
                    line.encode("latin-1").decode(encoding)
                except UnicodeDecodeError:
                    where = f" Line {number:,} is the first that can't be read."
                    break
    return InvalidInput(
        f"Expected text in UTF-8, GB18030 or UTF-16; {path.name} is none of them.{where}", next_step=SAVE_AS_CSV
    )


def _is_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
