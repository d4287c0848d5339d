"""The bank's only way out: every byte that leaves the bank passes here, and nothing but wire frames and a few small
JSON texts may.

An outlet speaks to one bureau. It signs each request (``protocols.wire.http_signatures``), counts bytes both ways,
tries again when that is safe, caps what it reads, and turns problem documents (RFC 9457) back into the error family.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from lab.bank.connection.responses import (
    CHECK_SERVICE_HINT,
    BureauResponse,
    ContractVersionStatus,
    UnverifiedBureauCard,
    parse_allowance,
    parse_bureau_card,
    parse_contract_versions,
    parse_register_version,
)
from lab.bank.connection.routes import check_job_id, check_sha256, contract_path
from lab.bank.keys import BankKeys
from lab.terms.contract.document import SignedContract, parse_contract
from lab.terms.errors import Busy, InvalidInput, NotAllowed, NotAuthentic, NotFound, ShulabError, Unreachable
from lab.terms.keys.key_succession import SignedKeySuccession
from lab.terms.ledger.tree import Proof
from lab.terms.names import is_slug
from lab.transport.address import check_address, describe_transport_error, is_certificate_error, load_ca_file
from lab.transport.back_off import BackOff
from protocols.wire.frame import is_frame
from protocols.wire.http_signatures import Signer, sign_request

_HEX = re.compile(r"^[0-9a-f]+$")
_PLAIN_HTTP_HINT = "use https, or allow it with --insecure-http inside a protected network"
_LONG_POLL_SECONDS, _STATUS_PENDING = (
    20,
    202,
)  # seconds that the bureau may hold its answer back, and the status that says "not yet"


@dataclass(frozen=True)
class ResponseLimits:
    """The largest answers, in bytes, that will be read: small documents, the bank sheet, frames."""

    document: int = 1024 * 1024
    sheet: int = 64 * 1024 * 1024
    frame: int = 1024 * 1024 * 1024 + 65536


@dataclass(frozen=True)
class RetryPolicy:
    """Seconds to connect and to wait for an answer; how often to try in all, and the longest wait between tries.

    ``busy``: seconds in all for a bureau that is still evaluating its register, or a batch; ``cosigned``: for its
    ledger to be cosigned by the contract's witnesses, once everything else of a job is done.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 960.0  # longer than the service's own limit, so that its answer is heard
    tries: int = 5
    longest_wait: float = 15.0
    busy_timeout: float = 12 * 3600.0  # hundreds of millions of entries take a bureau hours, once a key epoch
    cosigning_timeout: float = 600.0

    def back_off(self, deadline: float = math.inf) -> BackOff:
        """The waits between tries, for at most ``deadline`` seconds."""
        return BackOff(longest_wait=self.longest_wait, deadline=deadline)


@dataclass(frozen=True)
class JobDescription:
    """What a bank says of a job: for whom, by which model version, and how many enterprises at most."""

    recipient: str
    model: str
    model_version: int
    rows: int


