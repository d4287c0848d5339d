"""A service's certificate and key: each fault has its own message and its own next step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lab.terms.errors import InvalidInput
from lab.transport.tls_files import check_tls_files
from tests.support.made_certificates import MadeCertificate, make_authority, pem

NAMES = ("tls_certificate", "tls_key")
ROOT = make_authority()
MIDDLE = ROOT.issue(name="Issuing Authority", authority=True)
LEAF = MIDDLE.issue(["bureau.example"])
OTHER = MIDDLE.issue(["other.example"])


def files(folder: Path, made: MadeCertificate = LEAF, **more: bytes) -> tuple[Path, Path]:
    return made.write(folder, **more)  # type: ignore[arg-type]


def check(certificate: Path | None, key: Path | None) -> datetime | None:
    return check_tls_files(certificate, key, names=NAMES)


def test_a_chain_and_its_key_pass(tmp_path: Path) -> None:
    chain, key = files(tmp_path)
    expires = check(chain, key)
    assert expires is not None and expires > datetime.now(UTC)
    assert check(None, None) is None
    key.write_bytes(
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + key.read_bytes()
    )
    assert check(chain, key) == expires
    both = tmp_path / "both.pem"
    both.write_bytes(chain.read_bytes() + key.read_bytes())
    assert check(both, both) == expires


def _cert(content: bytes) -> Callable[[Path, Path], None]:
    return lambda chain, key: void(chain.write_bytes(content))


def _key(content: bytes) -> Callable[[Path, Path], None]:
    return lambda chain, key: void(key.write_bytes(content))


def void(_: object) -> None:
    """Nothing."""


def swap(chain: Path, key: Path) -> None:
    first, second = chain.read_bytes(), key.read_bytes()
    chain.write_bytes(second)
    key.write_bytes(first)


LEAF_PEM, MIDDLE_PEM, ROOT_PEM, OTHER_PEM = (pem(one.certificate) for one in (LEAF, MIDDLE, ROOT, OTHER))


@pytest.mark.parametrize(
    ("spoil", "shown", "step"),
    [
        (lambda chain, key: chain.unlink(), "for tls_certificate at .*there is none", "path in tls_certificate"),
        (lambda chain, key: key.unlink(), "for tls_key at .*there is none", "path in tls_key"),
        (lambda chain, key: (key.unlink(), key.mkdir()), "tls_key at .*it is not a file", "path"),
        (_cert(b""), "tls_certificate; it holds none", "in PEM"),
        (_cert(LEAF.certificate.public_bytes(Encoding.DER)), "it is DER", "openssl x509 -inform der"),
        (_cert(LEAF_PEM[:200] + b"\n-----END CERTIFICATE-----\n"), "damaged", "copy"),
        (swap, "tls_certificate; it holds a key", "the other file"),
        (_key(LEAF_PEM), "tls_key; it holds a certificate", "requested with"),
        (_key(b"hello"), "tls_key; it holds none", "requested with"),
        (_key(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), "it is damaged", "-check"),
        (
            _cert(OTHER_PEM + MIDDLE_PEM),
            "belong together; .*for other.example, issued by Issuing Authority",
            "requested with",
        ),
        (_cert(MIDDLE_PEM + LEAF_PEM), "first in the file of tls_certificate; it is number 2 of 2", "put it first"),
        (_cert(LEAF_PEM + ROOT_PEM + MIDDLE_PEM), "number 1 of 3 is not issued by number 2", "order the file"),
        (_cert(LEAF_PEM + OTHER_PEM), "number 1 of 2 is not issued by number 2", "order the file"),
    ],
)
def test_each_fault_is_said(tmp_path: Path, spoil: Callable[[Path, Path], None], shown: str, step: str) -> None:
    chain, key = files(tmp_path)
    spoil(chain, key)
    with pytest.raises(InvalidInput, match=shown) as caught:
        check(chain, key)
    assert step in caught.value.next_step


def test_one_without_the_other(tmp_path: Path) -> None:
    chain, key = files(tmp_path)
    for one in ((chain, None), (None, key)):
        with pytest.raises(InvalidInput, match="together"):
            check(*one)


def test_a_key_with_a_password(tmp_path: Path) -> None:
    chain, key = files(tmp_path, password=b"secret")
    with pytest.raises(InvalidInput, match="encrypted with a password") as caught:
        check(chain, key)
    assert "openssl pkey" in caught.value.next_step


@pytest.mark.parametrize(("days", "shown"), [((-9, -1), "has expired"), ((2, 9), "is not valid yet")])
def test_a_certificate_that_is_not_in_force(tmp_path: Path, days: tuple[int, int], shown: str) -> None:
    chain, key = files(tmp_path, MIDDLE.issue(["bureau.example"], days=days))
    with pytest.raises(InvalidInput, match=f"number 1 of 2 {shown}: it is for bureau.example, issued by Issuing"):
        check(chain, key)
    middle = ROOT.issue(name="Issuing Authority", authority=True, days=days)
    chain, key = files(tmp_path, middle.issue(["bureau.example"]))
    with pytest.raises(InvalidInput, match=f"number 2 of 2 {shown}"):
        check(chain, key)


def test_a_key_that_openssl_finds_too_weak(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(LEAF.certificate.subject)
        .public_key(weak.public_key())
        .serial_number(1)
        .not_valid_before(LEAF.certificate.not_valid_before_utc)
        .not_valid_after(LEAF.certificate.not_valid_after_utc)
        .sign(weak, hashes.SHA256())
    )
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(pem(certificate))
    key.write_bytes(weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(InvalidInput, match="it says: EE_KEY_TOO_SMALL"):
        check(chain, key)
