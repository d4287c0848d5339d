"""Certificate authorities and certificates of services, made for a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class MadeCertificate:
    """A certificate with its key and those that issued it, nearest first."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    issuers: tuple[x509.Certificate, ...] = ()

    def issue(
        self,
        hosts: Sequence[str] = (),
        *,
        name: str = "service",
        days: tuple[int, int] = (-1, 30),
        authority: bool = False,
    ) -> MadeCertificate:
        """A certificate for ``hosts`` that this one signs; ``days`` from now: its first and its last."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _build(name, key, self.certificate.subject, self.key, hosts, days, authority)
        return MadeCertificate(made, key, (self.certificate, *self.issuers))

    def write(self, folder: Path, name: str = "service", *, password: bytes = b"") -> tuple[Path, Path]:
        """The files of the chain (without the root) and of the key."""
        folder.mkdir(parents=True, exist_ok=True)
        chain, key = folder / f"{name}-chain.pem", folder / f"{name}-key.pem"
        chain.write_bytes(b"".join(map(pem, (self.certificate, *self.issuers[:-1]))))
        sealed = BestAvailableEncryption(password) if password else NoEncryption()
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
        return chain, key

    def write_authority(self, file: Path) -> Path:
        """The certificate alone, as a file of authorities."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pem(self.certificate))
        return file


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def make_authority(name: str = "Test Authority") -> MadeCertificate:
    """A root of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return MadeCertificate(_build(name, key, subject, key, (), (-10, 400), True), key)


def _build(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
    days: tuple[int, int],
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
