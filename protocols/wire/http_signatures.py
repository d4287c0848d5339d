"""Signatures of requests: HTTP Message Signatures (RFC 9421) with Ed25519 (section 3.3.6), by http-message-signatures.

A signature covers ``@method``, ``@path``, ``@query``, ``content-digest`` (RFC 9530, SHA-256; present for an empty body
too) and ``shulab-bureau``, the key of the bureau to which the request is addressed. Its parameters are ``created``,
``nonce``, ``keyid`` (the public key, 64 hexadecimal digits) and ``tag="shulab"``. The host is not covered, because a
reverse proxy in front of a service may change it. The bureau's key is covered instead, so a request for one bureau is
worthless at another. A proxy must leave path and query unchanged.

This module never sees the signing key: its holder offers ``sign(bytes) -> bytes`` (``Signer``).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import (
    ContentDigest,
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

SIGNATURE_TAG = "shulab"
BUREAU_HEADER = "shulab-bureau"
COVERED_COMPONENTS = ("@method", "@path", "@query", "content-digest", BUREAU_HEADER)
MAX_AGE = timedelta(seconds=300)
"""The largest difference of the two clocks, transport included; a nonce is remembered for at least twice as long."""

_LABEL = "shulab"
_NONCE_BYTES = 18  # 24 characters of base64url: no nonce comes twice, although the sender keeps no state
_ORIGIN = "https://bureau.invalid"  # never covered; the library needs an absolute URL


class SignatureRejected(ValueError):
    """The signature is missing, wrong, too old or covers too little. The message names the rule, never a value."""


class ClocksDiffer(SignatureRejected):
    """The signature is right, and was made too long before or after ``now`` by the verifier's clock."""

    def __init__(self, created: datetime, now: datetime, max_age: timedelta) -> None:
        apart = abs(now - created)
        way = "behind" if created < now else "ahead of"
        super().__init__(
            f"it was signed at {_format_time(created)} by the sender's clock and came at {_format_time(now)} by the "
            f"bureau's: the sender's clock is {_format_difference(apart)} {way} the bureau's, or the request was under "
            f"way for longer than the {int(max_age.total_seconds())} seconds allowed"
        )


class Signer(Protocol):
    """The holder of an Ed25519 key, who signs with it."""

    @property
    def public_key_hex(self) -> str:
        """The Ed25519 public key, 32 bytes in hexadecimal."""

    def sign(self, message: bytes) -> bytes:
        """The signature of ``message``, 64 bytes (RFC 8032)."""


@dataclass(frozen=True)
class VerifiedRequest:
    """A verified signature: the signer's key (64 hexadecimal digits), the nonce, the time, the digest of the body.

    The signature is verified before the body is read, so a stranger cannot make the service read one. The body must
    then pass ``check_body``.
    """

    key: str
    nonce: str
    created: datetime
    digest: str

    def check_body(self, body: bytes) -> None:
        """Compare the body to the signed Content-Digest (RFC 9530); raises ``SignatureRejected``."""
        try:
            ContentDigest.verify(self.digest, body)
        except HTTPMessageSignaturesException:
            raise SignatureRejected("the body does not have the digest that was signed") from None


@dataclass
class _SignedMessage:
    """A request as the library reads it: method, absolute URL, header fields."""

    method: str
    url: str
    headers: _HeaderFields


class _HeaderFields(dict[str, str]):
    """Header fields with lower-case names; repeated lines are joined by commas (RFC 9110, section 5.3)."""

    @classmethod
    def of(cls, lines: Iterable[tuple[str, str]]) -> _HeaderFields:
        fields = cls()
        for name, value in lines:
            key = name.lower()
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
        return fields

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.lower(), value)


class _KeyIdResolver(HTTPSignatureKeyResolver):
    """The key id *is* the key. The caller decides what that key may do."""

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        if len(key_id) != 64 or any(digit not in "0123456789abcdef" for digit in key_id):
            return None
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_id))


class _SignatureVerifier(HTTPMessageVerifier):
    """Leaves the check of the age to ``verify_request``, whose clock is an argument."""

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        return None


def sign_request(
    method: str,
    target: str,
    body: bytes,
    signer: Signer,
    *,
    bureau_key: str,
    created: datetime | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """The header fields that authenticate a request: Content-Digest, Shulab-Bureau, Signature-Input, Signature.

    ``target`` is the path with its query exactly as sent, beginning with ``/``. ``bureau_key``: 64 hexadecimal digits.
    A request that is sent again must be signed again, because its nonce is used up.
    """
    message = _SignedMessage(method.upper(), _ORIGIN + target, _HeaderFields())
    message.headers[BUREAU_HEADER] = bureau_key
    machine = HTTPMessageSigner(signature_algorithm=algorithms.ED25519)
    prepared = machine.prepare(
        message,
        key_id=signer.public_key_hex,
        created=created or datetime.now(UTC),
        nonce=nonce or secrets.token_urlsafe(_NONCE_BYTES),
        label=_LABEL,
        tag=SIGNATURE_TAG,
        covered_component_ids=COVERED_COMPONENTS,
        body=body,
    )
    machine.apply(message, prepared, signer.sign(prepared.signature_base))
    return dict(message.headers)


def verify_request(
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    *,
    bureau_key: str,
    now: datetime | None = None,
    max_age: timedelta = MAX_AGE,
) -> VerifiedRequest:
    """Verify a request's signature, coverage, age and addressee; raises ``SignatureRejected``.

    The caller checks the body (``VerifiedRequest.check_body``), that the nonce is new, and what the key may do.
    """
    message = _SignedMessage(method.upper(), _ORIGIN + target, _HeaderFields.of(headers))
    verifier = _SignatureVerifier(signature_algorithm=algorithms.ED25519, key_resolver=_KeyIdResolver())
    try:
        results = verifier.verify(
            message, max_age=None, expect_tag=SIGNATURE_TAG, require_components=COVERED_COMPONENTS
        )
    except (InvalidSignature, HTTPMessageSignaturesException):
        raise SignatureRejected("the request is not signed, or its signature does not verify") from None
    if len(results) != 1:
        raise SignatureRejected("a request carries one signature with the tag of this service")
    parameters = results[0].parameters
    if message.headers[BUREAU_HEADER] != bureau_key:
        raise SignatureRejected("the request was signed for another bureau")
    nonce = parameters.get("nonce")
    if not isinstance(nonce, str) or not 16 <= len(nonce) <= 128:
        raise SignatureRejected("the signature needs a nonce of 16 to 128 characters")
    created = _read_time(parameters.get("created"))
    now = now or datetime.now(UTC)
    if abs(now - created) > max_age:
        raise ClocksDiffer(created, now, max_age)
    if "expires" in parameters and _read_time(parameters["expires"]) < now:
        raise SignatureRejected("the signature has expired")
    return VerifiedRequest(str(parameters["keyid"]), nonce, created, message.headers["content-digest"])


def _format_time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _format_difference(apart: timedelta) -> str:
    """The two largest units: ``2 days 3 hours``."""
    seconds = int(apart.total_seconds())
    counts = {"days": seconds // 86_400, "hours": seconds // 3600 % 24, "minutes": seconds // 60 % 60}
    counts["seconds"] = seconds % 60
    shown = [f"{count} {unit}" for unit, count in counts.items() if count]
    return " ".join(shown[:2])


def _read_time(seconds: object) -> datetime:
    try:
        return datetime.fromtimestamp(int(str(seconds)), UTC)
    except (ValueError, OverflowError, OSError):
        raise SignatureRejected("the signature does not say when it was made") from None
