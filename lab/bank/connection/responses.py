"""Parses a bureau's responses strictly: JSON objects, receipts, cards, problem documents.

A problem document (RFC 9457) becomes the error that the bureau raised. Nothing is sent here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.terms.errors import Busy, InvalidInput, NotAuthentic, ShulabError, Unreachable
from lab.terms.names import is_hex32
from lab.terms.text.visible_line import is_visible_line
from lab.transport.problem_details import parse_json_object, problem_kind, problem_to_error

CHECK_SERVICE_HINT = "check that the bureau's service runs (`lab bureau serve`) and that the address is right"
_MAX_WORD_LENGTH = 100
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class BureauResponse:
    """Status, header fields by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def problem_type(self) -> str:
        """The last part of the problem's type, which is an error family's code."""
        return problem_kind(self.content)

    @property
    def retry_after(self) -> float:
        """Seconds that the bureau asks to wait; 0 without such a request."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdigit() and len(value) < 9 else 0.0

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises ``Unreachable`` for anything else."""
        found = parse_json_object(self.content)
        if found is None:
            raise Unreachable(
                "Expected a JSON object from the bureau; found something else.", next_step="check the bureau's address"
            )
        return found

    def receipt(self) -> dict[str, Any]:
        """The receipt in the response's header; raises ``Unreachable`` without one."""
        try:
            found = parse_json_object(base64.b64decode(self.headers.get("shulab-receipt", ""), validate=True))
        except ValueError:
            found = None
        if found is None:
            raise Unreachable(
                "Expected a receipt with the response; found none.", next_step="ask the bureau for its version"
            )
        return found

    def to_error(self) -> ShulabError:
        """The error that the bureau raised; a response without a problem document is judged by its status."""
        found = problem_to_error(self.status, self.content)
        if isinstance(found, Busy):
            return Busy(found.detail, next_step=found.next_step, retry_after=int(self.retry_after))
        return found


FINAL_STATES = frozenset({"rejected", "revoked", "expired", "retired"})
"""Final states of a contract's version; a state that is unknown here counts as not final."""


@dataclass(frozen=True)
class ContractVersionStatus:
    """The state of a contract's version at the bureau."""

    version: int
    state: str
    sha256: str
    signable: bool
    signed_by_bank: bool
    signed_by_bureau: bool

    @property
    def ended(self) -> bool:
        """Whether the version's state is final."""
        return self.state in FINAL_STATES


@dataclass(frozen=True)
class UnverifiedBureauCard:
    """What a bureau says of itself, unsigned: compare ``public_key`` with a pin or fingerprint before trusting it."""

    name: str
    public_key: str
    api: str
    engines: tuple[str, ...]
    parameters: tuple[str, ...]


def parse_bureau_card(response: BureauResponse) -> UnverifiedBureauCard:
    """The bureau's card; raises ``Unreachable`` for anything else, ``NotAuthentic`` for a malformed key."""
    found = response.json()
    try:
        card = UnverifiedBureauCard(
            str(found["name"]),
            str(found["public_key"]),
            str(found["api"]),
            tuple(str(engine) for engine in found["engines"]),
            tuple(str(parameters) for parameters in found["parameters"]),
        )
    except (KeyError, TypeError):
        raise Unreachable(
            "Expected a bureau's card at this address; found another service.", next_step=CHECK_SERVICE_HINT
        ) from None
    if not is_hex32(card.public_key):
        raise NotAuthentic(
            "Expected a public key of 64 hexadecimal digits in the bureau's card; found something else.",
            next_step="ask the bureau",
        )
    return card


def parse_contract_versions(response: BureauResponse) -> tuple[ContractVersionStatus, ...]:
    """Every version of a contract, newest first; raises ``Unreachable`` for anything else."""
    try:
        listed = [_parse_version(one) for one in response.json().get("versions") or ()]
    except (KeyError, TypeError, ValueError):
        listed = []
    if not listed:
        raise Unreachable(
            "Expected the contract's versions from the bureau; found something else.", next_step=CHECK_SERVICE_HINT
        )
    return tuple(sorted(listed, key=lambda one: -one.version))


def _parse_version(found: Mapping[str, Any]) -> ContractVersionStatus:
    version, texts = int(found["version"]), (found["state"], found["sha256"])
    if not all(isinstance(text, str) and len(text) <= _MAX_WORD_LENGTH for text in texts):
        raise ValueError
    signed = (found["signable"], found["signed_by_bank"], found["signed_by_bureau"])
    return ContractVersionStatus(version, *texts, *(one is True for one in signed))


def parse_allowance(response: BureauResponse) -> dict[str, Any]:
    """What is used and left under a contract's ceilings; raises ``Unreachable`` for anything else."""
    found = response.json()
    try:
        counts = [
            found[name][word] for name in ("identifiers", "scores", "jobs") for word in ("used", "ceiling", "left")
        ]
        if all(type(count) is int for count in (*counts, found["scores"]["period_days"], found["rows_per_job"])):
            return found
    except (KeyError, TypeError):
        pass
    raise Unreachable(
        "Expected the contract's allowance from the bureau; found something else.", next_step=CHECK_SERVICE_HINT
    )


@dataclass(frozen=True, slots=True)
class RegisterState:
    """The register that a model's scores come from: its name and newest version, and the codes of the model's items
    that moved since it was trained. ``superseded``: versions that counted an adverse record which was put right since;
    a bureau of an earlier version of this program names none. ``day``: the ISO day as of which the version's records
    were computed; empty if none is known, as for a version that was imported from a file."""

    name: str
    version: int
    moved: tuple[str, ...] = ()
    superseded: tuple[int, ...] = ()
    day: str = ""

    @property
    def label(self) -> str:
        """The version as receipts and runs name it, such as ``main-2``."""
        return f"{self.name}-{self.version}"


def parse_register_state(response: BureauResponse) -> RegisterState:
    """The state of a register; raises ``Unreachable`` for anything else."""
    found = response.json()
    name, version, moved = found.get("name"), found.get("version"), found.get("moved")
    superseded, day = found.get("superseded", []), found.get("day")
    if (
        not isinstance(name, str)
        or type(version) is not int
        or not isinstance(moved, list)
        or not all(isinstance(code, str) and is_visible_line(code) for code in moved)
        or not isinstance(superseded, list)
        or not all(type(one) is int for one in superseded)
        or not (day is None or (isinstance(day, str) and _ISO_DAY.fullmatch(day)))
    ):
        raise Unreachable(
            "Expected a register's version from the bureau; found something else.", next_step=CHECK_SERVICE_HINT
        )
    return RegisterState(name, version, tuple(moved), tuple(superseded), day or "")


@contextmanager
def translate_protocol_errors(what: str) -> Iterator[None]:
    """Turn a protocol's error about the bureau's bytes into one with a next step; it shows none of the bytes."""
    try:
        yield
    except ValueError as error:
        raise InvalidInput(
            f"The bureau's {what} response does not fit: {error}.", next_step="ask the bureau; check both versions"
        ) from None
