"""Strategies for contracts, requests and histories over small worlds, and for ways to tighten a contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from lab.bureau.contracts import AccessRequest
from lab.terms.contract.document import Contract, Operation, ReleaseForm, ResultDetail
from tests.support.bureau_scene import START
from tests.support.contract_papers import contract

RECIPIENTS, ITEMS, MODELS = ("r1", "r2", "r3"), ("a", "b", "c", "d"), (("m", 1), ("m", 2), ("n", 1))
STRANGERS = ("r4",), ("e",), (("m", 3), ("o", 1))
HOURS = 60
CEILINGS = (
    *("identifiers", "identifiers_per_match", "scores_per_enterprise", "period_days"),
    *("jobs_per_day", "rows_per_job", "rows_per_batch", "precision"),
)


@st.composite
def contracts(draw: st.DrawFn, name: str = "c-test-1", most: int = 6) -> Contract:
    """A contract over the small world, with ceilings of at most ``most``; some contracts allow only counts."""
    several = st.lists(st.sampled_from(Operation), min_size=1, unique=True)
    operations = draw(st.sampled_from([None] * 5 + [[Operation.COUNT]])) or draw(several)
    details = list(ResultDetail) if Operation.PORTRAIT in operations else [ResultDetail.TOTAL]
    starts = draw(st.integers(0, HOURS - 2))
    codes = draw(st.lists(st.sampled_from(ITEMS), unique=True))
    return contract(
        id=name,
        recipients=draw(st.lists(st.sampled_from(RECIPIENTS), min_size=1, unique=True)),
        items=[{"code": code, "form": draw(st.sampled_from(ReleaseForm))} for code in codes],
        operations=operations,
        detail=draw(st.sampled_from(details)),
        models=[
            {"name": model, "version": version, "sheet_sha256": "0" * 64}
            for model, version in draw(st.lists(st.sampled_from(MODELS), min_size=1, unique=True))
        ],
        ceilings={ceiling: draw(st.integers(1, most)) for ceiling in CEILINGS},
        consent={"required": draw(st.booleans()), "why": "w"},
        retention_days=draw(st.integers(2, 9)),
        starts=START + timedelta(hours=starts),
        expires=START + timedelta(hours=draw(st.integers(starts + 1, HOURS))),
    )


def _or_none(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


asks = st.builds(
    AccessRequest,
    identifiers=_or_none(st.integers(-1, 7)),
    job_rows=_or_none(st.integers(-1, 7)),
    rows=_or_none(st.integers(-1, 7)),
    recipient=_or_none(st.sampled_from(RECIPIENTS + STRANGERS[0])),
    model=_or_none(st.sampled_from(MODELS + STRANGERS[2])),
    detail=_or_none(st.sampled_from(ResultDetail)),
    items=_or_none(st.frozensets(st.sampled_from(ITEMS + STRANGERS[1]))),
    form=st.sampled_from(ReleaseForm),
)


@st.composite
def fitting_asks(draw: st.DrawFn, under: Contract) -> AccessRequest:
    """A request that is likely allowed: drawn from the contract's clauses, so that tests see allowed requests too."""
    ceilings = under.ceilings
    usable = [item.code for item in under.items if item.form is not ReleaseForm.NONE]
    model = draw(st.sampled_from(under.models))
    return AccessRequest(
        identifiers=draw(_or_none(st.integers(1, ceilings.identifiers_per_match))),
        job_rows=draw(_or_none(st.integers(1, ceilings.rows_per_job))),
        rows=draw(_or_none(st.integers(1, ceilings.rows_per_batch))),
        recipient=draw(st.sampled_from(under.recipients)),
        model=(model.name, model.version),
        detail=draw(st.sampled_from([under.detail, ResultDetail.TOTAL])),
        items=draw(st.frozensets(st.sampled_from(usable))) if usable else frozenset(),
    )


_OTHERS: dict[str, list[Any]] = {
    "identifiers": [None, *range(-1, 8)],
    "job_rows": [None, *range(-1, 8)],
    "rows": [None, *range(-1, 8)],
    "recipient": [None, *RECIPIENTS, *STRANGERS[0]],
    "model": [None, *MODELS, *STRANGERS[2]],
    "detail": [None, *ResultDetail],
    "items": [None, *(frozenset({code}) for code in ITEMS + STRANGERS[1]), frozenset(ITEMS)],
    "form": list(ReleaseForm),
}


