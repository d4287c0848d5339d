"""Merkle trees by the definitions and verification steps of RFC 9162 (section 2.1): a second implementation.

Tests compare the ledger's tree with it. It is slow.
"""

from __future__ import annotations

import hashlib


def leaf_hash(entry: bytes) -> bytes:
    """Section 2.1.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def root(entries: list[bytes]) -> bytes:
    """MTH, section 2.1.1."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return leaf_hash(entries[0])
    k = split(len(entries))
    return node_hash(root(entries[:k]), root(entries[k:]))


def inclusion(index: int, entries: list[bytes]) -> list[bytes]:
    """PATH, section 2.1.3.1; ``index`` from 0."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if index < k:
        return [*inclusion(index, entries[:k]), root(entries[k:])]
    return [*inclusion(index - k, entries[k:]), root(entries[:k])]


def consistency(first: int, entries: list[bytes], complete: bool = True) -> list[bytes]:
    """PROOF and SUBPROOF, section 2.1.4.1."""
    if first == len(entries):
        return [] if complete else [root(entries)]
    k = split(len(entries))
    if first <= k:
        return [*consistency(first, entries[:k], complete), root(entries[k:])]
    return [*consistency(first - k, entries[k:], False), root(entries[:k])]


def includes(leaf: bytes, index: int, size: int, path: list[bytes], wanted: bytes) -> bool:
    """Section 2.1.3.2, step by step."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == wanted
