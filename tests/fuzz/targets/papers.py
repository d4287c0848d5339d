"""Documents that one party writes and another reads: contracts, agreements, cards, proposals, offers, sheets."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from lab.terms.contract.document import ResultDetail, parse_contract
from lab.terms.contract.model_offer import OFFER_EXAMPLE, parse_offer
from lab.terms.contract.odrl import from_odrl, to_odrl
from lab.terms.contract.proposal import parse_proposal
from lab.terms.errors import InvalidInput, NotAuthentic, ShulabError
from lab.terms.keys.key_succession import parse_key_succession
from lab.terms.keys.party_card import read_party_card
from lab.transport.problem_details import parse_json_object, problem_to_error
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.sheet import BankSheet
from tests.fuzz.target import Target, as_file, vectors


def read_contract(data: bytes) -> None:
    """A contract that is taken has canonical bytes, and is the same when it is read again."""
    signed = parse_contract(data)
    again = parse_contract(signed.model_dump_json(by_alias=True))
    assert again.contract.canonical_bytes() == signed.contract.canonical_bytes()
    signed.verify()


def contracts() -> list[bytes]:
    """The contract of the vectors, with and without signatures."""
    found = vectors("contract")
    whole = {"contract": found["document"]} | {name: found[name] for name in ("bureau_signature", "bank_signature")}
    return [json.dumps(each, ensure_ascii=False).encode() for each in (whole, {"contract": found["document"]})]


def read_agreement(data: bytes) -> None:
    """An agreement that is taken says a contract, which says the agreement."""
    signed = from_odrl(data)
    assert from_odrl(to_odrl(signed)) == signed


def agreements() -> list[bytes]:
    """The vectors' contract as an agreement."""
    return [json.dumps(to_odrl(parse_contract(each)), ensure_ascii=False).encode() for each in contracts()]


def proposals() -> list[bytes]:
    """A proposal with an estimate, and the least there is."""
    terms = vectors("contract")["document"]
    same = ("bank", "purpose", "detail", "operations", "recipients", "ceilings", "id_kind", "retention_days", "engine")
    least = {name: terms[name] for name in same} | {"model": "credit", "days": 30}
    estimate = {"rows": 5, "seconds": {"match": 1.5, "score": 2}, "bytes_up": 10, "bytes_down": 20}
    return [json.dumps(each, ensure_ascii=False).encode() for each in (least, least | {"estimate": estimate})]


def read_offer(data: bytes) -> None:
    """As the bank reads it: an object first."""
    parse_offer(parse_json_object(data))


def read_succession(data: bytes) -> None:
    """A statement and its two signatures."""
    parse_key_succession(data).verify()


def successions() -> list[bytes]:
    """The vectors' succession."""
    found = vectors("succession")
    return [json.dumps({name: found[name] for name in ("statement", "old_signature", "new_signature")}).encode()]


def read_sheet(data: bytes) -> None:
    """A sheet that is taken is written as the bytes that a contract pins."""
    sheet = BankSheet.from_json(data)
    assert BankSheet.from_json(sheet.to_json()) == sheet
    assert len(sheet.describe_columns()) == len(sheet.columns)


def sheets() -> list[bytes]:
    """Sheets of a small model, at two details."""
    rng = np.random.default_rng(1)
    public = pl.DataFrame({"p": rng.normal(size=300)})
    bank = pl.DataFrame({"b": rng.normal(size=300), "c": rng.choice(["x", "y"], 300)})
    label = (public["p"].to_numpy() + bank["b"].to_numpy() > 0.5).astype(int)
    model = train_model(public, bank, label, TrainingSettings(seed=1)).model
    found = []
    for detail in (ResultDetail.TOTAL, ResultDetail.FULL):
        document = json.loads(model.sheet(detail).to_json())
        document["references"] = document["references"][:1]  # a hundred numbers each: one is enough to mutate
        found.append(json.dumps(document, ensure_ascii=False).encode())
    return found


def read_problem(data: bytes) -> None:
    """A problem document becomes an error that can be printed."""
    status = 400 + data[0] if data else 500
    error = problem_to_error(status, data[1:])
    assert isinstance(error, ShulabError) and str(error).isprintable()


_CARD = json.dumps({"name": "Bank", "public_key": "ab" * 32}).encode()
_PROBLEM = {"type": "urn:shulab:error:refused", "title": "Refused", "status": 403, "detail": "No.", "next_step": "Ask."}
TARGETS = (
    Target("contract", read_contract, (InvalidInput, NotAuthentic), contracts),
    Target("odrl", read_agreement, (InvalidInput,), agreements, 16_384),
    Target("card", as_file(read_party_card), (InvalidInput,), lambda: [_CARD]),
    Target("proposal", parse_proposal, (InvalidInput,), proposals),
    Target("offer", read_offer, (InvalidInput,), lambda: [json.dumps(OFFER_EXAMPLE).encode()]),
    Target("succession", read_succession, (InvalidInput, NotAuthentic), successions),
    Target("sheet", read_sheet, (InvalidInput,), sheets, 16_384),
    Target("problem", read_problem, (), lambda: [b"\x03" + json.dumps(_PROBLEM).encode()]),
)
