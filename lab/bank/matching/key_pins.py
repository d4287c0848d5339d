"""Pins the bureau's matching keys: the first one seen for a contract, operation and epoch is the only one accepted.

A bureau that uses another key for each request learns what the requests hide. So the public key comes signed
(``lab.terms.keys.matching_key_statement``) and the first one is kept. Another one stops the bank, which then has two
signed statements that contradict each other. A response in which a canary was not evaluated under the pinned key stops
the bank as well, until a person moves the record of it away: repeated requests, in this epoch or another, would let the
bureau try until it is not caught.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.bank.connection.responses import translate_protocol_errors
from lab.disk.checked_files import DamagedFile, file_identity, read_sealed_json, seal_json
from lab.disk.private_files import check_private, replace_private, write_private
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic
from lab.terms.keys.matching_key_statement import MatchingKeyStatement
from protocols.matching.bank import CanaryMismatch, SetupManifest, check_public_key, matching_operation

_MAX_GROWTH_FACTOR = 1.25
_MAX_GROWTH_ENTRIES = 1_000
"""A register may have grown by a quarter and a thousand entries since its size was stated."""


@dataclass(frozen=True)
class MatchingKeyPins:
    """The keys seen under one contract, kept in ``folder``.

    ``bureau_key``: the public key (hexadecimal) that must have signed them; ``register_size_stated``: whether they come
    with the register's size, as they do unless the contract requires consent.
    """

    folder: Path
    contract: str
    bureau_key: str
    register_size_stated: bool = True

    def verify_key(self, setup: SetupManifest) -> bytes:
        """The public key of a set-up, once its statement is verified and compared with the first one seen.

        Raises ``NotAuthentic`` for a statement that does not verify, for another key than the first, and after a canary
        failure; ``InvalidInput`` for bytes that are no key, or a register larger than was stated.
        """
        with translate_protocol_errors("set-up"):
            check_public_key(setup.engine, setup.signed_key.public_key)
        statement, signature = self._statement(setup), setup.signed_key.signature.hex()
        statement.verify(self.bureau_key, signature)
        shown: dict[str, Any] = {"statement": statement.as_dict(), "signature": signature, "bureau": self.bureau_key}
        self._compare(setup, shown)
        self.check_no_canary_failure(setup)
        most = int(statement.register_entries * _MAX_GROWTH_FACTOR) + _MAX_GROWTH_ENTRIES
        if self.register_size_stated and setup.entries > most:
            raise InvalidInput(
                f"The set-up has {setup.entries} entries; what the bureau signed with it says "
                f"{statement.register_entries}.",
                next_step="ask the bureau: it must state the size anew if its register grew; otherwise it plants marks",
            )
        return setup.signed_key.public_key

    def check_no_canary_failure(self, setup: SetupManifest) -> None:
        """Raise ``NotAuthentic`` if a canary failed before, in any key epoch.

        The bureau decides which epoch it is, so a new one alone is no reason to let it try again. Called before each
        request, because another process of the bank may have recorded a failure meanwhile.
        """
        pattern = f"{self.contract}.e*.{matching_operation(setup.for_counting)}.strayed.json"
        if any(self.folder.glob(pattern)):
            raise self._stop(setup, "answered under another key than the published one before")

    def record_canary_failure(self, setup: SetupManifest, request_sha256: str, found: CanaryMismatch) -> NotAuthentic:
        """Record a failed canary, so that nothing more is sent under this contract and operation; returns the error."""
        record: dict[str, object] = {
            "found": str(found),
            "request_sha256": request_sha256,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._make_folder()
        replace_private(self._path(setup, "strayed"), _text(record))
        return self._stop(setup, f"answered wrongly: {found}. Nothing of that response was kept")

    def _compare(self, setup: SetupManifest, shown: dict[str, Any]) -> None:
        path = self._path(setup, "key")
        self._make_folder()
        with suppress(Conflict):  # the statement that was written first counts, by whichever process
            write_private(path, _text(seal_json(shown, file_identity(path, 2))))
        try:
            known = _key_of(read_sealed_json(path, identity=file_identity(path, 2)))
        except (DamagedFile, ValueError, KeyError, TypeError):
            raise InvalidInput(
                f"Expected the first statement of a matching key in {path.name}; found something else.",
                next_step="restore the folder matching-keys from a backup",
            ) from None
        if known != _key_of(shown):
            other = self._path(setup, "other-key")
            replace_private(other, _text(seal_json(shown, file_identity(other, 2))))
            raise NotAuthentic(
                f"The bureau shows another matching key for contract {self.contract} in epoch {setup.epoch} than "
                f"before. Both signed statements are kept in {self.folder}.",
                next_step="stop matching with this bureau; show both statements to it and to an auditor",
            )

    def _stop(self, setup: SetupManifest, what: str) -> NotAuthentic:
        return NotAuthentic(
            f"The bureau {what} (contract {self.contract}, {matching_operation(setup.for_counting)}, epoch "
            f"{setup.epoch}).",
            next_step="tell the bureau and an auditor; nothing more is sent under this contract. If it was a fault: "
            "the bureau runs `lab bureau rotate-keys`, then a person here moves "
            f"{self.contract}.e*.strayed.json out of matching-keys/ in the bank's folder",
        )

    def _statement(self, setup: SetupManifest) -> MatchingKeyStatement:
        return MatchingKeyStatement(
            contract=self.contract,
            operation=matching_operation(setup.for_counting),
            engine=setup.engine,
            epoch=setup.epoch,
            public_key=setup.signed_key.public_key.hex(),
            register_entries=setup.signed_key.register_entries,
        )

    def _path(self, setup: SetupManifest, kind: str) -> Path:
        return (
            self.folder
            / f"{self.contract}.e{setup.epoch}.{setup.engine}.{matching_operation(setup.for_counting)}.{kind}.json"
        )

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(self.folder)


@dataclass(frozen=True)
class PinnedSetup:
    """A set-up whose key was verified, and the pins of its contract, to check the bureau's responses against."""

    pins: MatchingKeyPins
    setup: SetupManifest

    def check_no_canary_failure(self) -> None:
        """As ``MatchingKeyPins.check_no_canary_failure``."""
        self.pins.check_no_canary_failure(self.setup)

    def record_canary_failure(self, request_sha256: str, found: CanaryMismatch) -> NotAuthentic:
        """As ``MatchingKeyPins.record_canary_failure``."""
        return self.pins.record_canary_failure(self.setup, request_sha256, found)


def _key_of(shown: dict[str, Any]) -> tuple[object, object]:
    """What must be equal in all statements of one contract, operation and epoch: the signer and the key."""
    return shown["bureau"], shown["statement"]["public_key"]


def _text(facts: dict[str, object]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, indent=1).encode()
