"""A bank wants to know whether an enterprise is in the register that never consented.

It asks for it by code, compares everything it is told with what it is told of an enterprise that is nowhere, works
its tag out and sends it to be scored, and compares the refusals. What stops it: set-up, index and answers are made
from the consenting alone, and the words of refusals are one. (Byte by byte over the wire:
`tests/architecture/test_consent_transcript.py`.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from lab.bureau.exchange.scoring import batch_validation
from lab.terms.errors import NotAllowed
from models.shared.sheet import BankSheet
from protocols.matching import bank
from protocols.matching.bank import Blinding
from tests.support.bank_matching import ENGINE, places
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.test_access import CONSENT, give

pytestmark = pytest.mark.threat(
    "Enterprise without consent",
    who="a bank",
    wants="to learn that the register holds an enterprise that has not consented",
    stopped_by={
        "consenting rows": "Set-up, index and answers are made from the consenting enterprises alone.",
        "one refusal": (
            "A refusal uses the same words for an enterprise without consent and for one that does not exist."
        ),
    },
    shipped="on where the contract requires consent",
    code=["lab.bureau.data.consents", "lab.bureau.exchange.matching.index_store"],
)

SILENT, NOWHERE = 30, "firm-9999"


@dataclass
class Learnt:
    """What the bank has learnt of one enterprise: whether it matched, and what became of its tag."""

    matched: bool
    told: str


def learn(scene: Scene, contract: str, code: str) -> Learnt:
    setup, held = places(scene.bureau, contract, "job-1")
    blinding = Blinding(ENGINE, bytes(32))
    values = blinding.finalize(
        scene.bureau.matching.match(contract, "job-1", blinding.build_request([code]))[0],
        1,
        setup.signed_key.public_key,
    )
    digest = bank.derive_tags_and_marks(contract, [code], values)
    bucket, place = (int(one[0]) for one in bank.locate_marks(setup.geometry, digest[:, bank.TAG_BYTES :]))
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    scene.bank.put_context(scene.bureau, contract)
    batch = scene.bank.batch(sheet, digest[:, : bank.TAG_BYTES], scene.tables.bank[[0]], contract)
    try:
        scene.bureau.scoring.score(contract, "job-1", batch)
        told = "scored"
    except NotAllowed as error:
        told = str(error)
    return Learnt(place in held[bucket], told)


def compare(scene: Scene) -> tuple[Learnt, Learnt]:
    """What the bank learns of one that is silent, and of one that is nowhere."""
    contract = scene.contract(consent=CONSENT)
    give(scene, range(5))
    scene.bank.open_job(scene.bureau, contract)
    silent, nowhere = (learn(scene, contract, code) for code in (scene.tables.codes[SILENT], NOWHERE))
    return silent, nowhere


@pytest.mark.without_control("consenting rows")
def test_without_the_consents_in_the_set_up_the_silent_one_matches(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, range(5))
    scene.bank.open_job(scene.bureau, contract)
    monkeypatch.setattr("lab.bureau.data.consents.ConsentService.consenting_rows", lambda *_: None)
    silent, nowhere = (learn(scene, contract, code) for code in (scene.tables.codes[SILENT], NOWHERE))
    assert (silent.matched, nowhere.matched) == (True, False) and silent.told == "scored"


@pytest.mark.without_control("one refusal")
def test_without_one_refusal_the_words_tell(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The former order: every row is found first, and who has not consented is refused in words of its own."""

    def frank(rows: np.ndarray) -> np.ndarray:
        if (rows < 0).any():
            raise NotAllowed("There is no such enterprise.")
        raise NotAllowed("The enterprise has not consented.")

    monkeypatch.setattr(batch_validation, "find_known", frank)
    validator = scene.bureau.scoring._validator
    find_rows = validator._indexes.find_rows
    everybody = SimpleNamespace(
        find_rows=lambda key, tags: find_rows(replace(key, selection=replace(key.selection, consenting=None)), tags)
    )
    monkeypatch.setattr(validator, "_indexes", everybody)
    silent, nowhere = compare(scene)
    assert (silent.matched, nowhere.matched) == (False, False) and silent.told != nowhere.told


@pytest.mark.with_control("consenting rows", "one refusal")
def test_the_silent_one_is_like_one_that_is_nowhere(scene: Scene) -> None:
    silent, nowhere = compare(scene)
    assert silent == nowhere and not silent.matched and "not in the register under this contract" in silent.told
