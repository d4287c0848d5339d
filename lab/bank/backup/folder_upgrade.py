"""Brings a bank's folder of format 0 to format 1, in which every kept file carries a digest (decision 0025).

A file of format 0 has none, so what is in it now is taken as what was written. A file that has its digest already keeps
it: an upgrade that was interrupted is repeated from its start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.bank.home import FOLDER_FORMAT, PINS, BankHome
from lab.bank.runs.metadata import METADATA_FILE
from lab.bank.runs.run_files import DIGESTS, digest_result
from lab.bank.runs.store import CONTRACT, MANIFEST, OUTPUTS, SCORES, SHEET
from lab.disk.checked_files import (
    DIGEST_MEMBER,
    file_identity,
    pack_checked,
    read_sealed_json,
    seal_json,
    split_checked,
)
from lab.disk.private_files import replace_private
from lab.terms.errors import InvalidInput

_RESULTS = (SCORES, OUTPUTS, SHEET, CONTRACT)
_RESUMED = ("match.npz", "match-*.receipt.json", "batch-*")


def check_former_files(home: BankHome) -> None:
    """Raise ``InvalidInput`` unless every file of JSON can be read, and ``DamagedFile`` for one that does not fit its
    digest. Changes nothing."""
    for path, identity in _json_files(home):
        _read_facts(path, identity)


def upgrade_folder(home: BankHome) -> None:
    """Give every kept file its digest, and record the format. Raises what ``check_former_files`` raises."""
    for path, identity in _resumed_files(home):
        content = path.read_bytes()
        if split_checked(content) is None:
            replace_private(path, pack_checked(content, identity))
    for path, identity in _json_files(home):
        facts = _read_facts(path, identity)
        if path.name == MANIFEST and (path.parent / SCORES).is_file():
            found = {name: path.with_name(name) for name in _RESULTS}
            digests = {name: digest_result(file.read_bytes()) for name, file in found.items() if file.is_file()}
            facts.setdefault(DIGESTS, digests)
        replace_private(path, json.dumps(seal_json(facts, identity), ensure_ascii=False, indent=1).encode())
    home.set_format(FOLDER_FORMAT)


def _json_files(home: BankHome) -> Iterator[tuple[Path, str]]:
    """The files that carry their digest as a member, each with its identity."""
    for path in sorted((home.folder / "bureaus").glob("*.json")):
        yield path, PINS
    for folder, pattern in (
        (home.folder / "contracts", "*.json"),
        (home.matching_keys, "*key.json"),
        *((runs, f"*/{name}") for runs in (home.runs, home.matches) for name in (METADATA_FILE, MANIFEST)),
    ):
        for path in sorted(folder.glob(pattern)):
            yield path, file_identity(path, 2)


def _resumed_files(home: BankHome) -> Iterator[tuple[Path, str]]:
    """The files that unfinished runs keep to be resumed, each with its identity."""
    for runs in (home.runs, home.matches):
        for pattern in _RESUMED:
            for path in sorted(runs.glob(f"*/{pattern}")):
                yield path, file_identity(path, 2)


def _read_facts(path: Path, identity: str) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
        if not isinstance(facts, dict):
            raise ValueError
    except ValueError:
        raise InvalidInput(
            f"Expected a JSON object in {path.name}; found something else.", next_step="restore it from a backup"
        ) from None
    return facts if DIGEST_MEMBER not in facts else read_sealed_json(path, identity=identity)
