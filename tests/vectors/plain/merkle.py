"""The Merkle tree of RFC 9162, section 2.1: its root, and its proofs as the recursions of the text write them."""

from __future__ import annotations

import hashlib


def leaf(data: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1.1, of leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(root(leaves[:k]), root(leaves[k:]))


def inclusion(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.3.1; ``index`` counts from 0."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*inclusion(index, leaves[:k]), root(leaves[k:])]
    return [*inclusion(index - k, leaves[k:]), root(leaves[:k])]


def root_of_path(leaf_hash: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion path leads to (section 2.1.3.2)."""
    if size == 1:
        if path:
            raise ValueError("the path is too long")
        return leaf_hash
    k = split(size)
    if index < k:
        return node(root_of_path(leaf_hash, index, k, path[:-1]), path[-1])
    return node(path[-1], root_of_path(leaf_hash, index - k, size - k, path[:-1]))


def consistency(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of section 2.1.4.1."""
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*consistency(old, leaves[:k], whole), root(leaves[k:])]
    return [*consistency(old - k, leaves[k:], False), root(leaves[:k])]


def roots_of_consistency(old: int, new: int, old_root: bytes, path: list[bytes]) -> tuple[bytes, bytes]:
    """The two roots that a consistency path leads to: both must be those of the heads."""

    def walk(old: int, size: int, path: list[bytes], whole: bool) -> tuple[bytes, bytes]:
        if old == size:
            found = old_root if whole else path[-1]
            if len(path) != (0 if whole else 1):
                raise ValueError("the path has another length")
            return found, found
        k = split(size)
        if old <= k:
            first, second = walk(old, k, path[:-1], whole)
            return first, node(second, path[-1])
        first, second = walk(old - k, size - k, path[:-1], False)
        return node(path[-1], first), node(path[-1], second)

    return walk(old, new, path, True)


def fold(path: list[bytes], rule: list[int]) -> bytes:
    """The root that a proof in the ledger's JSON form leads to: bit i puts hash i + 1 on the right (0) or left (1)."""
    found = path[0]
    for bit, other in zip(rule, path[1:], strict=False):
        found = node(other, found) if bit else node(found, other)
    return found


def prior(path: list[bytes], subset: list[int]) -> bytes:
    """The older root in a consistency proof of that form: its hashes that count, the later ones on the left."""
    chosen = [hash_ for hash_, counts in zip(path, subset, strict=True) if counts]
    found = chosen[0]
    for other in chosen[1:]:
        found = node(other, found)
    return found
