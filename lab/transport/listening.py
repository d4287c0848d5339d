"""The socket on which a service listens, and how its address is written for people."""

from __future__ import annotations

import errno
import socket

from lab.terms.errors import Conflict
from lab.transport.address import is_loopback

_BACKLOG = 2048
_WILDCARDS = ("0.0.0.0", "::")
_REASONS = {
    errno.EADDRINUSE: ("another program listens there", "choose another --port (0 takes a free one), or end it"),
    errno.EACCES: ("this user may not", "choose a --port from 1024 on (0 takes a free one), or put a proxy before it"),
    errno.EADDRNOTAVAIL: ("this machine does not have the address", "choose a --host of this machine"),
}


def open_listener(host: str, port: int) -> socket.socket:
    """A TCP socket that listens on ``port`` (0: a free one) of ``host``; raises ``Conflict``, saying why it cannot.

    The socket names its protocol, IPPROTO_TCP: asyncio sets TCP_NODELAY on no other. Without it the second segment of
    an answer on a kept connection waits for the caller's delayed acknowledgement, 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        listening.close()
        number = error.errno if isinstance(error, OSError) else None
        why, step = _REASONS.get(number or 0, ("the host or the port does not exist", "check --host and --port"))
        raise Conflict(f"Expected to listen on port {port} of {host}; {why}.", next_step=step) from None
    return listening


def format_origin(host: str, port: int, *, tls: bool) -> str:
    """The origin (RFC 6454) of a service, with an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def is_every_address(host: str) -> bool:
    """Whether ``host`` stands for all addresses of this machine."""
    return host in _WILDCARDS


def is_exposed(host: str) -> bool:
    """Whether other machines can reach a service that listens on ``host``."""
    return not is_loopback(host)
