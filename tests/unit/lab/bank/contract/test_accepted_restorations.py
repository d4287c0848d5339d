"""The file of accepted restorations: it grows, and a change of it is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.contract.accepted_restorations import accepted_restorations, record_acceptance
from lab.bank.home import BankHome
from lab.terms.errors import InvalidInput
from lab.terms.keys.party import Party

BUREAU = Party(name="某数据局", public_key="11" * 32)


def test_each_acceptance_is_kept_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    home, _ = BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "seal.key")
    assert accepted_restorations(home, BUREAU) == []
    for size in (811, 900):
        record_acceptance(home, BUREAU, {"lost_entries": [size + 1, size + 29]})
    assert [one["lost_entries"][0] for one in accepted_restorations(home, BUREAU)] == [812, 901]
    (file,) = (home.folder / "bureaus").glob("*.restorations")
    file.write_text(file.read_text().replace("812", "813"))
    with pytest.raises(InvalidInput, match="restorations"):
        accepted_restorations(home, BUREAU)
