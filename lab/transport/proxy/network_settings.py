"""How this party reaches others: through a proxy or not, and which certificate authorities count.

Commands read ``network.toml`` in the party's folder; ``SHULAB_PROXY``, ``SHULAB_NO_PROXY`` and ``SHULAB_CA_FILE`` take
precedence. The service has the same three among its own settings. Without a setting no proxy is used: ``HTTPS_PROXY``
and ``NO_PROXY`` count where ``proxy = "environment"`` says so, and then only these two. So a variable that somebody
else set never decides who sees whom a bank talks to.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.text.known_names import check_known_names
from lab.transport.proxy.no_proxy import ProxyExceptions
from lab.transport.proxy.proxy_address import ProxyAddress

NETWORK_FILE = "network.toml"
FROM_ENVIRONMENT, NO_PROXY_AT_ALL = "environment", "none"
_NAMES = ("proxy", "no_proxy", "ca_file")
_VARIABLES = {"proxy": "SHULAB_PROXY", "no_proxy": "SHULAB_NO_PROXY", "ca_file": "SHULAB_CA_FILE"}


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The proxy or None, what is reached without it, and a PEM file of authorities or None for the system's."""

    proxy: ProxyAddress | None = None
    exceptions: ProxyExceptions = field(default_factory=ProxyExceptions)
    ca_file: Path | None = None
    ca_option: str = "--ca-file"
    """Where ``ca_file`` was named, for messages."""

    @classmethod
    def from_texts(cls, proxy: str, no_proxy: str = "", *, where: str = "proxy") -> NetworkSettings:
        """Read a proxy's address, ``environment``, or ``none`` (or nothing); ``where`` names it in errors.

        With ``environment``, entries of ``NO_PROXY`` and of ``no_proxy`` count. Raises ``InvalidInput``.
        """
        exceptions = ProxyExceptions.parse(no_proxy, setting="no_proxy")
        if proxy.strip().lower() in ("", NO_PROXY_AT_ALL):
            return cls(exceptions=exceptions)
        if proxy.strip().lower() != FROM_ENVIRONMENT:
            return cls(ProxyAddress.parse(proxy.strip(), setting=where), exceptions)
        found, name = _environment_proxy()
        if not found:
            return cls(exceptions=exceptions)
        both = f"{_variable('NO_PROXY')[0]},{no_proxy}"
        return cls(ProxyAddress.parse(found, setting=name), ProxyExceptions.parse(both, setting="NO_PROXY"))

    def with_ca_file(self, ca_file: Path | None, option: str = "--ca-file") -> NetworkSettings:
        """These settings with another file of authorities; unchanged for None."""
        return self if ca_file is None else replace(self, ca_file=ca_file, ca_option=option)

    def proxy_for(self, scheme: str, host: str, port: int) -> ProxyAddress | None:
        """The proxy for a connection. Only https goes through one: of plain http it would see everything."""
        if scheme != "https" or self.proxy is None or self.exceptions.cover(host, port):
            return None
        return self.proxy


def read_network_settings(folder: Path, *, ca_file: Path | None = None) -> NetworkSettings:
    """The settings in ``network.toml`` of ``folder`` and in the environment; ``ca_file``: from the command line.

    Raises ``InvalidInput``, and ``NotAllowed`` if others can read a file that holds a proxy's password.
    """
    file = folder / NETWORK_FILE
    found = _read_file(file)
    texts = {name: os.environ.get(variable) or found.get(name, "") for name, variable in _VARIABLES.items()}
    settings = NetworkSettings.from_texts(texts["proxy"], texts["no_proxy"], where=f"proxy of {NETWORK_FILE}")
    if settings.proxy is not None and settings.proxy.authorization and found.get("proxy"):
        _check_unreadable(file)
    named = Path(texts["ca_file"]).expanduser() if texts["ca_file"] else None
    option = _VARIABLES["ca_file"] if os.environ.get(_VARIABLES["ca_file"]) else f"ca_file of {NETWORK_FILE}"
    return settings.with_ca_file(named, option).with_ca_file(ca_file)


def unused_proxy_hint(settings: NetworkSettings) -> str:
    """A clause for the next step where the environment names a proxy and the settings none; else empty."""
    found, name = _environment_proxy()
    if settings.proxy is not None or not found:
        return ""
    return f"; {name} is set but not used here: if the way out is that proxy, set SHULAB_PROXY=environment"


def _read_file(file: Path) -> Mapping[str, str]:
    next_step = f"correct {file}"
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidInput(f"Expected to read {file.name}; found: {error.strerror}.", next_step=next_step) from None
    except ValueError:
        raise InvalidInput(f"Expected {file.name} to be TOML; it is not.", next_step=next_step) from None
    check_known_names(found, _NAMES, where=file.name, next_step=next_step)
    wrong = sorted(name for name, value in found.items() if not isinstance(value, str))
    if wrong:
        raise InvalidInput(
            f"Expected texts in {file.name}; found something else for {', '.join(wrong)}.", next_step=next_step
        )
    return found


def _check_unreadable(file: Path) -> None:
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise NotAllowed(
            f"Expected {file.name}, which holds a proxy's password, to be readable by its owner alone; it is not.",
            next_step=f"chmod 600 {file}, and change the password if others could read it",
        )


def _environment_proxy() -> tuple[str, str]:
    """The proxy that the environment names for https, and the variable's name; empty if there is none."""
    return _variable("HTTPS_PROXY")


def _variable(name: str) -> tuple[str, str]:
    """A variable's value and name, in capitals or in small letters (curl prefers the small)."""
    for spelt in (name.lower(), name):
        if os.environ.get(spelt):
            return os.environ[spelt], spelt
    return "", name
