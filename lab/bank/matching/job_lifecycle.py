"""A job at the bureau, from the bank's side: what it would take is looked at, it is opened, and it is ended."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from lab.bank.connection.client import BureauClient, JobDescription
from lab.bank.connection.responses import translate_protocol_errors
from lab.bank.contract.ledger_witness import LedgerWitness, MatchExchange
from lab.bank.home import BankHome
from lab.bank.matching.evaluation_store import open_evaluation_store, stored_epochs
from lab.bank.matching.job_client import ReceiptHandler
from lab.bank.matching.oprf_client import MAX_REQUEST_ELEMENTS, check_canaries_fit
from lab.bank.runs.store import Run
from lab.terms.contract.document import Contract
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, ShulabError, Unreachable
from protocols.matching.bank import MIN_CANARIES, element_count
from protocols.matching.messages import count_elements
from protocols.wire.frame import FrameKind

_LOOKUP_BATCH = 50_000  # codes looked up together, to bound memory


def open_job(outlet: BureauClient, contract: str, job: str, card: JobDescription, *, folder: str) -> int:
    """Open a job, or go on with it; the key epoch that it belongs to.

    ``folder``: where the run is kept, to be named if the bureau knows the job otherwise.
    """
    try:
        standing = outlet.open_job(contract, job, card)
    except Conflict as error:
        raise Conflict(
            error.detail, next_step=f"remove the folder {job} of {folder}, or give another --out, and begin anew"
        ) from None
    epoch = standing.get("epoch")
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
        raise Unreachable(
            "Wanted the job's key epoch from the bureau; it does not say.", next_step="bring both versions up to date"
        )
    return epoch


def upload_context(outlet: BureauClient, contract: str, job: str, name: str, context: bytes) -> None:
    """Send the public context, unless the bureau holds it."""
    if not outlet.has_context(contract, job, name):
        outlet.put_context(contract, job, name, context)


def make_receipt_handler(witness: LedgerWitness, run: Run, contract: str, epoch: int) -> ReceiptHandler:
    """What checks the receipt of each matching answer, and keeps it with the run."""

    def take(request: bytes, response: bytes, receipt: dict[str, Any], counting: bool) -> None:
        with translate_protocol_errors("matching"):
            asked = count_elements(request, FrameKind.MATCH_REQUEST)
        try:
            witness.check_receipt(receipt, MatchExchange(contract, run.id, epoch, asked, request, response, counting))
        except InvalidInput as error:
            # The request was charged and answered all the same: it is kept, and sent again as it is.
            raise NotAuthentic(error.detail, next_step=error.next_step) from None
        run.save_matching_receipt(hashlib.sha256(request).hexdigest(), receipt)

    return take


def end_job(outlet: BureauClient, contract: str, job: str) -> list[str]:
    """Tell the bureau that the job is done. The results are here already, so a failure is a warning, no error."""
    try:
        outlet.end_job(contract, job)
    except ShulabError as error:
        return [f"the bureau could not be told that the job has ended: {error.detail}"]
    return []


def check_portfolio_allowance(home: BankHome, outlet: BureauClient, contract: Contract, codes: Sequence[str]) -> None:
    """Refuse here what the bureau would refuse, before a job is opened and anything is charged.

    What was matched before, in the latest epoch that this bank knows of, is not asked again.
    """
    asked = len(codes)
    known = stored_epochs(home.evaluations, contract.id, contract.engine)
    if known:
        with open_evaluation_store(home.evaluations, contract.id, known[-1], contract.engine) as store:
            paid = frozenset(code for _, request in store.pending_requests() for code in request)
            asked = sum(
                len([code for code in store.missing(codes[start : start + _LOOKUP_BATCH]) if code not in paid])
                for start in range(0, len(codes), _LOOKUP_BATCH)
            )
    check_allowance(outlet, contract, asked)


def check_allowance(outlet: BureauClient, contract: Contract, asked: int) -> None:
    """Refuse here what the bureau would refuse, before anything is charged; ``asked``: without canaries."""
    if not asked:
        return
    most = min(contract.ceilings.identifiers_per_match, MAX_REQUEST_ELEMENTS)
    check_canaries_fit(contract.id, most)
    elements = element_count(asked, most)
    left = outlet.allowance(contract.id).get("identifiers", {}).get("left")
    if isinstance(left, int) and elements > left:
        raise NotAllowed(
            f"Contract {contract.id} has {left} identifiers left to match; the portfolio has {asked} that were not, "
            f"and {elements - asked} canaries go with them, at least {MIN_CANARIES} in each request of at most {most}: "
            f"{elements} in all (term: identifiers).",
            next_step="take a smaller portfolio, or ask the bureau for a contract with a higher ceiling",
        )
