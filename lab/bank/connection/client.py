"""The routes of a bureau's service, as methods; nothing but wire frames and a few small JSON texts leaves the bank."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.bank.connection.responses import (
    CHECK_SERVICE_HINT,
    ContractVersionStatus,
    RegisterState,
    parse_allowance,
    parse_contract_versions,
    parse_register_state,
)
from lab.bank.connection.routes import check_job_id, check_sha256, contract_path
from lab.bank.connection.signed_transport import ResponseLimits, RetryPolicy, SignedTransport
from lab.terms.contract.document import SignedContract, parse_contract
from lab.terms.errors import InvalidInput, NotAllowed, NotFound, Unreachable
from lab.terms.keys.key_succession import SignedKeySuccession
from lab.terms.ledger.restoration import RestorationStatement, read_statements
from lab.terms.ledger.tree import Proof, SignedTreeHead
from lab.terms.names import is_hex64, is_slug
from protocols.wire.frame import is_frame

__all__ = ["BureauClient", "JobDescription", "ResponseLimits", "RetryPolicy"]

_LONG_POLL_SECONDS = 20
"""How long the bureau may hold back its response to a question whether a batch is evaluated."""
_STATUS_PENDING = 202


@dataclass(frozen=True)
class JobDescription:
    """What a bank tells the bureau of a job: the recipient, the model version, and how many enterprises at most."""

    recipient: str
    model: str
    model_version: int
    rows: int


class BureauClient(SignedTransport):
    """The service of one bureau. Safe to use from several threads.

    Every method raises ``Unreachable`` when the bureau does not answer, and the error with which it refuses. Signatures
    and hashes in its responses are not checked here.
    """

    def contract(self, contract: str, version: int | None = None) -> tuple[SignedContract, str]:
        """GET a version of the signed contract (None: the one in force, or else the newest) and its state."""
        path = contract_path(contract) + (f"?version={int(version)}" if version is not None else "")
        found = self._request("GET", path).json()
        return parse_contract(json.dumps(found.get("signed"))), str(found.get("state"))

    def contract_versions(self, contract: str) -> tuple[ContractVersionStatus, ...]:
        """GET the state of every version of the contract, newest first."""
        return parse_contract_versions(self._request("GET", contract_path(contract)))

    def sign_contract(self, contract: str, signature: str, version: int | None = None) -> str:
        """POST the bank's countersignature (128 hexadecimal digits) of a version; returns the version's new state."""
        if not is_hex64(signature):
            raise InvalidInput("Expected a signature of 128 hexadecimal digits.", next_step="sign with `lab bank sign`")
        form: dict[str, str | int] = {"signature": signature}
        if version is not None:
            form["version"] = version
        body = json.dumps(form).encode()
        response = self._request("POST", contract_path(contract, "signature"), body, repeatable=False)
        return str(response.json().get("state"))

    def sheet(self, contract: str, model: str | None = None, version: int | None = None) -> bytes:
        """GET the sheet of a model, the contract's first unless one is named. The caller compares its SHA-256 with the
        contract's."""
        query = f"?model={model}&version={int(version)}" if model is not None and version is not None else ""
        return self._request("GET", contract_path(contract, "sheet") + query, max_bytes=self._limits.sheet).content

    def register_version(self, contract: str, model: str, version: int) -> tuple[str, int]:
        """GET the name and version of the register that a model's scores come from at present."""
        state = self.register_state(contract, model, version)
        return state.name, state.version

    def register_state(self, contract: str, model: str, version: int) -> RegisterState:
        """GET what is to be known of the register that a model's scores come from at present."""
        query = f"?model={model}&version={int(version)}"
        return parse_register_state(self._request("GET", contract_path(contract, "register") + query))

    def open_job(self, contract: str, job: str, description: JobDescription) -> dict[str, Any]:
        """PUT a job: open it, or resume it; returns its state at the bureau."""
        body = json.dumps(asdict(description), ensure_ascii=False).encode()
        return self._request("PUT", contract_path(contract, f"jobs/{check_job_id(job)}"), body).json()

    def job(self, contract: str, job: str) -> dict[str, Any]:
        """GET a job's state at the bureau."""
        return self._request("GET", contract_path(contract, f"jobs/{check_job_id(job)}")).json()

    def end_job(self, contract: str, job: str) -> None:
        """POST the end of a job: nothing more is asked under it."""
        self._request("POST", contract_path(contract, f"jobs/{check_job_id(job)}/end"))

    def allowance(self, contract: str) -> dict[str, Any]:
        """GET what is left under the contract's ceilings."""
        return parse_allowance(self._request("GET", contract_path(contract, "allowance")))

    def matching_setup(self, contract: str, job: str, *, counting: bool = False) -> bytes:
        """GET the manifest (a frame) of the set-up for matching, or for counting. Raises ``Busy``."""
        path = (
            contract_path(contract, "matching/setup")
            + f"?job={check_job_id(job)}"
            + ("&counting=true" if counting else "")
        )
        return self._request("GET", path, max_bytes=self._limits.sheet, wait_if_busy=False).content

    def matching_shard(self, contract: str, job: str, sha256: str, first: int, count: int) -> bytes:
        """GET buckets ``first`` to ``first + count - 1`` (a frame) of the set-up with this hash. Raises ``Busy``."""
        path = contract_path(contract, f"matching/setup/{check_sha256(sha256)}")
        query = f"?job={check_job_id(job)}&first={int(first)}&count={int(count)}"
        return self._request("GET", path + query, max_bytes=self._limits.frame, wait_if_busy=False).content

    def matching_delta(self, contract: str, job: str, sha256: str, since: str) -> bytes:
        """GET the changes from the set-up ``since`` (a frame). Raises ``NotFound`` without any, ``Busy``."""
        path = (
            contract_path(contract, f"matching/setup/{check_sha256(sha256)}/delta")
            + f"?job={check_job_id(job)}&since={check_sha256(since)}"
        )
        return self._request("GET", path, max_bytes=self._limits.frame, wait_if_busy=False).content

    def match(self, contract: str, job: str, frame: bytes) -> tuple[bytes, dict[str, Any]]:
        """POST a matching request (a frame); returns the response (a frame) and its receipt.

        Safe to repeat: the same bytes are charged once. Raises ``Busy``.
        """
        path = contract_path(contract, "matching") + f"?job={check_job_id(job)}"
        response = self._request("POST", path, _only_frame(frame), max_bytes=self._limits.frame, wait_if_busy=False)
        return response.content, response.receipt()

    def count_matches(self, contract: str, job: str, frame: bytes) -> tuple[bytes, dict[str, Any]]:
        """POST a counting request (a frame); returns the response (a frame in shuffled order) and its receipt.

        Safe to repeat: the same bytes are charged once. Raises ``Busy``.
        """
        path = contract_path(contract, "matching/count") + f"?job={check_job_id(job)}"
        response = self._request("POST", path, _only_frame(frame), max_bytes=self._limits.frame, wait_if_busy=False)
        return response.content, response.receipt()

    def has_context(self, contract: str, job: str, sha256: str) -> bool:
        """HEAD: whether the bureau has the public context with this hash."""
        path = contract_path(contract, f"contexts/{check_sha256(sha256)}") + f"?job={check_job_id(job)}"
        try:
            self._request("HEAD", path)
        except NotFound:
            return False
        return True

    def put_context(self, contract: str, job: str, sha256: str, frame: bytes) -> None:
        """PUT the public context (a frame) under its hash."""
        path = contract_path(contract, f"contexts/{check_sha256(sha256)}") + f"?job={check_job_id(job)}"
        self._request("PUT", path, _only_frame(frame))

    def put_batch(self, contract: str, job: str, sha256: str, frame: bytes) -> None:
        """PUT a batch (a frame) under its hash. Safe to repeat: it is charged once. Raises ``Busy``."""
        path = contract_path(contract, f"jobs/{check_job_id(job)}/batches/{check_sha256(sha256)}")
        self._request("PUT", path, _only_frame(frame), max_bytes=self._limits.document, wait_if_busy=False)

    def put_batch_reevaluation(self, contract: str, job: str, sha256: str) -> None:
        """PUT the hash of a batch that an earlier job sent, to have it evaluated again in this job.

        Safe to repeat: it is charged once. Raises ``Busy``, and ``Conflict`` while nothing has changed at the bureau.
        """
        path = contract_path(contract, f"jobs/{check_job_id(job)}/batches/{check_sha256(sha256)}/again")
        self._request("PUT", path, max_bytes=self._limits.document, wait_if_busy=False)

    def batch_reply(self, contract: str, job: str, sha256: str) -> tuple[bytes, dict[str, Any]] | None:
        """GET the reply to a batch (a frame) and its receipt, or None while the bureau evaluates it.

        The bureau holds its response back for up to 20 seconds. Raises the error that the evaluation ended with.
        """
        path = contract_path(
            contract, f"jobs/{check_job_id(job)}/batches/{check_sha256(sha256)}/reply?wait={_LONG_POLL_SECONDS}"
        )
        response = self._request("GET", path, max_bytes=self._limits.frame)
        return None if response.status == _STATUS_PENDING else (response.content, response.receipt())

    def ledger_consistency(self, first: int, second: int) -> Proof:
        """GET the proof that the bureau's ledger of ``second`` entries continues that of ``first``.

        The route is public, so the request is not signed and does not name the bank. Raises ``NotFound`` when the
        ledger has no such sizes.
        """
        path = f"/v1/ledger/consistency?from={int(first)}&to={int(second)}"
        proof = self._request("GET", path, signed=False).json().get("proof")
        if not isinstance(proof, dict):
            raise Unreachable("Expected a proof from the bureau; found something else.", next_step=CHECK_SERVICE_HINT)
        return proof

    def ledger_head(self) -> SignedTreeHead:
        """GET the newest signed tree head of the bureau's ledger, unverified. The route is public."""
        return SignedTreeHead.read(self._request("GET", "/v1/ledger/head", signed=False).content)

    def ledger_restorations(self) -> tuple[RestorationStatement, ...]:
        """GET the bureau's statements that it restored its ledger, unverified. The route is public."""
        return read_statements(self._request("GET", "/v1/ledger/restorations", signed=False).json())

    def ledger_checkpoint(self, covering: int, witnesses: Sequence[str]) -> bytes:
        """GET the checkpoint (a signed note) of at least ``covering`` entries with the most cosignatures of these
        ``witnesses`` (public keys, hexadecimal). The route is public. Raises ``NotFound`` while there is none."""
        counted = "".join(f"&witness={check_sha256(key)}" for key in witnesses)
        path = f"/v1/ledger/checkpoint?covering={int(covering)}{counted}"
        return self._request("GET", path, signed=False).content

    def model_offer(self, model: str, version: int | None = None) -> dict[str, Any]:
        """GET the offer of a published model (None: its newest version). Needs no contract."""
        if not is_slug(model):
            raise InvalidInput(
                "Expected a model's name (lower-case letters, digits, . _ -).", next_step="check --model"
            )
        query = f"?version={int(version)}" if version is not None else ""
        return self._request("GET", f"/v1/offers/{model}{query}").json()

    def own_bank_id(self) -> str:
        """GET this bank's id at the bureau; raises ``NotAuthentic`` if the key that signs is not accepted there."""
        return str(self._request("GET", "/v1/banks/self").json().get("bank"))

    def submit_key_succession(self, signed: SignedKeySuccession) -> None:
        """POST the statement that the bank's next key replaces its old one. Safe to repeat."""
        self._request("POST", "/v1/banks/keys", signed.model_dump_json(by_alias=True).encode())


def _only_frame(data: bytes) -> bytes:
    """``data``, if it is a frame: the bank's last gate, which nothing else passes."""
    if not isinstance(data, bytes) or not is_frame(data):
        raise NotAllowed(
            "Only frames of the protocols leave the bank; these bytes are not a frame.", next_step="report this"
        )
    return data
