"""Checks a service's certificate and key before the service starts, and says which of the two is wrong and how."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from lab.terms.errors import InvalidInput
from lab.transport.certificates import describe_certificate

_KEY_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.DOTALL)
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_MOST_BYTES = 1024 * 1024


def check_tls_files(certificate: Path | None, key: Path | None, *, names: tuple[str, str]) -> datetime | None:
    """Raise ``InvalidInput`` unless both are absent, or both are PEM files that fit each other, in force and in order.

    Returns when the certificate expires, None without one. ``names``: the two options or settings, such as
    ``("--tls-certificate", "--tls-key")``. A key with a password is refused: nobody could type it when the service
    restarts by itself.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InvalidInput(
            f"Expected {names[0]} and {names[1]} together; found one of them.", next_step="give both, or neither"
        )
    chain = _read_chain(certificate, names[0])
    own = _read_key(key, names[1])
    _check_fit(chain, own, names)
    _check_order(chain, names[0])
    _check_dates(chain, names[0])
    _check_with_openssl(certificate, key, names)
    return chain[0].not_valid_after_utc


def _read(file: Path, name: str) -> bytes:
    try:
        if not file.is_file():
            found = "it is not a file" if file.exists() else "there is none"
        else:
            content = file.read_bytes()
            if len(content) <= _MOST_BYTES:
                return content
            found = "it is too large"
    except OSError as error:
        found = f"it cannot be read ({error.strerror})"
    raise InvalidInput(
        f"Expected a PEM file for {name} at {file}; {found}.",
        next_step=f"check the path in {name}, and who may read it",
    )


def _read_chain(file: Path, name: str) -> Sequence[x509.Certificate]:
    content = _read(file, name)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        if _CERTIFICATE in content:
            found, step = "a certificate in it is damaged", "copy the file again from where it was issued"
        elif _KEY_BLOCK.search(content):
            found, step = "it holds a key", "give the certificate here and the key as the other file"
        elif content[:1] == b"\x30":  # an ASN.1 sequence
            found, step = "it is DER", "convert it: openssl x509 -inform der -in FILE -out FILE.pem"
        else:
            found, step = "it holds none", "give the chain that the authority issued, in PEM"
    raise InvalidInput(f"Expected PEM certificates in the file of {name}; {found}.", next_step=step)


def _read_key(file: Path, name: str) -> PrivateKeyTypes:
    content = _read(file, name)
    block = _KEY_BLOCK.search(content)
    if block is None:
        found = "it holds a certificate" if _CERTIFICATE in content else "it holds none"
        step = "give the key that the certificate was requested with"
    else:
        try:
            return load_pem_private_key(block[0], None)
        except TypeError:
            found = "it is encrypted with a password, which nobody could type when the service restarts"
            step = "decrypt it: openssl pkey -in FILE -out FILE.plain; chmod 600 FILE.plain"
        except (ValueError, UnsupportedAlgorithm):
            found = "encrypted" if b"ENCRYPTED" in block[0] else "damaged, or of an unknown kind"
            found, step = f"it is {found}", "give it unencrypted, as it was made: openssl pkey -in FILE -check"
    raise InvalidInput(f"Expected a private key in PEM in the file of {name}; {found}.", next_step=step)


def _check_fit(chain: Sequence[x509.Certificate], key: PrivateKeyTypes, names: tuple[str, str]) -> None:
    """The key must belong to the first certificate."""
    own = _public_bytes(key.public_key())
    fitting = [number for number, one in enumerate(chain, 1) if _public_bytes(one.public_key()) == own]
    if fitting and fitting[0] == 1:
        return
    if fitting:
        raise InvalidInput(
            f"Expected the service's certificate first in the file of {names[0]}; it is number {fitting[0]} of "
            f"{len(chain)}.",
            next_step="put it first, then the authority that issued it, and so on, without the root",
        )
    raise InvalidInput(
        f"Expected {names[0]} and {names[1]} to belong together; the key is not that of the certificate "
        f"{describe_certificate(chain[0].public_bytes(Encoding.DER))}.",
        next_step="give the key that this certificate was requested with, or the certificate of this key",
    )


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check_order(chain: Sequence[x509.Certificate], name: str) -> None:
    """Each certificate must be issued by the next (RFC 8446, section 4.4.2)."""
    for number, (one, issuer) in enumerate(pairwise(chain), 1):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise InvalidInput(
                f"Expected each certificate in the file of {name} to be issued by the next; number {number} of "
                f"{len(chain)} is not issued by number {number + 1}.",
                next_step="order the file: the service's certificate, the authority that issued it, and so on",
            ) from None


def _check_dates(chain: Sequence[x509.Certificate], name: str) -> None:
    now = datetime.now(UTC)
    for number, one in enumerate(chain, 1):
        if one.not_valid_before_utc <= now <= one.not_valid_after_utc:
            continue
        fault = "has expired" if now > one.not_valid_after_utc else "is not valid yet"
        step = "renew it, then start again" if fault == "has expired" else "check this machine's clock"
        raise InvalidInput(
            f"Expected certificates in force in the file of {name}; number {number} of {len(chain)} {fault}: it is "
            f"{describe_certificate(one.public_bytes(Encoding.DER))}.",
            next_step=step,
        )


def _check_with_openssl(certificate: Path, key: Path, names: tuple[str, str]) -> None:
    """What the server will do; OpenSSL refuses keys and signatures that are too weak."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise InvalidInput(
            f"Expected a certificate and a key that OpenSSL accepts for {names[0]} and {names[1]}; it says: {reason}.",
            next_step="ask the authority for a certificate with a present-day key and signature",
        ) from None


def _no_password() -> str:
    raise ValueError
