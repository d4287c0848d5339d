"""Which rows of a consent file are good, and what is wrong with the others. Pure: a table in, rows and reasons out."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lab.tables.table_reader import CsvTable
from lab.terms.consent import COLUMNS, Consent, read_moment
from lab.terms.contract.document import Purpose
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import IdKind, Reason, normalise
from lab.terms.progress import Stage
from lab.terms.text.visible_line import is_line

_NEEDED = ("code", "bank", "purpose", "starts", "expires")
_STEP = 1_000  # rows between two steps of the progress bar
_REFERENCE_CHARACTERS = 200
_SHORTEST_TELLING = 6  # an opaque code shorter than this may stand in a reference by chance
_PURPOSES = {purpose.value: purpose for purpose in Purpose}
_KEY, _SIGNATURE = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{128}")
_BETWEEN = re.compile(r"[\W_]+")
_CODE_LIKE = re.compile(r"(?=([0-9]{8}[0-9A-HJ-NPQRTUWXY]{10}))")


class Fault(StrEnum):
    """Why a row is set aside, beside the reasons that a code itself may give (``lab.terms.identifiers.Reason``)."""

    BANK = "bank"
    PURPOSE = "purpose"
    TIME = "time"
    TERM = "term"
    OVER = "over"
    EVIDENCE = "evidence"
    EVIDENCE_FORM = "evidence-form"
    EVIDENCE_CODE = "evidence-code"
    SIGNATURE = "signature"
    WITHDRAWN = "withdrawn"

    @property
    def zh(self) -> str:
        """The reason in Chinese."""
        return _WORDS[self][0]

    @property
    def en(self) -> str:
        """The reason in English."""
        return _WORDS[self][1]


_WORDS: dict[Fault, tuple[str, str]] = {
    Fault.BANK: ("银行未在此登记", "no bank of that name or id is registered here"),
    Fault.PURPOSE: ("用途不在编码表中", "the purpose is none of the coded ones"),
    Fault.TIME: (
        "生效或失效不是日期，也不是带时区的时间",
        "starts or expires is no date and no time with offset",
    ),
    Fault.TERM: ("失效不晚于生效", "expires is not after starts"),
    Fault.OVER: ("授权期已过", "its term is over already"),
    Fault.EVIDENCE: ("既无凭证编号，也无公钥和签名", "has neither evidence nor a public key with a signature"),
    Fault.EVIDENCE_FORM: ("凭证、公钥或签名格式不符", "evidence, key or signature is not in its form"),
    Fault.EVIDENCE_CODE: ("凭证编号中含有企业代码", "the evidence reference holds an enterprise's code"),
    Fault.SIGNATURE: ("签名与授权内容不符", "the signature is not of this consent"),
    Fault.WITHDRAWN: ("早于企业的撤回；需撤回之后的新授权", "starts before the enterprise withdrew; needs a newer one"),
}


def words_of(reason: str) -> tuple[str, str]:
    """A reason for setting a row aside in Chinese and English, whether the code gave it or the rest of the row."""
    found: Fault | Reason = Fault(reason) if reason in _WORDS else Reason(reason)
    return found.zh, found.en


@dataclass(frozen=True, slots=True)
class Given:
    """A good row: its number, the consent, the bank's id, and what shows that the enterprise gave it."""

    row: int
    consent: Consent
    bank_id: str
    reference: str
    public_key: str = ""
    signature: str = ""

    @property
    def signature_sha256(self) -> str:
        """Hash of key and signature, or nothing. In the database the two themselves would betray the code: who holds
        them can try every code there is until the signature fits."""
        return hash_pair(self.public_key, self.signature) if self.signature else ""


def hash_pair(public_key: str, signature: str) -> str:
    """What the database keeps of an enterprise's key and signature."""
    return hashlib.sha256(bytes.fromhex(public_key + signature)).hexdigest()


def sort_rows(
    table: CsvTable, id_kind: IdKind, banks: Mapping[str, tuple[str, str]], now: datetime, stage: Stage
) -> tuple[list[Given], list[tuple[int, str]]]:
    """Good rows, and row number and reason of the others, both in the order of the file.

    ``banks``: id and name of each bank, by its id and by its name. Raises ``InvalidInput`` for another header.
    """
    _check_header(table.frame.columns)
    columns = [
        table.frame[name].to_list() if name in table.frame.columns else [None] * table.frame.height
        for name, _, _ in COLUMNS
    ]
    normal = normalise(columns[0], id_kind)
    good: list[Given] = []
    aside = [(line.row, str(line.reason)) for line in table.set_aside]
    cells = zip(table.numbers.tolist(), normal.codes, normal.reasons, *columns[1:], strict=True)
    for position, (row, code, reason, *rest) in enumerate(cells, 1):
        if code is None:
            aside.append((row, str(reason)))
        else:
            found = _read(row, code, [(cell or "").strip() for cell in rest], banks, now)
            if isinstance(found, Given):
                good.append(found)
            else:
                aside.append((row, found.value))
        if position % _STEP == 0:
            stage.advance(_STEP)
    return good, sorted(aside)


def _check_header(found: list[str]) -> None:
    known = [name for name, _, _ in COLUMNS]
    absent = [name for name in _NEEDED if name not in found]
    if absent:
        raise InvalidInput(
            f"Wanted the columns {', '.join(absent)}; the consent file's header does not have them.",
            next_step="compare with `lab steward consent template`",
        )
    strange = len([name for name in found if name not in known])
    if strange:
        raise InvalidInput(
            f"Wanted no other columns than {', '.join(known)}; found {strange} more.", next_step="take them out"
        )


def _read(row: int, code: str, cells: list[str], banks: Mapping[str, tuple[str, str]], now: datetime) -> Given | Fault:
    bank, purpose, starts, expires, reference, public_key, signature = cells
    if bank not in banks:
        return Fault.BANK
    if purpose not in _PURPOSES:
        return Fault.PURPOSE
    begin, end = read_moment(starts), read_moment(expires)
    if begin is None or end is None:
        return Fault.TIME
    if end <= begin:
        return Fault.TERM
    if end <= now:
        return Fault.OVER
    bank_id, name = banks[bank]
    given = Given(row, Consent(code, name, _PURPOSES[purpose], begin, end), bank_id, reference, public_key, signature)
    return _fault_of_evidence(given) or given


def _fault_of_evidence(given: Given) -> Fault | None:
    if not given.reference and not (given.public_key and given.signature):
        return Fault.EVIDENCE
    if given.reference:
        if len(given.reference) > _REFERENCE_CHARACTERS or not is_line(given.reference):
            return Fault.EVIDENCE_FORM
        if tells_a_code(given.reference, given.consent.code):
            return Fault.EVIDENCE_CODE
    if given.public_key or given.signature:
        if not _KEY.fullmatch(given.public_key) or not _SIGNATURE.fullmatch(given.signature):
            return Fault.EVIDENCE_FORM
        if not given.consent.bears(given.public_key, given.signature):
            return Fault.SIGNATURE
    return None


def tells_a_code(text: str, code: str) -> bool:
    """Whether a text that is kept as it is holds this enterprise's code, or any other that checks, however spaced."""
    plain = _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()
    own = _BETWEEN.sub("", code).upper()
    if len(own) >= _SHORTEST_TELLING and own in plain:
        return True
    return any(normalise([found.group(1)], "uscc").accepted for found in _CODE_LIKE.finditer(plain))
