"""Prepares a matching job: checks the contract's ceilings, opens the job at the bureau, checks and saves receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from lab.bank.connection.responses import translate_protocol_errors
from lab.bank.contract.agreement import ActiveContract
from lab.bank.contract.ledger_witness import LedgerWitness, MatchExchange
from lab.bank.matching.evaluation_store import open_evaluation_store, stored_epochs
from lab.bank.matching.job_client import MatchingJobClient, ReceiptHandler
from lab.bank.matching.oprf_client import MAX_REQUEST_ELEMENTS, MatchingParameters, check_canaries_fit
from lab.bank.runs.job_session import JobSession
from lab.bank.runs.store import Run
from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic
from protocols.matching.bank import MIN_CANARIES, element_count
from protocols.matching.messages import count_elements
from protocols.wire.frame import FrameKind

_LOOKUP_BATCH = 50_000  # codes looked up together, to bound memory


def open_matching_job(
    job: JobSession[ActiveContract], rows: int, processes: int
) -> tuple[MatchingJobClient, MatchingParameters]:
    """Open the run's job at the bureau, or resume it, for ``rows`` identifiers; returns how to match.

    ``processes`` to compute with; 0: one a core. Raises what ``JobSession.open_at_bureau`` raises.
    """
    contract, epoch = job.contract, job.open_at_bureau(rows)
    parameters = MatchingParameters(
        engine=contract.engine,
        epoch=epoch,
        max_per_request=contract.ceilings.identifiers_per_match,
        bureau_key=contract.bureau.public_key,
        register_size_stated=not contract.consent.required,
        processes=processes,
    )
    handler = make_receipt_handler(job.witness, job.run, contract.id, epoch)
    return MatchingJobClient(job.client, contract.id, job.run.id, job.progress, handler), parameters


def make_receipt_handler(witness: LedgerWitness, run: Run, contract: str, epoch: int) -> ReceiptHandler:
    """A function that checks the receipt of each matching response, and saves it with the run."""

    def check_and_save(request: bytes, response: bytes, receipt: dict[str, Any], counting: bool) -> None:
        with translate_protocol_errors("matching"):
            asked = count_elements(request, FrameKind.MATCH_REQUEST)
        try:
            witness.check_receipt(receipt, MatchExchange(contract, run.id, epoch, asked, request, response, counting))
        except InvalidInput as error:
            # The request was charged and answered all the same, so it is kept and sent again as it is.
            raise NotAuthentic(error.detail, next_step=error.next_step) from None
        run.save_matching_receipt(hashlib.sha256(request).hexdigest(), receipt)

    return check_and_save


def check_portfolio_allowance(job: JobSession[ActiveContract], codes: Sequence[str]) -> None:
    """Refuse here what the bureau would refuse, before a job is opened and anything is charged.

    Codes that were matched in the latest epoch known to this bank are not asked again, so they do not count. Raises
    what ``check_allowance`` raises.
    """
    contract, asked = job.contract, len(codes)
    epochs = stored_epochs(job.home.evaluations, contract.id, contract.engine)
    if epochs:
        with open_evaluation_store(job.home.evaluations, contract.id, epochs[-1], contract.engine) as store:
            paid = frozenset(code for _, request in store.pending_requests() for code in request)
            asked = sum(
                len([code for code in store.missing(codes[start : start + _LOOKUP_BATCH]) if code not in paid])
                for start in range(0, len(codes), _LOOKUP_BATCH)
            )
    check_allowance(job, asked)


def check_allowance(job: JobSession[ActiveContract], asked: int) -> None:
    """Raise ``NotAllowed`` if the contract does not allow to ask for ``asked`` identifiers with their canaries."""
    if not asked:
        return
    contract = job.contract
    most = min(contract.ceilings.identifiers_per_match, MAX_REQUEST_ELEMENTS)
    check_canaries_fit(contract.id, most)
    elements = element_count(asked, most)
    left = job.client.allowance(contract.id).get("identifiers", {}).get("left")
    if isinstance(left, int) and elements > left:
        raise NotAllowed(
            f"Contract {contract.id} has {left} identifiers left to match; the portfolio has {asked} new ones, and "
            f"{elements - asked} canaries go with them, at least {MIN_CANARIES} in each request of at most {most}: "
            f"{elements} in all (term: identifiers).",
            next_step="take a smaller portfolio, or ask the bureau for a contract with a higher ceiling",
        )
