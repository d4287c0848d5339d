"""The exchange: what banks do under a contract. Jobs, matching, contexts, scoring, and the charges of all of it.

Every public operation of ``MatchingService``, ``ContextStore`` and ``ScoringService`` passes
``lab.bureau.contracts.authorise`` through ``AccessControl``; a test calls all of them.
"""

from lab.bureau.exchange.access import AccessControl
from lab.bureau.exchange.bank_contracts import BankContracts
from lab.bureau.exchange.batches import BatchCharge
from lab.bureau.exchange.job_requests import JobService
from lab.bureau.exchange.jobs import ContractJob, JobParameters
from lab.bureau.exchange.matching.match_requests import MatchingService
from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.exchange.scoring.batch_scoring import BatchOutcome, ScoringService
from lab.bureau.exchange.scoring.public_contexts import ContextStore

__all__ = [
    "AccessControl",
    "BankContracts",
    "BatchCharge",
    "BatchOutcome",
    "ContextStore",
    "ContractJob",
    "ExchangeResources",
    "JobParameters",
    "JobService",
    "MatchingService",
    "ScoringService",
]
