"""Models on the shelf, and the pilot's join."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import ContractDraft, draft_contract, find_contract_models
from lab.bureau.data.register import Snapshot
from lab.bureau.model_registry.pilot_training import PilotDataset, join_pilot
from lab.bureau.model_registry.registry import (
    find_model,
    next_version,
    publish_model,
    read_model,
    read_sheet,
    save_model,
)
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from lab.terms.identifiers import RejectionReason
from lab.terms.keys.party import Party
from lab.terms.names import ModelRef
from models.bureau.model import Model
from tests.support.bureau_scene import AUTHOR, RECIPIENT, Scene

CHOICES = ContractOptions(recipients=(RECIPIENT,))
SNAPSHOT = Snapshot("main", 1, "id", "opaque", 3, ("a", "b"), "", "")
REGISTER = pl.DataFrame({"id": ["x", "y", "z"], "a": ["1", "2", "3"], "b": ["4", None, "6"]})


def _parties(scene: Scene) -> tuple[Party, Party]:
    return scene.bureau.party, scene.bank.party


def test_published_sheets_are_the_models_own(scene: Scene, model: Model) -> None:
    with scene.bureau.store.begin_read() as session:
        shelved = find_model(session, "credit")
        assert next_version(session, "credit") == 2
        assert next_version(session, "other") == 1
    assert set(shelved.sheets) == {detail.value for detail in ResultDetail}
    for detail in ResultDetail:
        content = read_sheet(scene.bureau.home, shelved, detail)
        assert content == model.sheet(detail).to_json()
        assert hashlib.sha256(content).hexdigest() == shelved.sheets[detail.value]


def test_a_version_never_changes(scene: Scene, model: Model) -> None:
    store, home = scene.bureau.store, scene.bureau.home
    before = scene.ledger()
    save_model(store, home, model, "main")
    publish_model(store, home, "credit", 1)
    assert scene.ledger() == before  # the same again changes nothing
    with pytest.raises(Conflict):
        save_model(store, home, replace(model, card=replace(model.card, purpose="another")), "main")
    with pytest.raises(InvalidInput):
        save_model(store, home, replace(model, name="../credit"), "main")


def test_an_unpublished_model_gets_no_contract(scene: Scene, model: Model) -> None:
    save_model(scene.bureau.store, scene.bureau.home, replace(model, version=2), "main")
    with scene.bureau.store.begin_read() as session:
        assert find_model(session, "credit").version == 2
        assert find_model(session, "credit", published=True).version == 1
        with pytest.raises(NotFound):
            find_model(session, "nothing")
    with pytest.raises(NotAllowed, match="not published"), scene.bureau.store.begin() as session:
        works = find_contract_models(session, scene.bureau.models, [("credit", 2)])
        draft_contract(
            session,
            ContractDraft(*_parties(scene), works, CHOICES),
            scene.clock.now,
            author=AUTHOR,
            fingerprint=scene.bank.told,
        )


@pytest.mark.parametrize(
    "changes", [{"engine": "none"}, {"parameters": "none"}, {"term_days": 0}, {"term_days": 10**7}, {"recipients": ()}]
)
def test_choices_have_to_exist(scene: Scene, changes: dict[str, Any]) -> None:
    with scene.bureau.store.begin() as session:
        works = find_contract_models(session, scene.bureau.models, [("credit", 1)])
        draft_contract(
            session,
            ContractDraft(*_parties(scene), works, CHOICES),
            scene.clock.now,
            author=AUTHOR,
            fingerprint=scene.bank.told,
        )
    with pytest.raises(InvalidInput), scene.bureau.store.begin() as session:
        choices = replace(CHOICES, **changes)
        draft_contract(
            session,
            ContractDraft(*_parties(scene), works, choices),
            scene.clock.now,
            author=AUTHOR,
            fingerprint=scene.bank.told,
        )


def test_altered_files_are_noticed(scene: Scene) -> None:
    contract = scene.contract()
    with scene.bureau.store.begin_read() as session:
        shelved = find_model(session, "credit", 1)
    folder = scene.home / "models"
    (folder / "credit-1.full.sheet.json").write_bytes(b"{}")
    with pytest.raises(InvalidInput, match="not the one kept"):
        scene.bureau.jobs.sheet(contract)
    (folder / "credit-1.json").unlink()
    with pytest.raises(InvalidInput, match="missing"):
        read_model(scene.bureau.home, shelved)


@pytest.mark.parametrize(
    "text", ["", "@1", "credit@", "credit@0", "credit@x", "credit@-1", "Credit", "a/b", "credit\n"]
)
def test_model_names(text: str) -> None:
    assert ModelRef.parse("credit") == ("credit", None)
    assert ModelRef.parse("credit@12") == ("credit", 12)
    with pytest.raises(InvalidInput):
        ModelRef.parse(text)


def join(tmp_path: Path, text: str, **options: object) -> PilotDataset:
    sample = tmp_path / "sample.csv"
    sample.write_text(text)
    return join_pilot(REGISTER, SNAPSHOT, sample, id_column="code", label_column="y", **options)  # type: ignore[arg-type]


def test_the_pilot_is_joined_in_one_order(tmp_path: Path) -> None:
    """Bank columns may bear the register's names; repeated, unmatched and unlabelled rows are counted."""
    text = "code,a,u,y\nz,10,1,1\nnobody,11,2,0\nx,12,3,0\nx,12,3,0\ny,13,4,NA\n,14,5,1\n"
    pilot = join(tmp_path, text)
    assert pilot.public.rows() == [("3", "6"), ("1", "4")]
    assert pilot.bank.rows() == [("10", "1"), ("12", "3")]
    assert pilot.bank.columns == ["a", "u"]
    assert pilot.label.tolist() == [1, 0] and pilot.row_numbers.tolist() == [2, 4]
    assert (pilot.sample_rows, pilot.unmatched, pilot.unlabelled) == (6, 1, 1)
    assert pilot.set_aside == {RejectionReason.EMPTY: 1} and pilot.firms.unused_rows == 1
    assert [en.split()[0] for _, en in pilot.notes()] == ["1", "1", "1", "1"]
    assert pilot.warnings == ()
    assert join(tmp_path, text, columns=["u"]).bank.columns == ["u"]


