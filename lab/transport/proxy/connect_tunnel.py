"""Connections through a proxy by CONNECT (RFC 9110, section 9.3.6): the proxy sees a host and a port, then TLS.

httpx has its own way through a proxy. It writes an IPv6 address without its brackets, knows no ranges in ``NO_PROXY``,
and gives the proxy's answer as a text that may repeat anything. Here the answer is bounded in size and time, and what
went wrong is said in our own words.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from lab.transport.proxy.proxy_address import ProxyAddress, join_host_port

_MOST_HEAD_BYTES = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")
_SCHEMES = re.compile(rb"(?im)^proxy-authenticate:[ \t]*([A-Za-z0-9!#$%&'*+.^_`|~-]{1,30})")
_HEAD_SECONDS = 30.0
"""How long a proxy may take to answer where the caller names no time."""


class ProxyFailure(httpcore.ProxyError):
    """The proxy gave no tunnel. ``may_pass``: the same request may succeed later. No text in it comes from the proxy
    or from the settings, except for the proxy's host and port."""

    def __init__(self, detail: str, next_step: str, *, may_pass: bool = False) -> None:
        super().__init__(detail)
        self.detail, self.next_step, self.may_pass = detail, next_step, may_pass


class ConnectExchange:
    """One request for a tunnel and its answer, apart from any socket."""

    def __init__(self, proxy: ProxyAddress, host: str, port: int) -> None:
        self._proxy, self._target = proxy, join_host_port(host, port)
        lines = [f"CONNECT {self._target} HTTP/1.1", f"Host: {self._target}", "User-Agent: shulab"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        self.request = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
        self._head = b""

    def receive(self, data: bytes) -> bool:
        """Take what the proxy sent (``b""``: it closed); True when the tunnel is open. Raises ``ProxyFailure``."""
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            if not data or len(self._head) > _MOST_HEAD_BYTES:
                raise self._strange("it closed the connection or sent no HTTP")
            return False
        matched = _STATUS_LINE.match(head + b"\r\n")
        if matched is None:
            raise self._strange("it sent no HTTP")
        if not matched[1].startswith(b"2"):
            raise self._refused(int(matched[1]), head)
        if rest:  # in TLS the client speaks first, so these bytes are the proxy's own
            raise self._strange("it sent data before the service could")
        return True

    def _refused(self, status: int, head: bytes) -> ProxyFailure:
        shown = f"The proxy {self._proxy.shown} opens no connection to {self._target} (HTTP status {status})."
        if status == 407:
            schemes = sorted({name.decode().lower() for name in _SCHEMES.findall(head)}) or ["none"]
            found = "does not accept this name and password" if self._proxy.authorization else "asks for a sign-in"
            return ProxyFailure(
                f"The proxy {self._proxy.shown} {found} (HTTP status 407; it offers: {', '.join(schemes)}).",
                "give http://user:password@host:port as the proxy; of the ways to sign in, Basic is supported",
            )
        if status in (502, 503, 504):
            step = "check the service's address; the proxy itself cannot reach it"
            return ProxyFailure(shown, step, may_pass=True)
        return ProxyFailure(shown, "ask your network's operators to allow this address and port, or set no_proxy")

    def _strange(self, found: str) -> ProxyFailure:
        return ProxyFailure(
            f"Expected the proxy {self._proxy.shown} to answer CONNECT; {found}.", "check the proxy's address and port"
        )


def _as_proxy_failure(proxy: ProxyAddress, error: Exception) -> ProxyFailure:
    """What happened on the way to the proxy, or to its answer."""
    if isinstance(error, ProxyFailure):
        return error
    if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
        return ProxyFailure(
            f"Expected a certificate of the proxy {proxy.shown} that verifies; it does not.",
            "name the proxy as its certificate does, and have its authority in the system's certificate store",
        )
    return ProxyFailure(f"No answer from the proxy {proxy.shown}.", "check the proxy's address and port", may_pass=True)


class TunnelBackend(httpcore.NetworkBackend):
    """Opens every connection through ``proxy``. ``context``: verifies the proxy itself, if it is reached by https."""

    def __init__(self, proxy: ProxyAddress, context: ssl.SSLContext) -> None:
        self._proxy, self._context, self._inner = proxy, context, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to ``host`` and ``port``; raises ``ProxyFailure``."""
        deadline = time.monotonic() + (timeout or _HEAD_SECONDS)
        stream = None
        try:
            stream = self._inner.connect_tcp(self._proxy.host, self._proxy.port, timeout, local_address, socket_options)
            if self._proxy.is_tls:
                stream = stream.start_tls(self._context, self._proxy.host, timeout)
            exchange = ConnectExchange(self._proxy, host, port)
            stream.write(exchange.request, timeout)
            while not exchange.receive(stream.read(4096, _time_left(deadline))):
                pass
        except (ProxyFailure, httpcore.NetworkError, httpcore.TimeoutException) as error:
            if stream is not None:
                stream.close()
            raise _as_proxy_failure(self._proxy, error) from error
        return stream


class AsyncTunnelBackend(httpcore.AsyncNetworkBackend):
    """``TunnelBackend`` for an event loop."""

    def __init__(self, proxy: ProxyAddress, context: ssl.SSLContext) -> None:
        self._proxy, self._context, self._inner = proxy, context, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A stream to ``host`` and ``port``; raises ``ProxyFailure``."""
        deadline = time.monotonic() + (timeout or _HEAD_SECONDS)
        stream = None
        try:
            stream = await self._inner.connect_tcp(
                self._proxy.host, self._proxy.port, timeout, local_address, socket_options
            )
            if self._proxy.is_tls:
                stream = await stream.start_tls(self._context, self._proxy.host, timeout)
            exchange = ConnectExchange(self._proxy, host, port)
            await stream.write(exchange.request, timeout)
            while not exchange.receive(await stream.read(4096, _time_left(deadline))):
                pass
        except (ProxyFailure, httpcore.NetworkError, httpcore.TimeoutException) as error:
            if stream is not None:
                await stream.aclose()
            raise _as_proxy_failure(self._proxy, error) from error
        return stream


def _time_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left
