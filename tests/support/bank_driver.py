"""A bank that runs many jobs, one after another, in a process that may be killed and started again.

``python -m tests.support.bank_driver HOME SERVICE CONTRACT PORTFOLIO OUT FIRST LAST``: job N writes ``OUT/N.parquet``.
A job whose file is there is skipped; an unfinished one is resumed. SERVICE is the file with the service's present
port.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from lab.bank.connection.client import BureauClient, RetryPolicy
from lab.bank.home import BankHome
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.scoring.job import score_portfolio
from lab.terms.errors import Unreachable

PATIENCE = RetryPolicy(connect_timeout=5, read_timeout=120, tries=3, longest_wait=0.5)


def main(home: Path, service: Path, contract: str, portfolio: Path, out: Path, first: int, last: int) -> None:
    """Run the jobs that are not finished; wait while the service is down."""
    opened = BankHome.open(home)
    keys = opened.open_keys()
    for number in range(first, last):
        file = out / f"{number}.parquet"
        while not file.exists():
            try:
                with BureauClient(_address(service), keys, retry_policy=PATIENCE) as client:
                    score_portfolio(opened, keys, client, ScoringRequest(portfolio, contract, file, again=True))
            except Unreachable:
                time.sleep(0.2)


def _address(service: Path) -> str:
    while not service.exists():
        time.sleep(0.05)
    return f"http://127.0.0.1:{service.read_text().strip()}"


if __name__ == "__main__":
    paths = [Path(word) for word in (sys.argv[1], sys.argv[2], sys.argv[4], sys.argv[5])]
    main(paths[0], paths[1], sys.argv[3], paths[2], paths[3], int(sys.argv[6]), int(sys.argv[7]))
