"""What a witness does: it compares a checkpoint with the last one that it cosigned of that ledger, and cosigns the new
one if it continues the old one (C2SP tlog-witness, section add-checkpoint).

Check, signature and write are one step under a lock, and the cosignature leaves only when the new checkpoint is on the
disk. So a witness that is killed at any moment either has given nothing out, or remembers what it gave out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.disk.checked_files import DamagedFile
from lab.disk.locks import exclusive_lock
from lab.disk.private_files import read_private, replace_private
from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.witnessing.checkpoint import EMPTY_ROOT, SignedCheckpoint
from lab.terms.witnessing.consistency_proof import AddCheckpointRequest, is_consistent
from lab.terms.witnessing.signed_note import NoteKey, NoteSignature, SignedNote
from lab.witness.home import WitnessHome
from lab.witness.keys import WitnessKey

_EVIDENCE = 16
"""The first refused checkpoints of a ledger are kept, and the last of those without a valid proof, at most so many of
each: a hostile log cannot fill the disk."""
_COSIGNED = "cosigned"


@dataclass(frozen=True, slots=True)
class WitnessResponse:
    """The response to a request: HTTP status, body, and whether the body is a size (``text/x.tlog.size``)."""

    status: int
    body: str
    is_size: bool = False


class CheckpointCosigner:
    """A witness at work on its ledgers. Safe to use from several threads and processes."""

    def __init__(
        self, home: WitnessHome, key: WitnessKey, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._home, self._key, self._now = home, key, clock

    def add_checkpoint(self, body: bytes) -> WitnessResponse:
        """Cosign the checkpoint in a request, or refuse it with a status of the specification."""
        try:
            request = AddCheckpointRequest.parse(body)
        except InvalidInput as error:
            return WitnessResponse(400, f"{error.detail}\n")
        log = self._home.find_log_key(request.checkpoint.origin)
        if log is None:
            return WitnessResponse(404, "unknown log\n")
        try:
            request.signed_checkpoint.note.verify(log)
        except NotAuthentic:
            return WitnessResponse(403, "no valid signature of the log's key\n")
        if request.old_size > request.checkpoint.size:
            return WitnessResponse(400, "the old size is larger than the checkpoint's\n")
        folder = self._home.log_folder(log.name)
        with exclusive_lock(folder / "lock"):
            return self._cosign(folder, request, log)

    def last_checkpoint_text(self, folder: str) -> str | None:
        """The last cosigned checkpoint of a ledger, or None. ``folder``: the hash of the ledger's origin."""
        path = self._home.folder / "logs" / folder / _COSIGNED
        return read_private(path).decode() if path.is_file() else None

    def last_checkpoint(self, folder: Path) -> SignedCheckpoint | None:
        """The last cosigned checkpoint in a ledger's folder, or None. Raises ``InvalidInput`` for a damaged file: a
        witness that began again would forget what it cosigned."""
        path = folder / _COSIGNED
        return SignedCheckpoint.parse(read_private(path)) if path.exists() else None

    def conflicting_checkpoints(self, origin: str) -> tuple[Path, ...]:
        """Checkpoints that the bureau signed and that contradict a cosigned one: evidence."""
        return tuple(sorted(self._home.log_folder(origin).glob("refused-*")))

    def unproven_checkpoints(self, origin: str) -> tuple[Path, ...]:
        """Checkpoints that the bureau signed and that somebody sent with a wrong proof. They are evidence only if the
        bureau cannot give a right proof (``lab audit compare``)."""
        return tuple(sorted(self._home.log_folder(origin).glob("unproven-*")))

    def _cosign(self, folder: Path, request: AddCheckpointRequest, log: NoteKey) -> WitnessResponse:
        last, new = self.last_checkpoint(folder), request.checkpoint
        if last is not None:
            _check_own(last, log, folder / _COSIGNED)
        size, root = (last.size, bytes.fromhex(last.root)) if last is not None else (0, EMPTY_ROOT)
        if request.old_size != size:
            return WitnessResponse(409, f"{size}\n", is_size=True)
        if new.size == 0 and bytes.fromhex(new.root) != EMPTY_ROOT:
            return WitnessResponse(422, "the empty tree has another root\n")
        if not is_consistent((size, root), (new.size, bytes.fromhex(new.root)), request.proof):
            if (new.size, new.root) != (size, root.hex()):
                self._keep_refused(folder, request.signed_checkpoint, log, contradicts=new.size == size)
            return WitnessResponse(422, "the consistency proof does not verify\n")
        line = self._key.cosign(new, self._now())
        self._persist(
            folder, SignedCheckpoint(new, SignedNote(new.text, (*_own(request.signed_checkpoint, log), line)))
        )
        return WitnessResponse(200, f"{line}\n")

    def _persist(self, folder: Path, cosigned: SignedCheckpoint) -> None:
        replace_private(folder / _COSIGNED, str(cosigned).encode())

    def _keep_refused(self, folder: Path, signed: SignedCheckpoint, log: NoteKey, *, contradicts: bool) -> None:
        """Keep a checkpoint that was refused. One of the same size as the last but with another root ``contradicts``
        it. A larger one does not: anybody can send the log's newest checkpoint with a wrong proof. Those are no
        evidence and are kept apart, so that they cannot displace evidence."""
        stem = "refused" if contradicts else "unproven"
        kept = sorted(folder.glob(f"{stem}-*"), key=lambda path: path.stat().st_mtime_ns)
        content = str(SignedCheckpoint(signed.checkpoint, SignedNote(signed.note.text, _own(signed, log)))).encode()
        if any(read_private(path) == content for path in kept):
            return
        if len(kept) < _EVIDENCE:
            replace_private(folder / f"{stem}-{len(kept) + 1}", content)
        elif not contradicts:
            replace_private(kept[0], content)


def _check_own(last: SignedCheckpoint, log: NoteKey, path: Path) -> None:
    """Raise ``DamagedFile`` unless the log's signature of the last checkpoint still verifies: a changed root would make
    the log look like one that was rewritten."""
    try:
        last.note.verify(log)
    except NotAuthentic:
        raise DamagedFile(path) from None


def _own(signed: SignedCheckpoint, log: NoteKey) -> tuple[NoteSignature, ...]:
    """The log's own signature, which was verified; lines of other keys are not kept."""
    return tuple(one for one in signed.note.signatures if one.claims_key(log))[:1]
