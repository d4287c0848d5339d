"""Checks a service's certificate and key before the service starts."""

from __future__ import annotations

import ssl
from pathlib import Path

from lab.terms.errors import InvalidInput


def check_tls_files(certificate: Path | None, key: Path | None, *, names: tuple[str, str]) -> None:
    """Raise ``InvalidInput`` unless both are absent, or both are PEM files that fit each other.

    ``names``: the two options or settings, such as ``("--tls-certificate", "--tls-key")``. A key with a password is
    refused: nobody could type it when the service restarts by itself.
    """
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise InvalidInput(
            f"Expected {names[0]} and {names[1]} together; found one of them.", next_step="give both, or neither"
        )
    for name, file in zip(names, (certificate, key), strict=True):
        if not file.is_file():
            raise InvalidInput(
                f"Expected a PEM file for {name}; {file.name} is not a file.", next_step="check the path"
            )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError):
        raise InvalidInput(
            f"Expected a PEM chain for {names[0]} and its key, without a password, for {names[1]}; they cannot be "
            "read, or do not belong together.",
            next_step="put the server's certificate first in the chain, and give the key of that certificate",
        ) from None


def _no_password() -> str:
    raise ValueError
