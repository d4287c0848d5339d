"""The ledger for both sides and auditors: entries, the Merkle tree over them, signed tree heads, proofs.

An entry is RFC 8785 canonical JSON and a leaf of the tree of RFC 9162 (section 2.1: SHA-256, prefixes 0x00 and 0x01).
pymerkle implements the tree; ``MerkleTree`` stores the leaves and helps its cache. Entry ``seq`` (from 1, without gaps)
is leaf ``seq``. The bureau signs each entry, so that an altered one can be found. It also signs tree heads (section
4.10: size, root, time): whoever has one can detect a ledger that does not continue it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol, TypeAlias

import rfc8785
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pymerkle import ConsistencyProof, InclusionProof, InvalidProof
from pymerkle.core import BaseMerkleTree

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.fields.field_types import Hex32, Hex64
from lab.terms.keys.signature import verify_signature

SCHEMA = "shulab-entry/2"
HASH_ALGORITHM = "sha256"
LEAF_BYTES = 32
Fact: TypeAlias = str | int | bool | Sequence[str] | None
"""What an entry may hold: names, hashes, counts; no floats and no nested data."""
Proof: TypeAlias = dict[str, Any]
"""A proof as JSON: the form of pymerkle's ``serialize``."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry: its number, when, what, under which contract, who did it, and the leaf's hash (hexadecimal)."""

    seq: int
    time: datetime
    kind: str
    contract: str | None
    by: str
    facts: Mapping[str, Fact]
    leaf_hash: str


def encode_entry(
    seq: int, time: datetime, kind: str, contract: str | None, facts: Mapping[str, Fact], by: str
) -> bytes:
    """The canonical bytes of an entry, which the bureau hashes and signs."""
    listed = {name: list(fact) if isinstance(fact, (list, tuple)) else fact for name, fact in facts.items()}
    entry: dict[str, Any] = {
        "schema": SCHEMA,
        "seq": seq,
        "time": format_ledger_time(time),
        "kind": kind,
        "contract": contract,
        "by": by,
        "facts": listed,
    }
    return rfc8785.dumps(entry)


def format_ledger_time(time: datetime) -> str:
    """A time in the form of entries and heads: UTC, to the microsecond."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def hash_leaf(body: bytes) -> bytes:
    """The leaf's hash, 32 bytes (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + body).digest()


def entry_signing_input(body: bytes) -> bytes:
    """The domain-separated bytes that the bureau signs for an entry; the body holds the number."""
    return b"shulab ledger entry v2\x00" + body


class MerkleTree(BaseMerkleTree):  # type: ignore[misc]  # pymerkle has no types
    """pymerkle's tree over leaf hashes in one byte array: 32 bytes an entry, and few cached subroots."""

    def __init__(self) -> None:
        super().__init__(algorithm=HASH_ALGORITHM)
        self._leaves = bytearray()

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes of 32 bytes each; raises ``ValueError`` for another length."""
        for leaf in leaves:
            if len(leaf) != LEAF_BYTES:
                raise ValueError("a leaf's hash has 32 bytes")
            self._leaves += leaf

    def __len__(self) -> int:
        return len(self._leaves) // LEAF_BYTES

    def range_root(self, start: int, end: int) -> bytes:
        """The root, 32 bytes, of the tree of the leaves from index ``start`` (from 0) to before ``end``."""
        width = end - start
        split = 1 << ((width - 1).bit_length() - 1) if width > 1 else 0
        if width == 2 * split or width == 1:
            whole: bytes = self._get_subroot(start, width)
            return whole
        joined: bytes = self.hash_pair(self.range_root(start, start + split), self.range_root(start + split, end))
        return joined

    def _encode_entry(self, data: bytes) -> bytes:
        return data

    def _store_leaf(self, data: bytes, digest: bytes) -> int:
        self.extend([digest])
        return len(self)

    def _get_leaf(self, index: int) -> bytes:
        return bytes(self._leaves[(index - 1) * LEAF_BYTES : index * LEAF_BYTES])

    def _get_leaves(self, offset: int, width: int) -> Iterator[bytes]:
        return (self._get_leaf(index) for index in range(offset + 1, offset + width + 1))

    def _get_size(self) -> int:
        return len(self)

    def _get_subroot_uncached(self, offset: int, width: int) -> bytes:
        """Take both halves from pymerkle's cache: otherwise a subroot twice as wide starts from the leaves again."""
        if width <= self.threshold:
            subroot: bytes = super()._get_subroot_uncached(offset, width)
            return subroot
        half = width // 2
        whole: bytes = self.hash_pair(self._get_subroot(offset, half), self._get_subroot(offset + half, half))
        return whole


