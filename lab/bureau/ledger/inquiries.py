"""The inquiries about one enterprise: which banks had it scored, for the enterprise when it asks.

The database knows enterprises by pseudonym only. A person who names a code learns which banks had it scored, when, and
for what; nobody can list enterprises.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from lab.bureau.key_management.pseudonyms import Pseudonymiser, current_pseudonyms
from lab.bureau.ledger.entries import record
from lab.bureau.store import Database
from lab.bureau.store.tables import (
    BankRow,
    BatchRow,
    ContractRow,
    ContractVersionRow,
    InquiryReadRow,
    InquiryRow,
    JobRow,
)
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers
from lab.terms.names import IdKind, ModelRef


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One score of one enterprise: when, by which bank, under which contract and version, for which purpose and
    recipient, by which model; ``entry`` is the number of the ledger entry if the batch was answered."""

    at: datetime
    bank: str
    contract: str
    version: int
    purpose: str
    recipient: str
    model: str
    answered: bool
    entry: int | None

    def as_dict(self) -> dict[str, Any]:
        """The inquiry as the service's JSON."""
        return asdict(self) | {"at": self.at.isoformat(timespec="seconds")}


def read_inquiries(store: Database, code: str, keys: Pseudonymiser, *, by: str) -> list[Inquiry]:
    """All inquiries about the enterprise with this code, oldest first.

    The ledger records that they were read, and by whom; a table beside it records about which enterprise, by pseudonym,
    because an entry is for ever and a pseudonym is not. A register may contain a code in either form of
    ``lab.terms.identifiers``, so both are looked up. Raises ``InvalidInput`` for a code that is neither.
    """
    kinds: tuple[IdKind, ...] = ("uscc", "opaque")
    codes = sorted({one for kind in kinds if (one := normalise_identifiers([code], kind).codes[0]) is not None})
    if not codes:
        raise InvalidInput("Expected an enterprise's code; found none that a register can hold.", next_step="check it")
    with store.begin() as session:
        pseudonyms = current_pseudonyms(session, keys, codes)
        found = _read(session, pseudonyms)
        entry = record(session, "inquiries.read", None, {"inquiries": len(found)}, by=by)
        session.add_all(InquiryReadRow(entry_seq=entry.seq, enterprise=one) for one in pseudonyms)
    return found


def _read(session: Session, pseudonyms: list[str]) -> list[Inquiry]:
    batch = and_(
        BatchRow.contract_id == InquiryRow.contract_id,
        BatchRow.job_id == InquiryRow.job_id,
        BatchRow.sha256 == InquiryRow.batch,
    )
    job = and_(JobRow.contract_id == BatchRow.contract_id, JobRow.id == BatchRow.job_id)
    version = and_(ContractVersionRow.contract_id == JobRow.contract_id, ContractVersionRow.version == JobRow.version)
    query = (
        select(InquiryRow, BatchRow, JobRow, ContractVersionRow.document, BankRow.name)
        .join(BatchRow, batch)
        .join(JobRow, job)
        .join(ContractVersionRow, version)
        .join(ContractRow, ContractRow.id == InquiryRow.contract_id)
        .join(BankRow, BankRow.id == ContractRow.bank_id)
        .where(InquiryRow.enterprise.in_(pseudonyms))
        .order_by(InquiryRow.at, InquiryRow.contract_id, InquiryRow.job_id, InquiryRow.batch)
    )
    return [
        Inquiry(
            at=inquiry.at,
            bank=bank,
            contract=inquiry.contract_id,
            version=job_row.version,
            purpose=json.loads(document)["purpose"],
            recipient=job_row.recipient,
            model=str(ModelRef(job_row.model, job_row.model_version)),
            answered=batch_row.answered_at is not None,
            entry=batch_row.entry_seq,
        )
        for inquiry, batch_row, job_row, document, bank in session.execute(query)
    ]
