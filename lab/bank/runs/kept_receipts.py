"""The bureau's receipts in the runs of the bank."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from lab.bank.home import BankHome
from lab.bank.runs.run_files import read_run_facts, read_run_file
from lab.bank.runs.store import MANIFEST
from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.keys.party import Party
from lab.terms.ledger.receipt import Receipt, verify_receipt


def kept_receipts(home: BankHome, bureau: Party) -> Iterator[tuple[str, Receipt]]:
    """Every receipt of the bureau in the bank's runs, finished or not, with the run's name.

    Raises ``DamagedFile``: a list of receipts that may lack one is none.
    """
    for folder in sorted([*home.runs.glob("*"), *home.matches.glob("*")]):
        for found in _receipts_of_run(folder):
            try:
                receipt: Receipt = Receipt.read(found)
                verify_receipt(receipt, bureau.public_key)
            except (InvalidInput, NotAuthentic):
                continue  # another bureau's, or of a former version
            yield folder.name, receipt


def _receipts_of_run(folder: Path) -> Iterator[object]:
    if (folder / MANIFEST).is_file():
        facts = read_run_facts(folder, MANIFEST)
        yield from [*facts.get("receipts", ()), *facts.get("match_receipts", ())]
        return
    for path in sorted(folder.glob("*.receipt.json")):
        content = read_run_file(folder, path.name)
        if content is not None:
            yield json.loads(content)
