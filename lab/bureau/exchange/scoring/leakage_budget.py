"""What the replies to a bank may reveal about a model, and that no ciphertext comes twice.

A reply is flooded, so that its noise reveals next to nothing about the model; the remaining leakage adds up over
replies (``ParameterSet.leakage_share``). It is added up for each bank and model version, over all contracts and
periods, and the bureau refuses what would exceed the bound of the parameter set. A fresh encryption has a seed that
never comes again, so a ciphertext that the bank sent in another batch, under whatever contract and with whatever
residues, is refused. The same batch is not a repetition of itself: when it is sent again after a refund, or evaluated
again, its seeds are its own. The caller has the contract's row locked; two contracts of a bank are serialised by the
bank's row.
"""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import Select, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.exchange.access import AccessGrant
from lab.bureau.exchange.batches import RETURNED
from lab.bureau.store.tables import BankRow, BatchRow, CiphertextSeedRow, ContractRow, JobRow
from lab.terms.errors import Conflict, NotAllowed
from protocols.scoring.bureau import ParsedBatch
from protocols.scoring.parameters import ParameterSet

Columns = TypeVarTuple("Columns")


def leakage_spent(session: Session, bank_id: str, model: str, version: int) -> float:
    """The used share of what a model's replies to a bank may reveal; batches in progress count, returned ones do
    not."""
    query = _of_batches(select(func.sum(BatchRow.spent)))
    query = query.where(ContractRow.bank_id == bank_id, JobRow.model == model, JobRow.model_version == version)
    return float(session.scalar(query) or 0.0)


def leakage_by_contract(session: Session) -> dict[str, float]:
    """The used share for each contract with a score: that of its bank, for the model with the largest share."""
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


def lock_bank(session: Session, bank_id: str) -> None:
    """Lock the bank's row, so that counts over its contracts are serialised. Lock the contract first."""
    session.execute(select(BankRow.id).where(BankRow.id == bank_id).with_for_update())


def check_leakage_budget(session: Session, access: AccessGrant, params: ParameterSet, spent: float) -> None:
    """Raise ``NotAllowed`` if a batch that takes the share ``spent`` exceeds what is left.

    The share used is over all contracts of the bank, so this locks the bank's row too, after the contract's.
    """
    lock_bank(session, access.contract_version.bank_id)
    model = access.model_version
    used = leakage_spent(session, access.contract_version.bank_id, model.name, model.version)
    if used + spent > 1:
        raise NotAllowed(
            f"The replies of {model} to this bank would no longer be within "
            f"2^-{params.statistical_security_bits} of replies that reveal nothing of the model: {used:.1%} is "
            f"used, this batch takes {spent:.1%}.",
            next_step="ask the bureau to train the model again and publish it as its next version",
        )


def check_fresh_ciphertexts(session: Session, bank_id: str, head: ParsedBatch) -> None:
    """Store the batch's seeds; raise ``Conflict`` if the bank sent one of them in another batch."""
    seeds = sorted(head.seeds())  # in one order, so that two transactions cannot wait for each other
    query = select(CiphertextSeedRow.seed, CiphertextSeedRow.batch).where(
        CiphertextSeedRow.bank_id == bank_id, CiphertextSeedRow.seed.in_(seeds)
    )
    known = session.execute(query).all()
    elsewhere = sum(batch != head.sha256 for _, batch in known)
    if elsewhere:
        raise _repeated(f"{elsewhere} of {head.column_count}")
    seen = {row.seed for row in known}
    new = [{"bank_id": bank_id, "seed": seed, "batch": head.sha256} for seed in seeds if seed not in seen]
    if new:
        try:
            with session.begin_nested():
                session.execute(insert(CiphertextSeedRow), new)
        except IntegrityError:  # under another contract of the bank, at this moment
            raise _repeated("Some") from None


def _repeated(how_many: str) -> Conflict:
    return Conflict(
        f"{how_many} ciphertexts in this batch were sent in another one: their seeds were seen before.",
        next_step="encrypt the batch afresh",
    )
