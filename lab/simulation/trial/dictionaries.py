"""The parties' dictionaries in a trial: words for the columns, what they leave out, and the dimensions they make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.disk.private_files import replace_private
from lab.simulation.trial.joined_files import PartyFile
from lab.simulation.trial.settings import TrialSettings
from lab.terms.text.bilingual import BilingualText
from models.shared.dictionary.dictionary_file import read_dictionary, require_described_columns
from models.shared.dimensions import DIMENSIONS
from models.shared.features import FeatureDescription
from models.shared.sheet import BankSheet

Descriptions = Mapping[str, FeatureDescription]


@dataclass(frozen=True)
class TrialDictionaries:
    """Descriptions of the bureau's and of the bank's columns, by column name; empty without a file."""

    bureau: Descriptions = field(default_factory=dict)
    bank: Descriptions = field(default_factory=dict)


@dataclass(frozen=True)
class DimensionInputs:
    """What a model reads in one dimension of the portrait: the bureau's items and the bank's columns, in words."""

    code: str
    zh: str
    en: str
    bureau: tuple[BilingualText, ...]
    bank: tuple[BilingualText, ...]

    @property
    def is_empty(self) -> bool:
        """Whether a portrait shows this dimension as not given."""
        return not self.bureau and not self.bank

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {"code": self.code} | {
            party: [{"zh": zh, "en": en} for zh, en in words]
            for party, words in (("bureau", self.bureau), ("bank", self.bank))
        }


def read_dictionaries(settings: TrialSettings) -> TrialDictionaries:
    """Read the dictionaries that were given; raises ``NotFound`` or ``InvalidInput``, naming what is wrong."""
    bureau, bank = settings.bureau_dictionary, settings.bank_dictionary
    return TrialDictionaries(read_dictionary(bureau) if bureau else {}, read_dictionary(bank) if bank else {})


def require_trial_columns(
    settings: TrialSettings, words: TrialDictionaries, bureau: PartyFile, bank: PartyFile
) -> None:
    """Check that each entry describes a column of its party's file, or of either file if one dictionary is for both.

    Raises ``InvalidInput``, naming each entry that describes none.
    """
    headers = {"bureau": bureau.all_rows.columns, "bank": bank.all_rows.columns}
    if settings.bureau_dictionary == settings.bank_dictionary:
        require_described_columns(words.bureau, headers["bureau"], headers["bank"], what="either file")
        return
    require_described_columns(words.bureau, headers["bureau"], what="the bureau's file")
    require_described_columns(words.bank, headers["bank"], what="the bank's file")


def write_dictionary(path: Path, words: Descriptions, columns: Sequence[str]) -> Path:
    """Write the entries of ``columns`` alone as a dictionary, for a command that reads one party's table."""
    chosen = {column: words[column] for column in columns if column in words}
    domains = sorted({one.domain for one in chosen.values() if one.domain})
    lines = [f"domains = {_toml(domains)}"]
    for column, one in chosen.items():
        texts = {"code": one.item} | {
            key: getattr(one, key) for key in ("zh", "en", "dimension", "domain", "grade", "kind", "unit")
        }
        lines += [f"[items.{_toml(column)}]", *(f"{key} = {_toml(text)}" for key, text in texts.items() if text)]
        lines += [f"null = {_toml(list(one.null))}"] if one.null else []
    replace_private(path, ("\n".join(lines) + "\n").encode())
    return path


def _toml(value: str | list[str]) -> str:
    """A text or a list of texts in TOML, whose basic strings have JSON's escapes."""
    return json.dumps(value, ensure_ascii=False)


def dictionary_warnings(
    settings: TrialSettings, words: TrialDictionaries, bureau: PartyFile, bank: PartyFile
) -> list[BilingualText]:
    """Columns without an entry, and entries that describe a column of each party."""
    sides = (
        (settings.bureau_dictionary, words.bureau, bureau, "数据局", "bureau"),
        (settings.bank_dictionary, words.bank, bank, "银行", "bank"),
    )
    warnings: list[BilingualText] = []
    for path, described, party, zh, en in sides:
        if path is None:
            continue
        absent = sum(column not in described for column in party.columns)
        if absent:
            warnings.append(_undescribed_warning(absent, len(party.columns), zh, en))
    if settings.bureau_dictionary is not None and settings.bureau_dictionary == settings.bank_dictionary:
        shared = len(set(bureau.columns) & set(bank.columns) & set(words.bank))
        if shared:
            warnings.append(_shared_warning(shared))
    return warnings


def list_dimension_inputs(sheet: BankSheet) -> tuple[DimensionInputs, ...]:
    """What the model of a sheet reads, by dimension, in the order of a portrait."""
    used = [sheet.features[binning.feature] for binning in sheet.binnings]
    return tuple(
        DimensionInputs(
            dimension.code,
            dimension.zh,
            dimension.en,
            _distinct([(item.zh, item.en) for item in sheet.items if item.dimension == dimension.code]),
            _distinct([(one.label_zh, one.label_en) for one in used if one.dimension == dimension.code]),
        )
        for dimension in DIMENSIONS
    )


def _distinct(words: Sequence[BilingualText]) -> tuple[BilingualText, ...]:
    return tuple(dict.fromkeys(words))


def _undescribed_warning(absent: int, columns: int, zh: str, en: str) -> BilingualText:
    return (
        f"词典没有说明{zh}的 {absent:,} 列（共 {columns:,} 列），它们归入默认维度",
        f"the dictionary does not describe {absent:,} of the {en}'s {columns:,} columns; they belong to the default "
        "dimension",
    )


def _shared_warning(shared: int) -> BilingualText:
    return (
        f"两份文件有 {shared:,} 列同名，同一条目用于双方；含义不同时请分别给出两份词典",
        f"{shared:,} columns have one name in both files, and one entry describes both; if they differ, give "
        "--bureau-dictionary and --bank-dictionary",
    )
