"""Loans of the U.S. Small Business Administration: ``Term`` gives the outcome away; the report says so by itself."""

The file is not part of the program (``../shared/data/sba``); without it these tests say that they were skipped.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import polars as pl
import pytest

from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.bureau.training_verdict import TrainingVerdict
from models.bureau.verdict_words import leak_lines

LOANS = Path(__file__).parents[7] / "shared" / "data" / "sba" / "SBAcase.11.13.17.csv"
SHARED = Path("/work/shared/data/sba/SBAcase.11.13.17.csv")
OF_THE_LOAN = ["DisbursementGross", "GrAppv", "SBA_Appv", "RevLineCr"]
OF_THE_FIRM = [
    "NAICS",
    "NoEmp",
    "NewExist",
    "UrbanRural",
    "CreateJob",
    "RetainedJob",
    "RealEstate",
    "Recession",
    "Portion",
]


def _loans() -> pl.DataFrame:
    for path in (LOANS, SHARED):
        if path.is_file():
            return pl.read_csv(path, infer_schema=False)
    warnings.warn("SBA loans are not here: the report on a real leak was NOT tested", stacklevel=1)
    pytest.skip("SKIPPED: no SBA loans in ../shared/data/sba, so no leak of real data was looked for")


def _verdict(public: list[str]) -> TrainingVerdict:
    loans = _loans()
    label = loans["Default"].cast(pl.Int64).to_numpy()
    settings = TrainingSettings(compared=False, trees=60)
    return train_model(loans.select(public), loans.select(OF_THE_LOAN), label, settings).model.card.verdict


def test_the_report_points_at_term_and_at_no_honest_column() -> None:
    verdict = _verdict([*OF_THE_FIRM, "Term"])
    assert [(leak.feature, leak.party) for leak in verdict.leaks] == [("Term", "bureau")]
    assert verdict.leaks[0].auc > 0.95
    ((zh, en),) = leak_lines(verdict)
    assert "Term" in zh and "泄露" in zh
    assert "Term" in en and "leak" in en


def test_without_term_there_is_nothing_to_point_at() -> None:
    assert _verdict(OF_THE_FIRM).leaks == ()


def test_columns_written_after_the_outcome_are_pointed_at_too() -> None:
    told = {leak.feature: leak.kind for leak in _verdict([*OF_THE_FIRM, "MIS_Status", "ChgOffDate", "daysterm"]).leaks}
    assert told["MIS_Status"] in ("equals_label", "alone")
    assert told["ChgOffDate"] == "missing"
    assert "daysterm" in told
