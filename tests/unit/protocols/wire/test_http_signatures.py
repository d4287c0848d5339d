"""Request signatures: the RFC's own vector, and each way in which a request can be wrong."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms

from protocols.wire.http_signatures import MAX_AGE, ClocksDiffer, SignatureRejected, sign_request, verify_request

BUREAU = "ab" * 32
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TARGET = "/v1/contracts/trial-1/matching/setup?announced=10"
BODY = b"SHLB a frame"


class Key:
    """A signer like ``lab.bank.keys``: it signs, and shows only the public key."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public_key_hex = self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


@pytest.fixture
def key() -> Key:
    return Key()


@pytest.fixture
def headers(key: Key) -> dict[str, str]:
    return sign_request("POST", TARGET, BODY, key, bureau_key=BUREAU, created=NOW)


def verify(headers, *, method="POST", target=TARGET, bureau=BUREAU, now=NOW):
    return verify_request(method, target, headers.items(), bureau_key=bureau, now=now)


def test_a_signed_request_verifies_and_names_its_key(key, headers):
    verified = verify(headers)
    assert verified.key == key.public_key_hex
    assert verified.created == NOW
    verified.check_body(BODY)


def test_two_signatures_of_one_request_have_different_nonces(key, headers):
    again = sign_request("POST", TARGET, BODY, key, bureau_key=BUREAU, created=NOW)
    assert verify(again).nonce != verify(headers).nonce


def test_header_names_may_come_in_any_case(headers):
    assert verify({name.title(): value for name, value in headers.items()})


@pytest.mark.property(
    "Signed requests",
    claim="A request is accepted only if it is its bank's, fresh, unaltered and meant for this bureau.",
    topic="keys and people",
    code=["protocols.wire.http_signatures", "sandbox.auth.bank"],
)
@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"method": "PUT"}, "does not verify"),
        ({"target": TARGET.replace("trial-1", "trial-2")}, "does not verify"),
        ({"target": TARGET.replace("=10", "=11")}, "does not verify"),
        ({"target": TARGET.partition("?")[0]}, "does not verify"),
        ({"target": "/v1/ spaces and \u4e2d"}, "does not verify"),
        ({"bureau": "cd" * 32}, "another bureau"),
        ({"now": NOW + MAX_AGE + timedelta(seconds=1)}, "300 seconds allowed"),
        ({"now": NOW - MAX_AGE - timedelta(seconds=1)}, "300 seconds allowed"),
    ],
)
def test_anything_else_than_what_was_signed_is_rejected(headers, changed, match):
    with pytest.raises(SignatureRejected, match=match):
        verify(headers, **changed)


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (timedelta(minutes=12, seconds=5), "the sender's clock is 12 minutes 5 seconds behind the bureau's"),
        (timedelta(hours=-8), "the sender's clock is 8 hours ahead of the bureau's"),
        (timedelta(days=365, seconds=1), "the sender's clock is 365 days 1 seconds behind the bureau's"),
    ],
)
def test_a_clock_that_is_off_is_said_to_be_one_with_both_times(headers, later, said):
    """And not called a wrong signature: it is right."""
    with pytest.raises(ClocksDiffer) as caught:
        verify(headers, now=NOW + later)
    assert said in str(caught.value)
    assert "2026-03-01 12:00:00 UTC by the sender's clock" in str(caught.value)
    assert f"{NOW + later:%Y-%m-%d %H:%M:%S} UTC by the bureau's" in str(caught.value)


@pytest.mark.parametrize("now", [NOW + MAX_AGE, NOW - MAX_AGE])
def test_the_age_limit_itself_is_allowed(headers, now):
    assert verify(headers, now=now)


@pytest.mark.parametrize("body", [b"", BODY + b"x", BODY[:-1]])
def test_another_body_is_rejected(headers, body):
    with pytest.raises(SignatureRejected, match="digest"):
        verify(headers).check_body(body)


def test_an_empty_body_has_a_digest_too(key):
    signed = sign_request("GET", TARGET, b"", key, bureau_key=BUREAU, created=NOW)
    verified = verify(signed, method="GET")
    verified.check_body(b"")
    with pytest.raises(SignatureRejected):
        verified.check_body(b"smuggled")


