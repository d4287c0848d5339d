"""Which addresses are reached without the proxy: the entries of ``NO_PROXY``, among them ranges of IPv4 and IPv6.

Names are compared as curl and Go compare them: ``example.com`` is that name and every name below it, ``.example.com``
and ``*.example.com`` only the names below it. A range (``10.0.0.0/8``, ``fd00::/8``) counts for addresses that are
written as numbers; no name is looked up, because the bank's resolver need not know what the proxy's knows. An entry may
end in a port. This machine is always reached directly.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from lab.terms.errors import InvalidInput
from lab.transport.address import is_loopback

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):([0-9]{1,5})")
_MOST_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry: a range of addresses or a name, and a port or 0 for all. ``below``: the name itself is not meant."""

    network: _Network | None = None
    name: str = ""
    below: bool = False
    port: int = 0

    def covers(self, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int) -> bool:
        if self.port not in (0, port):
            return False
        if self.network is not None:
            return address is not None and address.version == self.network.version and address in self.network
        return address is None and (host.endswith("." + self.name) or (host == self.name and not self.below))


@dataclass(frozen=True, slots=True)
class ProxyExceptions:
    """What is reached directly; from ``parse``."""

    entries: Sequence[_Entry] = ()
    everything: bool = False

    @classmethod
    def parse(cls, text: str, *, setting: str) -> Self:
        """Read entries between commas or spaces; ``*`` alone is everything.

        Raises ``InvalidInput`` for an entry that is no name, address or range: passed over, it would send to the proxy
        what should not go there.
        """
        words = [word for word in re.split(r"[,\s]+", text) if word]
        if len(words) > _MOST_ENTRIES:
            raise InvalidInput(
                f"Expected at most {_MOST_ENTRIES} entries in {setting}; found {len(words)}.",
                next_step="join addresses to ranges",
            )
        found = [_read(word, number, setting) for number, word in enumerate(words, 1) if word != "*"]
        return cls(tuple(found), everything="*" in words)

    def cover(self, host: str, port: int) -> bool:
        """Whether ``host`` (a name, or an address without brackets) is reached without the proxy."""
        name = host.strip("[]").rstrip(".").lower()
        if self.everything or is_loopback(name):
            return True
        address = _address(name)
        return any(entry.covers(name, address, port) for entry in self.entries)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that ``host`` is, without its zone; an IPv4 address written as IPv6 is IPv4. None for a name."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def _read(word: str, number: int, setting: str) -> _Entry:
    """One entry; ``number`` names it in an error, because its text may be anything."""
    rest, port = word, 0
    matched = _PORT.fullmatch(word)
    if matched is not None:
        rest, port = matched[1], int(matched[2])
    try:
        return _Entry(network=ipaddress.ip_network(rest.strip("[]"), strict=False), port=port)
    except ValueError:
        pass
    below = rest.startswith((".", "*."))
    try:
        name = rest.lstrip("*").lstrip(".").rstrip(".").lower().encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name) or (rest.startswith("*") and not below) or _looks_like_address(name):
        raise InvalidInput(
            f"Expected a name, an address or a range such as 10.0.0.0/8 or fd00::/8 as entry {number} of {setting}; "
            "found something else.",
            next_step=f"correct {setting}",
        )
    return _Entry(name=name, below=below, port=port)


def _looks_like_address(name: str) -> bool:
    """Whether a name would be an address if it were right, such as ``10.0.0``: no name's last part is a number."""
    return name.rpartition(".")[2].isdigit()
