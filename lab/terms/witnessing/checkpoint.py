"""Checkpoints (C2SP tlog-checkpoint 1.0): a bureau's ledger in the form that witnesses cosign.

A checkpoint is a signed note. Its text has a line each for the origin, the number of entries, and the root in base64.
It says the same as a signed tree head (``lab.terms.ledger.tree.SignedTreeHead``). The bureau's Ed25519 key signs both.
The two texts cannot be confused: an origin begins with ``shulab/``, and every other message that the key signs begins
with ``shulab`` and a space.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.witnessing.signed_note import SIGNATURE_ED25519, NoteKey, NoteSignature, SignedNote

ROOT_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of the tree without entries (RFC 6962, section 2.1)."""
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST = 2**63 - 1


def ledger_origin(bureau_key: str) -> str:
    """The origin of the ledger of the bureau with this public key (64 hexadecimal digits): a key has one log."""
    return f"shulab/ledger/{hashlib.sha256(bytes.fromhex(bureau_key)).hexdigest()}"


def log_key(bureau_key: str) -> NoteKey:
    """The key that signs the checkpoints of a bureau's ledger; it is named by the origin."""
    return NoteKey(ledger_origin(bureau_key), bureau_key, SIGNATURE_ED25519)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a checkpoint: origin of the log, number of entries, root (hexadecimal), and further lines, usually
    none."""

    origin: str
    size: int
    root: str
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text that the bureau signs and witnesses cosign."""
        root = base64.b64encode(bytes.fromhex(self.root)).decode()
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text strictly; raises ``InvalidInput``."""
        lines = text.split("\n")
        fits = len(lines) >= 4 and lines.pop() == "" and all(lines)
        if fits and _SIZE.fullmatch(lines[1]) and int(lines[1]) <= _LARGEST:
            try:
                root = base64.b64decode(lines[2], validate=True)
            except ValueError:
                root = b""
            if len(root) == ROOT_BYTES and base64.b64encode(root).decode() == lines[2]:
                return cls(lines[0], int(lines[1]), root.hex(), tuple(lines[3:]))
        raise InvalidInput(
            "Expected a checkpoint (C2SP tlog-checkpoint): origin, size and root, a line each; found something else.",
            next_step="fetch it again",
        )


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with the log's signature and cosignatures, all unverified until ``verify``."""

    checkpoint: Checkpoint
    note: SignedNote

    @property
    def size(self) -> int:
        """How many entries."""
        return self.checkpoint.size

    @property
    def root(self) -> str:
        """The root over the entries, hexadecimal."""
        return self.checkpoint.root

    def verify(self, bureau_key: str) -> None:
        """Raise ``NotAuthentic`` unless the bureau with this key signed it, and it is of that bureau's ledger."""
        if self.checkpoint.origin != ledger_origin(bureau_key):
            raise NotAuthentic(
                "The checkpoint is of another log than this bureau's ledger.",
                next_step="fetch it from this bureau; keep what was sent as evidence",
            )
        self.note.verify(log_key(bureau_key))

    def with_signatures(self, lines: tuple[NoteSignature, ...]) -> SignedCheckpoint:
        """A copy with these lines after the others."""
        return SignedCheckpoint(self.checkpoint, SignedNote(self.note.text, (*self.note.signatures, *lines)))

    def __str__(self) -> str:
        return str(self.note)

    @classmethod
    def parse(cls, content: bytes) -> SignedCheckpoint:
        """Read a checkpoint strictly; raises ``InvalidInput``. Verifies no signature."""
        note = SignedNote.parse(content)
        return cls(Checkpoint.parse(note.text), note)


def sign_checkpoint(bureau_key: str, sign: Callable[[bytes], bytes], size: int, root: str) -> SignedCheckpoint:
    """A checkpoint of the bureau's ledger at this size; ``sign`` signs with the bureau's Ed25519 key."""
    key = log_key(bureau_key)
    checkpoint = Checkpoint(key.name, size, root)
    line = NoteSignature(key.name, key.id, sign(checkpoint.text.encode()))
    return SignedCheckpoint(checkpoint, SignedNote(checkpoint.text, (line,)))
