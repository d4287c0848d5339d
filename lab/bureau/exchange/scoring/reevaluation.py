"""When a batch that was answered in one job may be evaluated again in another: its bytes are still here by the
contract's retention, its tags and columns still mean what they meant, and a register or model version is new.

That the enterprises in it are still there and have not withdrawn is settled as for any batch, by ``admission``.
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
    shelf: ModelCache,
    passed: AccessGrant,
    sha256: str,
    register_version: int,
    now: datetime,
) -> BatchRow:
    """The batch as it was sent, if it may be evaluated in the job of ``passed`` by ``register_version``.

    Raises ``NotFound`` for a batch that was not answered under the contract, ``Conflict`` if nothing has changed since
    it was, ``NotAllowed`` when its retention is over, or its key epoch or its model's questions are not the job's.
    """
    contract = passed.contract
    sent = batches.find_original_batch(session, contract.id, sha256)
    model = (passed.model_version.name, passed.model_version.version)
    batches.check_not_yet_evaluated(session, contract.id, sha256, register_version, model)
    until = (sent.answered_at or sent.charged_at) + timedelta(days=contract.retention_days)
    if sent.file is None or now >= until:
        raise NotAllowed(
            "This batch was kept no longer than agreed (term: retention_days), so it can't be evaluated again.",
            next_step=RESCORE_HINT,
        )
    before = find_job(session, contract.id, sent.job_id)
    if before is None:
        raise job_not_found(contract.id)
    if before.epoch != passed.job.epoch:
        raise NotAllowed(
            "The matching keys have changed since this batch was sent, so what it names can't be found any more.",
            next_step=RESCORE_HINT,
        )
    if (before.parameters.model, before.parameters.model_version) != model:
        shelved = find_model(session, before.parameters.model, before.parameters.model_version)
        asked, asks = (
            shelf.load(one).sheet(ResultDetail.TOTAL).columns_sha256 for one in (shelved, passed.model_version)
        )
        if asked != asks:
            raise NotAllowed(
                f"Model {ModelRef(*model)} asks other questions than {shelved}, whose answers this batch holds.",
                next_step=RESCORE_HINT,
            )
    return sent
