"""Contracts at the bureau: their workflow, the policy that tells what the terms allow, and ``authorise``, the one place
where every operation of the exchange is let through or refused."""

from lab.bureau.contracts.enforcement import authorise
from lab.bureau.contracts.policy import AccessRequest

__all__ = ["AccessRequest", "authorise"]
