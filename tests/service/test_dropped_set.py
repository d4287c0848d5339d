"""A bank under a contract whose parameter set is not offered any more: it is told what to do, and sends nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from lab.bank.contract.agreement import verify_active_contract, verify_scoring_contract
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.scoring.job import score_portfolio
from lab.terms.contract.document import Operation
from lab.terms.errors import InvalidInput
from tests.support.bank_homes import agree, at_home
from tests.support.bureau_fixtures import model, open_scene, scene, store, tables
from tests.support.bureau_scene import Scene
from tests.support.served_bureau import serving

__all__ = ["model", "open_scene", "scene", "store", "tables"]


def test_a_job_is_refused_before_anything_is_sent_and_the_bank_is_told_to_have_the_contract_amended(
    scene: Scene, tmp_path: Path
) -> None:
    scene.clock.now = datetime.now(UTC)
    with serving(scene) as house:
        bank = at_home(house, tmp_path)
        contract = scene.contract(signed=False)
        agree(house, bank, contract, fingerprint=house.bureau.party.fingerprint)
        dropped = scene.amend(contract, file=False, parameters="bgv-4096-a")
        scene.file(dropped, signed=False, approved=False)
        agree(house, bank, contract)
        scene.approve(contract)
        portfolio = tmp_path / "portfolio.csv"
        scene.tables.bank.select(pl.Series("id", scene.tables.codes), pl.all()).write_csv(portfolio)
        outlet, now = house.outlet(bank.opened), scene.clock.now
        for refused in (
            lambda: verify_scoring_contract(bank.home, outlet, contract, now=now),
            lambda: score_portfolio(
                bank.home,
                bank.opened,
                outlet,
                ScoringRequest(portfolio, contract, tmp_path / "scores.csv", id_column="id"),
            ),
        ):
            with pytest.raises(InvalidInput, match="one of the parameter sets bgv-8192-a; found bgv-4096-a") as error:
                refused()
            assert "amended (term: parameters)" in error.value.next_step
        assert house.entries("job.opened") == [] and not list(bank.home.folder.rglob("scoring-*"))
        standing = verify_active_contract(bank.home, outlet, contract, now=now, operations=(Operation.MATCH,))
        assert standing.contract.parameters == "bgv-4096-a"  # matching needs no set
