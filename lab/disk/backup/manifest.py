"""What a backup says of itself: whose it is, when and by which program it was made, and every file with its SHA-256.

The party signs the manifest. Anybody can encrypt a file for an operator's public key, so the encryption does not say
who made it; the signature does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from lab.terms.errors import InvalidInput
from lab.terms.fields.field_types import Hex32, Hex64
from lab.terms.keys.fingerprint import key_fingerprint
from lab.terms.keys.signature import verify_signature

SCHEMA = "shulab-backup/1"
BackupParty = Literal["bureau", "bank", "witness"]
Fact = str | int | None
_LARGEST = 2**53 - 1
_MAX_PATH = 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class BackupFile(_Part):
    """A file: its path relative to the party's folder, its size in bytes, and its hash."""

    path: str
    size: Annotated[int, Field(ge=0, le=_LARGEST)]
    sha256: Hex32

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str) -> str:
        parts = path.split("/")
        if len(path) > _MAX_PATH or not path.isprintable() or "\\" in path or {"", ".", ".."} & set(parts):
            raise ValueError("a path that leads elsewhere")
        return path


class LeftOut(_Part):
    """What was left out because it can be made again, or serves one machine only: number of files, and bytes."""

    files: Annotated[int, Field(ge=0, le=_LARGEST)]
    size: Annotated[int, Field(ge=0, le=_LARGEST)]


class BackupManifest(_Part):
    """A backup's content; ``facts`` say more of the party's state, such as the size of a bureau's ledger."""

    schema_: Annotated[Literal["shulab-backup/1"], Field(alias="schema")] = "shulab-backup/1"
    party: BackupParty
    name: Annotated[str, Field(min_length=1, max_length=200)]
    public_key: Hex32
    program: Annotated[str, Field(max_length=100)]
    made: AwareDatetime
    files: tuple[BackupFile, ...]
    left_out: Mapping[str, LeftOut]
    facts: Mapping[str, Fact]

    @field_validator("files")
    @classmethod
    def _check_files(cls, files: tuple[BackupFile, ...]) -> tuple[BackupFile, ...]:
        paths = [one.path for one in files]
        folders = {path.rsplit("/", depth)[0] for path in paths for depth in range(1, path.count("/") + 1)}
        if paths != sorted(set(paths)) or folders & set(paths):
            raise ValueError("paths twice, out of order, or below a file")
        return files

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the party's key."""
        return key_fingerprint(self.public_key)

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(one.size for one in self.files)

    def to_json(self) -> bytes:
        """Canonical JSON (RFC 8785), which is signed."""
        fields = self.model_dump(mode="json", by_alias=True, exclude={"made"})
        return rfc8785.dumps(fields | {"made": self.made.astimezone(UTC).isoformat(timespec="microseconds")})

    def verify(self, signature: str) -> None:
        """Raise ``NotAuthentic`` unless the party that the manifest names signed it (hexadecimal)."""
        message = manifest_signing_input(self.to_json())
        verify_signature(self.public_key, signature, message, what="the signature of the backup's manifest")


class SignedManifest(_Part):
    """The manifest as its canonical text, and the signature."""

    manifest: str
    signature: Hex64

    @classmethod
    def parse(cls, content: bytes) -> tuple[BackupManifest, str]:
        """The manifest and its signature, both unverified; raises ``InvalidInput`` for anything else."""
        try:
            signed = cls.model_validate_json(content)
            found = BackupManifest.model_validate_json(signed.manifest)
            if found.to_json() != signed.manifest.encode():
                raise ValueError
        except ValueError:
            raise InvalidInput(
                f"Expected a manifest ({SCHEMA}) at the beginning of the backup; found something else.",
                next_step="open it with the version of the program that made it, or take another copy",
            ) from None
        return found, signed.signature


def manifest_signing_input(manifest: bytes) -> bytes:
    """The domain-separated bytes that a party signs."""
    return b"shulab backup manifest v1\x00" + manifest


def make_manifest(party: BackupParty, name: str, public_key: str, program: str, **rest: Any) -> BackupManifest:
    """A manifest of this moment."""
    return BackupManifest(
        party=party, name=name, public_key=public_key, program=program, made=datetime.now(UTC), **rest
    )
