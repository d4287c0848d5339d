"""Signed requests to one bureau over HTTP: every byte that leaves the bank passes here.

Each request is signed (RFC 9421, ``protocols.wire.http_signatures``) and repeated when that is safe. Bytes are counted
both ways, responses have a size limit, and problem documents (RFC 9457) become the errors that the bureau raised.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Self

import httpx

from lab.bank.connection.responses import CHECK_SERVICE_HINT, BureauResponse, UnverifiedBureauCard, parse_bureau_card
from lab.bank.keys import BankKeys
from lab.terms.errors import Busy, InvalidInput, ShulabError, Unreachable
from lab.transport.address import check_address
from lab.transport.back_off import BackOff
from lab.transport.http_client import explain_transport_error, find_proxy_failure, open_http_client
from lab.transport.proxy.network_settings import NetworkSettings
from protocols.wire.frame import is_frame
from protocols.wire.http_signatures import Signer, sign_request

_PLAIN_HTTP_HINT = "use https, or allow it with --insecure-http inside a protected network"


@dataclass(frozen=True)
class ResponseLimits:
    """The largest responses, in bytes, that are read: small documents, the bank sheet, frames."""

    document: int = 1024 * 1024
    sheet: int = 64 * 1024 * 1024
    frame: int = 1024 * 1024 * 1024 + 65536


@dataclass(frozen=True)
class RetryPolicy:
    """Seconds to connect and to wait for a response; the number of tries, and the longest wait between two of them.

    ``busy_timeout``: seconds in all to wait for a bureau that is still evaluating its register, or a batch;
    ``cosigning_timeout``: for the contract's witnesses to cosign its ledger, when everything else of a job is done.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 960.0  # longer than the service's own limit, so that its response is read
    tries: int = 5
    longest_wait: float = 15.0
    busy_timeout: float = 12 * 3600.0  # a bureau takes hours for hundreds of millions of entries, once a key epoch
    cosigning_timeout: float = 600.0

    def back_off(self, deadline: float = math.inf) -> BackOff:
        """The waits between tries, for at most ``deadline`` seconds."""
        return BackOff(longest_wait=self.longest_wait, deadline=deadline)


class _Repeat(Enum):
    """Whether a request that failed may be sent again."""

    ALWAYS = auto()
    """It did not reach the bureau."""
    IF_REPEATABLE = auto()
    """It may have been carried out."""
    IF_WAITING = auto()
    """The bureau is busy: it did not begin the request, and says when to come back."""
    NEVER = auto()


@dataclass(frozen=True)
class _Failure:
    """A try that failed, and the seconds to wait at least before the next."""

    error: ShulabError
    repeat: _Repeat
    retry_after: float = 0.0


