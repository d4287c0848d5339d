"""What the replies to a bank may tell of a model, and that no ciphertext comes twice.

A reply is flooded so that its noise tells next to nothing of the model; what is left adds up over replies
(``ParameterSet.spent``). It is added up for each bank and model version, over all contracts and periods, and the bureau
stops before it passes what the parameter set promises. A fresh encryption never comes again, so a ciphertext that was
sent in another batch of the contract is refused. The caller holds the contract's row locked.
"""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session

from lab.bureau.exchange.batches import RETURNED
from lab.bureau.exchange.passage import Passed
from lab.bureau.store.tables import BatchRow, CiphertextRow, ContractRow, JobRow
from lab.terms.errors import Conflict, Refused
from protocols.scoring.bureau import BatchHead
from protocols.scoring.params import ParameterSet

Columns = TypeVarTuple("Columns")


def spent_so_far(session: Session, bank_id: str, model: str, version: int) -> float:
    """The share of what a model's replies to a bank may tell that is used; batches under way count, returned do not."""
    query = _of_batches(select(func.sum(BatchRow.spent)))
    query = query.where(ContractRow.bank_id == bank_id, JobRow.model == model, JobRow.model_version == version)
    return float(session.scalar(query) or 0.0)


def spent_by_contract(session: Session) -> dict[str, float]:
    """That share for each contract under which something was scored: of its bank, and the most of its models."""
    whose = (ContractRow.bank_id, JobRow.model, JobRow.model_version)
    query = _of_batches(select(BatchRow.contract_id, func.sum(BatchRow.spent).over(partition_by=whose))).distinct()
    found: dict[str, float] = {}
    for contract, share in session.execute(query):
        found[contract] = max(found.get(contract, 0.0), share)
    return found


def _of_batches(query: Select[*Columns]) -> Select[*Columns]:
    """The query over batches that were not returned, with their jobs and contracts."""
    of_job = (JobRow.contract_id == BatchRow.contract_id) & (JobRow.id == BatchRow.job_id)
    joined = query.select_from(BatchRow).join(JobRow, of_job).join(ContractRow, ContractRow.id == BatchRow.contract_id)
    return joined.where(BatchRow.state != RETURNED)


def check_spent(session: Session, passed: Passed, params: ParameterSet, spent: float) -> None:
    """Raise ``Refused`` if a batch that spends so much is more than is left."""
    shelved = passed.shelved
    used = spent_so_far(session, passed.held.bank_id, shelved.name, shelved.version)
    if used + spent > 1:
        raise Refused(
            f"The replies of {shelved.name}@{shelved.version} to this bank would no longer be within "
            f"2^-{params.hidden_bits} of replies that tell nothing of the model: {used:.1%} is used, this batch takes "
            f"{spent:.1%}.",
            next_step="ask the bureau to publish the model anew, trained afresh, as its next version",
        )


def check_fresh(session: Session, contract_id: str, head: BatchHead) -> None:
    """Note the batch's ciphertexts; raise ``Conflict`` if one of them was sent in another batch of the contract."""
    prints = head.prints()
    known = session.execute(
        select(CiphertextRow.print, CiphertextRow.batch).where(
            CiphertextRow.contract_id == contract_id, CiphertextRow.print.in_(prints)
        )
    ).all()
    elsewhere = sum(batch != head.sha256 for _, batch in known)
    if elsewhere:
        raise Conflict(
            f"{elsewhere} of {head.columns} ciphertexts in this batch were sent in another one.",
            next_step="encrypt the batch afresh",
        )
    seen = {row.print for row in known}
    new = [{"contract_id": contract_id, "print": one, "batch": head.sha256} for one in prints if one not in seen]
    if new:
        session.execute(insert(CiphertextRow), new)
