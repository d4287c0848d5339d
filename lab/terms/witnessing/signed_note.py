"""Signed notes (C2SP signed-note v1.0.0): text, an empty line, and signature lines, each by a named key.

A key is found by its name and its id, the first four bytes of SHA-256(name || 0x0A || type || public key). Only the
public key that the reader was configured with counts. Signatures of unknown keys are ignored; one signature that claims
a known key and does not verify invalidates the note.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.keys.small_order import is_forgeable

SIGNATURE_ED25519, SIGNATURE_COSIGNATURE = 0x01, 0x04
"""Signature types: Ed25519 over the text, and Ed25519 over a cosignature's message
(``lab.terms.witnessing.cosignature``).
"""
MAX_NOTE_BYTES = 131_072
"""The longest accepted note, in bytes; it has room for sixteen signatures of five kilobytes each."""
MAX_SIGNATURES = 64
_ID = 4
_KEY_NAME = re.compile(r"[!-*,-~]{1,255}")
_LINE = re.compile(r"\u2014 (\S{1,255}) ([A-Za-z0-9+/]{8,8192}={0,2})")
_VKEY = re.compile(r"([!-*,-~]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44}={0,2})")


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A named Ed25519 public key (64 hexadecimal digits) and its signature type, one of the two above."""

    name: str
    public_key: str
    kind: int = SIGNATURE_ED25519

    @property
    def id(self) -> bytes:
        """The four bytes at the start of each of its signature lines."""
        return key_id(self.name, self.kind, bytes.fromhex(self.public_key))

    def __str__(self) -> str:
        """The verifier key (vkey), as C2SP writes it: ``name+id+base64``."""
        material = bytes([self.kind]) + bytes.fromhex(self.public_key)
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(material).decode()}"

    @classmethod
    def parse(cls, text: str, *, kind: int) -> NoteKey:
        """Read a verifier key of this type; raises ``InvalidInput``."""
        found = _VKEY.fullmatch(text.strip())
        try:
            material = _strict_base64(found[3]) if found is not None else b""
        except ValueError:
            material = b""
        if found is None or len(material) != 33 or material[0] != kind:
            raise _no_key("found something else")
        key = cls(found[1], material[1:].hex(), kind)
        if key.id.hex() != found[2] or is_forgeable(key.public_key):
            raise _no_key("its parts do not belong together, or it is not a key")
        return key


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name and id, and the signature's bytes."""

    name: str
    id: bytes
    signature: bytes

    def __str__(self) -> str:
        """The line without its newline."""
        return f"\u2014 {self.name} {base64.b64encode(self.id + self.signature).decode()}"

    def claims_key(self, key: NoteKey) -> bool:
        """Whether the line claims this key, by name and id."""
        return self.name == key.name and self.id == key.id

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Read a line without its newline; raises ``InvalidInput``."""
        found = _LINE.fullmatch(line)
        try:
            content = _strict_base64(found[2]) if found is not None else b""
        except ValueError:
            content = b""
        if found is None or "+" in found[1] or len(content) <= _ID:
            raise _no_note("one of its lines is not a signature")
        return cls(found[1], content[:_ID], content[_ID:])


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note: its text with the last newline, and its signatures, unverified until ``verify``."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(f"{one}\n" for one in self.signatures)

    @classmethod
    def parse(cls, content: bytes) -> SignedNote:
        """Read a note of at most ``MAX_NOTE_BYTES`` bytes and 64 signatures strictly; raises ``InvalidInput``."""
        text, empty, below = _decode_note(content).rpartition("\n\n")
        if not empty or not text or not below.endswith("\n"):
            raise _no_note("it has no text, or no signature")
        lines = below[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise _no_note(f"it has more than {MAX_SIGNATURES} signatures")
        return cls(text + "\n", tuple(NoteSignature.parse(line) for line in lines))

    def verify(self, key: NoteKey) -> None:
        """Raise ``NotAuthentic`` unless ``key``, of type Ed25519, signed the text and every line that claims it
        verifies."""
        claimed = [one for one in self.signatures if one.claims_key(key)]
        if not claimed or not all(
            is_valid_signature(key.public_key, one.signature, self.text.encode()) for one in claimed
        ):
            raise NotAuthentic(
                "Expected a note that its log signed; the signature is missing or does not verify.",
                next_step="fetch it again; keep what was sent as evidence",
            )


def is_key_name(name: str) -> bool:
    """Whether ``name`` can name a key: printable ASCII without space and plus, at most 255 characters."""
    return _KEY_NAME.fullmatch(name) is not None


def key_id(name: str, kind: int, material: bytes) -> bytes:
    """SHA-256(name || 0x0A || type || public key), the first four bytes (signed-note, section Signatures)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + material).digest()[:_ID]


def is_valid_signature(public_key: str, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is an Ed25519 signature (RFC 8032) of ``message``; False for a key of small order."""
    if is_forgeable(public_key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decode_note(content: bytes) -> str:
    """The note as UTF-8 without control characters, in its size limit; raises ``InvalidInput``."""
    if len(content) > MAX_NOTE_BYTES:
        raise _no_note(f"it has more than {MAX_NOTE_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _no_note("it is not UTF-8") from None
    if any(ord(one) < 0x20 and one != "\n" for one in text):
        raise _no_note("it has control characters")
    return text


def _strict_base64(text: str) -> bytes:
    """Decode canonical base64 (RFC 4648, section 4); raises ``ValueError``."""
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text:
        raise ValueError("not canonical")
    return found


def _no_note(why: str) -> InvalidInput:
    return InvalidInput(f"Expected a signed note (C2SP signed-note); {why}.", next_step="fetch it again")


def _no_key(why: str) -> InvalidInput:
    return InvalidInput(
        f"Expected a verifier key as name+id+base64 of the right type; {why}.",
        next_step="take it from `lab witness show` of the witness, by a channel that you trust",
    )
