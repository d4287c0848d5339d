"""Contracts at the bureau: their workflow, the policy (what the clauses allow), and ``authorise``.

``authorise`` is the one place where every operation of the exchange is allowed or refused.
"""

from lab.bureau.contracts.enforcement import authorise
from lab.bureau.contracts.policy import AccessRequest

__all__ = ["AccessRequest", "authorise"]
