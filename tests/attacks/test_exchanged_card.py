"""Somebody who can touch a bank's card on its way to the bureau puts their own key into it.

The contract then names the attacker's key: they sign it, match and score as the bank. The other way round, whoever
stands between a bank and the bureau shows the bank a bureau of their own. What stops them: a key that is new is taken
only with its fingerprint, which came by another channel and is typed by the one who heard it; the bureau's service
checks it as well as the command, and its ledger says who confirmed which fingerprint.
"""

# ruff: noqa: F811 (fixtures of another room)
from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.contract.agreement import _check_fingerprint
from lab.bureau.contracts import banks
from lab.bureau.store.tables import BankKeyRow, LedgerEntryRow
from lab.cli.officer.drafts import confirm_bank_fingerprint
from lab.cli.terminal.prompts.fingerprint_prompt import prompt_fingerprint
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.errors import InvalidInput, NotAuthentic, ShulabError
from lab.terms.keys.party import Party
from tests.support.bureau_fixtures import model, open_scene, scene, tables  # noqa: F401
from tests.support.bureau_scene import AUTHOR, Scene

pytestmark = pytest.mark.threat(
    "Exchanged card",
    who="a stranger",
    wants="to replace the key in a bank's card, or in the bureau's, on its way",
    stopped_by={
        "typed fingerprint": (
            "A new key is accepted only with its fingerprint, which came over another channel. Command and "
            "service both check it, and the ledger entry names it."
        ),
    },
    code=["lab.bureau.contracts.banks", "lab.bank.contract.agreement"],
)

WISHES = DraftOptions.model_validate({"models": ["credit"], "recipients": ["Credit department"]})


def key() -> str:
    return Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()


SENT = Party(name="Test bank", public_key=key())
ARRIVED = Party(name="Test bank", public_key=key())
"""The card that the bank sent, and the one that arrived: its name, the attacker's key."""


def doors(scene: Scene) -> dict[str, Callable[[Party, str | None], Any]]:
    """Every door by which a bank's key comes into the bureau from outside."""
    desk = scene.bureau.contracts
    return {
        "draft": lambda card, told: desk.draft(AUTHOR, card, WISHES, fingerprint=told),
        "register": lambda card, told: desk.register_bank(AUTHOR, card, fingerprint=told),
        "lost key": lambda card, told: scene.bureau.banks.add_key(card, by="local", fingerprint=told),
    }


def known_keys(scene: Scene) -> set[str]:
    with scene.bureau.store.begin_read() as session:
        return set(session.scalars(sqlalchemy.select(BankKeyRow.public_key)))


@pytest.mark.without_control("typed fingerprint")
@pytest.mark.parametrize("door", ["draft", "register"])
def test_without_the_fingerprint_the_exchanged_card_becomes_the_bank(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    door: str,
) -> None:
    monkeypatch.setattr(banks, "_check_fingerprint", lambda told, party: None)
    doors(scene)[door](ARRIVED, None)
    assert ARRIVED.public_key in known_keys(scene)


@pytest.mark.with_control("typed fingerprint")
@pytest.mark.parametrize("door", ["draft", "register", "lost key"])
@pytest.mark.parametrize(
    "told",
    [None, "", SENT.fingerprint, ARRIVED.fingerprint[:19], "0" * 32],
    ids=["none", "empty", "the other key's", "a part", "zeros"],
)
def test_the_exchanged_card_is_refused_at_every_door(scene: Scene, door: str, told: str | None) -> None:
    if door == "lost key":
        first = Party(name=SENT.name, public_key=key())
        scene.bureau.contracts.register_bank(AUTHOR, first, fingerprint=first.fingerprint)
    before = known_keys(scene)
    with pytest.raises(InvalidInput if told is None else NotAuthentic):
        doors(scene)[door](ARRIVED, told)
    assert known_keys(scene) == before
    doors(scene)[door](SENT, SENT.fingerprint)
    assert known_keys(scene) == before | {SENT.public_key}
    with scene.bureau.store.begin_read() as session:
        kind = "bank.key-added" if door == "lost key" else "bank.registered"
        body = session.scalars(sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == kind)).all()[-1]
    entry = json.loads(body)
    assert entry["facts"]["fingerprint_told"] == SENT.fingerprint
    assert entry["by"] == ("local" if door == "lost key" else AUTHOR.actor), "who confirmed it"


def test_a_key_that_is_known_needs_no_fingerprint_again(scene: Scene) -> None:
    desk = scene.bureau.contracts
    bank = desk.register_bank(AUTHOR, SENT, fingerprint=SENT.fingerprint)
    assert desk.register_bank(AUTHOR, SENT) == bank
    assert desk.draft(AUTHOR, SENT, WISHES).bank_id == bank


class Service:
    """The bureau as the officer's command hears of it."""

    def __init__(self, *known: str) -> None:
        self._known = known

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/v1/banks"
        return {"banks": [{"keys": [{"public_key": one} for one in self._known]}]}


def typing(monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    """A person at a terminal who types this; what they were shown."""
    shown: list[str] = []

    def prompt(asked: str, **_: Any) -> str:
        shown.append(asked)
        return text

    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(typer, "prompt", prompt)
    return shown


@pytest.mark.with_control("typed fingerprint")
@pytest.mark.parametrize(
    "typed", ["y", "yes", "Y", "", SENT.fingerprint], ids=["y", "yes", "Y", "nothing", "the other key's"]
)
def test_the_officers_command_wants_it_typed_and_shows_nothing_to_copy(
    monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    shown = typing(monkeypatch, typed)
    with pytest.raises(NotAuthentic) as refused:
        confirm_bank_fingerprint(Service(), ARRIVED, None)  # type: ignore[arg-type]
    said = " ".join([*shown, str(refused.value)])
    assert ARRIVED.fingerprint not in said and ARRIVED.fingerprint.replace("-", "") not in said
    typing(monkeypatch, SENT.fingerprint)
    assert confirm_bank_fingerprint(Service(), SENT, None) == SENT.fingerprint  # type: ignore[arg-type]
    assert confirm_bank_fingerprint(Service(SENT.public_key), SENT, None) is None  # type: ignore[arg-type]


@pytest.mark.with_control("typed fingerprint")
def test_where_nobody_can_be_asked_it_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", type("Pipe", (), {"isatty": lambda self: False})())
    with pytest.raises(InvalidInput, match="no terminal"):
        prompt_fingerprint("银行", "the bank")


@pytest.mark.with_control("typed fingerprint")
def test_a_bank_pins_no_bureau_whose_fingerprint_nobody_told_it() -> None:
    """The same at the bank: neither ``--yes`` nor a nod trusts a bureau's key that is new."""
    bureau, another = (Party(name="Test bureau", public_key=key()) for _ in range(2))
    for told in (None, another.fingerprint, lambda: another.fingerprint, lambda: "y"):
        with pytest.raises(ShulabError):
            _check_fingerprint(bureau, told, pinned=False)
    _check_fingerprint(bureau, bureau.fingerprint, pinned=False)
    _check_fingerprint(bureau, lambda: bureau.fingerprint, pinned=False)
    _check_fingerprint(bureau, None, pinned=True)
    with pytest.raises(NotAuthentic):
        _check_fingerprint(bureau, another.fingerprint, pinned=True)
