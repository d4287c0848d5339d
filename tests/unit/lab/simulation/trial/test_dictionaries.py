"""Dictionaries in a trial: whose columns they describe, and what they leave out is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.simulation.trial.dictionaries import (
    dictionary_warnings,
    list_dimension_inputs,
    read_dictionaries,
    require_trial_columns,
)
from lab.simulation.trial.joined_files import JoinOptions, read_joined_files
from lab.simulation.trial.settings import TrialSettings
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput, NotFound
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model


def entry(column: str, zh: str, dimension: str) -> str:
    return f'[items.{column}]\nzh = "{zh}"\nen = "{zh} en"\ndimension = "{dimension}"\n'


def made(folder: Path, bureau_words: str | None, bank_words: str | None, *, one_file: bool = False) -> TrialSettings:
    (folder / "bureau.csv").write_text("id,a,b\n" + "".join(f"k{i},{i % 7},{i % 5}\n" for i in range(200)))
    (folder / "bank.csv").write_text("id,a,c,y\n" + "".join(f"k{i},{i % 3},{i % 11},{i % 2}\n" for i in range(200)))
    paths = []
    for name, text in (("bureau", bureau_words), ("bank", bank_words)):
        path = folder / f"{name}.toml"
        path.write_text(text or "", encoding="utf-8")
        paths.append(path if text is not None else None)
    return TrialSettings(
        bureau=folder / "bureau.csv",
        bank=folder / "bank.csv",
        out=folder / "out",
        id_column="id",
        label="y",
        id_kind="opaque",
        bureau_dictionary=paths[0],
        bank_dictionary=paths[0] if one_file else paths[1],
    )


def warned(settings: TrialSettings) -> list[str]:
    options = JoinOptions(settings.id_column, settings.label, settings.id_kind)
    joined = read_joined_files(settings.bureau, settings.bank, options)
    found = dictionary_warnings(settings, read_dictionaries(settings), joined.bureau, joined.bank)
    assert all(zh != en for zh, en in found)
    return [en for _, en in found]


def test_each_party_has_its_own_words_for_a_column_of_one_name(tmp_path: Path) -> None:
    settings = made(
        tmp_path, entry("a", "纳税", "tax") + entry("b", "年限", "existence"), entry("a", "逾期", "conduct")
    )
    words = read_dictionaries(settings)
    assert (words.bureau["a"].zh, words.bank["a"].zh) == ("纳税", "逾期")
    assert warned(settings) == [
        "the dictionary does not describe 1 of the bank's 2 columns; they belong to the default dimension"
    ]


def checked(settings: TrialSettings) -> None:
    joined = read_joined_files(settings.bureau, settings.bank, JoinOptions("id", "y", "opaque"))
    require_trial_columns(settings, read_dictionaries(settings), joined.bureau, joined.bank)


def test_shared_names_are_counted(tmp_path: Path) -> None:
    text = "".join(entry(column, column, "tax") for column in ("a", "b", "c", "id"))
    settings = made(tmp_path, text, None, one_file=True)
    checked(settings)
    (found,) = warned(settings)
    assert found.startswith("1 columns have one name in both files")


def test_an_entry_without_a_column_stops_the_trial(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="either file; 1 describe none: typo"):
        checked(made(tmp_path, entry("a", "纳税", "tax") + entry("typo", "误", "tax"), None, one_file=True))
    with pytest.raises(InvalidInput, match=r"the bank's file; 1 describe none: b[.]"):
        checked(made(tmp_path, None, entry("b", "年限", "existence")))


def test_without_a_dictionary_nothing_is_warned_of(tmp_path: Path) -> None:
    assert warned(made(tmp_path, None, None)) == []


def test_a_dictionary_that_cannot_be_read_stops_the_trial(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        read_dictionaries(made(tmp_path, "[items", None))
    settings = made(tmp_path, "", None)
    (tmp_path / "bureau.toml").unlink()
    with pytest.raises(NotFound):
        read_dictionaries(settings)


def test_dimensions_name_what_the_model_reads(tmp_path: Path) -> None:
    settings = made(
        tmp_path, entry("a", "纳税", "tax") + entry("b", "年限", "existence"), entry("c", "逾期", "conduct")
    )
    joined = read_joined_files(settings.bureau, settings.bank, JoinOptions("id", "y", "opaque"))
    words = read_dictionaries(settings)
    described = TrainingSettings(seed=1, public_descriptions=words.bureau, bank_descriptions=words.bank)
    rows = joined.pilot
    labels = joined.labels[rows]
    model = train_model(joined.bureau_features(rows), joined.bank_features(rows), labels, described).model
    found = {one.code: one for one in list_dimension_inputs(model.sheet(ResultDetail.FULL))}
    assert len(found) == 6
    named = {words for one in found.values() for words in (*one.bureau, *one.bank)}
    assert named <= {("纳税", "纳税 en"), ("年限", "年限 en"), ("逾期", "逾期 en"), ("a", "a")} and named
    assert found["legal"].is_empty
    assert found["conduct"].as_dict()["bank"] == [{"zh": zh, "en": en} for zh, en in found["conduct"].bank]
