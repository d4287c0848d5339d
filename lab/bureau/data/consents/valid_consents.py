"""Which enterprises' consents are valid now, for the exchange under a contract, and what stewards do with consents.

``consenting_rows`` is computed once and cached until consents change, in this process or another, or until the next
moment at which a consent begins or ends. Both are checked at each call, so a withdrawal is effective once its
transaction commits.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.consents import repository
from lab.bureau.data.consents.importing import ConsentFile, ConsentImport, find_signature, import_consents
from lab.bureau.data.consents.repository import ConsentDetails, ConsentSummary, ConsentWithdrawal
from lab.bureau.data.register import Snapshot, SnapshotReader
from lab.bureau.data.register.snapshot import ROW_GROUP
from lab.bureau.key_management.pseudonyms import Pseudonymiser, count_pseudonym_keys, current_pseudonyms
from lab.bureau.store import Database
from lab.bureau.store.tables import ConsentChangeCounterRow, ConsentRow
from lab.terms.consent import Consent
from lab.terms.contract.document import Contract, Purpose
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers
from lab.terms.identifiers.code_search import contains_enterprise_code
from lab.terms.names import IdKind
from lab.terms.progress import SILENT, Progress
from lab.terms.text.visible_line import check_visible_line

MAX_REASON_CHARACTERS = 500
_INCOMING, _DAY_SECONDS = ".incoming-", 86_400
_SNAPSHOTS_IN_MEMORY = 2
_ANSWERS_IN_MEMORY = 16


@dataclass(frozen=True, slots=True)
class ConsentingRows:
    """Register rows whose enterprises agree, int64 ascending; ``digest`` names them and their register version."""

    digest: str
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _CachedConsentingRows:
    """Cached rows, the number of changes at which they were computed, and the time within which they are valid."""

    changes: int
    since: datetime
    until: datetime | None
    rows: ConsentingRows


class ConsentService:
    """Consents, for the exchange and for stewards. Safe to use from several threads."""

    def __init__(
        self,
        store: Database,
        home: BureauHome,
        keys: Pseudonymiser,
        snapshots: SnapshotReader,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._home, self._keys, self._snapshots, self._now = store, home, keys, snapshots, clock
        self._lock = threading.Lock()
        self._pseudonyms: dict[tuple[str, int], NDArray[np.bytes_]] = {}
        self._cache: dict[tuple[str, str, str], _CachedConsentingRows] = {}

    def consenting_rows(
        self, session: Session, snapshot: Snapshot, contract: Contract, bank_id: str, now: datetime
    ) -> ConsentingRows | None:
        """The rows that the contract may touch at ``now``, or None if it does not require consent.

        A row is included if its enterprise has a consent to this bank for the contract's purpose that has begun, has
        not ended and was not withdrawn. Reads in ``session``, so a caller that writes sees what its transaction sees.
        """
        if not contract.consent.required:
            return None
        changes = session.scalar(select(ConsentChangeCounterRow.changes).where(ConsentChangeCounterRow.id == 1)) or 0
        key = (snapshot.sha256, bank_id, contract.purpose.value)
        with self._lock:
            kept = self._cache.get(key)
            if kept is None or not _is_current(kept, changes, now):
                kept = self._compute(session, snapshot, bank_id, contract.purpose, changes, now)
                _make_room(self._cache, _ANSWERS_IN_MEMORY)
                self._cache[key] = kept
            return kept.rows

    def import_file(
        self, source: Path, *, by: str, id_kind: IdKind = "uscc", progress: Progress = SILENT
    ) -> ConsentImport:
        """Import a file of consents (``lab.terms.consent.COLUMNS``); raises ``InvalidInput``."""
        file = ConsentFile(source, id_kind)
        return import_consents(self._store, self._home, self._keys, file, by=by, now=self._now(), progress=progress)

    def withdraw(
        self,
        codes: Sequence[str],
        *,
        reason: str,
        by: str,
        bank: str | None = None,
        purpose: Purpose | None = None,
        id_kind: IdKind = "uscc",
    ) -> ConsentWithdrawal:
        """Withdraw the consents of these enterprises to a bank (id or name; None: all) for a purpose (None: all).

        After this call, nothing of theirs is matched or scored under these consents. Raises ``InvalidInput`` for an
        invalid code, and for a reason that is empty, too long or contains a code; ``NotFound`` for an unknown bank.
        """
        wanted = _normal(codes, id_kind)
        check_visible_line(reason, "a reason, which goes into the ledger,", longest=MAX_REASON_CHARACTERS)
        if any(contains_enterprise_code(reason, code) for code in wanted):
            raise InvalidInput(
                "The reason contains an enterprise's code, which the ledger must not contain.",
                next_step="check --reason",
            )
        with self._store.begin() as session:
            pseudonyms = current_pseudonyms(session, self._keys, wanted)
            return repository.withdraw(
                session, pseudonyms, bank=bank, purpose=purpose, reason=reason, by=by, now=self._now()
            )

    @contextmanager
    def incoming_file(self) -> Iterator[Path]:
        """A private file in the bureau's folder for an incoming file of consents, removed after the block.

        Files that a killed service left behind are removed at the next call after a day.
        """
        folder = self._home.path("consents")
        for old in folder.glob(f"{_INCOMING}*"):
            with suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > _DAY_SECONDS:
                    shutil.rmtree(old)
        with tempfile.TemporaryDirectory(prefix=_INCOMING, dir=folder) as inside:
            path = Path(inside) / "consents.csv"
            path.touch(mode=0o600)
            yield path

    def record_expiry(self, *, by: str = "bureau") -> int:
        """Record in the ledger how many consents expired since the last call; returns the number."""
        with self._store.begin() as session:
            return repository.record_expiry(session, by=by, now=self._now())

    def summary(self) -> list[ConsentSummary]:
        """The present consents, counted by bank and purpose."""
        with self._store.begin_read() as session:
            return repository.summarise_consents(session, self._now())

    def list_for_enterprise(self, code: str, *, id_kind: IdKind = "uscc") -> list[ConsentDetails]:
        """All consents of one enterprise, newest first; signatures are verified again. Raises ``InvalidInput``."""
        (wanted,) = _normal([code], id_kind)
        with self._store.begin_read() as session:
            (pseudonym,) = current_pseudonyms(session, self._keys, [wanted])
            return [self._show(row, bank, wanted) for row, bank in repository.list_for_enterprise(session, pseudonym)]

    def _show(self, row: ConsentRow, bank: str, code: str) -> ConsentDetails:
        evidence = repository.consent_evidence(row)
        verifies: bool | None = None
        if "signature_sha256" in evidence:
            pair = find_signature(self._home, evidence["file"], evidence["signature_sha256"])
            consent = Consent(code, bank, Purpose(row.purpose), row.starts, row.expires)
            verifies = pair is not None and consent.is_signed_by(*pair)
        return ConsentDetails(
            id=row.id,
            bank=bank,
            purpose=row.purpose,
            starts=row.starts,
            expires=row.expires,
            state=repository.consent_state(row, self._now()),
            reference=evidence.get("reference", ""),
            signature_valid=verifies,
            imported_at=row.imported_at,
            withdrawn_at=row.withdrawn_at,
        )

    def _compute(
        self, session: Session, snapshot: Snapshot, bank_id: str, purpose: Purpose, changes: int, now: datetime
    ) -> _CachedConsentingRows:
        row = ConsentRow
        given = (row.bank_id == bank_id, row.purpose == purpose.value, row.withdrawn_at.is_(None))
        agreed = session.scalars(select(row.enterprise).where(*given, row.starts <= now, row.expires > now).distinct())
        rows = _rows_among(
            self._pseudonyms_of(snapshot, count_pseudonym_keys(session)), np.array(sorted(agreed), dtype="S32")
        )
        past = [session.scalar(select(func.max(at)).where(*given, at <= now)) for at in (row.starts, row.expires)]
        ahead = [session.scalar(select(func.min(at)).where(*given, at > now)) for at in (row.starts, row.expires)]
        digest = hashlib.sha256(bytes.fromhex(snapshot.sha256) + rows.astype("<i8").tobytes()).hexdigest()
        return _CachedConsentingRows(
            changes,
            max((at for at in past if at is not None), default=now),
            min((at for at in ahead if at is not None), default=None),
            ConsentingRows(digest, rows),
        )

    def _pseudonyms_of(self, snapshot: Snapshot, keys: int) -> NDArray[np.bytes_]:
        """The pseudonym of each register row under ``keys`` keys; they do not change with key epochs."""
        if (snapshot.sha256, keys) not in self._pseudonyms:
            found = np.empty(snapshot.rows, dtype="S32")
            for first in range(0, snapshot.rows, ROW_GROUP):
                codes = self._snapshots.identifiers(snapshot, first, ROW_GROUP)
                found[first : first + len(codes)] = self._keys.pseudonyms(codes, keys)
            _make_room(self._pseudonyms, _SNAPSHOTS_IN_MEMORY)
            self._pseudonyms[snapshot.sha256, keys] = found
        return self._pseudonyms[snapshot.sha256, keys]


def _rows_among(pseudonyms: NDArray[np.bytes_], consenting: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """The rows whose pseudonym is in sorted ``consenting``, in parts, because the comparison is large."""
    found = [np.zeros(0, dtype=np.int64)]
    for first in range(0, len(pseudonyms) if len(consenting) else 0, ROW_GROUP):
        part = pseudonyms[first : first + ROW_GROUP]
        places = np.minimum(np.searchsorted(consenting, part), len(consenting) - 1)
        found.append(np.flatnonzero(consenting[places] == part).astype(np.int64) + first)
    return np.concatenate(found)


def _is_current(cached: _CachedConsentingRows, changes: int, now: datetime) -> bool:
    return cached.changes == changes and cached.since <= now and (cached.until is None or now < cached.until)


def _normal(codes: Sequence[str], id_kind: IdKind) -> list[str]:
    normal = normalise_identifiers(codes, id_kind)
    good = [code for code in normal.codes if code is not None]
    if not codes or len(good) < len(codes):
        raise InvalidInput(
            f"Expected enterprises' codes; {len(codes) - len(good)} of {len(codes)} are not valid.",
            next_step="check the codes, and --id-kind",
        )
    return good


def _make_room(cache: dict, limit: int) -> None:  # type: ignore[type-arg]
    while len(cache) >= limit:
        cache.pop(next(iter(cache)))
