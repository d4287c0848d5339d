"""Matching keys of contracts at a bureau: stated once, signed, for who may be touched, and gone with the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from lab.bank.matching import key_pins
from lab.bank.matching.key_pins import MatchingKeyPins
from lab.bureau.exchange.matching.key_statements import KeyStatements
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.contract.document import ConsentClause
from lab.terms.errors import NotAuthentic
from lab.terms.keys.matching_key_statement import MatchingKeyStatement
from protocols.matching import bank
from protocols.matching.bureau import generate_key
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.test_access import CONSENT, firms, give


def stated(scene: Scene) -> list[tuple[str, dict[str, object]]]:
    with scene.bureau.store.begin_read() as session:
        rows = session.scalars(
            select(LedgerEntryRow).where(LedgerEntryRow.kind == "match.key").order_by(LedgerEntryRow.seq)
        )
        return [(str(row.contract_id), json.loads(row.body)["facts"]) for row in rows]


def test_a_key_is_stated_once_signed_and_in_every_manifest(scene: Scene) -> None:
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract)
    assert stated(scene) == []
    setups = [bank.read_setup(scene.bureau.matching.setup(contract, "job-1")) for _ in range(2)]
    scene.bureau.evaluated_registers.remove_epoch(1)
    setups.append(bank.read_setup(scene.bureau.matching.setup(contract, "job-1")))
    assert len({setup.sha256 for setup in setups}) == 1
    ((named, facts),) = stated(scene)
    key = setups[0].signed_key
    assert named == contract and facts["public_key"] == key.public_key.hex() and facts["epoch"] == 1
    assert facts["signature"] == key.signature.hex() and facts["register_entries"] == key.register_entries == 240
    statement = MatchingKeyStatement(contract, "match", "x25519", 1, key.public_key.hex(), key.register_entries)
    statement.verify(scene.bureau.party.public_key, key.signature.hex())
    with pytest.raises(NotAuthentic):
        MatchingKeyStatement(contract, "count", "x25519", 1, key.public_key.hex(), key.register_entries).verify(
            scene.bureau.party.public_key, key.signature.hex()
        )


def test_with_other_secrets_the_bureau_states_no_second_key(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example when keys/ came back from a backup of another time than the database."""
    contract = scene.contract()
    statements, use = (
        KeyStatements(scene.bureau.store, scene.bureau.keys),
        MatchingKeyScope(contract, "match", "x25519", 1),
    )
    statements.get_or_make(use)
    scene.bureau.keys._matching["x25519", 1] = generate_key("x25519")
    with pytest.raises(NotAuthentic, match="another matching key"):
        statements.get_or_make(use)
    assert len(stated(scene)) == 1


def test_under_consent_those_who_agree_are_evaluated_and_no_size_is_stated(scene: Scene) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, range(7))
    scene.bank.match(scene.bureau, contract, firms(scene, range(12)))
    (values,) = scene.bureau.home.path("evaluated/by-contract").rglob("values")
    assert values.stat().st_size == 7 * 32
    assert stated(scene)[0][1]["register_entries"] == 0
    needed = scene.bureau.evaluation_planner.required_evaluations(1)
    assert [(use.contract, extent.count) for use, extent in needed] == [(contract, 7)]
    assert ConsentClause() != CONSENT


def test_what_was_evaluated_for_a_contract_goes_when_it_has_ended(scene: Scene) -> None:
    one, other = scene.contract(), scene.contract()
    for contract in (one, other):
        scene.bank.match(scene.bureau, contract, firms(scene, range(3)))
    base = scene.bureau.home.path("evaluated/by-contract/1/x25519")
    scene.suspend(one)
    scene.bureau.sweep()
    assert {path.name for path in base.iterdir()} == {one, other}  # it may be resumed
    scene.revoke(one)
    scene.bureau.sweep()
    assert {path.name for path in base.iterdir()} == {other}
    assert "retention.swept" in scene.ledger()


def test_a_home_of_the_former_kind_loses_what_was_evaluated_for_all_and_the_ledger_says_so(scene: Scene) -> None:
    former = scene.bureau.home.path("evaluated/1/x25519/main-1-0123456789ab")
    former.mkdir(parents=True)
    (former / "values").write_bytes(bytes(320))
    scene.reopen()
    assert not former.exists() and "retention.swept" in scene.ledger()


def test_an_amendment_that_asks_for_no_consent_states_the_register_under_the_same_key(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_pins, "_MAX_GROWTH_ENTRIES", 0)  # the register of the scene has fewer than a thousand
    contract = scene.contract(consent=CONSENT)
    give(scene, range(7))
    scene.bank.open_job(scene.bureau, contract)
    few = bank.read_setup(scene.bureau.matching.setup(contract, "job-1"))
    MatchingKeyPins(tmp_path, contract, scene.bureau.party.public_key, register_size_stated=False).verify_key(few)
    scene.amend(contract, consent=ConsentClause(required=False, why="public records"))
    scene.bank.open_job(scene.bureau, contract, "job-2")
    whole = bank.read_setup(scene.bureau.matching.setup(contract, "job-2"))
    MatchingKeyPins(tmp_path, contract, scene.bureau.party.public_key).verify_key(whole)
    assert (few.signed_key.register_entries, whole.signed_key.register_entries) == (0, 240)
    assert len(stated(scene)) == 2 and few.signed_key.public_key == whole.signed_key.public_key