def neighbours(ask: AccessRequest, under: Contract) -> Iterator[tuple[AccessRequest, Operation, datetime]]:
    """A request for every operation and at both ends of the term, and with each of its parts changed in every way.

    A forgotten check shows in one of them.
    """
    hour = timedelta(hours=1)
    now, own = under.starts, under.operations[0]
    for operation in Operation:
        for moment in (under.starts, under.expires - hour / 60, under.starts - hour, under.expires):
            yield ask, operation, moment
    for field, others in _OTHERS.items():
        for other in others:
            yield replace(ask, **{field: other}), own, now


def _drop(field: str, least: int) -> Callable[[st.DrawFn, dict[str, Any]], None]:
    def step(draw: st.DrawFn, document: dict[str, Any]) -> None:
        if len(document[field]) > least:
            document[field] = [*document[field]]
            document[field].pop(draw(st.integers(0, len(document[field]) - 1)))

    return step


def _drop_operation(draw: st.DrawFn, document: dict[str, Any]) -> None:
    _drop("operations", 1)(draw, document)
    if "portrait" not in document["operations"]:
        document["detail"] = "total"


def _coarser(draw: st.DrawFn, document: dict[str, Any]) -> None:
    below = {"full": ["features", "dimensions", "total"], "features": ["total"], "dimensions": ["total"], "total": []}
    document["detail"] = draw(st.sampled_from([document["detail"], *below[document["detail"]]]))


def _lesser_form(draw: st.DrawFn, document: dict[str, Any]) -> None:
    order = [form.value for form in ReleaseForm]
    for item in document["items"]:
        item["form"] = draw(st.sampled_from(order[: order.index(item["form"]) + 1]))


def _lower_ceiling(draw: st.DrawFn, document: dict[str, Any]) -> None:
    name = draw(st.sampled_from(CEILINGS))
    if name in ("period_days", "precision"):  # an increase of these allows less
        document["ceilings"][name] += draw(st.integers(0, 3))
    else:
        document["ceilings"][name] = draw(st.integers(1, document["ceilings"][name]))


def _narrower_term(draw: st.DrawFn, document: dict[str, Any]) -> None:
    starts, expires = (datetime.fromisoformat(document[name]) for name in ("starts", "expires"))
    hours = round((expires - starts) / timedelta(hours=1))
    later = draw(st.integers(0, hours - 1))
    document["starts"] = (starts + timedelta(hours=later)).isoformat()
    document["expires"] = (expires - timedelta(hours=draw(st.integers(0, hours - later - 1)))).isoformat()


def _consent_or_retention(draw: st.DrawFn, document: dict[str, Any]) -> None:
    document["consent"]["required"] = True
    document["retention_days"] = draw(st.integers(1, document["retention_days"]))


_STEPS = (
    _drop("items", 0),
    _drop("models", 1),
    _drop("recipients", 1),
    *(_drop_operation, _coarser, _lesser_form, _lower_ceiling, _narrower_term, _consent_or_retention),
)


@st.composite
def tightened(draw: st.DrawFn, of: Contract) -> Contract:
    """The contract with one to four clauses tightened."""
    document = of.model_dump(mode="json", by_alias=True)
    for step in draw(st.lists(st.sampled_from(_STEPS), min_size=1, max_size=4)):
        step(draw, document)
    return Contract.model_validate(document)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, timedelta, Any]]:
    """A bank's requests in order: kind, time since the one before, and how many or which enterprises."""
    kinds = {
        "identifiers": st.integers(1, 2),
        "job": st.integers(1, 2),
        "scores": st.sets(st.sampled_from("yz"), min_size=1).map(sorted),
    }
    found = []
    for kind in draw(st.lists(st.sampled_from(sorted(kinds)), min_size=4, max_size=12)):
        wait = timedelta(hours=draw(st.sampled_from([0, 0, 1, 12, 23, 24, 30])))
        found.append((kind, wait, draw(kinds[kind])))
    return found
