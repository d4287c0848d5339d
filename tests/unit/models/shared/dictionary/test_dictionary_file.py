"""Dictionary files are read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.terms.errors import InvalidInput, NotFound
from models.shared.dictionary.dictionary_file import read_dictionary, require_described_columns
from models.shared.features import FeatureDescription


def test_dictionaries_are_read_strictly(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_dictionary(tmp_path / "none.toml")
    for content in (b"[items", b"\xff\xfe\x00", b"items = 3", b'[items.a]\ndimension = "weather"'):
        (tmp_path / "words.toml").write_bytes(content)
        with pytest.raises(InvalidInput):
            read_dictionary(tmp_path / "words.toml")


def test_words_and_dimensions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text('\ufeff[items.a]\nzh = "纳税"\nen = "tax"\ndimension = "tax"\n', encoding="utf-8")
    found = read_dictionary(path)["a"]
    assert (found.zh, found.en, found.dimension) == ("纳税", "tax", "tax")
    path.write_text('[items.a]\nzh = "a\\u202eb"\n', encoding="utf-8")
    with pytest.raises(InvalidInput):
        read_dictionary(path)


def test_each_entry_describes_a_column() -> None:
    words = dict.fromkeys(("NAICSX", "a", "elsewhere"), FeatureDescription())
    require_described_columns(words, ["a", "NAICSX"], ["elsewhere"])
    with pytest.raises(InvalidInput, match=r"the table; 2 describe none: NAICSX \(nearest: NAICS\), elsewhere"):
        require_described_columns(words, ["id", "NAICS", "a"])
    with pytest.raises(InvalidInput, match="and 10 more"):
        require_described_columns(dict.fromkeys((f"x{i}" for i in range(30)), FeatureDescription()), ["a"])
