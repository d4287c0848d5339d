"""The exchange: what banks ask for under a contract. Matching, contexts, scoring, and the counting of both.

Every public operation of ``Matching`` and ``Scoring`` passes ``lab.bureau.contracts.authorise``; a test goes through
all of them.
"""

from lab.bureau.exchange.matching import Matching
from lab.bureau.exchange.scoring import Scoring
from lab.bureau.exchange.workers import WorkerPool

__all__ = ["Matching", "Scoring", "WorkerPool"]
