"""Whether a batch that was answered in one job may be evaluated again in another.

Its bytes must still be stored under the contract's retention, its tags and columns must still mean the same, and the
register or the model version must be new. Enterprises in it that have left the register, have withdrawn or are at their
ceiling are dropped (``dropped_rows``).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lab.bureau.exchange.access import AccessGrant
from lab.bureau.exchange.batches import RESCORE_HINT, BatchRepository
from lab.bureau.exchange.jobs import find_job, job_not_found
from lab.bureau.model_registry.registry import ModelCache, find_model
from lab.bureau.store.tables import BatchRow
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import NotAllowed
from lab.terms.names import ModelRef


def check_rescorable(
    session: Session,
    batches: BatchRepository,
    models: ModelCache,
    access: AccessGrant,
    sha256: str,
    register_version: int,
    now: datetime,
) -> BatchRow:
    """The batch as it was sent, if it may be evaluated in the job of ``access`` by ``register_version``.

    Raises ``NotFound`` for a batch that was not answered under the contract, ``Conflict`` if nothing has changed since
    it was, ``NotAllowed`` when its retention is over, or when the job has another key epoch or a model that asks other
    questions.
    """
    contract = access.contract
    sent = batches.find_original_batch(session, contract.id, sha256)
    model = (access.model_version.name, access.model_version.version)
    batches.check_not_yet_evaluated(session, contract.id, sha256, register_version, model)
    until = (sent.answered_at or sent.charged_at) + timedelta(days=contract.retention_days)
    if sent.file is None or now >= until:
        raise NotAllowed(
            "This batch was removed after the agreed retention (term: retention_days), so it can't be evaluated again.",
            next_step=RESCORE_HINT,
        )
    before = find_job(session, contract.id, sent.job_id)
    if before is None:
        raise job_not_found(contract.id)
    if before.epoch != access.job.epoch:
        raise NotAllowed(
            "The matching keys have changed since this batch was sent, so its tags can't be found any more.",
            next_step=RESCORE_HINT,
        )
    if (before.parameters.model, before.parameters.model_version) != model:
        earlier = find_model(session, before.parameters.model, before.parameters.model_version)
        sent_columns, columns = (
            models.load(one).sheet(ResultDetail.TOTAL).columns_sha256 for one in (earlier, access.model_version)
        )
        if sent_columns != columns:
            raise NotAllowed(
                f"Model {ModelRef(*model)} asks other questions than {earlier}, for which this batch was encrypted.",
                next_step=RESCORE_HINT,
            )
    return sent
