"""Changing the bank's signing key: make the next one, tell every pinned bureau, then let it take the old one's place.

Each step is kept before the next begins (the sealed next key, who was told, the settings), so that whatever interrupts
it leaves a home that works, and the same command finishes it. A bureau that was told is spoken to with the next key
from then on, the others with the old one: it does not matter how long one of them is away.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lab.bank.connection.client import BureauClient
from lab.bank.home import BankHome, PinnedBureau
from lab.bank.keys import BankKeys, SigningKey
from lab.disk.private_files import replace_private
from lab.terms.errors import InvalidInput, NotAuthentic, ShulabError, Unreachable
from lab.terms.keys.key_succession import KeySuccession, SignedKeySuccession
from lab.terms.keys.party import Party
from protocols.wire.http_signatures import Signer

NEXT_CARD_FILE = "next-card.json"
ClientFactory = Callable[[PinnedBureau, Signer], BureauClient]


@dataclass(frozen=True, slots=True)
class KeyRotationStatus:
    """How far it came: the keys, the bureaus that know the new one, those that do not yet, and why the first does not.

    ``done``: the new key has taken the old one's place.
    """

    old: Party
    new: Party
    notified: tuple[str, ...]
    pending: tuple[str, ...]
    failure: ShulabError | None

    @property
    def is_complete(self) -> bool:
        """Whether the new key has taken the old one's place."""
        return not self.pending


def rotate_key(
    home: BankHome, keys: BankKeys, pins: tuple[PinnedBureau, ...], connect: ClientFactory
) -> KeyRotationStatus:
    """Begin a rotation or go on with it, telling the bureaus ``pins``; done once every pinned bureau was told.

    A bureau that does not accept the old key either (it was revoked) can be given the next key's card, which lies in
    the home as ``next-card.json``; once it has added that key, the same command goes on.
    """
    old = home.card
    resumed = keys.next_key() is not None
    new = Party(name=home.name, public_key=keys.make_next_key().public_key_hex)
    replace_private(home.folder / NEXT_CARD_FILE, json.dumps(new.model_dump(), ensure_ascii=False).encode())
    failure: ShulabError | None = None
    for pin in pins:
        if pin.bureau.public_key in keys.notified_bureaus():
            continue
        try:
            _notify_bureau(keys, pin, connect, resumed=resumed)
        except ShulabError as error:
            failure = failure or error
        else:
            keys.record_notified_bureau(pin.bureau.public_key)
    told = keys.notified_bureaus()
    known = home.pins()
    waiting = tuple(pin.bureau.name for pin in known if pin.bureau.public_key not in told)
    if not waiting:
        home.complete_rotation(keys)
        (home.folder / NEXT_CARD_FILE).unlink(missing_ok=True)
    names = tuple(pin.bureau.name for pin in known if pin.bureau.public_key in told)
    return KeyRotationStatus(old, new, names, waiting, failure)


def _notify_bureau(keys: BankKeys, pin: PinnedBureau, connect: ClientFactory, *, resumed: bool) -> None:
    """Bring the succession to one bureau; raises ``Unreachable``, ``NotAuthentic`` and what the bureau refuses."""
    present, coming = keys.current_key(), keys.make_next_key()
    if resumed and _is_known(pin, coming, connect):
        return  # the bureau was told, or has added the key from a card, and this home could not note it
    try:
        with connect(pin, present) as client:
            bank = client.own_bank_id()
            client.submit_key_succession(_statement(pin, bank, present, coming))
    except NotAuthentic as error:
        raise NotAuthentic(
            f"The bureau {pin.bureau.name} could not be told with this bank's old key: {error.detail}",
            next_step=f"if the key was revoked: send the bureau {NEXT_CARD_FILE} of the bank's folder and read it the "
            "fingerprint; when its administrator has added the key, run the same command again",
        ) from None


def _is_known(pin: PinnedBureau, key: SigningKey, connect: ClientFactory) -> bool:
    try:
        with connect(pin, key) as client:
            client.own_bank_id()
    except NotAuthentic:
        return False
    return True


def _statement(pin: PinnedBureau, bank: str, old: SigningKey, new: SigningKey) -> SignedKeySuccession:
    try:
        statement = KeySuccession(
            bureau=pin.bureau.public_key,
            bank=bank,
            old_key=old.public_key_hex,
            new_key=new.public_key_hex,
            time=datetime.now(UTC).replace(microsecond=0),
        )
    except ValueError:
        raise Unreachable("Expected this bank's id from the bureau; found none.", next_step="ask the bureau") from None
    message = statement.signing_input()
    return SignedKeySuccession(
        statement=statement, old_signature=old.sign(message).hex(), new_signature=new.sign(message).hex()
    )


def select_pinned_bureaus(home: BankHome, urls: list[str], card_at: Callable[[str], str]) -> tuple[PinnedBureau, ...]:
    """The pinned bureaus, or those at ``urls``: each address must show a pinned key (``card_at(url)`` fetches it)."""
    if not urls:
        return home.pins()
    by_key = {pin.bureau.public_key: pin for pin in home.pins()}
    found = []
    for url in urls:
        pin = by_key.get(card_at(url))
        if pin is None:
            raise InvalidInput(
                "Expected the address of a bureau that this bank has pinned; found another.", next_step="check --bureau"
            )
        found.append(PinnedBureau(pin.bureau, url, pin.pinned_at))
    return tuple(found)
