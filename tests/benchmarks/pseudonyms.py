"""How long a rotation of pseudonyms takes: ``python -m tests.benchmarks.pseudonyms INQUIRIES [DATABASE_URL]``."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy

from lab.bureau.bureau import Bureau
from lab.bureau.data.consents.pseudonym_rotation import ROWS_PER_STATEMENT, rotate_all_pseudonyms
from lab.bureau.store.tables import BankRow, ContractRow, InquiryRow

SCORES, BATCH = 4, 4_096
"""Inquiries of each enterprise, and enterprises of a batch."""


def fill(bureau: Bureau, inquiries: int) -> None:
    """One bank, one contract, and so many inquiries."""
    now = datetime.now(UTC)
    firms = max(1, inquiries // SCORES)
    names = bureau.keys.pseudonyms([f"firm-{number}" for number in range(firms)], 1)
    with bureau.store.begin() as session:
        session.add(BankRow(id="b-000000000000", name="Bank", registered_at=now))
        session.flush()
        session.add(ContractRow(id="c-1", bank_id="b-000000000000", created_at=now))
        session.flush()
        for first in range(0, inquiries, ROWS_PER_STATEMENT):
            rows = [
                {"contract_id": "c-1", "job_id": f"j-{n // firms}", "batch": f"{n // BATCH:064x}"}
                | {"enterprise": names[n % firms], "at": now}
                for n in range(first, min(first + ROWS_PER_STATEMENT, inquiries))
            ]
            session.execute(sqlalchemy.insert(InquiryRow), rows)


def main() -> None:
    """Fill a bureau in a temporary folder, rotate, and print what it took."""
    inquiries, url = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    with tempfile.TemporaryDirectory() as folder:
        with Bureau.create(Path(folder) / "bureau", name="Bench", database_url=url) as bureau:
            fill(bureau, inquiries)
            wall, processor = time.monotonic(), time.process_time()
            done = rotate_all_pseudonyms(bureau.store, bureau.keys, by="local")
            wall, processor = time.monotonic() - wall, time.process_time() - processor
        print(f"{done.inquiries:,} inquiries: {wall:.1f} s, of which processor {processor:.1f} s")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
