"""Somebody who brings consents in writes one that the enterprise never gave, or stretches one that it did.

They want an enterprise matched and scored for their bank. They sign with a key of their own, change purpose, bank or
term of a signed row, use one of the keys that anybody can sign for, or reuse an older consent after a withdrawal.
What stops it: the signature over the whole consent, and the comparison of bank, purpose and period at each use. (That
the key is the enterprise's is for people to check: `docs/security/not-prevented.md`.)
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.contracts.banks import register_bank
from lab.bureau.data.consents import ConsentService
from lab.terms.consent import Consent, format_consent_time
from lab.terms.contract.document import Purpose
from lab.terms.keys.party import Party
from tests.support.bureau_scene import Scene
from tests.support.bureau_standin import Key
from tests.unit.lab.bureau.exchange.test_access import CONSENT

pytestmark = pytest.mark.threat(
    "Forged consent",
    who="a person with an account",
    wants="to bring in a consent that was not given, or to use one for another bank, purpose or time",
    stopped_by={
        "consent signature": "A consent without a valid signature or a reference to evidence is set aside.",
        "use compared": "Bank, purpose and period are compared at each use, and a withdrawal counts at once.",
    },
    shipped="on where the contract requires consent",
    code=["lab.bureau.data.consents"],
)

FIRM = 5
KEY = Ed25519PrivateKey.generate()
FORGEABLE = "00" * 32
HEADER = "code,bank,purpose,starts,expires,evidence,public_key,signature"


def forged(scene: Scene, how: str) -> str:
    """A row of a file of consents that says more than the enterprise signed."""
    now = scene.clock.now
    begin, end = now, now + timedelta(days=20)
    true = Consent(scene.tables.codes[FIRM], "Test bank", Purpose.CREDIT_APPROVAL, begin, end)
    key, signature = KEY.public_key().public_bytes_raw().hex(), KEY.sign(true.signing_input()).hex()
    if how == "another purpose":
        other = Consent(true.code, true.bank, Purpose.RESEARCH, begin, end)
        signature = KEY.sign(other.signing_input()).hex()
    elif how == "another bank":
        signature = KEY.sign(Consent(true.code, "Other bank", true.purpose, begin, end).signing_input()).hex()
    elif how == "a longer term":
        shorter = Consent(true.code, true.bank, true.purpose, begin, now + timedelta(days=1))
        signature = KEY.sign(shorter.signing_input()).hex()
    elif how == "another enterprise":
        signature = KEY.sign(Consent("firm-0099", true.bank, true.purpose, begin, end).signing_input()).hex()
    elif how == "nobody's signature":
        signature = "ab" * 64
    elif how == "a key that anybody signs for":
        key, signature = FORGEABLE, "00" * 64
    term = f"{format_consent_time(begin)},{format_consent_time(end)}"
    return f"{true.code},Test bank,credit-approval,{term},,{key},{signature}"


WAYS = pytest.mark.parametrize(
    "how",
    ["another purpose", "another bank", "a longer term", "another enterprise", "nobody's signature",
     "a key that anybody signs for"],
)  # fmt: skip


def match_by(scene: Scene, row: str) -> int:
    """How many enterprises match after the row was brought in, under a contract that requires consent."""
    contract = scene.contract(consent=CONSENT)
    path = scene.home.parent / "forged.csv"
    path.write_text(f"{HEADER}\n{row}\n")
    scene.bureau.consents.import_file(path, by="person:steward", id_kind="opaque")
    return len(scene.bank.match(scene.bureau, contract, scene.tables.codes[:10]).indices)


@pytest.mark.without_control("consent signature")
@WAYS
def test_without_the_signature_the_enterprise_is_matched(
    scene: Scene, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Consent, "is_signed_by", lambda *_: True)
    assert match_by(scene, forged(scene, how)) == 1


@pytest.mark.with_control("consent signature")
@WAYS
def test_the_forged_consent_is_set_aside(scene: Scene, how: str) -> None:
    assert match_by(scene, forged(scene, how)) == 0


@pytest.mark.without_control("use compared")
@pytest.mark.parametrize("other", ["bank", "purpose", "term"])
def test_without_the_comparison_a_consent_serves_another_use(
    scene: Scene, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConsentService, "consenting_rows", lambda *_: None)
    assert use_otherwise(scene, other) > 0


@pytest.mark.with_control("use compared")
@pytest.mark.parametrize("other", ["bank", "purpose", "term"])
def test_a_consent_serves_no_other_use(scene: Scene, other: str) -> None:
    assert use_otherwise(scene, other) == 0


def use_otherwise(scene: Scene, other: str) -> int:
    """A true consent to another bank, for another purpose, or for a time that is over when it is used."""
    begin, days = format_consent_time(scene.clock.now), 5 if other == "term" else 20
    end = format_consent_time(scene.clock.now + timedelta(days=days))
    bank, purpose = "Test bank", "research" if other == "purpose" else "credit-approval"
    contract = scene.contract(consent=CONSENT)
    if other == "bank":
        with scene.bureau.store.begin() as session:
            party = Party(name="Other bank", public_key=Key().public_key_hex)
            register_bank(session, party, by="local", now=scene.clock.now, fingerprint=party.fingerprint)
        bank = "Other bank"
    path = scene.home.parent / "true.csv"
    path.write_text(f"{HEADER}\n{scene.tables.codes[FIRM]},{bank},{purpose},{begin},{end},by letter,,\n")
    found = scene.bureau.consents.import_file(path, by="person:steward", id_kind="opaque")
    assert (found.imported, found.set_aside_rows) == (1, ())
    scene.later(days=6 if other == "term" else 0)
    return len(scene.bank.match(scene.bureau, contract, scene.tables.codes[:10]).indices)
