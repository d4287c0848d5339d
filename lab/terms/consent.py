"""An enterprise's consent: a named bank may use the bureau's records of it, for one purpose and a limited time.

Here are the form that an enterprise signs (Ed25519, RFC 8032, over the RFC 8785 form after ``DOMAIN``) and the columns
of a consent file. The bureau stores consents under pseudonyms. The signed form holds the enterprise's code, so it is
built when it is needed and not stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lab.terms.contract.document import Purpose
from lab.terms.keys.small_order import is_forgeable

SCHEMA = "shulab-consent/1"
DOMAIN = b"shulab consent v1\x00"
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?")
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("code", "企业统一社会信用代码", "the enterprise's unified social credit code"),
    ("bank", "获授权银行（名称或编号）", "the bank that is authorised, by name or id"),
    ("purpose", "用途", "the coded purpose"),
    ("starts", "生效（日期或时间）", "from when: a date (midnight UTC) or a time such as 2026-01-01T00:00:00+08:00"),
    ("expires", "失效（日期或时间）", "until when, not included: a date or a time"),
    ("evidence", "授权凭证编号", "where the authorisation is kept; no code in it"),
    ("public_key", "企业公钥", "the enterprise's Ed25519 public key, 64 hexadecimal digits"),
    ("signature", "企业签名", "its Ed25519 signature of this consent, 128 hexadecimal digits"),
)
"""Columns of a consent file: name, Chinese, English. A row has evidence, a key with a signature, or both."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent. ``bank``: the bank's name at the bureau; times are aware."""

    code: str
    bank: str
    purpose: Purpose
    starts: datetime
    expires: datetime

    def signing_input(self) -> bytes:
        """The bytes that an enterprise signs: the domain, then RFC 8785 of the consent, with times in UTC to the
        second.
        """
        document = {
            "schema": SCHEMA,
            "enterprise": self.code,
            "bank": self.bank,
            "purpose": self.purpose.value,
            "starts": format_consent_time(self.starts),
            "expires": format_consent_time(self.expires),
        }
        return DOMAIN + rfc8785.dumps(document)

    def is_signed_by(self, public_key: str, signature: str) -> bool:
        """Whether ``signature`` is a signature of this consent under ``public_key``; both hexadecimal."""
        try:
            if is_forgeable(public_key):
                return False
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
            key.verify(bytes.fromhex(signature), self.signing_input())
        except (InvalidSignature, ValueError):
            return False
        return True


@lru_cache(maxsize=4096)
def format_consent_time(moment: datetime) -> str:
    """A time in the form that consents use: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4096)
def parse_consent_time(text: str) -> datetime | None:
    """A date (midnight UTC) or an RFC 3339 time to the second, as a time in UTC; None for anything else.

    A time without an offset is ambiguous, so it is not accepted.
    """
    found = _MOMENT.fullmatch(text.strip())
    try:
        moment = datetime.fromisoformat(found.group()) if found else None
        if moment is None or not 1970 <= moment.year <= 9998:
            return None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def consent_file_template() -> str:
    """The header of a consent file and two made-up rows: one with evidence, one with a signature."""
    names = ",".join(name for name, _, _ in COLUMNS)
    by_evidence = "91990100MAEUJQ08XL,示例银行 Sample Bank,credit-approval,2026-01-01,2027-01-01,授权书 2026-000123,,"
    by_signature = (
        "91990100MAEUJQ08XL,示例银行 Sample Bank,post-loan-monitoring,"
        f"2026-01-01T00:00:00+08:00,2028-01-01T00:00:00+08:00,,{'0' * 64},{'0' * 128}"
    )
    return "\n".join((names, by_evidence, by_signature)) + "\n"