@pytest.mark.parametrize("name", ["signature", "signature-input", "content-digest", "shulab-bureau"])
def test_each_header_is_needed(headers, name):
    del headers[name]
    with pytest.raises(SignatureRejected):
        verify(headers)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("signature-input", "nonce=", "nonsense="),
        ("signature-input", 'tag="shulab"', 'tag="other"'),
        ("signature-input", 'alg="ed25519"', 'alg="hmac-sha256"'),
        ("signature-input", '"@query" ', ""),
        ("signature-input", "created=", "created=1"),
        ("signature-input", "(", ""),
        ("content-digest", "sha-256", "sha-512"),
        ("shulab-bureau", "ab", "cd"),
        ("signature", ":", ""),
        ("signature", "shulab=", "other="),
    ],
)
def test_a_changed_header_is_rejected(headers, name, old, new):
    assert old in headers[name]
    headers[name] = headers[name].replace(old, new, 1)
    with pytest.raises(SignatureRejected):
        verify(headers)


@pytest.mark.parametrize("bad", ["", "zz" * 32, "ab" * 31, "AB" * 32, "ff" * 32])
def test_a_key_id_that_is_no_key_is_rejected(headers, key, bad):
    headers["signature-input"] = headers["signature-input"].replace(key.public_key_hex, bad)
    with pytest.raises(SignatureRejected):
        verify(headers)


def test_another_key_under_this_key_id_is_rejected(key):
    class Impostor(Key):
        def __init__(self) -> None:
            super().__init__()
            self.public_key_hex = key.public_key_hex

    with pytest.raises(SignatureRejected):
        verify(sign_request("POST", TARGET, BODY, Impostor(), bureau_key=BUREAU, created=NOW))


def test_less_coverage_is_rejected_though_the_signature_itself_is_good(key):
    message = _Request("POST", "https://bureau.invalid" + TARGET, {"shulab-bureau": BUREAU})
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519)
    covered = ("@method", "@path", "content-digest", "shulab-bureau")
    prepared = signer.prepare(
        message,
        key_id=key.public_key_hex,
        created=NOW,
        nonce="n" * 24,
        tag="shulab",
        covered_component_ids=covered,
        body=BODY,
    )
    signer.apply(message, prepared, key.sign(prepared.signature_base))
    with pytest.raises(SignatureRejected):
        verify({name.lower(): value for name, value in message.headers.items()})


@pytest.mark.parametrize("nonce", ["short", "x" * 129])
def test_the_nonce_has_a_sensible_length(key, nonce):
    signed = sign_request("POST", TARGET, BODY, key, bureau_key=BUREAU, created=NOW, nonce=nonce)
    with pytest.raises(SignatureRejected, match="nonce"):
        verify(signed)


def test_errors_carry_no_value(headers, key):
    with pytest.raises(SignatureRejected) as caught:
        verify(headers, target="/v1/contracts/trial-2?secret=42")
    assert "42" not in str(caught.value)
    assert key.public_key_hex not in str(caught.value)


@dataclass
class _Request:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


class TestRfcVector:
    """RFC 9421, appendix B.2.6 (Ed25519) with the key of B.1.4."""

    PUBLIC = load_der_public_key(base64.b64decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="))
    PRIVATE = load_der_private_key(
        base64.b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF"), None
    )
    SIGNATURE = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    COVERED = ("date", "@method", "@path", "@authority", "content-type", "content-length")
    INPUT = (
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )

    def request(self) -> _Request:
        headers = {
            "Host": "example.com",
            "Date": "Tue, 20 Apr 2021 02:07:55 GMT",
            "Content-Type": "application/json",
            "Content-Length": "18",
        }
        return _Request("POST", "https://example.com/foo?param=Value&Pet=dog", headers)

    def keys(self) -> MappingKeyResolver:
        return MappingKeyResolver(
            public_keys={"test-key-ed25519": cast("Ed25519PublicKey", self.PUBLIC)},
            private_keys={"test-key-ed25519": cast("Ed25519PrivateKey", self.PRIVATE)},
        )

    def test_signing_gives_the_published_signature(self):
        request = self.request()
        signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=self.keys())
        signer.sign(
            request,
            key_id="test-key-ed25519",
            created=datetime.fromtimestamp(1618884473, UTC),
            label="sig-b26",
            include_alg=False,
            covered_component_ids=self.COVERED,
        )
        assert request.headers["Signature-Input"] == self.INPUT
        assert request.headers["Signature"] == f"sig-b26=:{self.SIGNATURE}:"

    def test_the_published_signature_verifies(self):
        request = self.request()
        request.headers |= {"Signature-Input": self.INPUT, "Signature": f"sig-b26=:{self.SIGNATURE}:"}
        verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=self.keys())
        (result,) = verifier.verify(request, max_age=None)
        assert result.parameters["keyid"] == "test-key-ed25519"
