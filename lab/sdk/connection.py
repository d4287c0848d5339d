"""HTTP to one service: https with its certificate checked, or plain http to this machine; problems become errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from lab.sdk.session_file import default_session_file
from lab.terms.errors import InvalidInput, ShulabError, Unreachable
from lab.transport.address import check_address
from lab.transport.back_off import BackOff
from lab.transport.http_client import explain_transport_error, open_http_client
from lab.transport.problem_details import problem_kind, problem_to_error
from lab.transport.proxy.network_settings import read_network_settings

_TRIES = 30
"""About a minute at the two seconds that a busy service asks for: other people sign in meanwhile."""
_BACK_OFF = BackOff(first_wait=1.0, factor=1.0, longest_wait=5.0)
"""Waits of a person at a terminal: steady and short; a busy service says how long."""
_PLAIN = "use https: over http anybody on the way could act as you"
_DOWN = "check that the bureau's service runs (`lab bureau serve`) and that the address is right"


class ServiceConnection:
    """Requests to one service, through the proxy of ``network.toml`` beside the default file of sign-ins if it names
    one. ``token``: the person's, or empty before the sign-in."""

    def __init__(self, service: str, *, token: str = "", ca_file: str = "") -> None:
        self.service = check_service_url(service)
        self._network = read_network_settings(default_session_file().parent, ca_file=Path(ca_file) if ca_file else None)
        self._client = open_http_client(
            self._network,
            base_url=self.service,
            timeout=httpx.Timeout(120.0, connect=10.0),
            headers={"user-agent": "shulab"} | ({"authorization": f"Bearer {token}"} if token else {}),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content: bytes | Iterator[bytes] | None = None,
        media: str = "",
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """The service's JSON response, None if it is empty. While the service is busy the request is repeated, for a
        while."""
        timer = _BACK_OFF.start()
        for left in range(_TRIES - 1, -1, -1):
            headers = {"content-type": media} if media else {}
            with self._failures():
                response = self._client.request(
                    method, _checked(path), json=body, content=content, headers=headers, params=_present(query)
                )
            if response.status_code < 300:
                return _read(response)
            # "busy" means that the service did not begin the request. A stream cannot be sent twice.
            if left == 0 or problem_kind(response.content) != "busy" or isinstance(content, Iterator):
                break
            timer.sleep(at_least=_retry_after(response))
        raise self._error(response.status_code, response.content)

    @contextlib.contextmanager
    def stream(self, method: str, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Iterator[bytes]]:
        """A response of any length, piece by piece."""
        request = self._client.build_request(method, _checked(path), params=_present(query))
        with self._failures():
            response = self._client.send(request, stream=True)
        try:
            if response.status_code >= 300:
                with self._failures():
                    content = response.read()
                raise self._error(response.status_code, content)
            yield self._pieces(response)
        finally:
            response.close()

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        with self._failures():
            yield from response.iter_bytes()

    def _error(self, status: int, content: bytes) -> ShulabError:
        if 300 <= status < 400:
            return Unreachable(
                f"{self.service} redirects to another address; expected the service itself.", next_step=_DOWN
            )
        return problem_to_error(status, content)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise explain_transport_error(
                error, self.service, self._network, what="No answer from", next_step=_DOWN
            ) from None


def check_service_url(url: str) -> str:
    """The service's origin; raises as ``check_address`` does."""
    return check_address(url, option="--service", plain_http=False, instead=_PLAIN)


def _checked(path: str) -> str:
    """A path of the service; another host in it would receive the token."""
    if not path.startswith("/v1/"):
        raise InvalidInput("Expected a path of the service, /v1/…; found another.", next_step="report this")
    return path


def _present(query: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (query or {}).items() if value is not None}


def _read(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise Unreachable("Expected JSON from the service; found something else.", next_step=_DOWN) from None


def _retry_after(response: httpx.Response) -> float:
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0
