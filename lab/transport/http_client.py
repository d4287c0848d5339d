"""HTTP clients of one kind for all parties: the settings' proxy and authorities, and nothing that a library decides.

``trust_env`` of httpx stays off: it would take credentials from .netrc, and send requests through whatever proxy a
variable names. Redirects are not followed.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import httpcore
import httpx

from lab.terms.errors import ShulabError, Unreachable
from lab.transport.address import describe_transport_error
from lab.transport.certificates import explain_certificate_error, find_certificate_error, open_trust_context
from lab.transport.proxy.connect_tunnel import AsyncTunnelBackend, ProxyFailure, TunnelBackend
from lab.transport.proxy.network_settings import NetworkSettings, unused_proxy_hint
from lab.transport.proxy.proxy_address import ProxyAddress

_PEEK_SECONDS = 5.0
_MOST_CONNECTIONS, _MOST_IDLE, _IDLE_SECONDS = 100, 20, 5.0
"""Of a pool, as httpx has them: idle connections are closed before the service closes them."""


def open_http_client(
    network: NetworkSettings,
    *,
    timeout: httpx.Timeout | float,
    base_url: str = "",
    headers: Mapping[str, str] | None = None,
) -> httpx.Client:
    """A client that goes where ``network`` says; raises ``InvalidInput`` for a file of authorities that is none."""
    return httpx.Client(
        base_url=base_url,
        transport=_RoutedTransport(network),
        timeout=timeout,
        headers=headers,
        follow_redirects=False,
        trust_env=False,
    )


def open_async_http_client(network: NetworkSettings, *, timeout: float) -> httpx.AsyncClient:
    """``open_http_client`` for an event loop."""
    transport = _AsyncRoutedTransport(network)
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)


def explain_transport_error(
    error: Exception, url: str, network: NetworkSettings, *, what: str, next_step: str
) -> ShulabError:
    """What went wrong on the way to ``url``, an origin, for a person.

    ``what`` begins the sentence for a connection that failed, such as ``No answer from``; ``next_step`` is for it. A
    certificate that does not verify is fetched once more, so that the message can say whose it is.
    """
    failure = find_proxy_failure(error)
    if failure is not None:
        return Unreachable(failure.detail, next_step=failure.next_step)
    wrong = find_certificate_error(error)
    if wrong is not None:
        place = httpx.URL(url)
        return explain_certificate_error(
            wrong, place.host, _peek_certificate(place, network), ca_option=network.ca_option
        )
    return Unreachable(
        f"{what} {url} ({describe_transport_error(error)}).", next_step=next_step + unused_proxy_hint(network)
    )


def find_proxy_failure(error: BaseException) -> ProxyFailure | None:
    """The proxy's part in an error, or None."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ProxyFailure):
        seen = seen.__cause__ or seen.__context__
    return seen


class _TunnelTransport(httpx.HTTPTransport):
    """httpx's transport over connections through a proxy."""

    def __init__(self, proxy: ProxyAddress, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=TunnelBackend(proxy, open_trust_context()),
        )


class _AsyncTunnelTransport(httpx.AsyncHTTPTransport):
    def __init__(self, proxy: ProxyAddress, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=AsyncTunnelBackend(proxy, open_trust_context()),
        )


class _RoutedTransport(httpx.BaseTransport):
    """Sends each request directly, or through the settings' proxy."""

    def __init__(self, network: NetworkSettings) -> None:
        context = open_trust_context(network.ca_file, option=network.ca_option)
        self._network = network
        self._direct = httpx.HTTPTransport(verify=context, trust_env=False)
        self._tunnelled = _TunnelTransport(network.proxy, context) if network.proxy else self._direct

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return (self._tunnelled if _needs_proxy(request.url, self._network) else self._direct).handle_request(request)

    def close(self) -> None:
        self._direct.close()
        self._tunnelled.close()


class _AsyncRoutedTransport(httpx.AsyncBaseTransport):
    def __init__(self, network: NetworkSettings) -> None:
        context = open_trust_context(network.ca_file, option=network.ca_option)
        self._network = network
        self._direct = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
        self._tunnelled = _AsyncTunnelTransport(network.proxy, context) if network.proxy else self._direct

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        chosen = self._tunnelled if _needs_proxy(request.url, self._network) else self._direct
        return await chosen.handle_async_request(request)

    async def aclose(self) -> None:
        await self._direct.aclose()
        await self._tunnelled.aclose()


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _needs_proxy(url: httpx.URL, network: NetworkSettings) -> bool:
    return network.proxy_for(url.scheme, url.raw_host.decode("ascii"), _port(url)) is not None


def _peek_certificate(url: httpx.URL, network: NetworkSettings) -> bytes | None:
    """The certificate (DER) that answers at ``url``, unverified and for a message only: nothing is sent to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host = url.raw_host.decode("ascii")
    proxy = network.proxy_for(url.scheme, host, _port(url))
    backend = TunnelBackend(proxy, open_trust_context()) if proxy else httpcore.SyncBackend()
    try:
        stream = backend.connect_tcp(host, _port(url), timeout=_PEEK_SECONDS)
        try:
            stream = stream.start_tls(context, host, timeout=_PEEK_SECONDS)
            found = stream.get_extra_info("ssl_object").getpeercert(True)
        finally:
            stream.close()
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProxyError, OSError):
        return None
    return found if isinstance(found, bytes) else None
