"""The bureau's matching keys as this bank has seen them: the first for a contract, operation and epoch is the one.

Whoever may show another key to each of a bank's requests learns what the requests hide. So the public key comes signed
(``lab.terms.keys.matching_key_statement``), the first is kept, and another one stops the bank, which then holds two
signed statements that contradict each other. An answer in which a canary was not evaluated under that key stops it as
well, until a person has moved the note of it away: a request that is made again, in this epoch or in another, would let
the bureau try until it is not caught.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.bank.connection.responses import translate_protocol_errors
from lab.disk.private_files import check_private, read_private, replace_private, write_private
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic
from lab.terms.keys.matching_key_statement import MatchingKeyStatement
from protocols.matching.bank import CanaryMismatch, SetupManifest, check_public_key, matching_operation

_MAX_GROWTH_FACTOR = 1.25
_MAX_GROWTH_ENTRIES = 1_000
"""A register may have grown by a quarter, and by a thousand, since its size was stated."""


@dataclass(frozen=True)
class MatchingKeyPins:
    """What was seen under one contract, kept in ``folder``; ``read_bureau_key``: whose signature counts (hexadecimal);
    ``sized``: whether the register's size is stated, as it is unless the contract requires consent."""

    folder: Path
    contract: str
    bureau_key: str
    register_size_stated: bool = True

    def verify_key(self, setup: SetupManifest) -> bytes:
        """The public key of a set-up, after its statement was verified and compared with the first one seen.

        Raises ``NotAuthentic`` for a statement that does not verify, for another key than the first, and after answers
        that strayed from it; ``InvalidInput`` for what is no key, or a register larger than was stated.
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
                next_step="ask the bureau: it states the size anew when its register grows; otherwise it plants marks",
            )
        return setup.signed_key.public_key

    def check_no_canary_failure(self, setup: SetupManifest) -> None:
        """Raise ``NotAuthentic`` if an answer strayed before, in whichever key epoch: which one it is, the bureau says,
        so a new one alone is no reason to let it try again. Asked before each request, for another process of the bank
        may have found it meanwhile."""
        pattern = f"{self.contract}.e*.{matching_operation(setup.for_counting)}.strayed.json"
        if any(self.folder.glob(pattern)):
            raise self._stop(setup, "answered under another key than the published one before")

    def record_canary_failure(self, setup: SetupManifest, request_sha256: str, found: CanaryMismatch) -> NotAuthentic:
        """Keep that an answer strayed: nothing more is sent under this contract and operation. The error."""
        told: dict[str, object] = {
            "found": str(found),
            "request_sha256": request_sha256,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._make_folder()
        replace_private(self._path(setup, "strayed"), _text(told))
        return self._stop(setup, f"answered wrongly: {found}; nothing of that answer was kept")

    def _compare(self, setup: SetupManifest, shown: dict[str, Any]) -> None:
        path = self._path(setup, "key")
        self._make_folder()
        with suppress(Conflict):  # the first that is written counts, whichever process was first
            write_private(path, _text(shown))
        try:
            known = _key_of(json.loads(read_private(path)))
        except (ValueError, KeyError, TypeError):
            raise InvalidInput(
                f"Wanted the first statement of a matching key in {path.name}; found otherwise.",
                next_step="restore the folder matching-keys from a backup",
            ) from None
        if known != _key_of(shown):
            replace_private(self._path(setup, "other-key"), _text(shown))
            raise NotAuthentic(
                f"The bureau shows another matching key for contract {self.contract} in epoch {setup.epoch} than "
                f"before. Both signed statements are kept in {self.folder}.",
                next_step="match nothing more with this bureau; show both statements to it and to an auditor",
            )

    def _stop(self, setup: SetupManifest, what: str) -> NotAuthentic:
        return NotAuthentic(
            f"The bureau {what} (contract {self.contract}, {matching_operation(setup.for_counting)}, epoch "
            f"{setup.epoch}).",
            next_step="do not send again: nothing more is sent under this contract. Tell the bureau and an auditor; if "
            "it was a fault, matching goes on after `lab bureau rotate-keys` there, when somebody here has moved "
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

    def _path(self, setup: SetupManifest, sort: str) -> Path:
        return (
            self.folder
            / f"{self.contract}.e{setup.epoch}.{setup.engine}.{matching_operation(setup.for_counting)}.{sort}.json"
        )

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(self.folder)


def _key_of(shown: dict[str, Any]) -> tuple[object, object]:
    """What no two statements of one contract, operation and epoch may differ in: the key, and whose signature it is."""
    return shown["bureau"], shown["statement"]["public_key"]


def _text(facts: dict[str, object]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, indent=1).encode()