def test_a_pilot_with_decimal_identifiers_says_so(tmp_path: Path) -> None:
    (warning,) = join(tmp_path, "code,a,y\nx,1,1\n7.0,2,0\ny,3,0\n").warnings
    assert "1 identifiers were written as decimal numbers; read without .0" in warning


def test_an_enterprise_with_one_bad_loan_defaulted(tmp_path: Path) -> None:
    """The order of its loans decides nothing but the features, which are those of the first."""
    text = "code,u,y\nx,1,正常\nz,5,正常\nx,2,违约\nz,6,\ny,3,\ny,4,正常\n"
    pilot = join(tmp_path, text)
    assert pilot.label.tolist() == [1, 0, 0]
    assert pilot.bank["u"].to_list() == ["1", "5", "3"]
    assert (pilot.firms.repeated_firms, pilot.firms.differing_firms, pilot.firms.unused_rows) == (3, 1, 3)
    assert pilot.labels.pair == ("正常", "违约") and len(pilot.notes()) == 2


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("code,u,y\nnobody,1,0\n", "found none"),
        ("code,u,y\nx,1,\n", "found none"),
        ("code,u,y\nx,1,bad\ny,2,1\n", "one pair.*rows 2"),
        ("code,u\nx,1\n", "label"),
        ("code,y\nx,1\n", "feature column"),
        ("id,u,y\nx,1,1\n", "code"),
    ],
)
def test_a_pilot_that_cannot_be_learnt_from(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        join(tmp_path, text)
