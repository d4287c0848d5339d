"""A planned contract is enough for its jobs, and nothing less would do: the planned requests against a whole bureau."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lab.bank.runs.job_requests import MIN_TERM_DAYS
from lab.bank.scoring.plan import (
    MAX_IDENTIFIERS_PER_MATCH,
    MachineSpeed,
    estimate_job,
    smallest_ceilings,
)
from lab.terms.contract.document import Ceilings, ResultDetail
from lab.terms.contract.model_offer import DetailCost, ModelOffer
from lab.terms.contract.proposal import JobEstimate
from lab.terms.errors import NotAllowed
from tests.support.bank_matching import match
from tests.support.bureau_scene import PARAMS, Scene
from tests.unit.lab.bureau.exchange.scoring.test_reevaluation import again, import_again

ROWS = 6


def carry_out(scene: Scene, contract: str) -> None:
    """The jobs as planned: a match in one request, a score in one batch on the same day, another on the next."""
    bureau, bank = scene.bureau, scene.bank
    codes = scene.tables.codes[:ROWS]
    bank.open_job(bureau, contract, "match", rows=ROWS)
    matched = match(bureau, contract, "match", codes)
    bank.open_job(bureau, contract, "score", rows=ROWS)
    bank.put_context(bureau, contract, "score")
    sheet = scene.model.sheet(scene.document(contract).detail)
    batch = bank.batch(sheet, matched.tags, scene.tables.bank[matched.indices], contract)
    bureau.scoring.score(contract, "score", batch)
    scene.later(days=2)
    import_again(scene)
    bank.open_job(bureau, contract, "rescore", rows=ROWS)
    again(scene, contract, batch, "rescore")


def test_the_jobs_run_under_the_planned_ceilings(scene: Scene) -> None:
    contract = scene.contract(detail=ResultDetail.TOTAL, ceilings=smallest_ceilings(ROWS, PARAMS, MIN_TERM_DAYS))
    carry_out(scene, contract)
    left = scene.bureau.bank_contracts.allowance(contract)
    assert (left["identifiers"]["left"], left["scores"]["left"], left["jobs"]["left"]) == (0, 0, 1)
    scene.bank.open_job(scene.bureau, contract, "match-of-today", rows=ROWS)
    with pytest.raises(NotAllowed, match="jobs_per_day"):
        scene.bank.open_job(scene.bureau, contract, "one-too-many", rows=ROWS)


@pytest.mark.property(
    "Smallest plan",
    claim=(
        "The plan of a bank is the smallest contract under which it can match a portfolio, score it on the same day,"
        " and score it again once."
    ),
    topic="contracts and consent",
    code=["lab.bank.scoring.plan"],
)
@pytest.mark.parametrize("name", [name for name in Ceilings.model_fields if name not in ("period_days", "precision")])
def test_no_ceiling_can_be_one_lower(scene: Scene, name: str) -> None:
    """For ``period_days`` and ``precision`` less is more: what they allow is tested below."""
    planned = smallest_ceilings(ROWS, PARAMS, MIN_TERM_DAYS)
    lower = planned.model_dump() | {name: getattr(planned, name) - 1}
    if lower[name] == 0:
        with pytest.raises(ValidationError, match=name):
            Ceilings.model_validate(lower)
        return
    contract = scene.contract(detail=ResultDetail.TOTAL, ceilings=Ceilings.model_validate(lower))
    with pytest.raises(NotAllowed, match=f"term: {name}"):
        carry_out(scene, contract)


def test_scores_are_counted_over_the_whole_planned_term() -> None:
    assert smallest_ceilings(ROWS, PARAMS, MIN_TERM_DAYS).period_days == MIN_TERM_DAYS
    assert smallest_ceilings(ROWS, PARAMS, 3660).period_days == 3660


def test_a_large_portfolio_is_planned_in_requests_that_the_service_takes() -> None:
    planned = smallest_ceilings(1_234_567, PARAMS, MIN_TERM_DAYS)
    assert (planned.identifiers, planned.rows_per_job) == (1_234_567 + 12_475, 1_234_567)
    assert (planned.identifiers_per_match, planned.rows_per_batch) == (MAX_IDENTIFIERS_PER_MATCH, PARAMS.slots)


def test_an_estimate_grows_with_the_portfolio_and_the_model() -> None:
    def told(rows: int, columns: int, outputs: int, entries: int = 20_000) -> JobEstimate:
        size = DetailCost(columns=columns, outputs=outputs)
        offer = ModelOffer(
            model="credit",
            version=1,
            id_kind="uscc",
            register_entries=entries,
            details={ResultDetail.TOTAL: size},
            engines=("openmined",),
            parameters=(PARAMS.name,),
        )
        return estimate_job(rows, offer, size, PARAMS, MachineSpeed(1e-4, 7e-3, 141_878), 250_000, 33)

    # `lab demo` of README: 5,000 clients, 59 columns, full detail: 9.0 MB up, 2.4 MB down, measured.
    demo = told(5000, 59, 20)
    assert 8.5e6 < demo.bytes_up < 9.5e6 and 2e6 < demo.bytes_down < 3e6
    for larger in (told(50_000, 59, 20), told(5000, 118, 20), told(5000, 59, 40)):
        assert larger.total_seconds > demo.total_seconds
        assert larger.bytes_up >= demo.bytes_up and larger.bytes_down >= demo.bytes_down
    assert told(5000, 59, 20, 1_000_000).bytes_down > demo.bytes_down
