"""The exchange: what banks ask for under a contract. Jobs, matching, contexts, scoring, and the counting of all of it.

Every public operation of ``MatchingService``, ``ContextStore`` and ``ScoringService`` passes
``lab.bureau.contracts.authorise`` by way of ``passage``; a test goes through all of them.
"""

from lab.bureau.exchange.access import AccessControl
from lab.bureau.exchange.batches import BatchCharge
from lab.bureau.exchange.job_requests import JobService
from lab.bureau.exchange.jobs import ContractJob, JobParameters
from lab.bureau.exchange.matching.match_requests import MatchingService
from lab.bureau.exchange.scoring.batch_scoring import BatchOutcome, ScoringService
from lab.bureau.exchange.scoring.public_contexts import ContextStore

__all__ = [
    "AccessControl",
    "BatchCharge",
    "BatchOutcome",
    "ContextStore",
    "ContractJob",
    "JobParameters",
    "JobService",
    "MatchingService",
    "ScoringService",
]