class BureauClient:
    """A connection to one bureau. Safe to use from several threads.

    ``url`` is the bureau's origin; https is verified against the system's authorities or ``ca_file``; plain http is
    allowed to this machine only, unless ``insecure_http``. ``read_bureau_key`` (64 hexadecimal digits) is the pinned
    key of the bureau; without it the first signed request asks the bureau for it. ``bytes_up`` and ``bytes_down`` count
    bodies exactly and add an estimate of the HTTP/1.1 header bytes; what TLS and TCP add is not in them.
    """

    def __init__(
        self,
        url: str,
        keys: Signer,
        *,
        bureau_key: str | None = None,
        insecure_http: bool = False,
        ca_file: Path | None = None,
        caps: ResponseLimits | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        self.url = check_address(url, option="--bureau", plain_http=insecure_http, instead=_PLAIN_HTTP_HINT)
        self.bytes_up = 0
        self.bytes_down = 0
        self._keys = keys
        self._bureau_key = bureau_key
        self._caps = caps or ResponseLimits()
        self.retry_policy = retry_policy or RetryPolicy()
        self._count_lock = threading.Lock()
        # trust_env would take credentials from .netrc and send requests through whatever proxy a variable names.
        self._client = httpx.Client(
            base_url=self.url,
            verify=load_ca_file(ca_file) if ca_file else True,
            timeout=httpx.Timeout(self.retry_policy.read_timeout, connect=self.retry_policy.connect_timeout),
            headers={"accept-encoding": "identity", "user-agent": "shulab"},
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def bureau_card(self) -> UnverifiedBureauCard:
        """GET /v1/bureau; raises ``Unreachable`` when no bureau answers there."""
        return parse_bureau_card(self._ask("GET", "/v1/bureau", signed=False, cap=self._caps.document))

    def contract(self, contract: str, version: int | None = None) -> tuple[SignedContract, str]:
        """GET a version of the signed contract (the one in force, or else the newest) and its state at the bureau.

        Signatures are not checked here.
        """
        path = contract_path(contract) + (f"?version={int(version)}" if version is not None else "")
        found = self._ask("GET", path, cap=self._caps.document).json()
        return parse_contract(json.dumps(found.get("signed"))), str(found.get("state"))

    def contract_versions(self, contract: str) -> tuple[ContractVersionStatus, ...]:
        """GET every version of the contract and where it stands, newest first."""
        return parse_contract_versions(self._ask("GET", contract_path(contract), cap=self._caps.document))

    def sign_contract(self, contract: str, signature: str, version: int | None = None) -> str:
        """POST the bank's countersignature (hexadecimal) of a version; its state after that."""
        if len(signature) != 128 or not _HEX.match(signature):
            raise InvalidInput("Wanted a signature of 128 hexadecimal digits.", next_step="sign with `lab bank sign`")
        form: dict[str, str | int] = {"signature": signature}
        if version is not None:
            form["version"] = version
        body = json.dumps(form).encode()
        answer = self._ask("POST", contract_path(contract, "signature"), body, again=False, cap=self._caps.document)
        return str(answer.json().get("state"))

    def sheet(self, contract: str, model: str | None = None, version: int | None = None) -> bytes:
        """GET what the bank must know of a model, the contract's first unless one is named.

        The caller compares its SHA-256 to the contract's.
        """
        query = f"?model={model}&version={int(version)}" if model is not None and version is not None else ""
        return self._ask("GET", contract_path(contract, "sheet") + query, cap=self._caps.sheet).content

    def register_version(self, contract: str, model: str, version: int) -> tuple[str, int]:
        """GET name and version of the register that a model's scores come from now."""
        query = f"?model={model}&version={int(version)}"
        return parse_register_version(
            self._ask("GET", contract_path(contract, "register") + query, cap=self._caps.document)
        )

    def open_job(self, contract: str, job: str, card: JobDescription) -> dict[str, Any]:
        """PUT a job: open it, or go on with the same one. Its state at the bureau."""
        body = json.dumps(asdict(card), ensure_ascii=False).encode()
        return self._ask(
            "PUT", contract_path(contract, f"jobs/{check_job_id(job)}"), body, cap=self._caps.document
        ).json()

    def job(self, contract: str, job: str) -> dict[str, Any]:
        """GET a job as it stands at the bureau."""
        return self._ask("GET", contract_path(contract, f"jobs/{check_job_id(job)}"), cap=self._caps.document).json()

    def end_job(self, contract: str, job: str) -> None:
        """POST that nothing more will be asked under a job."""
        self._ask("POST", contract_path(contract, f"jobs/{check_job_id(job)}/end"), cap=self._caps.document)

    def allowance(self, contract: str) -> dict[str, Any]:
        """GET what is left under the contract's ceilings."""
        return parse_allowance(self._ask("GET", contract_path(contract, "allowance"), cap=self._caps.document))

    def matching_setup(self, contract: str, job: str, *, counting: bool = False) -> bytes:
        """GET the manifest (a frame) of the matching set-up, or of one for counting. Raises ``Busy``."""
        path = (
            contract_path(contract, "matching/setup")
            + f"?job={check_job_id(job)}"
            + ("&counting=true" if counting else "")
        )
        return self._ask("GET", path, cap=self._caps.sheet, patient=False).content

    def matching_shard(self, contract: str, job: str, sha256: str, first: int, count: int) -> bytes:
        """GET buckets ``first`` to ``first + count - 1`` (a frame) of the set-up with this hash. Raises ``Busy``."""
        path = contract_path(contract, f"matching/setup/{check_sha256(sha256)}")
        query = f"?job={check_job_id(job)}&first={int(first)}&count={int(count)}"
        return self._ask("GET", path + query, cap=self._caps.frame, patient=False).content

    def matching_delta(self, contract: str, job: str, sha256: str, since: str) -> bytes:
        """GET what leads from one set-up to another (a frame); raises ``NotFound`` if there is no way, ``Busy``."""
        path = (
            contract_path(contract, f"matching/setup/{check_sha256(sha256)}/delta")
            + f"?job={check_job_id(job)}&since={check_sha256(since)}"
        )
        return self._ask("GET", path, cap=self._caps.frame, patient=False).content

    def match(self, contract: str, job: str, frame: bytes) -> tuple[bytes, dict[str, Any]]:
        """POST a matching request (a frame); the answer is a frame, and its receipt. Safe to send again: the same
        bytes are charged once. Raises ``Busy``."""
        path = contract_path(contract, "matching") + f"?job={check_job_id(job)}"
        answer = self._ask("POST", path, _only_frame(frame), cap=self._caps.frame, patient=False)
        return answer.content, answer.receipt()

    def count_matches(self, contract: str, job: str, frame: bytes) -> tuple[bytes, dict[str, Any]]:
        """POST a matching request (a frame) to be counted; the answer is a frame in an order of its own, and its
        receipt. Safe to send again. Raises ``Busy``."""
        path = contract_path(contract, "matching/count") + f"?job={check_job_id(job)}"
        answer = self._ask("POST", path, _only_frame(frame), cap=self._caps.frame, patient=False)
        return answer.content, answer.receipt()

    def has_context(self, contract: str, job: str, sha256: str) -> bool:
        """HEAD: whether the bureau holds the public context with this hash."""
        path = contract_path(contract, f"contexts/{check_sha256(sha256)}") + f"?job={check_job_id(job)}"
        try:
            self._ask("HEAD", path, cap=self._caps.document)
        except NotFound:
            return False
        return True

    def put_context(self, contract: str, job: str, sha256: str, frame: bytes) -> None:
        """PUT the public context (a frame) under its hash."""
        path = contract_path(contract, f"contexts/{check_sha256(sha256)}") + f"?job={check_job_id(job)}"
        self._ask("PUT", path, _only_frame(frame), cap=self._caps.document)

    def put_batch(self, contract: str, job: str, sha256: str, frame: bytes) -> None:
        """PUT a batch (a frame) under its hash. Safe to send again: it is charged once. Raises ``Busy``."""
        path = contract_path(contract, f"jobs/{check_job_id(job)}/batches/{check_sha256(sha256)}")
        self._ask("PUT", path, _only_frame(frame), cap=self._caps.document, patient=False)

    def put_batch_reevaluation(self, contract: str, job: str, sha256: str) -> None:
        """PUT that a batch which an earlier job sent is to be evaluated again in this one; no body. Safe to send again:
        it is charged once. Raises ``Busy``, and ``Conflict`` while nothing has changed at the bureau."""
        path = contract_path(contract, f"jobs/{check_job_id(job)}/batches/{check_sha256(sha256)}/again")
        self._ask("PUT", path, cap=self._caps.document, patient=False)

    def batch_reply(self, contract: str, job: str, sha256: str) -> tuple[bytes, dict[str, Any]] | None:
        """GET the reply frame to a batch and the receipt, or None while it is evaluated; the bureau waits with its
        answer for a while. Raises why the batch was not answered."""
        path = contract_path(
            contract, f"jobs/{check_job_id(job)}/batches/{check_sha256(sha256)}/reply?wait={_LONG_POLL_SECONDS}"
        )
        answer = self._ask("GET", path, cap=self._caps.frame)
        return None if answer.status == _STATUS_PENDING else (answer.content, answer.receipt())

    def ledger_consistency(self, first: int, second: int) -> Proof:
        """GET the proof that the bureau's ledger of ``second`` entries continues that of ``first``.

        Public, so not signed: who asks need not be known. Raises ``NotFound`` when there is no such ledger.
        """
        path = f"/v1/ledger/consistency?from={int(first)}&to={int(second)}"
        proof = self._ask("GET", path, signed=False, cap=self._caps.document).json().get("proof")
        if not isinstance(proof, dict):
            raise Unreachable("Wanted a proof from the bureau; found something else.", next_step=CHECK_SERVICE_HINT)
        return proof

    def ledger_checkpoint(self, covering: int, witnesses: Sequence[str]) -> bytes:
        """GET the checkpoint (a signed note) of at least ``covering`` entries that has most cosignatures of these
        witnesses, by their keys (hexadecimal). Public, so not signed. Raises ``NotFound`` while there is none."""
        counted = "".join(f"&witness={check_sha256(key)}" for key in witnesses)
        path = f"/v1/ledger/checkpoint?covering={int(covering)}{counted}"
        return self._ask("GET", path, signed=False, cap=self._caps.document).content

    def model_offer(self, model: str, version: int | None = None) -> dict[str, Any]:
        """GET what the bureau offers of a published model (the newest version, unless named), without a contract."""
        if not is_slug(model):
            raise InvalidInput("Wanted a model's name (lower-case letters, digits, . _ -).", next_step="check --model")
        query = f"?version={int(version)}" if version is not None else ""
        return self._ask("GET", f"/v1/offers/{model}{query}", cap=self._caps.document).json()

    def own_bank_id(self) -> str:
        """GET this bank's id at the bureau; raises ``NotAuthentic`` if the key that signs is not accepted there."""
        return str(self._ask("GET", "/v1/banks/self", cap=self._caps.document).json().get("bank"))

    def submit_key_succession(self, signed: SignedKeySuccession) -> None:
        """POST the statement that the bank's next key takes the place of its old one. Safe to send again."""
        self._ask("POST", "/v1/banks/keys", signed.model_dump_json(by_alias=True).encode(), cap=self._caps.document)

    def _ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        cap: int,
        signed: bool = True,
        again: bool = True,
        patient: bool = True,
    ) -> BureauResponse:
        """Send, with bounded retries. ``again``: the request may be repeated though it may have been carried out.

        Not ``patient``: ``Busy`` is raised at once, for the caller to wait.
        """
        bureau_key = self._addressee() if signed else ""
        timer, asked = self.retry_policy.back_off().start(), 0.0
        for tries_left in range(self.retry_policy.tries - 1, -1, -1):
            headers = {"content-type": _media_type(body)} if body else {}
            if signed:
                headers |= sign_request(method, target, body, self._signer(bureau_key), bureau_key=bureau_key)
            failure: ShulabError
            try:
                answer = self._send(method, target, headers, body, cap)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if is_certificate_error(error):
                    raise NotAuthentic(
                        f"Wanted a certificate of {self.url} that verifies; it does not.",
                        next_step="check the address, or name the bureau's certificate authority with --ca-file",
                    ) from None
                failure = Unreachable(
                    f"No answer from {self.url} ({describe_transport_error(error)}).", next_step=CHECK_SERVICE_HINT
                )
                repeat = True
            except httpx.TransportError as error:
                failure = Unreachable(
                    f"The connection to {self.url} broke off ({describe_transport_error(error)}).",
                    next_step=CHECK_SERVICE_HINT,
                )
                repeat = again
            else:
                if answer.status < 300:
                    return answer
                failure = answer.to_error()
                # "busy" says that the request was not begun, so any request may be repeated then.
                busy = isinstance(failure, Busy)
                repeat = patient if busy else again and answer.status == 503
                asked = answer.retry_after
            if not repeat or tries_left == 0:
                raise failure
            timer.sleep(at_least=asked)
        raise Unreachable(f"No answer from {self.url}.", next_step=CHECK_SERVICE_HINT)

    def _send(self, method: str, target: str, headers: dict[str, str], body: bytes, cap: int) -> BureauResponse:
        request = self._client.build_request(method, target, headers=headers, content=body or None)
        with self._count_lock:
            self.bytes_up += len(method) + len(target) + 12 + _header_bytes(request.headers) + len(body)
        response = self._client.send(request, stream=True)
        received = bytearray()
        try:
            for chunk in response.iter_raw():
                received += chunk
                if len(received) > cap:
                    raise InvalidInput(
                        f"Wanted an answer of at most {cap} bytes; the bureau sends more.", next_step="ask the bureau"
                    )
        finally:
            response.close()
            with self._count_lock:
                self.bytes_down += len(received) + _header_bytes(response.headers) + 17
        return BureauResponse(
            response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(received)
        )

    def _signer(self, bureau_key: str) -> Signer:
        """The key that this bureau knows: the bank's may be rotated while the outlet is open."""
        return self._keys.key_for_bureau(bureau_key) if isinstance(self._keys, BankKeys) else self._keys

    def _addressee(self) -> str:
        if self._bureau_key is None:
            self._bureau_key = self.bureau_card().public_key
        return self._bureau_key


def _only_frame(data: bytes) -> bytes:
    """The bank's last gate: anything but a frame stays inside."""
    if not isinstance(data, bytes) or not is_frame(data):
        raise NotAllowed("Only frames of the protocols leave the bank; these bytes are none.", next_step="report this")
    return data


def _media_type(body: bytes) -> str:
    return "application/octet-stream" if is_frame(body) else "application/json"


def _header_bytes(headers: httpx.Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.raw) + 2
