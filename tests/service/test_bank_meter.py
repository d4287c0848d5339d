"""The bank's account from its receipts is the bureau's from its ledger; a difference is shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.bank.runs.metering import RECEIPTED_UNITS, meter_receipts
from lab.bureau.data.disclosure import meter_contract
from lab.cli.bank.meter import BankMeterOptions, _read_stated
from lab.terms.contract.document import Ceilings
from lab.terms.contract.metering import MeterAccount, compare_accounts, parse_account
from lab.terms.contract.prices import PriceUnit
from lab.terms.errors import InvalidInput
from tests.support.bank_homes import agree, at_home
from tests.support.bureau_fixtures import model, open_scene, scene, tables
from tests.support.bureau_scene import Scene
from tests.support.damaged_homes import DamagedHomes
from tests.support.served_bureau import House, serving

__all__ = ["model", "open_scene", "scene", "tables"]


def agreed(house: House, homes: DamagedHomes) -> str:
    contract = house.scene.contract(signed=False, ceilings=Ceilings(rows_per_batch=20, scores_per_enterprise=9))
    agree(house, homes.bank, contract, fingerprint=house.bureau.party.fingerprint)
    return contract


def test_the_banks_receipts_and_the_bureaus_ledger_say_the_same(scene: Scene, tmp_path: Path) -> None:
    scene.clock.now = datetime.now(UTC)
    with serving(scene) as house:
        homes = DamagedHomes(scene, at_home(house, tmp_path), tmp_path)
        homes.write_portfolio()
        contract, other = agreed(house, homes), agreed(house, homes)
        homes.score(house, contract)
        homes.score(house, contract, again=True)
        homes.score(house, other)
        with scene.bureau.store.begin_read() as session:
            stated = meter_contract(session, contract, scene.clock.now)
    own = meter_receipts(homes.bank.home, contract)
    assert compare_accounts(stated, own, RECEIPTED_UNITS) == []
    counts = {line.unit: line.count for line in own.lines}
    assert counts[PriceUnit.SCORED_ENTERPRISE] == 100 and counts[PriceUnit.JOB] == 2
    parsed = parse_account(json.dumps(stated.as_dict()).encode())
    assert parsed == stated
    lines = [
        line.model_copy(update={"count": line.count + 7}) if line.unit is PriceUnit.SCORED_ENTERPRISE else line
        for line in stated.lines
    ]
    (difference,) = compare_accounts(stated.model_copy(update={"lines": tuple(lines)}), own, RECEIPTED_UNITS)
    assert (difference.key.unit, difference.stated, difference.own) == (PriceUnit.SCORED_ENTERPRISE, 107, 100)
    assert meter_receipts(homes.bank.home, contract, "2001-01").lines == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema": "shulab-meter/1", "contract": "c-test-1", "lines": [{"month": "x"}]}',
        b'{"schema": "shulab-meter/1", "contract": "c-test-1", "\x1b[2J": 1}',
        b'{"schema": "shulab-meter/2", "contract": "c-test-1"}',
        b"[" * 100_000,
        b" " * (4 * 1024 * 1024 + 1),
    ],
)
def test_an_account_that_is_none_is_refused_without_being_repeated(content: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_account(content)
    assert "\x1b" not in str(caught.value)


def test_an_account_of_another_contract_or_month_is_not_compared(tmp_path: Path) -> None:
    file = tmp_path / "stated.json"
    file.write_text(json.dumps(MeterAccount(contract="c-test-1", month="2026-01").as_dict()))
    assert _read_stated(file, BankMeterOptions(contract="c-test-1", month="2026-01")).month == "2026-01"
    for contract, month in (("c-test-2", None), ("c-test-1", "2026-02")):
        with pytest.raises(InvalidInput, match="another"):
            _read_stated(file, BankMeterOptions(contract=contract, month=month))