class _LedgerDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignedTreeHead(_LedgerDocument):
    """The ledger at one moment: number of entries, root over them, time, and the bureau's Ed25519 signature."""

    schema_: Annotated[Literal["shulab-head/1"], Field(alias="schema")] = "shulab-head/1"
    size: Annotated[int, Field(ge=0, lt=2**53)]
    root: Hex32
    time: AwareDatetime
    signature: Hex64

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def verify(self, bureau_key: str) -> None:
        """Raise ``NotAuthentic`` unless ``bureau_key`` (hexadecimal) signed this head."""
        message = head_signing_input(self.size, self.root, self.time)
        verify_signature(bureau_key, self.signature, message, what=f"the signature of the tree head of {self.size}")

    def as_dict(self) -> dict[str, Any]:
        """The head as a JSON object."""
        return {
            "schema": self.schema_,
            "size": self.size,
            "root": self.root,
            "time": format_ledger_time(self.time),
            "signature": self.signature,
        }

    def to_json(self) -> bytes:
        """The head as canonical JSON."""
        return rfc8785.dumps(self.as_dict())

    @classmethod
    def read(cls, content: bytes | str | Mapping[str, Any]) -> SignedTreeHead:
        """Read a head strictly; raises ``InvalidInput``. Does not verify the signature."""
        try:
            if isinstance(content, (bytes, str)):
                return cls.model_validate_json(content)
            return cls.model_validate(dict(content))
        except ValueError:
            raise InvalidInput(
                "Expected a signed tree head (shulab-head/1); found something else.",
                next_step="fetch it with `lab audit head`",
            ) from None


def head_signing_input(size: int, root: str, time: datetime) -> bytes:
    """The domain-separated bytes that the bureau signs for a tree head."""
    head: dict[str, Any] = {"size": size, "root": root, "time": format_ledger_time(time)}
    return b"shulab tree head v1\x00" + rfc8785.dumps(head)


def verify_inclusion(body: bytes, seq: int, head: SignedTreeHead, proof: Proof) -> None:
    """Raise ``NotAuthentic`` unless ``proof`` shows that ``body`` is entry ``seq`` of the tree that ``head`` names.

    The caller verifies the head's signature.
    """
    try:
        found = InclusionProof.deserialize(proof)
        found.verify(hash_leaf(body), bytes.fromhex(head.root), index=seq, size=head.size, algorithm=HASH_ALGORITHM)
    except (InvalidProof, TypeError, ValueError):
        raise NotAuthentic(
            f"The proof does not show that entry {seq} is part of the ledger of {head.size} entries.",
            next_step="ask the bureau; keep what it sent as evidence",
        ) from None


class TreeHead(Protocol):
    """Number of entries and root over them: a signed tree head or a checkpoint."""

    @property
    def size(self) -> int:
        """How many entries the tree has."""

    @property
    def root(self) -> str:
        """The root's hash, hexadecimal."""


class VerifiableTreeHead(TreeHead, Protocol):
    """A head that can be verified under the bureau's key."""

    def verify(self, bureau_key: str, /) -> None:
        """Raise ``NotAuthentic`` unless the bureau's key (hexadecimal) signed the head."""


def verify_consistency(old: TreeHead, new: TreeHead, proof: Proof | None) -> None:
    """Raise ``NotAuthentic`` unless ``proof`` shows that the tree of ``new`` continues that of ``old``.

    Two heads of one size need no proof, but their roots must be equal. Every tree continues the empty one. The caller
    verifies the heads' signatures.
    """
    if old.size == 0 or (old.size == new.size and old.root == new.root):
        return
    try:
        found = ConsistencyProof.deserialize(proof)
        roots = bytes.fromhex(old.root), bytes.fromhex(new.root)
        found.verify(*roots, prior_size=old.size, later_size=new.size, algorithm=HASH_ALGORITHM)
    except (InvalidProof, TypeError, ValueError):
        shown = f" on {old.time:%Y-%m-%d}" if isinstance(old, SignedTreeHead) else ""
        raise NotAuthentic(
            f"The bureau's ledger was rewritten: its {new.size} entries do not continue the {old.size} "
            f"that it showed{shown}.",
            next_step="stop; keep both tree heads as evidence, and ask the bureau",
        ) from None
