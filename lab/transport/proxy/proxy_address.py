"""The address of a proxy, with the name and password that it may ask for; these are never shown."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from lab.terms.errors import InvalidInput

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """A proxy that understands CONNECT. ``is_tls``: the connection to the proxy itself is https."""

    host: str
    port: int
    is_tls: bool = False
    authorization: str = field(default="", repr=False)
    """Value of ``Proxy-Authorization`` (Basic, RFC 7617), or empty."""

    @classmethod
    def parse(cls, url: str, *, setting: str) -> Self:
        """Read ``[http[s]://][user:password@]host[:port]``, as ``HTTPS_PROXY`` has it; a missing scheme means http.

        ``setting`` names where the address comes from. Raises ``InvalidInput``, which never repeats the address.
        """
        wrong = InvalidInput(
            f"Expected a proxy's address in {setting}, as http://[user:password@]host:port; found something else.",
            next_step=f"correct {setting}; of other kinds of proxy (SOCKS) none is supported",
        )
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
            raise wrong
        if parts.query or parts.fragment or not parts.hostname.isascii() or not parts.hostname.isprintable():
            raise wrong
        authorization = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https", authorization)

    @property
    def shown(self) -> str:
        """Host and port, for messages."""
        return join_host_port(self.host, self.port)


def join_host_port(host: str, port: int) -> str:
    """``host:port``, with an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
