"""Contracts of every shape, for property tests of what is written from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from lab.terms.contract.document import (
    SCHEMA_WITH_PRICES,
    Ceilings,
    ConsentClause,
    Contract,
    ContractItem,
    Operation,
    PinnedModel,
    Purpose,
    ReleaseForm,
    ResultDetail,
    SignedContract,
    contract_form,
    signing_input,
)
from lab.terms.contract.prices import Prices, PriceUnit, UnitPrice, parse_prices
from lab.terms.keys.party import Party
from lab.terms.text.visible_line import is_visible_line
from lab.terms.witnessing.quorum import WitnessQuorum

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(1, 5)]
LINES = st.text(st.characters(exclude_categories=["C", "Z", "M"]) | st.just(" "), min_size=1, max_size=30).filter(
    is_visible_line
)
"""What a contract's texts may be (``lab.terms.text.visible_line``); what they must not be is in
``test_everything_is_seen``.
"""
SLUGS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
VERSIONS = st.one_of(st.integers(1, 20), st.integers(1, 2**31 - 1))
COUNTS = st.one_of(st.integers(1, 20), st.integers(1, 2**53 - 1))
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
ZONES = st.one_of(st.just(UTC), st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=ZONES)


def parties(keys: list[Ed25519PrivateKey] = KEYS) -> st.SearchStrategy[Party]:
    """Parties whose keys are known here, so that their contracts can be signed."""
    public = [key.public_key().public_bytes_raw().hex() for key in keys]
    return st.builds(Party, name=LINES, public_key=st.sampled_from(public))


ITEMS = st.lists(
    st.builds(ContractItem, code=LINES.map(lambda text: text[:20].rstrip()), form=...),
    max_size=8,
    unique_by=lambda item: item.code,
).map(tuple)
MODELS = st.lists(
    st.builds(PinnedModel, name=SLUGS, version=VERSIONS, sheet_sha256=HASHES), min_size=1, max_size=4, unique_by=str
).map(tuple)
CEILINGS = st.builds(
    Ceilings,
    identifiers=COUNTS,
    identifiers_per_match=COUNTS,
    scores_per_enterprise=COUNTS,
    period_days=st.integers(1, 3660),
    jobs_per_day=COUNTS,
    rows_per_job=COUNTS,
    rows_per_batch=st.integers(1, 8192),
    precision=st.integers(1, 1_000_000),
)


PRICED = st.lists(
    st.builds(
        UnitPrice,
        unit=st.sampled_from(PriceUnit),
        price=st.from_regex(r"[1-9][0-9]{0,3}(\.[0-9]{1,6})?", fullmatch=True),
    ),
    min_size=1,
    unique_by=lambda one: one.unit,
).map(lambda units: Prices(currency="CNY", units=tuple(units)))
PRICES = st.none() | st.just(Prices(free=True)) | PRICED
REQUESTS = st.none() | st.from_regex(r"r-[0-9]{8}-[0-9a-f]{8}", fullmatch=True)


@st.composite
def witness_terms(draw: st.DrawFn) -> WitnessQuorum:
    """Some witnesses with their own keys, and a quorum of more than half of them."""
    keys = draw(st.lists(st.sampled_from(range(10, 16)), min_size=1, max_size=5, unique=True))
    names = draw(
        st.lists(st.from_regex(r"[!-*,-~]{1,20}", fullmatch=True), min_size=len(keys), max_size=len(keys), unique=True)
    )
    publics = [
        Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32).public_key().public_bytes_raw().hex() for n in keys
    ]
    parties = tuple(Party(name=name, public_key=key) for name, key in zip(names, publics, strict=True))
    return WitnessQuorum(quorum=draw(st.integers(len(keys) // 2 + 1, len(keys))), parties=parties)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """A contract that the schema allows; some allow only counts, with items or without."""
    several = st.lists(st.sampled_from(Operation), min_size=1, max_size=6).map(tuple)
    operations = draw(st.sampled_from([None] * 5 + [(Operation.COUNT,)])) or draw(several)
    fine = Operation.PORTRAIT in operations
    starts, prices, request = draw(MOMENTS), draw(PRICES), draw(REQUESTS)
    return Contract(
        schema_=contract_form(prices, request),
        id=draw(st.from_regex(r"[a-z0-9][a-z0-9-]{3,40}", fullmatch=True)),
        version=draw(VERSIONS),
        bureau=draw(parties()),
        bank=draw(parties()),
        purpose=draw(st.sampled_from(Purpose)),
        recipients=draw(st.lists(LINES, min_size=1, max_size=4).map(tuple)),
        items=draw(ITEMS),
        operations=operations,
        detail=draw(st.sampled_from(ResultDetail)) if fine else ResultDetail.TOTAL,
        models=draw(MODELS),
        id_kind=draw(st.sampled_from(["uscc", "opaque"])),
        engine=draw(SLUGS),
        parameters=draw(SLUGS),
        ceilings=draw(CEILINGS),
        consent=draw(st.builds(ConsentClause, required=st.booleans(), why=LINES)),
        retention_days=draw(st.integers(1, 36_600)),
        witnesses=draw(st.none() | witness_terms()),
        prices=prices,
        request=request,
        starts=starts,
        expires=starts + timedelta(seconds=draw(st.integers(1, 10**8)), microseconds=draw(st.integers(0, 10**6))),
    )


def signed(contract: Contract, *, bureau: bool = True, bank: bool = True) -> SignedContract:
    """The contract under the signatures of the parties it names."""
    keys = {key.public_key().public_bytes_raw().hex(): key for key in KEYS}
    message = signing_input(contract)
    return SignedContract(
        contract=contract,
        bureau_signature=keys[contract.bureau.public_key].sign(message).hex() if bureau else None,
        bank_signature=keys[contract.bank.public_key].sign(message).hex() if bank else None,
    )


def plain_contract(**changes: object) -> Contract:
    """An ordinary contract, with some terms changed."""
    names = [key.public_key().public_bytes_raw().hex() for key in KEYS]
    terms: dict[str, object] = {
        "id": "c-test",
        "bureau": Party(name="示例数据局", public_key=names[0]),
        "bank": Party(name="某银行", public_key=names[1]),
        "purpose": Purpose.CREDIT_APPROVAL,
        "recipients": ("授信审批部", "风险系统"),
        "items": (ContractItem(code="TAX-1"), ContractItem(code="LAW-1", form=ReleaseForm.NONE)),
        "operations": (Operation.MATCH, Operation.SCORE, Operation.PORTRAIT),
        "detail": ResultDetail.FULL,
        "models": (PinnedModel(name="credit", version=1, sheet_sha256="0" * 64),),
        "id_kind": "uscc",
        "engine": "openmined",
        "parameters": "bgv-8192-a",
        "ceilings": Ceilings(),
        "consent": ConsentClause(required=True, why="records of taxes"),
        "schema": SCHEMA_WITH_PRICES,
        "prices": parse_prices(["scored-enterprise=0.50", "month=1000"]),
        "request": "r-20260101-1a2b3c4d",
        "starts": datetime(2026, 1, 1, tzinfo=UTC),
        "expires": datetime(2026, 7, 1, tzinfo=UTC),
    }
    return Contract.model_validate(terms | changes)
