"""Which enterprises of a batch that is named again are charged and scored; the others are dropped.

Dropped are enterprises that have left the register or have no valid consent (``batch_validation``), and those that have
used their scores. The charges (``exchange.charges``) record which are left. So what is dropped when the batch is
charged stays dropped, also after a restart, and nobody is scored without a charge. Who withdraws after the charge and
before the reply is dropped as well, and the charge is refunded. The reply says which rows were scored, the ledger how
many.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from lab.bureau.exchange.access import AccessGrant
from lab.bureau.exchange.charges import find_at_ceiling, find_charged, refund_scores
from lab.bureau.exchange.jobs import refund_rows
from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.exchange.scoring.batch_validation import ValidatedBatch
from lab.bureau.key_management.pseudonyms import current_pseudonyms


class ChargedEnterprises:
    """The enterprises of batches, by pseudonym, against their charges. Safe to use from several threads."""

    def __init__(self, resources: ExchangeResources) -> None:
        self._snapshots, self._keys = resources.snapshots, resources.keys

    def pseudonyms(self, session: Session, validated: ValidatedBatch) -> list[str]:
        """The pseudonym of each enterprise that is to be scored, in the order of ``validated.rows``."""
        identifier = validated.snapshot.id_column
        codes = self._snapshots.frame(validated.snapshot, [identifier])[identifier].gather(validated.rows).to_list()
        return list(current_pseudonyms(session, self._keys, [str(code) for code in codes]))

    def drop_at_ceiling(
        self, session: Session, validated: ValidatedBatch, access: AccessGrant, now: datetime
    ) -> ValidatedBatch:
        """The batch without enterprises that have used their scores. If all have, it stays as it is: its charge is
        refused. Call it with the contract locked."""
        enterprises = self.pseudonyms(session, validated)
        spent = find_at_ceiling(session, access.contract, enterprises, now)
        if not spent or len(spent) == len(enterprises):
            return validated
        return validated.keep(np.array([enterprise not in spent for enterprise in enterprises], dtype=np.bool_))

    def keep_charged(self, session: Session, validated: ValidatedBatch) -> ValidatedBatch:
        """The batch without enterprises that were not charged for it: it may have none left."""
        facts = validated.facts
        charged = find_charged(session, validated.access.contract.id, facts.job, facts.sha256)
        enterprises = self.pseudonyms(session, validated)
        return validated.keep(np.array([enterprise in charged for enterprise in enterprises], dtype=np.bool_))

    def refund_others(self, session: Session, validated: ValidatedBatch) -> None:
        """Undo the charges of a charged batch for enterprises that are not to be scored any more. Call it with the
        contract locked, before the reply is recorded."""
        facts, contract_id = validated.facts, validated.access.contract.id
        scored = self.pseudonyms(session, validated)
        count = refund_scores(session, contract_id, facts.job, facts.sha256, scored=scored)
        if count:
            refund_rows(session, contract_id, facts.job, count)
