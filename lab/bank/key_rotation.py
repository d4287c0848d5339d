"""Rotates the bank's signing key: create the next one, inform every pinned bureau, then replace the old one.

Each step is stored before the next begins (the sealed next key, the informed bureaus, the settings), so an interruption
leaves a working folder, and the same command finishes the rotation. Requests to an informed bureau are signed with the
next key, those to the others with the old one, so a bureau may be away for any time.
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
    """The state of a rotation: both keys, the bureaus that know the new one and those that do not yet, and the first
    error."""

    old: Party
    new: Party
    notified: tuple[str, ...]
    pending: tuple[str, ...]
    failure: ShulabError | None

    @property
    def is_complete(self) -> bool:
        """Whether the new key has replaced the old one."""
        return not self.pending


def rotate_key(
    home: BankHome, keys: BankKeys, pins: tuple[PinnedBureau, ...], connect: ClientFactory
) -> KeyRotationStatus:
    """Begin or resume a rotation and inform the bureaus ``pins``; it is complete when every pinned bureau is informed.

    A bureau that no longer accepts the old key (it was revoked) can be given the next key's card, which is in the
    bank's folder as ``next-card.json``. When it has added that key, the same command resumes the rotation. Errors of a
    bureau are not raised; the first one is in the result.
    """
    old = home.card
    resumed = keys.next_key() is not None
    new = Party(name=home.name, public_key=keys.make_next_key().public_key_hex)
    replace_private(home.folder / NEXT_CARD_FILE, json.dumps(new.model_dump(), ensure_ascii=False).encode())
    failures = [_notify_unless_notified(keys, pin, connect, resumed=resumed) for pin in pins]
    notified, pinned = keys.notified_bureaus(), home.pins()
    pending = tuple(pin.bureau.name for pin in pinned if pin.bureau.public_key not in notified)
    if not pending:
        home.complete_rotation(keys)
        (home.folder / NEXT_CARD_FILE).unlink(missing_ok=True)
    names = tuple(pin.bureau.name for pin in pinned if pin.bureau.public_key in notified)
    return KeyRotationStatus(old, new, names, pending, next((error for error in failures if error is not None), None))


def _notify_unless_notified(
    keys: BankKeys, pin: PinnedBureau, connect: ClientFactory, *, resumed: bool
) -> ShulabError | None:
    """Inform a bureau that does not know the next key yet; returns the error if that fails."""
    if pin.bureau.public_key in keys.notified_bureaus():
        return None
    try:
        _notify_bureau(keys, pin, connect, resumed=resumed)
    except ShulabError as error:
        return error
    keys.record_notified_bureau(pin.bureau.public_key)
    return None


def _notify_bureau(keys: BankKeys, pin: PinnedBureau, connect: ClientFactory, *, resumed: bool) -> None:
    """Send the succession to one bureau; raises ``Unreachable``, ``NotAuthentic`` and the error of a refusal."""
    current, following = keys.current_key(), keys.make_next_key()
    if resumed and _is_known(pin, following, connect):
        return  # it was informed, or added the key from a card, and this folder does not record that yet
    try:
        with connect(pin, current) as client:
            bank = client.own_bank_id()
            client.submit_key_succession(_statement(pin, bank, current, following))
    except NotAuthentic as error:
        raise NotAuthentic(
            f"The bureau {pin.bureau.name} does not accept this bank's old key: {error.detail}",
            next_step=f"if the key was revoked: send the bureau {NEXT_CARD_FILE} of the bank's folder and read out the "
            "fingerprint to it; when its administrator has added the key, run the same command again",
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


def select_pinned_bureaus(home: BankHome, urls: list[str], key_at: Callable[[str], str]) -> tuple[PinnedBureau, ...]:
    """The pinned bureaus, or those at ``urls``; ``key_at(url)`` fetches the key that the bureau shows there.

    Raises ``InvalidInput`` for an address that shows no pinned key.
    """
    if not urls:
        return home.pins()
    by_key = {pin.bureau.public_key: pin for pin in home.pins()}
    found = []
    for url in urls:
        pin = by_key.get(key_at(url))
        if pin is None:
            raise InvalidInput(
                "Expected the address of a bureau that this bank has pinned; found another.", next_step="check --bureau"
            )
        found.append(PinnedBureau(pin.bureau, url, pin.pinned_at))
    return tuple(found)
