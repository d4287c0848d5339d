"""Nothing outside a contract's terms is ever allowed, and tightening a contract never allows more.

The first is shown against an oracle written apart from the policy, through the one enforcement point over a real
database. The second is shown for single requests, and for whole histories of charges: whatever sequence a bank can get
under the tighter contract, it could have got under the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bureau.contracts import AccessRequest, authorise, banks, policy
from lab.bureau.contracts.repository import find_version
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.exchange.charges import charge_identifiers, charge_scores
from lab.bureau.exchange.jobs import JobParameters, open_job
from lab.bureau.store import Database, migrate, open_database
from lab.bureau.store.tables import ContractRow, ContractVersionRow
from lab.terms.contract.document import Contract, Operation, ResultDetail, SignedContract
from lab.terms.contract.plain_language import diff_contracts
from lab.terms.errors import NotAllowed
from tests.support.bureau_scene import START
from tests.support.contract_papers import PARTY, keyed, sign_both
from tests.support.drawn_contracts import (
    asks,
    contracts,
    fitting_asks,
    histories,
    neighbours,
    tightened,
)

_numbers = itertools.count()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('store') / 'bureau.db'}")
    migrate(opened.engine)
    with keyed(opened).begin() as session:
        banks.register_bank(session, PARTY, by="local", now=START, fingerprint=PARTY.fingerprint)
    yield opened
    opened.close()


def keep(store: Database, signed: SignedContract, state: ContractState) -> None:
    """Put a version into the database as it is, whatever the workflow would say."""
    document = signed.contract
    with store.begin() as session:
        found = banks.find_bank_by_key(session, PARTY.public_key)
        assert found is not None
        session.add(ContractRow(id=document.id, bank_id=found[0], in_force=document.version, created_at=START))
        session.flush()
        session.add(
            ContractVersionRow(
                contract_id=document.id,
                version=document.version,
                document=document.canonical_bytes().decode(),
                sha256=document.sha256,
                state=state.value,
                officers_needed=1,
                drafted_by="ann",
                bureau_signature=signed.bureau_signature,
                bank_signature=signed.bank_signature,
                drafted_at=START,
            )
        )


def fits(contract: Contract, operation: Operation, ask: AccessRequest, now: datetime) -> bool:
    """The oracle: what the terms say, from the document's JSON alone, one rule a line."""
    text = contract.model_dump(mode="json")
    ceilings: dict[str, int] = text["ceilings"]
    strength = {"none": 0, "model-input-only": 1, "band": 2, "exact": 3}
    forms = {item["code"]: strength[item["form"]] for item in text["items"]}
    fineness = {"total": set(), "dimensions": {"d"}, "features": {"f"}, "full": {"d", "f"}}
    numbers = [
        (ask.identifiers, ceilings["identifiers_per_match"]),
        (ask.job_rows, ceilings["rows_per_job"]),
        (ask.rows, ceilings["rows_per_batch"]),
    ]
    said = [ask.recipient, ask.model, ask.detail, ask.items]
    form = strength[ask.form.value]
    rules = [
        datetime.fromisoformat(text["starts"]) <= now < datetime.fromisoformat(text["expires"]),
        operation.value in text["operations"],
        ask.detail in (None, ResultDetail.TOTAL) or "portrait" in text["operations"],
        all(1 <= number <= ceiling for number, ceiling in numbers if number is not None),
        ask.recipient is None or ask.recipient in text["recipients"],
        ask.model is None or ask.model in [(model["name"], model["version"]) for model in text["models"]],
        ask.detail is None or fineness[ask.detail.value] <= fineness[text["detail"]],
        not ask.items or (form > 0 and all(forms.get(code, -1) >= form for code in ask.items)),
        ask.rows is None or None not in said,
    ]
    return all(rules)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_nothing_outside_the_terms_is_ever_allowed_and_all_within_is(data: st.DataObject) -> None:
    document = data.draw(contracts())
    for ask in data.draw(st.tuples(fitting_asks(document), asks)):
        for near, operation, now in neighbours(ask, document):
            allowed = passes(document, operation, near, now)
            assert allowed is fits(document, operation, near, now), (near, operation, now)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), state=st.sampled_from([*[ContractState.ACTIVE] * 10, *ContractState]))
def test_the_one_enforcement_point_allows_what_is_within_the_terms_in_force_and_signed_by_both(
    store: Database, data: st.DataObject, state: ContractState
) -> None:
    document = data.draw(contracts(f"c-terms-{next(_numbers)}"))
    missing = data.draw(st.sampled_from([*[None] * 8, "bureau_signature", "bank_signature"]))
    signed = sign_both(document)
    keep(store, signed.model_copy(update={missing: None}) if missing else signed, state)
    ask = data.draw(fitting_asks(document))
    for near, operation, now in itertools.islice(neighbours(ask, document), 0, None, 3):
        expected = state is ContractState.ACTIVE and missing is None and fits(document, operation, near, now)
        with store.begin_read() as session:
            try:
                held = authorise(session, document.id, operation, near, now)
            except NotAllowed as refusal:
                assert not expected
                assert refusal.next_step
            else:
                assert expected
                assert held.contract == document


