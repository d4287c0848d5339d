"""The seal key in a PKCS#11 token (a hardware security module), by python-pkcs11: the key never leaves the token.

The token holds one secret key that is sensitive and cannot be extracted; each sealed value asks it for one HMAC-SHA-256
(``lab.terms.keys.sealing.token_kdf_input``), so its PIN alone opens nothing away from the token. The library comes with
the extra ``hsm`` and is loaded when a token is named, never before.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from lab.disk.private_files import read_private
from lab.process.optional_extras import extra_command
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound, Unreachable
from lab.terms.keys.sealing import SealKey

SCHEME = "pkcs11:"
PIN_VARIABLE = "SHULAB_BUREAU_PIN"
_BITS = 256
# A whole process is signed in to a token, not a thread; so threads take turns.
_TOKEN_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class HsmKeyLocation:
    """The location of the key: the vendor's library, the labels of token and key, and perhaps a file with the PIN."""

    module: str
    token: str
    object: str
    pin_file: Path | None = None

    @classmethod
    def parse(cls, text: str) -> HsmKeyLocation:
        """From ``pkcs11:module=FILE;token=LABEL;object=LABEL[;pin-file=FILE]``, percent-encoded as in RFC 7512.

        Raises ``InvalidInput`` for anything else, also for a PIN.
        """
        pairs = [part.partition("=") for part in text.removeprefix(SCHEME).split(";")]
        found = {name: unquote(value) for name, _, value in pairs}
        known = {"module", "token", "object"}
        if not text.startswith(SCHEME) or len(found) != len(pairs) or not known <= set(found) <= {*known, "pin-file"}:
            raise InvalidInput(
                "Expected a token as pkcs11:module=FILE;token=LABEL;object=LABEL[;pin-file=FILE]; found another form.",
                next_step="correct --seal, or `seal` in the settings",
            )
        pin_file = Path(found["pin-file"]) if "pin-file" in found else None
        return cls(found["module"], found["token"], found["object"], pin_file)


def open_hsm_key(place: HsmKeyLocation, *, make: bool = False) -> SealKey:
    """The seal key in a token; ``make``: generate it there if no key has this label.

    Raises ``NotFound`` for a missing library, extra, token or key, ``NotAuthentic`` for a wrong or blocked PIN,
    ``NotAllowed`` for a key that could be taken out of the token, ``Unreachable`` when the token fails.
    """
    with _session(place, writing=make) as session:
        _find_key(session, place, make=make)

    def hmac(message: bytes) -> bytes:
        library = _load()
        with _session(place) as session:
            signature: bytes = _find_key(session, place).sign(message, mechanism=library.Mechanism.SHA256_HMAC)
            return signature

    return SealKey.from_token(hmac)


def _load() -> ModuleType:
    try:
        import pkcs11
        import pkcs11.exceptions
    except ImportError:
        raise NotFound(
            "Expected the library for PKCS#11 tokens; it is not installed.", next_step=extra_command("hsm")
        ) from None
    return pkcs11


@contextmanager
def _session(place: HsmKeyLocation, *, writing: bool = False) -> Iterator[Any]:
    """A signed-in session; failures of the library become our errors."""
    library = _load()
    faults = library.exceptions
    pin = _pin(place)
    try:
        with _TOKEN_LOCK, _find_token(library, place).open(user_pin=pin, rw=writing) as session:
            yield session
    except (faults.PinIncorrect, faults.PinInvalid, faults.PinLenRange):
        raise NotAuthentic(
            f"The token {place.token} does not take this PIN.",
            next_step=f"correct {PIN_VARIABLE} or the pin-file; tokens block after a few wrong tries",
        ) from None
    except (faults.PinLocked, faults.PinExpired):
        raise NotAuthentic(
            f"The token {place.token} has blocked its PIN.", next_step="have its security officer set a new one"
        ) from None
    except faults.PKCS11Error as error:
        raise Unreachable(
            f"The token {place.token} does not do what was asked ({type(error).__name__}).",
            next_step="check the token and its library with the vendor's tools",
        ) from None


def _find_token(library: ModuleType, place: HsmKeyLocation) -> Any:
    try:
        module = library.lib(place.module)
    except (RuntimeError, OSError):  # also PKCS11Error
        raise NotFound(
            f"The token's library {place.module} cannot be loaded.",
            next_step="install the vendor's library, and name it with module=FILE",
        ) from None
    module.reinitialize()  # finds a token that was inserted after the library was loaded
    try:
        return module.get_token(token_label=place.token)
    except (library.exceptions.NoSuchToken, library.exceptions.MultipleTokensReturned):
        raise NotFound(
            f"Expected one token labelled {place.token}; the library shows none, or several.",
            next_step="put the token in, or correct token=LABEL",
        ) from None


def _find_key(session: Any, place: HsmKeyLocation, *, make: bool = False) -> Any:
    library = _load()
    kind = library.ObjectClass.SECRET_KEY
    try:
        key = session.get_key(object_class=kind, label=place.object)
    except library.exceptions.NoSuchKey:
        if not make:
            raise NotFound(
                f"The token {place.token} has no secret key labelled {place.object}.",
                next_step="correct object=LABEL, or put in the token the secrets were sealed with",
            ) from None
        flags = {library.Attribute.SENSITIVE: True, library.Attribute.EXTRACTABLE: False}
        key = session.generate_key(
            library.KeyType.GENERIC_SECRET,
            _BITS,
            label=place.object,
            store=True,
            capabilities=library.MechanismFlag.SIGN,
            template=flags,
        )
    except library.exceptions.MultipleObjectsReturned:
        raise Conflict(
            f"The token {place.token} has several secret keys labelled {place.object}.",
            next_step="give the key a label of its own",
        ) from None
    if key[library.Attribute.EXTRACTABLE] or not key[library.Attribute.SENSITIVE]:
        raise NotAllowed(
            f"The key {place.object} can be taken out of the token {place.token}.",
            next_step="name a key that is sensitive and not extractable; `lab bureau init --seal` makes one",
        )
    return key


def _pin(place: HsmKeyLocation) -> str:
    """The PIN from its file or the environment; read each time, so that no object here stores it."""
    if place.pin_file is not None:
        if not place.pin_file.is_file():
            raise NotFound(f"The PIN's file {place.pin_file} is missing.", next_step="bring it back")
        return read_private(place.pin_file, follow_links=True).decode().strip()
    pin = os.environ.get(PIN_VARIABLE, "")
    if not pin:
        raise InvalidInput(
            f"Expected the PIN of the token {place.token}; found none.",
            next_step=f"set {PIN_VARIABLE}, or name a private file with pin-file=FILE",
        )
    return pin
