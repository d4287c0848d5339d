"""Importing a file of consents: good rows in one transaction, the others set aside with row number and reason.

Everything slow (reading, signatures, pseudonyms) happens before the transaction, which only compares and inserts.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.consents import repository
from lab.bureau.data.consents.row_validation import (
    ConsentRejectionReason,
    ParsedConsent,
    hash_key_and_signature,
    validate_rows,
)
from lab.bureau.key_management.pseudonyms import Pseudonymiser, count_pseudonym_keys
from lab.bureau.ledger import Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import BankRow
from lab.disk.private_files import replace_private
from lab.tables.spreadsheet_csv import write_csv
from lab.tables.table_reader import hash_file, read_table
from lab.terms.consent import SCHEMA, format_consent_time
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import note_sentences
from lab.terms.names import IdKind
from lab.terms.progress import Progress

MAX_ROWS = 200_000
"""Rows of one file at most, so that its transaction blocks other writers for seconds and not for minutes."""
MAX_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class ConsentImport:
    """The result of an import. ``duplicates``: known already, or twice in the file."""

    rows: int
    imported: int
    duplicates: int
    signed: int
    set_aside_rows: tuple[tuple[int, str], ...]
    rejection_counts: Mapping[str, int]
    rejected_file: Path | None
    file_sha256: str
    encoding: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _PreparedConsent:
    """A good row and its values for the database."""

    given: ParsedConsent
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConsentFile:
    """A file of consents, and the kind of its identifiers."""

    path: Path
    id_kind: IdKind


def import_consents(
    store: Database,
    home: BureauHome,
    keys: Pseudonymiser,
    source: ConsentFile,
    *,
    by: str,
    now: datetime,
    progress: Progress,
) -> ConsentImport:
    """Import a consent file; the same file again adds nothing.

    Numbers and reasons of rows set aside go to ``consents/HASH.rejected.csv``, keys and signatures of enterprises to
    ``consents/HASH.signatures.jsonl``; HASH is the file's. Raises ``InvalidInput`` for a file that is not a table of
    consents, or too large.
    """
    table = read_table(source.path, max_bytes=MAX_BYTES)
    if table.rows > MAX_ROWS:
        raise InvalidInput(
            f"Expected at most {MAX_ROWS:,} rows in one file of consents; found {table.rows:,}.",
            next_step="split the file",
        )
    file_sha256 = hash_file(source.path)
    with store.begin_read() as session:
        banks, number = _banks(session), count_pseudonym_keys(session)
    with progress.stage("import", 2 * table.rows) as stage:
        found = validate_rows(table, source.id_kind, banks, now, stage)
        good = found.good
        kept = _values(good, keys.pseudonyms(_codes(good), number), file_sha256, now)
        stage.advance(max(0, table.rows - len(good)))
        with store.begin() as session:
            present = count_pseudonym_keys(session)
            if present != number:  # pseudonyms were rotated meanwhile
                kept = _values(good, keys.pseudonyms(_codes(good), present), file_sha256, now)
            counter = repository.lock_change_counter(session)
            added, duplicates, late = _new(session, kept)
            _save_signatures(home, file_sha256, added)
            set_aside = sorted([*found.set_aside, *late])
            repository.insert_consents(session, [one.values for one in added])
            counter.changes += 1 if added else 0
            session.flush()
            rejected = _reject(home, file_sha256, set_aside)
            facts: dict[str, Fact] = {"file_sha256": file_sha256, "rows": table.rows, "imported": len(added)}
            facts |= {"duplicates": duplicates, "set_aside": len(set_aside)}
            record(session, "consent.imported", None, facts, by=by)
        stage.advance(table.rows)
    return ConsentImport(
        rows=table.rows,
        imported=len(added),
        duplicates=duplicates,
        signed=sum(bool(one.given.signature) for one in added),
        set_aside_rows=tuple(set_aside),
        rejection_counts=dict(Counter(reason for _, reason in set_aside)),
        rejected_file=rejected,
        file_sha256=file_sha256,
        encoding=table.encoding,
        warnings=(*table.warnings, *note_sentences(found.notes)),
    )


def find_signature(home: BureauHome, file_sha256: str, signature_sha256: str) -> tuple[str, str] | None:
    """Public key and signature by their hash, from the file that an import wrote; None if they are not in it."""
    return _signatures(home, file_sha256).get(signature_sha256)


def consent_id(values: Mapping[str, Any]) -> str:
    """The id of a consent with these column values: a hash over all that identifies it, its pseudonym included."""
    evidence = json.loads(values["evidence"])
    begin, end = format_consent_time(values["starts"]), format_consent_time(values["expires"])
    given = [evidence.get("reference", ""), evidence.get("signature_sha256", "")]
    canonical = [SCHEMA, values["enterprise"], values["bank_id"], values["purpose"], begin, end, *given]
    return hashlib.sha256(rfc8785.dumps(canonical)).hexdigest()


def _banks(session: Session) -> dict[str, tuple[str, str]]:
    rows = session.execute(select(BankRow.id, BankRow.name)).all()
    return {key: (bank_id, name) for bank_id, name in rows for key in (name, bank_id)}


def _codes(good: Sequence[ParsedConsent]) -> list[str]:
    return [given.consent.code for given in good]


def _values(
    good: Sequence[ParsedConsent], pseudonyms: Sequence[str], file_sha256: str, now: datetime
) -> list[_PreparedConsent]:
    return [
        _PreparedConsent(given, _row(given, name, file_sha256, now))
        for given, name in zip(good, pseudonyms, strict=True)
    ]


def _row(given: ParsedConsent, enterprise: str, file_sha256: str, now: datetime) -> dict[str, Any]:
    consent, signed = given.consent, given.signature_sha256
    evidence = {"reference": given.reference} if given.reference else {}
    evidence |= {"signature_sha256": signed} if signed else {}
    found_in = {"file": file_sha256} if signed else {}
    values = {
        "enterprise": enterprise,
        "bank_id": given.bank_id,
        "purpose": consent.purpose.value,
        "starts": consent.starts,
        "expires": consent.expires,
        "evidence": json.dumps(evidence | found_in, ensure_ascii=False, sort_keys=True),
        "imported_at": now,
        "withdrawn_at": None,
    }
    return values | {"id": consent_id(values)}


def _new(
    session: Session, kept: Sequence[_PreparedConsent]
) -> tuple[list[_PreparedConsent], int, list[tuple[int, str]]]:
    """The consents to add, the number of rows known already, and rows older than a withdrawal.

    A consent from before the enterprise withdrew does not count, also when it is imported later.
    """
    seen = repository.existing_ids(session, [one.values["id"] for one in kept])
    withdrawals = repository.last_withdrawals(session, (one.values["enterprise"] for one in kept))
    added: list[_PreparedConsent] = []
    late: list[tuple[int, str]] = []
    duplicates = 0
    for one in kept:
        values = one.values
        last = withdrawals.get((values["enterprise"], values["bank_id"], values["purpose"]))
        if values["id"] in seen:
            duplicates += 1
            continue
        seen.add(values["id"])
        if last is not None and values["starts"] < last:
            late.append((one.given.row, ConsentRejectionReason.WITHDRAWN.value))
        else:
            added.append(one)
    return added, duplicates, late


def _save_signatures(home: BureauHome, file_sha256: str, added: Sequence[_PreparedConsent]) -> None:
    """Call it under the lock of changes, so that parallel imports of one file add to one another."""
    signed = [one.given for one in added if one.given.signature]
    fresh = {given.signature_sha256: (given.public_key, given.signature) for given in signed}
    if fresh:
        signatures = _signatures(home, file_sha256) | fresh
        lines = "".join(f"{json.dumps([name, *pair])}\n" for name, pair in signatures.items())
        replace_private(_signature_file(home, file_sha256), lines.encode())


def _signatures(home: BureauHome, file_sha256: str) -> dict[str, tuple[str, str]]:
    path = _signature_file(home, file_sha256)
    if not path.is_file():
        return {}
    with path.open(encoding="ascii") as lines:
        pairs = [(key, signature) for _, key, signature in map(json.loads, lines)]
    # The first field of a line was once the consent's id, which changes with its pseudonym.
    return {hash_key_and_signature(*pair): pair for pair in pairs}


def _signature_file(home: BureauHome, file_sha256: str) -> Path:
    return home.path(f"consents/{file_sha256[:16]}.signatures.jsonl")


def _reject(home: BureauHome, file_sha256: str, set_aside: Sequence[tuple[int, str]]) -> Path | None:
    if not set_aside:
        return None
    path = home.path(f"consents/{file_sha256[:16]}.rejected.csv")
    frame = pl.DataFrame({"row": [row for row, _ in set_aside], "reason": [reason for _, reason in set_aside]})
    buffer = io.BytesIO()
    write_csv(frame, buffer, mark=False)
    replace_private(path, buffer.getvalue())
    return path
