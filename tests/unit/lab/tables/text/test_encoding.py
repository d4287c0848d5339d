"""The encodings of today are read; what a guess would misread is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.tables.table_reader import read_table
from lab.tables.text.encoding import detect_encoding
from lab.terms.errors import InvalidInput

CHINESE = "统一社会信用代码,企业名称,行业\n1,上海示例科技有限公司,制造业\n2,镕基贸易,批发和零售业\n3,喆玥商行,零售业\n"
TRADITIONAL = (
    "統一編號,公司名稱,營業收入,負債比率\n1,台灣積體電路製造股份有限公司,2,3\n2,鴻海精密工業,3,4\n"
    "3,國泰金融控股,4,5\n4,長榮海運,5,6\n"
)


def detect(folder: Path, data: bytes) -> str:
    path = folder / "t.csv"
    path.write_bytes(data)
    return detect_encoding(path)[0]


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(InvalidInput) as error:
        detect(folder, data)
    assert error.value.next_step
    return str(error.value)


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "gb2312", "utf-8", "utf-16-le", "utf-16-be"])
def test_chinese_text_without_a_mark(tmp_path: Path, encoding: str) -> None:
    text = CHINESE if encoding != "gb2312" else CHINESE.replace("镕", "容").replace("喆玥", "吉月")
    data = text.encode(encoding)
    assert detect(tmp_path, data) == ("gb18030" if encoding.startswith("gb") else encoding)
    assert read_table(tmp_path / "t.csv").frame.columns == ["统一社会信用代码", "企业名称", "行业"]
    assert read_table(tmp_path / "t.csv").frame["行业"].to_list() == ["制造业", "批发和零售业", "零售业"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_in_ascii_without_a_mark(tmp_path: Path, encoding: str) -> None:
    assert detect(tmp_path, "code,x\n1,2\n".encode(encoding)) == encoding
    assert read_table(tmp_path / "t.csv").frame.rows() == [("1", "2")]


def test_traditional_text_in_gbk_is_read_and_in_big5_refused(tmp_path: Path) -> None:
    assert detect(tmp_path, TRADITIONAL.encode("gbk")) == "gb18030"
    assert "Big5" in refusal(tmp_path, TRADITIONAL.encode("big5"))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Soci\u00e9t\u00e9 A,x\n", "cp1252"),
        ("M\u00fcller,x\n1,2\n", "latin-1"),
        ("S\u00e3o Paulo,A\u00e7\u00e3o X\n", "cp1252"),
        ("a,b\nStra\u00dfe,Gr\u00f6\u00dfe\n", "cp1252"),
        ("会社名,売上高\n株式会社サンプル,東京都\n", "shift_jis"),
    ],
)
def test_other_encodings_are_refused_and_not_read_as_rare_characters(tmp_path: Path, text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert "UTF-8, GB18030 or UTF-16" in refusal(tmp_path, data)


def test_a_rare_name_among_others_does_not_make_the_file_foreign(tmp_path: Path) -> None:
    rows = "".join(f"{n},{name}\n" for n, name in enumerate(["上海商行", "喆镕玥", "北京贸易"]))
    assert detect(tmp_path, ("code,名称\n" + rows).encode("gb18030")) == "gb18030"


def test_two_encodings_in_one_file_are_told_with_the_line(tmp_path: Path) -> None:
    utf8, other = [("公司名称" + end).encode(encoding) for encoding, end in (("utf-8", ",b\n"), ("gb18030", ",2\n"))]
    assert "line 4 is the first of 1 in another" in refusal(tmp_path, utf8 * 3 + other + utf8)
    assert "line 3 is the first of 2 in UTF-8" in refusal(tmp_path, other * 2 + utf8 * 2 + other)
    assert "line 3 is the first of 1 in another" in refusal(tmp_path, utf8 * 2 + utf8[:8])


def test_lines_that_nothing_reads_are_told(tmp_path: Path) -> None:
    assert "Line 3 is the first" in refusal(tmp_path, b"a,b\n1,2\n\xff\xff,3\n")
    assert "Line 2 is the first" in refusal(tmp_path, b"\xef\xbb\xbfa,b\n\xff,2\n")


@pytest.mark.parametrize(
    "data", [b"a,b\n1,\x00\n", b"\x00a\x00,\n1,2\n", b"\xff\xfe\x00\x00a\x00\x00\x00", b"\x7fELF\x02\x01\x00\x00"]
)
def test_zero_bytes_that_are_no_utf_16(tmp_path: Path, data: bytes) -> None:
    assert "is none of them" in refusal(tmp_path, data)


def test_files_without_text(tmp_path: Path) -> None:
    for data in (b"", b"\n \n", b"\xef\xbb\xbf", b"\xff\xfe"):
        assert "is empty" in refusal(tmp_path, data)


def test_every_gb2312_character_in_a_row_is_one_encoding(tmp_path: Path) -> None:
    """No text that is all GB2312 is taken for two encodings by chance."""
    names = [
        bytes((high, low)) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF) if (high, low) < (0xD7, 0xFA)
    ]
    lines = [b",".join(names[n : n + 4]) + b"," + b"".join(names[n + 4 : n + 9]) for n in range(0, 3700, 3)]
    assert detect(tmp_path, "名,a\n".encode("gb18030") + b"\n".join(lines)) == "gb18030"
