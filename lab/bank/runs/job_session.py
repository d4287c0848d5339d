"""One job of the bank while it runs: its contract in force, its run on disk, and its place at the bureau."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lab.bank.connection.client import BureauClient, JobDescription
from lab.bank.connection.responses import RegisterState
from lab.bank.contract.agreement import ActiveContract
from lab.bank.contract.checkpoint_wait import await_cosigned_checkpoint
from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.runs.store import Run
from lab.terms.contract.document import Contract
from lab.terms.errors import Conflict, ShulabError, Unreachable
from lab.terms.progress import SILENT, Progress
from lab.terms.witnessing.cosignature_evidence import CosignatureEvidence

_ActiveContract_co = TypeVar("_ActiveContract_co", bound=ActiveContract, covariant=True)


@dataclass(frozen=True)
class JobSession(Generic[_ActiveContract_co]):
    """What every step of a job works with. The job at the bureau has the run's id."""

    home: BankHome
    keys: BankKeys
    client: BureauClient
    active: _ActiveContract_co
    run: Run
    progress: Progress = SILENT

    @property
    def contract(self) -> Contract:
        """The contract document that the job runs under."""
        return self.active.contract

    @property
    def witness(self) -> LedgerWitness:
        """What checks the bureau's receipts against its ledger."""
        client = self.client
        return LedgerWitness(
            self.home, self.contract.bureau, client.ledger_consistency, statements=client.ledger_restorations
        )

    def ask_register(self) -> RegisterState:
        """The register that the model's scores come from now. Raises what a request to the bureau raises."""
        return self.client.register_state(self.contract.id, self.active.model.name, self.active.model.version)

    def open_at_bureau(self, rows: int) -> int:
        """Open the job at the bureau for at most ``rows`` enterprises, or resume it; returns its key epoch.

        Raises ``Conflict`` if the bureau has another job of this id, ``Unreachable`` if its response names no epoch.
        """
        model = self.active.model
        description = JobDescription(self.active.recipient, model.name, model.version, rows)
        try:
            state = self.client.open_job(self.contract.id, self.run.id, description)
        except Conflict as error:
            runs = self.run.folder.parent.name
            raise Conflict(error.detail, next_step=f"remove the folder {self.run.id} of {runs}, and restart") from None
        epoch = state.get("epoch")
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
            raise Unreachable(
                "Expected the job's key epoch from the bureau; its answer has none.",
                next_step="bring both versions up to date",
            )
        return epoch

    def await_cosigned(self, receipts: Sequence[dict[str, Any]]) -> CosignatureEvidence | None:
        """Wait until the contract's witnesses have cosigned the ledger of these receipts; see
        ``await_cosigned_checkpoint`` for what it returns and raises."""
        return await_cosigned_checkpoint(self.client, self.contract, receipts, self.witness, progress=self.progress)

    def end_at_bureau(self) -> list[str]:
        """Tell the bureau that the job is done. The results are here already, so a failure is only a warning."""
        try:
            self.client.end_job(self.contract.id, self.run.id)
        except ShulabError as error:
            return [f"the bureau could not be told that the job has ended: {error.detail}"]
        return []
