"""Cosignatures of witnesses on checkpoints (C2SP tlog-cosignature, version 1 over Ed25519), and the check of a quorum.

A cosignature states: at this time, this was the largest tree of this log that the witness had seen, and it continues
every tree that the witness cosigned before. The message has the lines ``cosignature/v1`` and ``time`` with the seconds
since 1970, then the checkpoint's text. The signature is the time (8 bytes, big-endian) and 64 bytes of Ed25519.

A quorum is more than half of the witnesses (``WitnessQuorum``), so two forks can both have a quorum only if some
witness cosigned both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lab.terms.errors import NotAuthentic
from lab.terms.witnessing.checkpoint import SignedCheckpoint
from lab.terms.witnessing.quorum import WitnessQuorum
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey, NoteSignature, is_valid_signature

_TIME, _SIGNATURE = 8, 64
_LATEST = 2**63 - 1
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a witness's clock may run ahead of the reader's, or behind the bureau's."""


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: the witness's name and key (hexadecimal), and the time."""

    name: str
    public_key: str
    time: datetime


def witness_keys(quorum: WitnessQuorum) -> tuple[NoteKey, ...]:
    """The keys of a contract's witnesses."""
    return tuple(NoteKey(party.name, party.public_key, SIGNATURE_COSIGNATURE) for party in quorum.parties)


def cosignature_message(seconds: int, text: str) -> bytes:
    """The bytes that a witness signs; ``text``: the checkpoint's, with its last newline."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def cosign(key: NoteKey, sign: Callable[[bytes], bytes], text: str, time: datetime) -> NoteSignature:
    """The cosignature of ``key`` on a checkpoint's text; ``sign`` signs with the Ed25519 key."""
    seconds = int(time.timestamp())
    return NoteSignature(key.name, key.id, seconds.to_bytes(_TIME, "big") + sign(cosignature_message(seconds, text)))


def read_cosignature(key: NoteKey, line: NoteSignature, text: str) -> Cosignature:
    """The cosignature in a line of ``key``; raises ``NotAuthentic`` unless it verifies over ``text``."""
    seconds = int.from_bytes(line.signature[:_TIME], "big")
    fits = key.kind == SIGNATURE_COSIGNATURE and line.claims_key(key) and len(line.signature) == _TIME + _SIGNATURE
    if fits and 0 < seconds <= _LATEST:
        signed = is_valid_signature(key.public_key, line.signature[_TIME:], cosignature_message(seconds, text))
        if signed and seconds < datetime.max.replace(tzinfo=UTC).timestamp():
            return Cosignature(key.name, key.public_key, datetime.fromtimestamp(seconds, UTC))
    raise NotAuthentic(
        f"The cosignature of witness {key.name} does not verify on this checkpoint.",
        next_step="ask the bureau; keep what it sent as evidence",
    )


def find_cosignatures(
    checkpoint: SignedCheckpoint,
    keys: Iterable[NoteKey],
    *,
    now: datetime,
    since: datetime | None = None,
) -> tuple[Cosignature, ...]:
    """The cosignatures of these witnesses on a checkpoint, at most one a key.

    Cosignatures from the future, or from before ``since`` (when the bureau signed the head to cover), do not count.
    Raises ``NotAuthentic`` for a line that claims a key and does not verify.
    """
    found: dict[str, Cosignature] = {}
    for key in keys:
        for line in checkpoint.note.signatures:
            if line.claims_key(key):
                one = read_cosignature(key, line, checkpoint.note.text)
                in_time = one.time <= now + CLOCK_TOLERANCE and (since is None or one.time >= since - CLOCK_TOLERANCE)
                if in_time:
                    found.setdefault(key.public_key, one)
    return tuple(found.values())


def check_quorum(
    checkpoint: SignedCheckpoint,
    quorum: WitnessQuorum,
    bureau_key: str,
    *,
    now: datetime,
    since: datetime | None = None,
) -> tuple[Cosignature, ...]:
    """The cosignatures that count; raises ``NotAuthentic`` if they are fewer than the quorum, or if the bureau with
    this key (hexadecimal) did not sign the checkpoint, or it is of another ledger.
    """
    checkpoint.verify(bureau_key)
    found = find_cosignatures(checkpoint, witness_keys(quorum), now=now, since=since)
    if len(found) < quorum.quorum:
        there = {one.public_key for one in found}
        missing = ", ".join(party.name for party in quorum.parties if party.public_key not in there)
        raise NotAuthentic(
            f"The bureau's ledger of {checkpoint.size} entries is cosigned by {len(found)} of the contract's "
            f"{len(quorum.parties)} witnesses; {quorum.quorum} are wanted. Missing: {missing}.",
            next_step="ask the bureau and the missing witnesses what they have seen",
        )
    return found