@pytest.mark.property(
    "Count alone",
    claim="A contract that allows a count alone allows nothing else.",
    topic="contracts and consent",
    code=["lab.bureau.contracts.policy"],
)
@settings(deadline=None, max_examples=60)
@given(data=st.data(), items=st.booleans())
def test_a_contract_that_allows_a_count_alone_lets_nothing_else_through(data: st.DataObject, items: bool) -> None:
    drawn = data.draw(contracts())
    alone = {"operations": ("count",), "detail": "total"} | ({} if items else {"items": ()})
    document = Contract.model_validate(drawn.model_dump() | alone)
    count = AccessRequest(identifiers=1, recipient=document.recipients[0], detail=ResultDetail.TOTAL)
    assert passes(document, Operation.COUNT, count, document.starts)
    for ask in data.draw(st.tuples(fitting_asks(document), asks, st.just(AccessRequest()))):
        for near, _, now in neighbours(ask, document):
            for operation in set(Operation) - {Operation.COUNT}:
                assert not passes(document, operation, near, now), (near, operation, now)


@pytest.mark.property(
    "Tighter never allows more",
    claim="A tighter contract never allows what the other did not, its counted ceilings included.",
    topic="contracts and consent",
    code=["lab.bureau.contracts.policy", "lab.bureau.exchange.charges"],
)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_tightening_never_allows_a_request_that_was_not_allowed(data: st.DataObject) -> None:
    loose = data.draw(contracts())
    tight = data.draw(tightened(loose))
    assert all(change.widens is not True for change in diff_contracts(loose, tight))
    for drawn in data.draw(st.tuples(fitting_asks(tight), fitting_asks(loose))):
        for ask, operation, now in itertools.chain(neighbours(drawn, tight), neighbours(drawn, loose)):
            if passes(tight, operation, ask, now):
                assert passes(loose, operation, ask, now), (ask, operation, now)


def passes(contract: Contract, operation: Operation, ask: AccessRequest, now: datetime) -> bool:
    """What the policy says of an active contract that both have signed."""
    return (
        policy.passes_check(policy.check_state, contract, ContractState.ACTIVE, now)
        and policy.passes_check(policy.check_operation, contract, operation, ask.detail)
        and policy.passes_check(policy.check_request, contract, ask)
    )


def charge(store: Database, contract: Contract, kind: str, number: int, how_much: Any, now: datetime) -> bool:
    """One charge in a transaction of its own; whether it was let through."""
    try:
        with store.begin() as session:
            if kind == "identifiers":
                charge_identifiers(session, contract, how_much)
            elif kind == "scores":
                charge_scores(session, contract, "job-1", f"{number:064x}", [code * 32 for code in how_much], now)
            else:
                terms = JobParameters(contract.recipients[0], "m", 1, how_much)
                held = find_version(session, contract.id)
                policy.check_request(contract, AccessRequest(job_rows=how_much))
                open_job(session, held, f"j-{number}", terms, now, epoch=1, by="local")
    except NotAllowed:
        return False
    return True


def counted(contract: Contract, history: list[tuple[str, timedelta, Any]]) -> list[bool]:
    """The oracle of counting: plain lists, no database."""
    now, given_out, jobs, scores = START, 0, list[datetime](), dict[str, list[datetime]]()
    ceilings, answers = contract.ceilings, []
    for kind, wait, how_much in history:
        now += wait
        if kind == "identifiers":
            fine = given_out + how_much <= ceilings.identifiers
            given_out += how_much * fine
        elif kind == "job":
            recent = [at for at in jobs if now - at < timedelta(days=1)]
            fine = how_much <= ceilings.rows_per_job and len(recent) < ceilings.jobs_per_day
            jobs += [now] * fine
        else:
            period = timedelta(days=ceilings.period_days)
            most = max(len([at for at in scores.get(code, []) if now - at < period]) for code in how_much)
            fine = most < ceilings.scores_per_enterprise
            for code in how_much if fine else ():
                scores.setdefault(code, []).append(now)
        answers.append(fine)
    return answers


@pytest.mark.property("Tighter never allows more")
@settings(deadline=None, max_examples=40)
@given(data=st.data(), history=histories())
def test_ceilings_count_as_stated_and_a_tighter_contract_gives_no_history_that_the_other_would_not(
    store: Database, data: st.DataObject, history: list[tuple[str, timedelta, Any]]
) -> None:
    loose = data.draw(contracts(f"c-loose-{next(_numbers)}", most=3))
    tight = data.draw(tightened(loose)).model_copy(update={"id": f"c-tight-{next(_numbers)}"})
    for document in (loose, tight):
        keep(store, sign_both(document), ContractState.ACTIVE)
    expected = counted(tight, history)
    now, got = START, []
    for number, (kind, wait, how_much) in enumerate(history):
        now += wait
        allowed = charge(store, tight, kind, number, how_much, now)
        assert allowed is expected[number]
        if allowed:
            got.append((kind, number, how_much, now))
    for kind, number, how_much, at in got:
        assert charge(store, loose, kind, number, how_much, at)


def test_the_oracle_is_not_idle() -> None:
    """Both answers of the oracle occur for what the strategies draw, for every single thing that is changed."""
    found: dict[str, set[bool]] = {}

    @settings(deadline=None, max_examples=100, database=None)
    @given(data=st.data())
    def look(data: st.DataObject) -> None:
        document = data.draw(contracts())
        ask = data.draw(fitting_asks(document))
        for near, operation, now in neighbours(ask, document):
            changed = [name for name in AccessRequest.__slots__ if getattr(near, name) != getattr(ask, name)]
            what = changed[0] if changed else "operation or time"
            found.setdefault(what, set()).add(fits(document, operation, near, now))

    look()
    assert set(found) == {*AccessRequest.__slots__, "operation or time"}
    assert all(answers == {True, False} for answers in found.values())
