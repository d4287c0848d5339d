"""Addresses of services: which addresses are accepted, and what went wrong on the way to one.

The bank's client and the people's client share these rules. Nothing here opens a connection.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from lab.terms.errors import InvalidInput, NotAllowed


def check_address(url: str, *, option: str, plain_http: bool, instead: str) -> str:
    """The service's origin, ``scheme://host[:port]``. Plain http is accepted to this machine, and elsewhere only with
    ``plain_http``.

    ``option``: the option that held the address. ``instead``: the next step for plain http. Raises ``InvalidInput`` for
    anything that is not such an address, ``NotAllowed`` for plain http to another machine.
    """
    parts = _split(url, option)
    if parts.scheme == "http" and not plain_http and not is_loopback(parts.hostname or ""):
        raise NotAllowed("Expected https to a service on another machine; found plain http.", next_step=instead)
    return f"{parts.scheme}://{parts.netloc}"


def _split(url: str, option: str) -> SplitResult:
    """The parts of an address that has a scheme, a host and at most a port."""
    wrong = InvalidInput("Expected the service's address as https://host[:port].", next_step=f"check {option}")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 -- raises ValueError for a wrong port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise wrong
    if parts.path not in ("", "/"):
        raise InvalidInput(
            "Expected the service's address without a path; the service is at the root.", next_step=f"check {option}"
        )
    return parts


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def describe_transport_error(error: Exception) -> str:
    """A transport error in words, from its type alone: its text may repeat addresses."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
