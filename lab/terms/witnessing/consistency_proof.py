"""Consistency proofs as lists of hashes (RFC 6962, section 2.1.2), and the request that carries one to a witness (C2SP
tlog-witness, ``add-checkpoint``).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.terms.errors import InvalidInput
from lab.terms.witnessing.checkpoint import ROOT_BYTES, Checkpoint, SignedCheckpoint
from lab.terms.witnessing.signed_note import MAX_NOTE_BYTES

MAX_PROOF_HASHES = 63
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 64 * (MAX_PROOF_HASHES + 2)
"""The longest accepted body of a request, in bytes."""
_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})")


def build_consistency_proof(root: Callable[[int, int], bytes], first: int, second: int) -> tuple[bytes, ...]:
    """The proof that the tree of ``second`` leaves continues that of ``first``, 0 <= first <= second.

    ``root(start, end)`` gives the root over the leaves from ``start`` to before ``end``, 32 bytes. The proof is empty
    for the empty tree and for two trees of one size. Raises ``ValueError`` for other sizes.
    """
    if not 0 <= first <= second:
        raise ValueError("expected 0 <= first <= second")
    return tuple(_subproof(root, first, 0, second, whole=True)) if 0 < first < second else ()


def _subproof(root: Callable[[int, int], bytes], first: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.2 over the leaves from ``start`` to before ``end``."""
    size = end - start
    if first == size:
        return [] if whole else [root(start, end)]
    split = 1 << ((size - 1).bit_length() - 1)
    if first <= split:
        return [*_subproof(root, first, start, start + split, whole=whole), root(start + split, end)]
    return [*_subproof(root, first - split, start + split, end, whole=False), root(start, start + split)]


def is_consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree ``new`` (size, root) continues ``old`` (RFC 9162, section 2.1.4.2)."""
    (first, old_root), (second, new_root) = old, new
    if first == 0 or first == second:
        return not proof and (first == 0 or old_root == new_root)
    if first > second or not 0 < len(proof) <= MAX_PROOF_HASHES:
        return False
    return _verify_path(old, new, proof)


def _verify_path(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Steps 2 to 7 of RFC 9162, section 2.1.4.2, for 0 < first < second."""
    (first, old_root), (second, new_root) = old, new
    path = list(proof) if first & (first - 1) else [old_root, *proof]
    node, last = _shift_while(first - 1, second - 1, holds=lambda at: at & 1)
    before = after = path[0]
    for one in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = _join(one, before), _join(one, after)
            node, last = _shift_while(node, last, holds=lambda at: at and not at & 1)
        else:
            after = _join(after, one)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _shift_while(node: int, last: int, *, holds: Callable[[int], int | bool]) -> tuple[int, int]:
    """Both numbers shifted right while ``holds(node)`` (steps 4 and 6.b)."""
    while holds(node):
        node, last = node >> 1, last >> 1
    return node, last


def _join(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class AddCheckpointRequest:
    """A request to cosign: the size that the log believes the witness cosigned last, the proof from that size, and the
    checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    signed_checkpoint: SignedCheckpoint

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint to cosign."""
        return self.signed_checkpoint.checkpoint

    def to_bytes(self) -> bytes:
        """The body of the request."""
        proof = "".join(f"{base64.b64encode(one).decode()}\n" for one in self.proof)
        return f"old {self.old_size}\n{proof}\n{self.signed_checkpoint}".encode()

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpointRequest:
        """Read a body strictly; raises ``InvalidInput``. Verifies neither signatures nor the proof."""
        if len(body) > MAX_REQUEST_BYTES:
            raise _no_request(f"it has more than {MAX_REQUEST_BYTES} bytes")
        above, empty, note = body.partition(b"\n\n")
        first, *hashes = above.split(b"\n")
        found = _OLD.fullmatch(first)
        if not empty or found is None or int(found[1]) >= 2**63 or len(hashes) > MAX_PROOF_HASHES:
            raise _no_request("it does not begin with a size and at most 63 hashes")
        return cls(int(found[1]), tuple(_hash(line) for line in hashes), SignedCheckpoint.parse(note))


def _hash(line: bytes) -> bytes:
    try:
        found = base64.b64decode(line, validate=True)
    except ValueError:
        found = b""
    if len(found) != ROOT_BYTES or base64.b64encode(found) != line:
        raise _no_request("a line of its proof is not a hash in base64")
    return found


def _no_request(why: str) -> InvalidInput:
    return InvalidInput(
        f"Expected a request to cosign (C2SP tlog-witness, add-checkpoint); {why}.", next_step="make it again"
    )
