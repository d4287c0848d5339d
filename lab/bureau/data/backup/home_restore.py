"""A bureau from its backup, with a statement of it as the next entry of its ledger.

The statement is written before the folder has its name, so there is no restored bureau without one. What it shows, and
what it cannot make good, is in ``lab.terms.ledger.restoration``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from lab.bureau.configuration.home import BureauHome, change_settings
from lab.bureau.data.backup.database_snapshot import SNAPSHOT_FILE, check_snapshot, load_snapshot
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.ledger import LOCAL_ACTOR, record
from lab.bureau.ledger.log import Ledger
from lab.bureau.store import Database, migrate, open_database
from lab.bureau.store.tables import LedgerEntryRow, TreeHeadRow
from lab.disk.backup.archive import VerifiedBackup
from lab.disk.backup.backup_keys import BackupKey
from lab.disk.backup.restoring import RestoredFolder, restoring
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic
from lab.terms.keys.party import Party
from lab.terms.ledger.restoration import LEDGER_RESTORED, RestorationFacts, RestorationStatement
from lab.terms.ledger.tree import SignedTreeHead, format_ledger_time, verify_consistency
from lab.terms.progress import SILENT, Progress

SQLITE_IN_FOLDER = "sqlite"
"""As ``database_url``: the database in the folder, whatever the backup's settings name."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How to restore. ``database_url`` and ``key_file`` replace the settings of the backup; ``known_heads``: tree heads
    of the ledger that others kept, to say what is lost; ``fingerprint``: of the bureau's key, known by another way."""

    database_url: str | None = None
    key_file: Path | None = None
    known_heads: Sequence[SignedTreeHead] = ()
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class BureauRestoration:
    """A restored bureau: the backup it is from, and the statement in its ledger."""

    backup: VerifiedBackup
    statement: RestorationStatement
    folder: Path


@dataclass(frozen=True, slots=True)
class _LedgerSize:
    size: int
    root: str


def restore_bureau(
    path: Path,
    key: BackupKey,
    home: Path,
    options: RestoreOptions | None = None,
    progress: Progress = SILENT,
) -> BureauRestoration:
    """Restore the bureau into the new or empty folder ``home``, and into an empty database if it is not in the folder.

    Raises what ``restoring`` raises, ``NotAllowed`` without a fingerprint if the backup's settings lead outside its
    folder, ``Conflict`` for a database with tables or a clock that is behind, ``NotFound`` or
    ``NotAuthentic`` if the secrets do not open, ``NotAuthentic`` if the backup contradicts a known head.
    """
    options = options or RestoreOptions()
    with restoring(path, key, "bureau", home, fingerprint=options.fingerprint, progress=progress) as restored:
        found = _apply_settings(restored, options)
        keys = BureauKeys.open(found)
        if keys.public_key_hex != restored.backup.manifest.public_key:
            raise NotAuthentic(
                "The signing key in the backup is not the one that signed it.", next_step="take another backup"
            )
        store = _load_database(restored, found, progress)
        try:
            store.sign, store.bureau_key = keys.sign, keys.public_key_hex
            party = Party(name=found.settings.name, public_key=keys.public_key_hex)
            statement = _state(store, Ledger(store, lambda: party, keys.sign), restored.backup, options.known_heads)
        finally:
            store.close()
    return BureauRestoration(restored.backup, statement, home.expanduser().absolute())


def _apply_settings(restored: RestoredFolder, options: RestoreOptions) -> BureauHome:
    changes = {}
    if options.database_url is not None:
        changes["database_url"] = "" if options.database_url == SQLITE_IN_FOLDER else options.database_url
    if options.key_file is not None:
        changes["key_file"] = str(options.key_file.expanduser().absolute())
    if changes:
        change_settings(restored.draft, changes)
    home = BureauHome.open(restored.draft)
    outside = [name for name in ("seal", "database_url") if _leads_outside(home, name) and name not in changes]
    if outside and options.fingerprint is None:
        raise NotAllowed(
            f"Expected a backup that is known to be this bureau's, because its settings name places outside the "
            f"folder ({', '.join(outside)}); anybody can encrypt a file for a public key.",
            next_step="give --fingerprint, the bureau's own as you know it from elsewhere",
        )
    return home


def _leads_outside(home: BureauHome, name: str) -> bool:
    """Whether a restoration with this setting loads a token's module, or writes to a database that it names."""
    return home.settings.seal.startswith("pkcs11:") if name == "seal" else bool(home.settings.database_url)


def _load_database(restored: RestoredFolder, home: BureauHome, progress: Progress) -> Database:
    """The restored database, opened, with the present tables; raises ``InvalidInput`` if it is not the manifest's."""
    file, facts = restored.draft / SNAPSHOT_FILE, restored.backup.manifest.facts
    found = check_snapshot(file)
    if found != (facts.get("migration"), facts.get("ledger_size"), facts.get("ledger_root")):
        raise InvalidInput(
            "The database in the backup is not the one that its manifest describes.", next_step="take another backup"
        )
    if home.database_url != f"sqlite:///{file}":
        load_snapshot(file, home.database_url, progress)
        file.unlink()
    store = open_database(home.database_url)
    migrate(store.engine)
    return store


def _state(
    store: Database, ledger: Ledger, backup: VerifiedBackup, known_heads: Sequence[SignedTreeHead]
) -> RestorationStatement:
    """Write the statement into the ledger and sign a head over it."""
    size, root = int(backup.manifest.facts["ledger_size"] or 0), str(backup.manifest.facts["ledger_root"])
    now = datetime.now(UTC)
    for head in known_heads:
        head.verify(store.bureau_key)
    known = _check_known(ledger, _LedgerSize(size, root), known_heads)
    with store.begin() as session:
        newest = session.scalar(select(func.max(TreeHeadRow.time)))
        _check_clock(now, [head.time for head in known_heads] + ([newest] if newest else []))
        earlier = session.scalar(
            select(func.count()).select_from(LedgerEntryRow).where(LedgerEntryRow.kind == LEDGER_RESTORED)
        )
        facts = RestorationFacts(
            size=size,
            root=root,
            known_size=known.size if known else None,
            known_root=known.root if known else None,
            backup_sha256=backup.sha256,
            backup_made=format_ledger_time(backup.manifest.made),
            restorations=(earlier or 0) + 1,
        )
        entry = record(session, LEDGER_RESTORED, None, facts.as_facts(), by=LOCAL_ACTOR)
    ledger.sign_head()
    return RestorationStatement.from_entry(ledger.entry_with_proof(entry.seq))


def _check_known(ledger: Ledger, restored: _LedgerSize, heads: Sequence[SignedTreeHead]) -> SignedTreeHead | None:
    """The largest known head that is lost, or None; raises ``NotAuthentic`` if the restored ledger does not continue
    one that it should."""
    lost = [head for head in heads if head.size > restored.size]
    for head in heads:
        if head.size <= restored.size:
            proof = ledger.prove_consistency(head.size, restored.size) if 0 < head.size < restored.size else None
            verify_consistency(head, restored, proof)
    return max(lost, key=lambda head: head.size, default=None)


def _check_clock(now: datetime, shown: Sequence[datetime]) -> None:
    late = [time for time in shown if time >= now]
    if late:
        raise Conflict(
            f"This machine's clock says {now:%Y-%m-%d %H:%M:%S} UTC; the bureau signed a tree head at "
            f"{max(late):%Y-%m-%d %H:%M:%S} UTC, which is later.",
            next_step="set the clock: banks accept only a statement that is later than what they saw",
        )
