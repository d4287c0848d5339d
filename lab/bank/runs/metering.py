"""What the bank used under a contract, counted from the bureau's receipts in its runs.

A receipt names its job and how many enterprises or identifiers it is about. The version is that of the run's manifest;
for a run that is not finished, the newest version that the bank has signed. Months of an active contract leave no
receipt, so the bank does not count them. Runs that were tidied away have no receipts left.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from lab.bank.home import BankHome
from lab.bank.runs.kept_receipts import kept_receipts
from lab.bank.runs.run_files import read_run_facts
from lab.bank.runs.store import MANIFEST
from lab.terms.contract.metering import MeterAccount, MeterKey, reckon_account
from lab.terms.contract.prices import PriceUnit
from lab.terms.ledger.receipt import MatchReceipt, Receipt, ScoreReceipt

RECEIPTED_UNITS = (PriceUnit.SCORED_ENTERPRISE, PriceUnit.MATCHED_IDENTIFIER, PriceUnit.JOB)
"""The units that receipts prove; a month is none of them."""


def meter_receipts(home: BankHome, contract: str, month: str | None = None) -> MeterAccount:
    """The account of a contract from this bank's receipts, of ``month`` (``YYYY-MM``, UTC) or of all.

    Raises ``NotFound`` for a contract that the bank has not signed, ``DamagedFile`` for a run whose receipts cannot be
    read: an account that may lack one is none.
    """
    versions = home.versions(contract)
    signed = home.contract(contract)
    counts: Counter[MeterKey] = Counter()
    seen: set[tuple[object, ...]] = set()
    jobs: dict[str, tuple[str, int]] = {}
    for run, receipt in kept_receipts(home, signed.contract.bureau):
        if receipt.contract != contract:
            continue
        version, time = _version_of(home, run) or signed.contract.version, _month(receipt)
        jobs[receipt.job] = min(jobs.get(receipt.job, (time, version)), (time, version))
        key, unit, count = _describe_receipt(receipt)
        if key not in seen:
            seen.add(key)
            counts[MeterKey(time, version, unit)] += count
    for begun, version in jobs.values():
        counts[MeterKey(begun, version, PriceUnit.JOB)] += 1
    prices = {number: home.contract(contract, number).contract.prices for number in versions}
    return reckon_account(contract, counts, prices, month)


def _describe_receipt(receipt: Receipt) -> tuple[tuple[object, ...], PriceUnit, int]:
    """What a receipt is about (two receipts of the same are one use), and its units."""
    facts = receipt.facts
    if isinstance(receipt, ScoreReceipt):
        return (receipt.kind, receipt.job, facts["batch_sha256"]), PriceUnit.SCORED_ENTERPRISE, int(facts["scored"])
    if isinstance(receipt, MatchReceipt):
        key = (receipt.kind, facts["request_sha256"], facts["counting"], facts["epoch"])
        return key, PriceUnit.MATCHED_IDENTIFIER, int(facts["identifiers"])
    raise TypeError("a receipt of another kind")


def _month(receipt: Receipt) -> str:
    return f"{datetime.fromisoformat(str(receipt.body['time'])).astimezone(UTC):%Y-%m}"


def _version_of(home: BankHome, run: str) -> int | None:
    """The version in the manifest of a finished run."""
    for folder in (home.runs / run, home.matches / run):
        if (Path(folder) / MANIFEST).is_file():
            version = read_run_facts(folder, MANIFEST).get("version")
            return int(version) if isinstance(version, int) else None
    return None
