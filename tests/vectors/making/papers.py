"""Vectors of what the parties sign: contracts, successions, requests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.terms.contract.document import Contract, signing_input
from lab.terms.keys.key_succession import KeySuccession
from lab.terms.keys.party import Party
from protocols.wire.http_signatures import sign_request
from tests.vectors.making.keys import BANK, BANK_SECRET, BUREAU, BUREAU_SECRET, NEXT, NEXT_SECRET

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def contract() -> dict[str, Any]:
    """A contract with text of two scripts, its canonical bytes, and both signatures."""
    document = Contract.model_validate(
        {
            "id": "c-vectors",
            "version": 2,
            "bureau": Party(name="某市数据局 “Bureau”", public_key=BUREAU.public_key_hex),
            "bank": Party(name="Bank\\of/Vectors 😀", public_key=BANK.public_key_hex),
            "purpose": "credit-approval",
            "recipients": ["信贷部 credit department"],
            "items": [{"code": "tax.paid"}, {"code": "court.debtor", "form": "none"}],
            "operations": ["match", "portrait"],
            "detail": "full",
            "models": [{"name": "credit", "version": 1, "sheet_sha256": "ab" * 32}],
            "id_kind": "uscc",
            "engine": "x25519",
            "parameters": "bgv-8192-a",
            "ceilings": {},
            "starts": START,
            "expires": START + timedelta(days=365),
        }
    )
    message = signing_input(document)
    return {
        "document": json.loads(document.canonical_bytes()),
        "signed_bytes": message.hex(),
        "sha256": document.sha256,
        "bureau_secret": BUREAU_SECRET.hex(),
        "bank_secret": BANK_SECRET.hex(),
        "bureau_signature": BUREAU.sign(message).hex(),
        "bank_signature": BANK.sign(message).hex(),
    }


def succession() -> dict[str, Any]:
    """A bank goes over to another key."""
    statement = KeySuccession(
        bureau=BUREAU.public_key_hex,
        bank="b-0123456789ab",
        old_key=BANK.public_key_hex,
        new_key=NEXT.public_key_hex,
        time=START,
    )
    message = statement.signing_input()
    return {
        "statement": statement.model_dump(mode="json", by_alias=True),
        "signed_bytes": message.hex(),
        "new_secret": NEXT_SECRET.hex(),
        "old_signature": BANK.sign(message).hex(),
        "new_signature": NEXT.sign(message).hex(),
    }


def request() -> dict[str, Any]:
    """Signed requests: with a query, and without query and body."""
    found = []
    for method, target, body in (
        ("POST", "/v1/contracts/c-vectors/matching/setup?announced=10", b"SHLB a frame"),
        ("GET", "/v1/ledger/head", b""),
    ):
        headers = sign_request(
            method,
            target,
            body,
            BANK,
            bureau_key=BUREAU.public_key_hex,
            created=START,
            nonce="vectors-0123456789-nonce",
        )
        found.append({"method": method, "target": target, "body": body.hex(), "headers": headers})
    return {"bank_secret": BANK_SECRET.hex(), "requests": found}
