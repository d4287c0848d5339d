"""Validating the rows of a consent file. Pure: a table in, good rows and reasons for the others out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lab.tables.table_file import TextTable
from lab.terms.consent import COLUMNS, Consent, parse_consent_time
from lab.terms.contract.document import Purpose
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import IdentifierNote, RejectionReason, normalise_identifiers
from lab.terms.identifiers.code_search import contains_enterprise_code
from lab.terms.names import IdKind, is_hex32, is_hex64
from lab.terms.progress import ProgressStage
from lab.terms.text.bilingual import BilingualEnum, BilingualText
from lab.terms.text.visible_line import is_visible_line

_REQUIRED_COLUMNS = ("code", "bank", "purpose", "starts", "expires")
_STEP = 1_000  # rows between two steps of the progress bar
_REFERENCE_CHARACTERS = 200
_PURPOSES = {purpose.value: purpose for purpose in Purpose}


class ConsentRejectionReason(BilingualEnum):
    """Why a row is set aside, beside the reasons that concern the code (``lab.terms.identifiers.RejectionReason``)."""

    BANK = "bank", "银行未在此登记", "no bank of that name or id is registered here"
    PURPOSE = "purpose", "用途不在编码表中", "the purpose is not one of the coded ones"
    TIME = (
        "time",
        "生效或失效不是日期，也不是带时区的时间",
        "starts or expires is not a date or a time with offset",
    )
    TERM = "term", "失效不晚于生效", "expires is not after starts"
    OVER = "over", "授权期已过", "its term is over already"
    EVIDENCE = "evidence", "既无凭证编号，也无公钥和签名", "has neither evidence nor a public key with a signature"
    EVIDENCE_FORM = "evidence-form", "凭证、公钥或签名格式不符", "evidence, key or signature is malformed"
    EVIDENCE_CODE = "evidence-code", "凭证编号中含有企业代码", "the evidence reference contains an enterprise's code"
    SIGNATURE = "signature", "签名与授权内容不符", "the signature is not of this consent"
    WITHDRAWN = (
        "withdrawn",
        "早于企业的撤回；需撤回之后的新授权",
        "starts before the enterprise withdrew; needs a newer one",
    )


def describe_reason(reason: str) -> BilingualText:
    """A reason for setting a row aside, whether it concerns the code or the rest of the row."""
    found: BilingualEnum = (
        ConsentRejectionReason(reason) if reason in set(ConsentRejectionReason) else RejectionReason(reason)
    )
    return found.zh, found.en


@dataclass(frozen=True, slots=True)
class ParsedConsent:
    """A good row: its number, the consent, the bank's id, and the evidence."""

    row: int
    consent: Consent
    bank_id: str
    reference: str
    public_key: str = ""
    signature: str = ""

    @property
    def signature_sha256(self) -> str:
        """The hash of key and signature, or empty. The two themselves would reveal the code to a holder of the
        database, who could try every code until the signature verifies."""
        return hash_key_and_signature(self.public_key, self.signature) if self.signature else ""


@dataclass(frozen=True, slots=True)
class ValidatedConsents:
    """``good``: the good rows; ``set_aside``: number and reason of the others; both in the order of the file.
    ``notes``: how many codes are odd, and how."""

    good: list[ParsedConsent]
    set_aside: list[tuple[int, str]]
    notes: Mapping[IdentifierNote, int]


def hash_key_and_signature(public_key: str, signature: str) -> str:
    """The hash of an enterprise's key and signature that the database stores."""
    return hashlib.sha256(bytes.fromhex(public_key + signature)).hexdigest()


def validate_rows(
    table: TextTable, id_kind: IdKind, banks: Mapping[str, tuple[str, str]], now: datetime, stage: ProgressStage
) -> ValidatedConsents:
    """The good rows and the others.

    ``banks``: id and name of each bank, by its id and by its name. Raises ``InvalidInput`` for another header.
    """
    _check_header(table.frame.columns)
    columns = [
        table.frame[name].to_list() if name in table.frame.columns else [None] * table.frame.height
        for name, _, _ in COLUMNS
    ]
    normal = normalise_identifiers(columns[0], id_kind)
    good: list[ParsedConsent] = []
    set_aside = [(line.row, str(line.reason)) for line in table.rejected]
    cells = zip(table.row_numbers.tolist(), normal.codes, normal.reasons, *columns[1:], strict=True)
    for position, (row, code, reason, *rest) in enumerate(cells, 1):
        if code is None:
            set_aside.append((row, str(reason)))
        else:
            found = _read(row, code, [(cell or "").strip() for cell in rest], banks, now)
            if isinstance(found, ParsedConsent):
                good.append(found)
            else:
                set_aside.append((row, found.value))
        if position % _STEP == 0:
            stage.advance(_STEP)
    return ValidatedConsents(good, sorted(set_aside), normal.notes)


def _check_header(found: list[str]) -> None:
    known = [name for name, _, _ in COLUMNS]
    absent = [name for name in _REQUIRED_COLUMNS if name not in found]
    if absent:
        raise InvalidInput(
            f"Expected the columns {', '.join(absent)}; the consent file's header does not have them.",
            next_step="compare with `lab steward consent template`",
        )
    strange = len([name for name in found if name not in known])
    if strange:
        raise InvalidInput(
            f"Expected no other columns than {', '.join(known)}; found {strange} more.", next_step="take them out"
        )


def _read(
    row: int, code: str, cells: list[str], banks: Mapping[str, tuple[str, str]], now: datetime
) -> ParsedConsent | ConsentRejectionReason:
    bank, purpose, starts, expires, reference, public_key, signature = cells
    if bank not in banks:
        return ConsentRejectionReason.BANK
    if purpose not in _PURPOSES:
        return ConsentRejectionReason.PURPOSE
    begin, end = parse_consent_time(starts), parse_consent_time(expires)
    if begin is None or end is None:
        return ConsentRejectionReason.TIME
    if end <= begin:
        return ConsentRejectionReason.TERM
    if end <= now:
        return ConsentRejectionReason.OVER
    bank_id, name = banks[bank]
    given = ParsedConsent(
        row, Consent(code, name, _PURPOSES[purpose], begin, end), bank_id, reference, public_key, signature
    )
    return _fault_of_evidence(given) or given


def _fault_of_evidence(given: ParsedConsent) -> ConsentRejectionReason | None:
    if not given.reference and not (given.public_key and given.signature):
        return ConsentRejectionReason.EVIDENCE
    if given.reference:
        if len(given.reference) > _REFERENCE_CHARACTERS or not is_visible_line(given.reference):
            return ConsentRejectionReason.EVIDENCE_FORM
        if contains_enterprise_code(given.reference, given.consent.code):
            return ConsentRejectionReason.EVIDENCE_CODE
    return _fault_of_signature(given) if given.public_key or given.signature else None


def _fault_of_signature(given: ParsedConsent) -> ConsentRejectionReason | None:
    if not is_hex32(given.public_key) or not is_hex64(given.signature):
        return ConsentRejectionReason.EVIDENCE_FORM
    if not given.consent.is_signed_by(given.public_key, given.signature):
        return ConsentRejectionReason.SIGNATURE
    return None
