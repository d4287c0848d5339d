"""Addresses of services: which are acceptable, whose certificates count, and what went wrong on the way there.

The bank's outlet and the client of people judge them by the same rules. Nothing is opened or asked here.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from lab.terms.errors import InvalidInput, NotAllowed


def check_address(url: str, *, option: str, plain_http: bool, instead: str) -> str:
    """The service's origin; https, or plain http to this machine alone unless ``plain_http``.

    ``option`` is where the person gave it, ``instead`` what to do about plain http. Raises ``InvalidInput`` for what is
    no such address, ``NotAllowed`` for plain http to another machine.
    """
    wrong = InvalidInput("Wanted the service's address as https://host[:port].", next_step=f"check {option}")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 -- raises when it is no port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise wrong
    if parts.path not in ("", "/"):
        raise InvalidInput(
            "Wanted the service's address without a path; the service stands at the root.", next_step=f"check {option}"
        )
    if parts.scheme == "http" and not plain_http and not is_loopback(parts.hostname):
        raise NotAllowed("Wanted https to a service on another machine; found plain http.", next_step=instead)
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_ca_file(file: Path) -> ssl.SSLContext:
    """The certificate authorities in a PEM file; raises ``InvalidInput``."""
    try:
        return ssl.create_default_context(cafile=str(file))
    except OSError:  # ssl.SSLError is one
        raise InvalidInput(
            f"Wanted {file.name} to hold PEM certificates; it does not.", next_step="check --ca-file"
        ) from None


def is_certificate_error(error: BaseException) -> bool:
    """Whether a certificate was the reason, wherever it stands in the chain of causes."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLCertVerificationError):
        seen = seen.__cause__ or seen.__context__
    return seen is not None


def describe_transport_error(error: Exception) -> str:
    """A word for a failure of transport; its own text may repeat addresses and the like, its type does not."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
