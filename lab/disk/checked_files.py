"""Files that carry their own SHA-256 (FIPS 180-4), which is checked whenever they are read.

A digest covers the content and the file's identity: the last components of its path, such as
``runs/20260101T120000-abc/match``. So a file that was put in another's place (another contract's, another version's) is
found as well as a changed byte. The digests find damage, not forgery: who may write the folder can write both.

``write_checked``: any content, after one line of text with digest and identity. ``seal_json``: a JSON object that
people and programs read as before; its member ``sha256`` covers the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.disk.private_files import replace_private
from lab.terms.errors import InvalidInput

_FORMAT = "shulab-checked/1"
_LONGEST_HEADER = 2_048
DIGEST_MEMBER = "sha256"
RESTORE_HINT = "bring the file back from a backup; `lab doctor --deep` lists every damaged file"


class DamagedFile(InvalidInput):
    """A file that this program wrote is not as it was written: changed, cut short, or put in another's place."""

    def __init__(self, path: Path, *, detail: str = "", next_step: str = RESTORE_HINT) -> None:
        super().__init__(detail or f"Expected {path.name} as it was written; found it damaged.", next_step=next_step)
        self.path = path


def file_identity(path: Path, components: int) -> str:
    """The identity of a file: the last ``components`` of its path."""
    return "/".join(path.parts[-components:])


def write_checked(path: Path, content: bytes, *, identity: str) -> None:
    """Write or replace a file (mode 0600) with its digest, in one step."""
    replace_private(path, pack_checked(content, identity))


def read_checked(path: Path, *, identity: str, next_step: str = RESTORE_HINT) -> bytes:
    """The content of a file of ``write_checked``; raises ``DamagedFile``, ``FileNotFoundError``."""
    found = split_checked(path.read_bytes())
    if found is None or found[0] != identity:
        raise DamagedFile(path, next_step=next_step)
    return found[1]


def pack_checked(content: bytes, identity: str) -> bytes:
    """The bytes of a checked file."""
    return f"{_FORMAT} {_digest(identity, content)} {identity}\n".encode() + content


def split_checked(data: bytes) -> tuple[str, bytes] | None:
    """Identity and content of a checked file; None if its digest is another."""
    header, line_feed, content = data[:_LONGEST_HEADER].partition(b"\n")
    try:
        form, digest, identity = header.decode().split(" ", 2)
    except ValueError:
        return None
    content = data[len(header) + 1 :]
    if not line_feed or form != _FORMAT or digest != _digest(identity, content):
        return None
    return identity, content


def seal_json(facts: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """``facts`` and, as the member ``sha256``, the digest of them and of the file's identity."""
    facts = {name: value for name, value in facts.items() if name != DIGEST_MEMBER}
    return facts | {DIGEST_MEMBER: _digest(identity, _canonical(facts))}


def read_sealed_json(path: Path, *, identity: str, next_step: str = RESTORE_HINT) -> dict[str, Any]:
    """The facts of a file with a ``seal_json`` object, without the digest; raises ``DamagedFile``,
    ``FileNotFoundError``."""
    facts = parse_sealed_json(path.read_bytes(), identity)
    if facts is None:
        raise DamagedFile(path, next_step=next_step)
    return facts


def parse_sealed_json(data: bytes, identity: str) -> dict[str, Any] | None:
    """The facts of a ``seal_json`` object, without the digest; None if its digest is another."""
    try:
        facts = json.loads(data)
    except ValueError:
        return None
    if not isinstance(facts, dict):
        return None
    digest = facts.pop(DIGEST_MEMBER, None)
    return facts if digest == _digest(identity, _canonical(facts)) else None


def _canonical(facts: Mapping[str, Any]) -> bytes:
    """One form of equal facts, as after a reading: a date that was written as text is text."""
    written = json.loads(json.dumps(facts, default=str))
    return json.dumps(written, sort_keys=True, separators=(",", ":")).encode()


def _digest(identity: str, content: bytes) -> str:
    return hashlib.sha256(b"".join((_FORMAT.encode(), b"\0", identity.encode(), b"\0", content))).hexdigest()