class SignedTransport:
    """A connection to one bureau. Safe to use from several threads.

    ``url`` is the bureau's origin. https is verified against the system's authorities or those of ``network``, and
    goes through the proxy of ``network``; plain http goes directly, and is allowed to this machine only, unless
    ``insecure_http``. ``bureau_key`` (64 hexadecimal digits) is the pinned key of
    the bureau; without it the first signed request asks the bureau for its key. ``bytes_up`` and ``bytes_down`` count
    bodies exactly and estimate HTTP/1.1 headers; what TLS and TCP add is not counted.
    """

    def __init__(
        self,
        url: str,
        keys: Signer,
        *,
        bureau_key: str | None = None,
        insecure_http: bool = False,
        network: NetworkSettings | None = None,
        caps: ResponseLimits | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        self.url = check_address(url, option="--bureau", plain_http=insecure_http, instead=_PLAIN_HTTP_HINT)
        self.bytes_up = 0
        self.bytes_down = 0
        self._keys = keys
        self._bureau_key = bureau_key
        self._limits = caps or ResponseLimits()
        self.retry_policy = retry_policy or RetryPolicy()
        self._count_lock = threading.Lock()
        self._network = network or NetworkSettings()
        self._client = open_http_client(
            self._network,
            base_url=self.url,
            timeout=httpx.Timeout(self.retry_policy.read_timeout, connect=self.retry_policy.connect_timeout),
            headers={"accept-encoding": "identity", "user-agent": "shulab"},
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
        return parse_bureau_card(self._request("GET", "/v1/bureau", signed=False))

    def _request(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        max_bytes: int | None = None,
        signed: bool = True,
        repeatable: bool = True,
        wait_if_busy: bool = True,
    ) -> BureauResponse:
        """Send a request, with a bounded number of tries; raises the error of the last one.

        ``max_bytes``: the largest response that is read, None for that of a document.
        ``repeatable``: it may be sent again even if it may have been carried out. Without ``wait_if_busy``, ``Busy`` is
        raised at once, and the caller waits.
        """
        bureau_key = self._addressee() if signed else None
        allowed = {_Repeat.ALWAYS}
        allowed |= {_Repeat.IF_REPEATABLE} if repeatable else set()
        allowed |= {_Repeat.IF_WAITING} if wait_if_busy else set()
        timer, tries_left = self.retry_policy.back_off().start(), self.retry_policy.tries
        while True:
            outcome = self._try(method, target, body, bureau_key, max_bytes or self._limits.document)
            if isinstance(outcome, BureauResponse):
                return outcome
            tries_left -= 1
            if outcome.repeat not in allowed or tries_left <= 0:
                raise outcome.error
            timer.sleep(at_least=outcome.retry_after)

    def _try(
        self, method: str, target: str, body: bytes, bureau_key: str | None, max_bytes: int
    ) -> BureauResponse | _Failure:
        """Send a request once."""
        headers = {"content-type": _media_type(body)} if body else {}
        if bureau_key is not None:
            headers |= sign_request(method, target, body, self._signer(bureau_key), bureau_key=bureau_key)
        try:
            response = self._send(method, target, headers, body, max_bytes)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            return self._no_connection(error)
        except httpx.TransportError as error:
            return _Failure(self._explain("Lost the connection to", error), _Repeat.IF_REPEATABLE)
        if response.status < 300:
            return response
        failure = response.to_error()
        if isinstance(failure, Busy):
            repeat = _Repeat.IF_WAITING
        else:
            repeat = _Repeat.IF_REPEATABLE if response.status == 503 else _Repeat.NEVER
        return _Failure(failure, repeat, response.retry_after)

    def _send(self, method: str, target: str, headers: dict[str, str], body: bytes, max_bytes: int) -> BureauResponse:
        request = self._client.build_request(method, target, headers=headers, content=body or None)
        with self._count_lock:
            self.bytes_up += len(method) + len(target) + 12 + _header_bytes(request.headers) + len(body)
        response = self._client.send(request, stream=True)
        received = bytearray()
        try:
            for chunk in response.iter_raw():
                received += chunk
                if len(received) > max_bytes:
                    raise InvalidInput(
                        f"Expected a response of at most {max_bytes} bytes; the bureau sends more.",
                        next_step="ask the bureau",
                    )
        finally:
            response.close()
            with self._count_lock:
                self.bytes_down += len(received) + _header_bytes(response.headers) + 17
        return BureauResponse(
            response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(received)
        )

    def _signer(self, bureau_key: str) -> Signer:
        """The key that this bureau knows: the bank's key may be rotated while the connection is open."""
        return self._keys.key_for_bureau(bureau_key) if isinstance(self._keys, BankKeys) else self._keys

    def _addressee(self) -> str:
        """The bureau's public key, which a signature names."""
        if self._bureau_key is None:
            self._bureau_key = self.bureau_card().public_key
        return self._bureau_key

    def _no_connection(self, error: httpx.TransportError) -> _Failure:
        """The request did not reach the bureau. A wrong certificate or a refusing proxy does not pass by itself."""
        found, proxy = self._explain("No answer from", error), find_proxy_failure(error)
        passes = proxy.may_pass if proxy is not None else isinstance(found, Unreachable)
        return _Failure(found, _Repeat.ALWAYS if passes else _Repeat.NEVER)

    def _explain(self, what: str, error: httpx.TransportError) -> ShulabError:
        return explain_transport_error(error, self.url, self._network, what=what, next_step=CHECK_SERVICE_HINT)


def _media_type(body: bytes) -> str:
    return "application/octet-stream" if is_frame(body) else "application/json"


def _header_bytes(headers: httpx.Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.raw) + 2
