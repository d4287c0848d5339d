"""Somebody names a party, or an enterprise, by a key under which anybody can sign: a point of small order.

A contract "signed" by such a bank binds nobody, and can be denied; a consent "signed" by such an enterprise can be
made by anybody. OpenSSL takes these signatures, as RFC 8032 lets it. What stops it: such a key names nobody here.
"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lab.terms import consent
from lab.terms.contract.document import SignedContract, signing_input
from lab.terms.errors import NotAuthentic
from lab.terms.keys import party, signature
from lab.terms.keys.party import Party
from tests.support.drawn_documents import plain_contract

pytestmark = pytest.mark.threat(
    "Keys that sign for anybody",
    who="a bank",
    wants=(
        "to be named, or have an enterprise named, by a key of small order, under which anybody can make signatures"
    ),
    stopped_by={
        "small-order list": "Keys of small order are refused wherever a party or an enterprise is named.",
    },
    code=["lab.terms.keys.small_order"],
)

KEY = "01" + "00" * 31
"""The neutral element: under it R = S·B is a signature of every message, for S = 0 this one."""
SIGNATURE = "01" + "00" * 63


def sign_for_nobody() -> bool:
    """Whether a contract comes to be in force that its bank never signed."""
    document = plain_contract(bank=Party(name="某银行", public_key=KEY))
    SignedContract(contract=document, bank_signature=SIGNATURE).verify(require=("bank",))
    return len(signing_input(document)) > 0


@pytest.mark.without_control("small-order list")
def test_without_the_list_anybody_signs_for_the_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (party, signature, consent):
        monkeypatch.setattr(place, "is_forgeable", lambda _: False)
    assert sign_for_nobody()


@pytest.mark.with_control("small-order list")
def test_such_a_key_names_nobody() -> None:
    with pytest.raises((ValidationError, NotAuthentic)):
        sign_for_nobody()
