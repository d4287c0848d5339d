"""What the reader of a file must be told about its identifiers: how many are odd, and what is odd about them."""

from __future__ import annotations

from collections.abc import Mapping

from lab.terms.text.bilingual import BilingualEnum, BilingualText


class IdentifierNote(BilingualEnum):
    """What is odd about an identifier. The value is the code in JSON; ``zh`` and ``en`` follow a count."""

    UNKNOWN_FORM = (
        "unknown-form",
        "个代码的前两位（登记管理部门、机构类别）不在 GB 32100-2015 的表中；校验码相符，已接受",
        "codes begin with a department and category that GB 32100-2015 does not list; their check characters fit, "
        "and they are accepted",
    )
    ORGANISATION_CHECK = (
        "organisation-check",
        "个代码的组织机构代码（第 9 至 17 位）校验码不符（GB 11714）；第 18 位校验码相符，已接受",
        "codes hold an organisation code (characters 9 to 17) whose own check digit does not fit (GB 11714); the last "
        "check character fits, and they are accepted",
    )
    DECIMAL = (
        "decimal",
        "个标识写成了带 .0 的小数；已去掉 .0 读取",
        "identifiers were written as decimal numbers; read without .0",
    )
    ROUNDED = (
        "rounded",
        "个标识被电子表格写成了科学计数等数字，位数可能已丢失，已搁置；请把该列设为文本后重新导出",
        "identifiers were set aside: a spreadsheet wrote them as numbers, and digits may be lost; export the column "
        "as text",
    )


def describe_notes(notes: Mapping[IdentifierNote, int]) -> tuple[BilingualText, ...]:
    """A sentence for each note that some identifier has, in Chinese and English. ``notes``: identifiers by note."""
    counted = [(note, notes.get(note, 0)) for note in IdentifierNote]
    return tuple((f"{count:,} {note.zh}", f"{count:,} {note.en}") for note, count in counted if count)


def note_sentences(notes: Mapping[IdentifierNote, int]) -> tuple[str, ...]:
    """The same with both languages in one text, as warnings about a file are written."""
    return tuple(f"{en} · {zh}" for zh, en in describe_notes(notes))
