"""The ledger's tree against RFC 9162 by a second implementation and the published vectors; heads, proofs, receipts."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.ledger.receipt import MAX_HEADER_BYTES, ScoreReceipt, verify_receipt
from lab.terms.ledger.tree import (
    MerkleTree,
    SignedTreeHead,
    encode_entry,
    hash_leaf,
    head_signing_input,
    verify_consistency,
    verify_inclusion,
)
from tests.support import rfc9162

NOW = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()

# The test data of the Certificate Transparency project, which RFC 6962 and RFC 9162 come from.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {  # (leaf from 1, size): audit path
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (2, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def tree_of(entries: list[bytes]) -> MerkleTree:
    tree = MerkleTree()
    tree.extend(hash_leaf(entry) for entry in entries)
    return tree


def head_of(tree: MerkleTree, size: int, key: Ed25519PrivateKey = KEY) -> SignedTreeHead:
    root = tree.get_root(size).hex()
    return SignedTreeHead(size=size, root=root, time=NOW, signature=key.sign(head_signing_input(size, root, NOW)).hex())


def entries_of(count: int) -> list[bytes]:
    return [encode_entry(seq, NOW, "refused", None, {"n": seq}, "bureau") for seq in range(1, count + 1)]


@pytest.mark.property(
    "RFC 9162 tree",
    claim="The ledger's tree is that of RFC 9162.",
    topic="the ledger",
    code=["lab.terms.ledger.tree"],
)
def test_published_roots() -> None:
    tree = tree_of(LEAVES)
    assert tree.get_root(0).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [tree.get_root(size).hex() for size in range(1, 9)] == ROOTS
    assert [rfc9162.root(LEAVES[:size]).hex() for size in range(1, 9)] == ROOTS


@pytest.mark.parametrize(("leaf", "size"), list(PATHS))
def test_published_audit_paths(leaf: int, size: int) -> None:
    found = tree_of(LEAVES).prove_inclusion(leaf, size).serialize()["path"]
    assert found[1:] == PATHS[leaf, size]  # the first is the leaf itself
    assert found[0] == rfc9162.leaf_hash(LEAVES[leaf - 1]).hex()


@pytest.mark.property("RFC 9162 tree")
def test_roots_and_paths_are_those_of_the_rfc_at_every_size() -> None:
    entries = entries_of(67)
    tree = tree_of(entries)
    for size in range(1, len(entries) + 1):
        root = rfc9162.root(entries[:size])
        assert tree.get_root(size) == root
        for leaf in {1, 2, size // 2 + 1, size - 1, size} & set(range(1, size + 1)):
            path = [bytes.fromhex(one) for one in tree.prove_inclusion(leaf, size).serialize()["path"]]
            assert path[1:] == rfc9162.inclusion(leaf - 1, entries[:size])
            assert rfc9162.includes(path[0], leaf - 1, size, path[1:], root)


def test_cached_subroots_change_no_root() -> None:
    """The tree's own shortcut begins above pymerkle's threshold, so this one is larger than that."""
    leaves = [hash_leaf(b"%d" % number) for number in range(1500)]
    tree, plain = MerkleTree(), MerkleTree()
    plain.threshold = 1 << 20
    plain.extend(leaves)
    for start in range(0, len(leaves), 37):
        tree.extend(leaves[start : start + 37])
        assert tree.get_root() == plain.get_root(len(tree))
    assert tree.prove_consistency(300, 1400).serialize() == plain.prove_consistency(300, 1400).serialize()


def test_every_head_continues_every_earlier_one_and_no_other() -> None:
    entries = entries_of(20)
    tree, other = tree_of(entries), tree_of([entries[0] + b" ", *entries[1:]])
    for second in range(1, 21):
        for first in range(1, second + 1):
            proof = tree.prove_consistency(first, second).serialize()
            verify_consistency(head_of(tree, first), head_of(tree, second), proof)
            for forged in (proof, other.prove_consistency(first, second).serialize()):
                with pytest.raises(NotAuthentic, match="rewritten"):
                    verify_consistency(head_of(other, first), head_of(tree, second), forged)
    verify_consistency(head_of(tree, 0), head_of(tree, 5), None)
    with pytest.raises(NotAuthentic):
        verify_consistency(head_of(tree, 5), head_of(tree, 6), None)
    with pytest.raises(NotAuthentic):  # back to an earlier state
        verify_consistency(head_of(tree, 6), head_of(tree, 5), tree.prove_consistency(5, 6).serialize())


def test_inclusion_is_of_this_entry_at_this_place_in_this_tree() -> None:
    entries = entries_of(11)
    tree = tree_of(entries)
    head, proof = head_of(tree, 11), tree.prove_inclusion(4, 11).serialize()
    verify_inclusion(entries[3], 4, head, proof)
    wrong = [
        (entries[4], 4, head, proof),
        (entries[3], 5, head, proof),
        (entries[3], 4, head_of(tree, 10), proof),
        (entries[3], 4, head, {**proof, "path": proof["path"][:-1]}),
        (entries[3], 4, head, {**proof, "metadata": {**proof["metadata"], "security": False}}),
        (entries[3], 4, head, {**proof, "metadata": {**proof["metadata"], "algorithm": "sha3_256"}}),
        (entries[3], 4, head, {}),
        (entries[3], 4, head, {**proof, "path": ["zz"]}),
        (entries[3], 4, head, {**proof, "rule": [2] * len(proof["rule"])}),
    ]
    for arguments in wrong:
        with pytest.raises(NotAuthentic):
            verify_inclusion(*arguments)


def test_a_head_is_its_bureaus() -> None:
    tree = tree_of(entries_of(3))
    head = head_of(tree, 3)
    head.verify(PUBLIC)
    assert SignedTreeHead.read(head.to_json()) == head
    changed = [
        head.model_copy(update={"size": 2}),
        head.model_copy(update={"root": tree.get_root(2).hex()}),
        head.model_copy(update={"time": NOW.replace(microsecond=6)}),
        head_of(tree, 3, Ed25519PrivateKey.generate()),
    ]
    for other in changed:
        with pytest.raises(NotAuthentic):
            other.verify(PUBLIC)
    for text in (b"{}", b"[]", b"x", json.dumps(head.as_dict() | {"more": 1})):
        with pytest.raises(InvalidInput):
            SignedTreeHead.read(text)


FACTS = {
    "job": "job-20260301-0123456789abcdef",
    "batch_sha256": "ab" * 32,
    "reply_sha256": "cd" * 32,
    "rows": 8192,
    "scored": 8192,
    "register": "main",
    "register_version": 12,
    "model": "credit",
    "model_version": 3,
    "bytes": 1_234_567,
}


def receipt_of(size: int, seq: int, **changes: object) -> ScoreReceipt:
    entries = entries_of(size)
    contract = "c-0123456789ab"
    entries[seq - 1] = encode_entry(seq, NOW, "score.answered", contract, FACTS | changes, "bank:b-0123456789ab")  # type: ignore[arg-type]
    tree = tree_of(entries)
    return ScoreReceipt(json.loads(entries[seq - 1]), tree.prove_inclusion(seq, size).serialize(), head_of(tree, size))


def test_a_receipt_is_verified_and_says_what_the_entry_says() -> None:
    receipt = ScoreReceipt.from_header(receipt_of(9, 5).to_header())
    verify_receipt(receipt, PUBLIC)
    assert (receipt.entry_number, receipt.contract, receipt.rows, receipt.model_version) == (
        5,
        "c-0123456789ab",
        8192,
        3,
    )
    assert (receipt.job, receipt.register, receipt.register_version) == (FACTS["job"], "main", 12)
    assert ScoreReceipt.read(json.loads(json.dumps(receipt.as_dict()))) == receipt


@pytest.mark.property(
    "Receipts prove themselves",
    claim="A receipt can be verified by itself, and nothing in it can be changed.",
    topic="the ledger",
    code=["lab.terms.ledger.receipt"],
)
def test_nothing_in_a_receipt_can_be_changed() -> None:
    """Whatever single value is replaced, the receipt is refused: not parsed, or not authentic."""
    good = receipt_of(9, 5).as_dict()
    refused = 0

    def leaves(node: object, path: tuple[object, ...]):
        if isinstance(node, dict):
            for name, value in node.items():
                yield from leaves(value, (*path, name))
        elif isinstance(node, list):
            for place, value in enumerate(node):
                yield from leaves(value, (*path, place))
        else:
            yield path, node

    for path, value in list(leaves(good, ())):
        changed = copy.deepcopy(good)
        target = changed
        for step in path[:-1]:
            target = target[step]  # type: ignore[index]
        if isinstance(value, bool):
            target[path[-1]] = not value  # type: ignore[index]
        elif isinstance(value, int):
            target[path[-1]] = value + 1  # type: ignore[index]
        else:
            target[path[-1]] = ("1" if value[:1] != "1" else "2") + value[1:]  # type: ignore[index]
        with pytest.raises((InvalidInput, NotAuthentic)):
            verify_receipt(ScoreReceipt.read(changed), PUBLIC)
        refused += 1
    assert refused > 30
    with pytest.raises(NotAuthentic):
        verify_receipt(ScoreReceipt.read(good), Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex())


@pytest.mark.parametrize("value", ["", "!", "e30=", "W10=", "A" * (MAX_HEADER_BYTES + 4)])
def test_what_is_no_receipt_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput):
        ScoreReceipt.from_header(value)


def test_a_receipt_fits_its_header_in_the_largest_ledger() -> None:
    """2^40 entries: a path of 41 hashes. Servers and clients take header lines of 8 kB."""
    receipt = receipt_of(9, 5)
    size = 2**40
    body = dict(receipt.body) | {"seq": size}
    rule = [0] * 41
    metadata = {"algorithm": "sha256", "security": True, "size": size, "index": size}
    proof = {"type": "inclusion", "metadata": metadata, "rule": rule, "path": ["ab" * 32] * 41}
    large = ScoreReceipt(body, proof, receipt.head.model_copy(update={"size": size}))
    assert len(large.to_header()) < 6200 < MAX_HEADER_BYTES
