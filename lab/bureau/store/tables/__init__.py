"""The tables. Each class says which room owns it; only that room writes it.

Hashes are lower-case hexadecimal SHA-256, times are UTC, documents are JSON text. No table holds a row of a bank or a
public feature value: registers lie in Parquet files and tables know their hashes.
"""

from __future__ import annotations

from lab.bureau.store.tables.base import Base, Moment
from lab.bureau.store.tables.consents import ConsentChangeRow, ConsentRow
from lab.bureau.store.tables.contracts import ApprovalRow, BankKeyRow, BankRow, ContractRow, ContractVersionRow
from lab.bureau.store.tables.exchange import (
    BatchRow,
    ContextRow,
    EpochRow,
    InquiryRow,
    JobRow,
    MatchRow,
    NonceRow,
    SeedRow,
    UsageRow,
)
from lab.bureau.store.tables.ledger import EntryRow, LedgerSizeRow, TreeHeadRow
from lab.bureau.store.tables.people import AccountRow, SignInRow
from lab.bureau.store.tables.registers import ItemRow, ModelRow, RegisterRow

__all__ = [
    "AccountRow",
    "ApprovalRow",
    "BankKeyRow",
    "BankRow",
    "Base",
    "BatchRow",
    "ConsentChangeRow",
    "ConsentRow",
    "ContextRow",
    "ContractRow",
    "ContractVersionRow",
    "EntryRow",
    "EpochRow",
    "InquiryRow",
    "ItemRow",
    "JobRow",
    "LedgerSizeRow",
    "MatchRow",
    "ModelRow",
    "Moment",
    "NonceRow",
    "RegisterRow",
    "SeedRow",
    "SignInRow",
    "TreeHeadRow",
    "UsageRow",
]
