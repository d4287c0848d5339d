"""Which certificate authorities count, and what was wrong with a certificate, in words.

By default it is the system's certificate store (the packages of the operating system, or ``SSL_CERT_FILE`` and
``SSL_CERT_DIR``, as OpenSSL reads them), not a list that a Python package brings. A file of one's own authorities
replaces the store.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import truststore
from cryptography import x509
from cryptography.x509.oid import NameOID

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.text.escaping import escape_hidden

_EXPIRED, _NOT_YET, _WRONG_NAMES = 10, 9, (62, 63, 64)
"""X509_V_ERR_CERT_HAS_EXPIRED, _CERT_NOT_YET_VALID, _HOSTNAME_MISMATCH with those of e-mail and address
(openssl/x509_vfy.h)."""
_MOST_NAMES, _LONGEST_NAME = 3, 100


def open_trust_context(ca_file: Path | None = None, *, option: str = "--ca-file") -> ssl.SSLContext:
    """A context that verifies services against the system's store, or against ``ca_file`` alone.

    Raises ``InvalidInput`` if the file is missing or holds no certificate; ``option`` names it in the message.
    """
    if ca_file is None:
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError:  # an OSError too
        found = "it holds none"
    except OSError as error:
        found = f"it cannot be read ({error.strerror})"
    else:
        if context.cert_store_stats()["x509"]:
            return context
        found = "it holds none"
    raise InvalidInput(
        f"Expected PEM certificates in the file of {option}; {found}.", next_step=f"check the path in {option}"
    )


def find_certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The failure of a certificate to verify, anywhere in the chain of causes, or None."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLCertVerificationError):
        seen = seen.__cause__ or seen.__context__
    return seen


def explain_certificate_error(
    error: ssl.SSLCertVerificationError, host: str, found: bytes | None, *, ca_option: str
) -> NotAuthentic:
    """The error for a person: what was expected, which certificate was found, and what to do about it.

    ``found``: the certificate of the service (DER), if it could be fetched once more. ``ca_option``: where an authority
    is named.
    """
    shown = f"found one {describe_certificate(found)}" if found else "found another"
    if error.verify_code == _EXPIRED:
        fault, step = "it has expired", "ask the service's operator to renew it; check this machine's clock too"
    elif error.verify_code == _NOT_YET:
        fault, step = "it is not valid yet", "check this machine's clock, then ask the service's operator"
    elif error.verify_code in _WRONG_NAMES:
        fault, step = "it is for another name", "use the name in the certificate, or ask the service's operator"
    else:
        fault = "no authority that counts here has issued it, or a certificate between the two is missing"
        step = (
            f"if the service has an authority of its own, name its file with {ca_option}; if a proxy answers in the "
            "service's place, ask your network's operators to let this address through unopened"
        )
    return NotAuthentic(f"Expected a certificate of {host} that verifies; {shown}: {fault}.", next_step=step)


def describe_certificate(der: bytes) -> str:
    """Names, issuer and dates of a certificate, in words; text in it is made visible and cut at a bound."""
    try:
        found = x509.load_der_x509_certificate(der)
        names = _names(found)
        issuer = _common_name(found.issuer) or "an authority without a name"
        begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    except ValueError:
        return "that cannot be read"
    return f"for {names}, issued by {issuer}, valid from {_day(begins)} to {_day(ends)}"


def _names(certificate: x509.Certificate) -> str:
    """The names that a certificate is for (RFC 9525: subjectAltName alone counts)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return "no host"
    hosts = [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]
    shown = [_visible(name) for name in hosts[:_MOST_NAMES]]
    return ", ".join(shown + ([f"{len(hosts) - _MOST_NAMES} more"] if len(hosts) > _MOST_NAMES else [])) or "no host"


def _common_name(name: x509.Name) -> str:
    found = [*name.get_attributes_for_oid(NameOID.COMMON_NAME), *name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return _visible(str(found[0].value)) if found else ""


def _visible(text: str) -> str:
    return str(escape_hidden(text[:_LONGEST_NAME]))


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
