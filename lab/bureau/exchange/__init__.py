"""The exchange: what banks ask for under a contract. Jobs, matching, contexts, scoring, and the counting of all of it.

Every public operation of ``Matching``, ``Contexts`` and ``Scoring`` passes ``lab.bureau.contracts.authorise`` by way of
``passage``; a test goes through all of them.
"""

from lab.bureau.exchange.access import Passage
from lab.bureau.exchange.batches import Charge
from lab.bureau.exchange.job_requests import Reception
from lab.bureau.exchange.jobs import Job, JobTerms
from lab.bureau.exchange.matching.match_requests import Matching
from lab.bureau.exchange.scoring.batch_scoring import Outcome, Scoring
from lab.bureau.exchange.scoring.public_contexts import Contexts

__all__ = [
    "Charge",
    "Contexts",
    "Job",
    "JobTerms",
    "Matching",
    "Outcome",
    "Passage",
    "Reception",
    "Scoring",
]
