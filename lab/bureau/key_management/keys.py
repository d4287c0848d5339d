"""The only home of the bureau's secrets: its signing key, its pseudonym keys, and the matching secret of each epoch.

``SecretStore`` keeps them sealed. The object cannot be printed, pickled or copied. Secret bytes leave it in two ways.
It lends the matching key of one contract and operation to a function (``with_matching_key``), because the protocol
evaluates under it. And it lends the key of personal items in records to a function that derives a file's key
(``with_records_key``). The epoch's secret, from which matching keys are derived, never leaves it.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.configuration.home import BureauHome
from lab.bureau.key_management.secret_store import SecretStore
from lab.terms.errors import Conflict, NotAllowed, NotFound
from lab.terms.progress import SILENT, Progress
from protocols.matching.bureau import ENGINES, MatchingOperation, compute_public_key, derive_contract_key, generate_key

FIRST_EPOCH = 1
PSEUDONYM_BYTES = 16
FIRST_RECORDS_KEY = 1
_FIRST = 1  # the first pseudonym key, sealed as `pseudonym`; the next ones are `pseudonym-2` and so on
_SIGNING, _PSEUDONYM = "signing", "pseudonym"
Result = TypeVar("Result")


class BureauKeys:
    """The opened secrets of one bureau."""

    __slots__ = ("_matching", "_pseudonym", "_public", "_signing", "_store")

    def __init__(self, store: SecretStore, signing: Ed25519PrivateKey, pseudonym: bytes) -> None:
        self._store = store
        self._signing = signing
        self._public = signing.public_key().public_bytes_raw().hex()
        self._pseudonym = {_FIRST: pseudonym}
        self._matching: dict[tuple[str, int], bytes] = {}

    @classmethod
    def create(cls, home: BureauHome) -> BureauKeys:
        """Make the seal key (unless it exists) and every secret; raises ``Conflict`` if there are secrets."""
        store = SecretStore.create(home)
        if store.has(_SIGNING):
            raise Conflict("This bureau has a signing key already.", next_step="use it, or make another bureau")
        # The signing key is last: a bureau that has it has all secrets.
        store.put(_PSEUDONYM, os.urandom(32))
        for engine in ENGINES:
            store.put(_matching_name(engine, FIRST_EPOCH), generate_key(engine))
        store.put(_SIGNING, Ed25519PrivateKey.generate().private_bytes_raw())
        return cls._of(store)

    @classmethod
    def open(cls, home: BureauHome) -> BureauKeys:
        """Open the bureau's secrets; raises ``NotFound``, ``NotAuthentic`` (wrong seal key) or ``InvalidInput``."""
        store = SecretStore.open(home)
        if not store.has(_SIGNING):
            raise NotFound("This bureau has no signing key.", next_step="run `lab bureau init`")
        return cls._of(store)

    @classmethod
    def _of(cls, store: SecretStore) -> BureauKeys:
        return cls(store, Ed25519PrivateKey.from_private_bytes(store.read(_SIGNING)), store.read(_PSEUDONYM))

    @property
    def public_key_hex(self) -> str:
        """The Ed25519 public key, 64 hexadecimal digits."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of ``message``, 64 bytes."""
        return self._signing.sign(message)

    def pseudonyms(self, codes: Sequence[str], keys: int) -> list[str]:
        """The pseudonym of each enterprise, 32 hexadecimal digits, under ``keys`` keys, one over another: HMAC-SHA-256
        (FIPS 198-1), truncated to 128 bits, of the code, and then of each pseudonym under the next key.

        Matching keys change with their epochs and these keys do not, so that counts for an enterprise are over all
        epochs. The caller has normalised the codes. Raises ``NotFound`` if a key is missing.
        """
        names = _hashed(self._pseudonym[_FIRST], (code.encode() for code in codes))
        for number in range(_FIRST + 1, keys + 1):
            names = self.next_pseudonyms(names, number)
        return names

    def next_pseudonyms(self, names: Sequence[str], number: int) -> list[str]:
        """The pseudonyms that follow ``names`` under key ``number``; raises ``NotFound`` if that key is missing."""
        if number not in self._pseudonym:
            self._pseudonym[number] = self._store.read(_pseudonym_name(number))
        return _hashed(self._pseudonym[number], map(bytes.fromhex, names))

    def make_pseudonym_key(self, number: int) -> None:
        """Make and seal the pseudonym key of that number; an existing one, from an interrupted rotation, stays."""
        if not self._store.has(_pseudonym_name(number)):
            with self._store.lock():
                self._store.put(_pseudonym_name(number), os.urandom(32))

    def hash_settings(self, texts: Sequence[str]) -> list[str]:
        """A keyed hash of each text, the same for ever: the ledger compares them to find changed settings."""
        return _hashed(self._pseudonym[_FIRST], (one.encode() for one in texts))

    def make_matching_keys(self, epoch: int) -> None:
        """Make and seal the matching secrets of ``epoch``, one for each engine; existing ones stay."""
        names = {engine: _matching_name(engine, epoch) for engine in ENGINES}
        if all(self._store.has(name) for name in names.values()):
            return
        with self._store.lock():
            for engine, name in names.items():
                self._store.put(name, generate_key(engine))

    def with_matching_key(
        self, engine: str, epoch: int, contract: str, operation: MatchingOperation, use: Callable[[bytes], Result]
    ) -> Result:
        """Lend the matching key of a contract and operation, derived from the secret of ``engine`` in ``epoch``
        (``protocols.matching.key_derivation``), to ``use``, which must not store it.

        Raises ``NotAllowed`` if the epoch has no secret: it was destroyed, or is not prepared yet.
        """
        name = _matching_name(engine, epoch)
        if not self._store.has(name):
            self._matching.pop((engine, epoch), None)
            raise NotAllowed(
                f"The matching key of epoch {epoch} is destroyed, or was never made.",
                next_step="begin a new job: it is matched and scored under the present keys",
            )
        if (engine, epoch) not in self._matching:
            self._matching[engine, epoch] = self._store.read(name)
        return use(derive_contract_key(self._matching[engine, epoch], engine, contract, operation))

    def matching_public_key(self, engine: str, epoch: int, contract: str, operation: MatchingOperation) -> bytes:
        """The public key P = s·B of a matching key, in the engine's encoding; raises as ``with_matching_key``."""
        return self.with_matching_key(engine, epoch, contract, operation, lambda key: compute_public_key(engine, key))

    def destroy_matching_keys(self, epoch: int) -> int:
        """Overwrite and unlink the matching secrets of ``epoch``, and with them every contract's key, also in memory;
        returns their number."""
        for key in [key for key in self._matching if key[1] == epoch]:
            del self._matching[key]
        with self._store.lock():
            return sum(self._store.destroy(_matching_name(engine, epoch)) for engine in ENGINES)

    def make_records_key(self, number: int = FIRST_RECORDS_KEY) -> None:
        """Make and seal the key of personal items in records; an existing one of that number stays."""
        if not self._store.has(_records_name(number)):
            with self._store.lock():
                self._store.put(_records_name(number), os.urandom(32))

    def with_records_key(self, number: int, use: Callable[[bytes], Result]) -> Result:
        """Lend the key of personal items in records, 32 bytes, to ``use``, which derives a file's own key from it.

        Raises ``NotFound`` if there is no key of that number.
        """
        return use(self._store.read(_records_name(number)))

    def reseal(self, seal: str, key_file: Path | None = None, progress: Progress = SILENT) -> int:
        """Seal every secret under another key; see ``SecretStore.reseal``."""
        return self._store.reseal(seal, key_file, progress)

    def __repr__(self) -> str:
        return "BureauKeys(hidden)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("the bureau's keys cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("the bureau's keys cannot be pickled or copied")

    def __copy__(self) -> NoReturn:
        raise TypeError("the bureau's keys cannot be pickled or copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("the bureau's keys cannot be pickled or copied")


def _hashed(key: bytes, texts: Iterable[bytes]) -> list[str]:
    return [hmac.digest(key, one, "sha256")[:PSEUDONYM_BYTES].hex() for one in texts]


def _pseudonym_name(number: int) -> str:
    return f"{_PSEUDONYM}-{number}"


def _records_name(number: int) -> str:
    return f"records-{number}"


def _matching_name(engine: str, epoch: int) -> str:
    return f"matching-{engine}-{epoch}"
