"""Drafting a contract from what the bureau holds: a published model, its register, and the officer's choices."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.orm import Session

from lab.bureau.contracts.cabinet import file_draft
from lab.bureau.register import find_snapshot
from lab.bureau.shelf import PUBLISHED, Shelved
from lab.terms.contract import Ceilings, Contract, Detail, Item, ModelTerms, Operation, Party, Purpose
from lab.terms.errors import InvalidInput, NotFound, Refused
from models.model import Model
from protocols.matching.bureau import DEFAULT_ENGINE, ENGINES
from protocols.scoring.params import DEFAULT_PARAMETERS, PARAMETERS

_CARD_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Choices:
    """What an officer chooses for a contract."""

    purpose: Purpose = Purpose.CREDIT_APPROVAL
    detail: Detail = Detail.FULL
    engine: str = DEFAULT_ENGINE
    parameters: str = DEFAULT_PARAMETERS
    days: int = 365
    ceilings: Ceilings = field(default_factory=Ceilings)


def read_bank_card(path: Path) -> Party:
    """A bank's card (JSON with ``name`` and ``public_key``); raises ``NotFound`` or ``InvalidInput``."""
    if not path.is_file():
        raise NotFound(f"Wanted a bank card in file {path.name}; there is no such file.", next_step="check the path")
    try:
        if path.stat().st_size > _CARD_BYTES:
            raise ValueError
        card = json.loads(path.read_bytes())
        return Party(name=card["name"], public_key=card["public_key"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidInput(
            f"Wanted {path.name} to be a bank card with name and public_key; it is not.",
            next_step="ask the bank for the output of `lab bank card`",
        ) from None


def draft(
    session: Session, bureau: Party, bank: Party, shelved: Shelved, model: Model, choices: Choices, now: datetime
) -> Contract:
    """Write a contract and keep it as a draft.

    The items are those the model asks about. Raises ``Refused`` for an unpublished model, ``InvalidInput`` for a
    detail, engine, parameter set or term that does not exist.
    """
    if shelved.state != PUBLISHED:
        raise Refused(
            f"Model {shelved.name}@{shelved.version} is not published.",
            next_step=f"run `lab model publish {shelved.name}@{shelved.version}`",
        )
    sheet = shelved.sheets.get(choices.detail.value)
    if sheet is None:
        raise InvalidInput(
            f"Model {shelved.name}@{shelved.version} offers the details {', '.join(shelved.sheets)}, "
            f"not {choices.detail.value}.",
            next_step="choose another --detail",
        )
    _known("engine", choices.engine, ENGINES)
    _known("parameters", choices.parameters, tuple(PARAMETERS))
    snapshot = find_snapshot(session, shelved.register)
    codes = sorted({item.code for item in model.items()})
    starts = now.replace(microsecond=0)
    try:
        contract = Contract(
            id=f"c-{starts:%Y%m%d}-{secrets.token_hex(4)}",
            bureau=bureau,
            bank=bank,
            purpose=choices.purpose,
            items=tuple(Item(code=code) for code in codes),
            operations=(Operation.MATCH, Operation.SCORE),
            detail=choices.detail,
            model=ModelTerms(name=shelved.name, version=shelved.version, sheet_sha256=sheet),
            id_kind="uscc" if snapshot.id_kind == "uscc" else "opaque",
            engine=choices.engine,
            parameters=choices.parameters,
            ceilings=choices.ceilings,
            starts=starts,
            expires=starts + timedelta(days=choices.days),
        )
    except (ValidationError, OverflowError):
        raise InvalidInput(
            "Wanted a contract whose term is at least a day; the choices do not fit.", next_step="check --days"
        ) from None
    file_draft(session, contract, now)
    return contract


def _known(what: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise InvalidInput(f"Wanted one of the {what} {', '.join(known)}; found another.", next_step=f"check --{what}")
