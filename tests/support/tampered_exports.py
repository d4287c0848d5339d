"""An exported ledger with an entry of every kind, and an attacker who edits the file but has no key of the bureau."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.terms.keys.party import Party
from lab.terms.ledger.entry_kinds import ENTRY_KINDS
from lab.terms.ledger.export import encode_export_entry, encode_export_header
from lab.terms.ledger.tampering import EntryLine
from lab.terms.ledger.tree import (
    Fact,
    MerkleTree,
    SignedTreeHead,
    encode_entry,
    entry_signing_input,
    hash_leaf,
    head_signing_input,
)

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()
STRANGER = Ed25519PrivateKey.generate()
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HEAD_EVERY = 7


class Export:
    """The lines of an export, and ways to tamper with it. Places count from 1, as entries do."""

    def __init__(self, header: bytes, entries: list[bytes], heads: list[bytes]) -> None:
        self.header, self.entries, self.heads = header, list(entries), list(heads)

    def copy(self) -> Export:
        return Export(self.header, self.entries, self.heads)

    def write(self, path: Path) -> Path:
        path.write_bytes(b"".join([self.header, *self.entries, *self.heads]))
        return path

    def body(self, place: int) -> bytes:
        return EntryLine.split(self.entries[place - 1]).body

    def flip(self, place: int, at: int) -> None:
        """Change one byte of the entry's body into another printable one, and nothing else."""
        line = bytearray(self.entries[place - 1])
        start = len(b'{"entry":')
        found = line[start + at]
        line[start + at] = ord("7") if found != ord("7") else ord("3")
        self.entries[place - 1] = bytes(line)

    def replace(self, place: int, body: bytes, signature: str | None = None) -> None:
        """Replace the entry's body, with a matching leaf hash."""
        old = EntryLine.split(self.entries[place - 1])
        self.entries[place - 1] = encode_export_entry(body, hash_leaf(body).hex(), signature or old.signature)

    def renumber(self, start: int) -> None:
        """Renumber the entries from ``start`` on, with matching leaf hashes but the old signatures."""
        for place in range(start, len(self.entries) + 1):
            try:
                body = json.loads(self.body(place))
            except ValueError:
                continue  # a byte was changed before: no number can be found in it
            if isinstance(body, dict) and body.get("seq") != place:
                self.replace(place, rfc8785.dumps(body | {"seq": place}))

    def forge(self, place: int) -> bytes:
        """A line that claims to be entry ``place``, signed by a stranger."""
        body = encode_entry(place, NOW, "refused", None, {"forged": True}, "bureau")
        return encode_export_entry(body, hash_leaf(body).hex(), STRANGER.sign(entry_signing_input(body)).hex())

    def drop_heads(self, size: int) -> None:
        """Take away the heads over more than ``size`` entries."""
        self.heads = [line for line in self.heads if SignedTreeHead.read(line).size <= size]


def make_export(count_of: Callable[[int], int] = lambda number: 1) -> Export:
    """An export made by the bureau, with ``count_of(n)`` entries of the n-th kind, and heads here and there."""
    tree, lines, heads = MerkleTree(), [], []
    kinds = [kind for number, kind in enumerate(ENTRY_KINDS) for _ in range(count_of(number))]
    for seq, kind in enumerate(kinds, start=1):
        facts: dict[str, Fact] = {"number": seq, "sha256": "ab" * 32, "names": ["一", "b"], "done": True, "none": None}
        contract = f"c-{seq % 3}" if seq % 3 else None
        body = encode_entry(seq, NOW + timedelta(seconds=seq), kind, contract, facts, "person:li.wei")
        tree.extend([hash_leaf(body)])
        lines.append(encode_export_entry(body, hash_leaf(body).hex(), KEY.sign(entry_signing_input(body)).hex()))
        if seq % HEAD_EVERY == 0 or seq == len(kinds):
            heads.append(head_over(tree, seq).to_json() + b"\n")
    return Export(encode_export_header(Party(name="某数据局", public_key=PUBLIC), NOW), lines, heads)


def head_over(tree: MerkleTree, size: int, key: Ed25519PrivateKey = KEY) -> SignedTreeHead:
    root = tree.get_root(size).hex()
    return SignedTreeHead(size=size, root=root, time=NOW, signature=key.sign(head_signing_input(size, root, NOW)).hex())


def tree_of(export: Export) -> MerkleTree:
    tree = MerkleTree()
    tree.extend(hash_leaf(EntryLine.split(line).body) for line in export.entries)
    return tree
