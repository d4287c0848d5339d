"""The restorations of bureaus' ledgers that a person at the bank has accepted: a file for each bureau, never cut."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.bank.home import BankHome
from lab.disk.checked_files import DamagedFile, file_identity, read_sealed_json, seal_json
from lab.disk.private_files import replace_private
from lab.terms.errors import InvalidInput
from lab.terms.keys.party import Party
from lab.terms.ledger.restoration import RestorationStatement
from lab.terms.ledger.tree import SignedTreeHead

_SCHEMA = "shulab-accepted-restorations/1"


def accepted_restorations(home: BankHome, bureau: Party) -> list[dict[str, Any]]:
    """What was accepted of this bureau, oldest first; raises ``InvalidInput`` for a damaged file."""
    path = _file(home, bureau)
    if not path.exists():
        return []
    try:
        record = read_sealed_json(path, identity=file_identity(path, 2))
        if record["schema"] != _SCHEMA:
            raise ValueError
        return [dict(one) for one in record["restorations"]]
    except (DamagedFile, ValueError, KeyError, TypeError):
        raise InvalidInput(
            f"Expected accepted restorations in {path.name}; found something else.",
            next_step="restore the file from a backup: it is evidence",
        ) from None


def record_acceptance(home: BankHome, bureau: Party, facts: Mapping[str, Any]) -> None:
    """Add a restoration (``LedgerRestoration.as_dict``) to the bureau's file."""
    accepted = {"accepted": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
    record = {"schema": _SCHEMA, "restorations": [*accepted_restorations(home, bureau), accepted]}
    path = _file(home, bureau)
    sealed = seal_json(record, file_identity(path, 2))
    replace_private(path, json.dumps(sealed, ensure_ascii=False, indent=1).encode())


def is_lost(home: BankHome, bureau: Party, head: SignedTreeHead) -> bool:
    """Whether this head of the bureau is of a ledger that the bureau lost, as the bank has accepted."""
    return any(
        RestorationStatement.read(one.get("statement")).explains(head) for one in accepted_restorations(home, bureau)
    )


def _file(home: BankHome, bureau: Party) -> Path:
    return home.folder / "bureaus" / f"{bureau.fingerprint}.restorations"
