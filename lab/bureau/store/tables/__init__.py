"""The tables: a module for each subject, a class for each table.

Hashes are lower-case hexadecimal SHA-256, times are UTC, documents are JSON text. No table holds a row of a bank or a
public feature value: registers are Parquet files, and the tables have their hashes.
"""

from __future__ import annotations

from lab.bureau.store.tables.base import Base, UtcDateTime
from lab.bureau.store.tables.contracts import ApprovalRow, BankKeyRow, BankRow, ContractRow, ContractVersionRow
from lab.bureau.store.tables.data.catalogues import CatalogueVersionRow
from lab.bureau.store.tables.data.consents import ConsentChangeCounterRow, ConsentRow, PseudonymKeyCountRow
from lab.bureau.store.tables.data.data_requests import DataRequestItemRow, DataRequestRow
from lab.bureau.store.tables.data.deliveries import DeliveryRow, LegacyCodeTableRow
from lab.bureau.store.tables.data.features import FeatureTableRow, RegisterOriginRow
from lab.bureau.store.tables.data.quality import QualityAssessmentRow
from lab.bureau.store.tables.data.records import RecordHeadRow
from lab.bureau.store.tables.data.registers import CatalogueItemRow, DriftCheckRow, ModelRow, RegisterRow
from lab.bureau.store.tables.data.repairs import RepairCaseRow, RepairRulesRow, SupersededVersionRow
from lab.bureau.store.tables.exchange import (
    BatchRow,
    CiphertextSeedRow,
    ContextRow,
    EpochRow,
    InquiryReadRow,
    InquiryRow,
    JobRow,
    MatchRequestRow,
    MatchResponseRow,
    NonceRow,
    UsageRow,
)
from lab.bureau.store.tables.ledger import CosignatureRow, EntryTallyRow, LedgerEntryRow, LedgerSizeRow, TreeHeadRow
from lab.bureau.store.tables.people import AccountRow, SignInRow
from lab.bureau.store.tables.write_checks import WriteCheckRow

__all__ = [
    "AccountRow",
    "ApprovalRow",
    "BankKeyRow",
    "BankRow",
    "Base",
    "BatchRow",
    "CatalogueItemRow",
    "CatalogueVersionRow",
    "CiphertextSeedRow",
    "ConsentChangeCounterRow",
    "ConsentRow",
    "ContextRow",
    "ContractRow",
    "ContractVersionRow",
    "CosignatureRow",
    "DataRequestItemRow",
    "DataRequestRow",
    "DeliveryRow",
    "DriftCheckRow",
    "EntryTallyRow",
    "EpochRow",
    "FeatureTableRow",
    "InquiryReadRow",
    "InquiryRow",
    "JobRow",
    "LedgerEntryRow",
    "LedgerSizeRow",
    "LegacyCodeTableRow",
    "MatchRequestRow",
    "MatchResponseRow",
    "ModelRow",
    "NonceRow",
    "PseudonymKeyCountRow",
    "QualityAssessmentRow",
    "RecordHeadRow",
    "RegisterOriginRow",
    "RegisterRow",
    "RepairCaseRow",
    "RepairRulesRow",
    "SignInRow",
    "SupersededVersionRow",
    "TreeHeadRow",
    "UsageRow",
    "UtcDateTime",
    "WriteCheckRow",
]
