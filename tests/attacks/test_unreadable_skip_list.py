"""Firms are scored that must not be, because the list that names them can't be read.

Who: whoever keeps the list at the bank, or the spreadsheet that saved it. A firm in litigation, or one that asked not
to be scored, is on the list; the list loses a row, its first line, or its spelling. What stops it: a list is applied
completely, or the job stops before anything is sent.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from lab.bank import exclusion_list
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.scoring import job_inputs
from lab.bank.scoring.job import score_portfolio
from lab.tables.code_list import CodeList
from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers
from tests.support.bank_homes import agree, at_home
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Skip list that can't be read",
    who="a bank",
    wants="to have firms scored that its own list says must not be, by a list that a spreadsheet has damaged",
    stopped_by={
        "complete list": "Every row of the list holds a code in a certain column, or the job stops before it sends.",
        "list of this portfolio": "A list of which the portfolio has no code at all stops the job.",
    },
    code=["lab.bank.exclusion_list", "lab.tables.code_list"],
)

PROTECTED = "firm-0003"
DAMAGED = {
    "ragged": f"code,note\nfirm-0001,\n{PROTECTED},moved, see the file\n",
    "headerless": f"{PROTECTED}\nfirm-0001\n",
    "exponent": "code\nfirm-0001\n3E+00\n",  # what a spreadsheet makes of 0003, where codes are numbers
}
OTHER_SPELLING = f"code\n{PROTECTED.replace('-', '_')}\n"


class ScoredHouse:
    """A bank at a served bureau, with a portfolio of twelve firms; ``score`` takes the text of a skip list."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder, self.bank = house, folder, at_home(house, folder)
        self.contract = house.scene.contract(signed=False)
        agree(house, self.bank, self.contract, fingerprint=house.bureau.party.fingerprint)
        records = house.scene.tables.bank[:12]
        records.insert_column(0, pl.Series("id", house.scene.tables.codes[:12])).write_csv(folder / "portfolio.csv")

    def score(self, skip: str) -> dict[str, str]:
        """The status of each firm."""
        (self.folder / "skip.csv").write_text(skip)
        out = self.folder / "scores.parquet"
        request = ScoringRequest(self.folder / "portfolio.csv", self.contract, out, skip=self.folder / "skip.csv")
        score_portfolio(self.bank.home, self.bank.opened, self.house.outlet(self.bank.opened), request)
        return dict(pl.read_parquet(out).select("code", "status").iter_rows())


@pytest.fixture
def bank(house: House, tmp_path: Path) -> ScoredHouse:
    return ScoredHouse(house, tmp_path)


def read_carelessly(path: Path, kind: str, **options: object) -> CodeList:
    """The former reader: the first column, and of its rows whatever is a code."""
    found = normalise_identifiers(read_table(path).frame[:, 0].to_list(), kind)  # type: ignore[arg-type]
    return CodeList(path.name, tuple(code for code in found.codes if code is not None), ())


@pytest.mark.without_control("complete list")
@pytest.mark.parametrize("damage", sorted(DAMAGED))
def test_without_a_complete_list_the_firm_is_scored(
    bank: ScoredHouse, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusion_list, "read_code_list", read_carelessly)
    status = bank.score(DAMAGED[damage])
    assert (status["firm-0001"], status[PROTECTED]) == ("skipped", "scored")


@pytest.mark.without_control("list of this portfolio")
def test_without_the_comparison_a_list_in_another_spelling_protects_nobody(
    bank: ScoredHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_comparison(path: Path, *, kind: str, portfolio: object) -> exclusion_list.ExclusionList:
        return exclusion_list.ExclusionList(frozenset(read_carelessly(path, kind).codes))

    monkeypatch.setattr(job_inputs, "read_exclusion_list", without_comparison)
    assert bank.score(OTHER_SPELLING)[PROTECTED] == "scored"


@pytest.mark.with_control("complete list", "list of this portfolio")
@pytest.mark.parametrize("skip", [*DAMAGED.values(), OTHER_SPELLING], ids=[*DAMAGED, "spelling"])
def test_the_job_stops_before_anything_is_sent(bank: ScoredHouse, skip: str) -> None:
    entries = bank.house.scene.size()
    with pytest.raises(InvalidInput, match=r"skip\.csv"):
        bank.score(skip)
    assert bank.house.scene.size() == entries
    assert not (bank.folder / "scores.parquet").exists()


@pytest.mark.with_control("complete list")
def test_the_firms_of_a_good_list_are_not_scored(bank: ScoredHouse) -> None:
    status = bank.score(f"code\n{PROTECTED}\nfirm-0001\n")
    assert {code for code, found in status.items() if found == "skipped"} == {PROTECTED, "firm-0001"}
    assert set(status.values()) == {"skipped", "scored"}
