"""Plans jobs before there is a contract: the smallest contract under which they would run, and what they would cost.

The jobs are those of the guides for one portfolio: match it, score it on the same day, and score it again once, after
the register or the model has changed.

The bureau's offer says how many columns and outputs a model has; the bank counts its own portfolio and measures its own
machine. Nothing of the portfolio is sent for this, not even its size: the size is in the plan, which a person sends.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from lab.bank.connection.client import BureauClient
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.oprf_client import MAX_REQUEST_ELEMENTS
from lab.bank.matching.unmatched_hints import require_usable_codes
from lab.bank.portfolio import Portfolio, read_portfolio
from lab.bank.runs.job_requests import PlanRequest
from lab.terms.contract.document import Ceilings, Operation, ResultDetail
from lab.terms.contract.model_offer import DetailCost, ModelOffer, parse_offer
from lab.terms.contract.proposal import ContractProposal, JobEstimate
from lab.terms.errors import InvalidInput
from lab.terms.names import ModelRef
from lab.terms.progress import SILENT, Progress
from protocols.matching.bank import ENGINES, MIN_BITS_PER_ENTRY, Blinding, canary_count, element_count
from protocols.matching.engines import bank_engine
from protocols.scoring.parameters import PARAMETERS, ParameterSet, find_parameters

MAX_IDENTIFIERS_PER_MATCH = 100_000
"""The most identifiers and canaries in one match; a larger portfolio is matched in several requests."""
PLANNED_SCORES = 2
"""One score, and one more after the register or the model has changed (``lab bank rescore``)."""
PLANNED_JOBS_PER_DAY = 2
"""A match and a score are two jobs. A score alone matches too, but a bank may want to see first who is known."""
_SAMPLE = 400
_EXPONENTIATIONS = 3
"""Blinding, the bureau's evaluation and unblinding; the first costs most, because it also hashes to the curve."""
_OUTPUT_COLUMNS = 4
"""An output costs the bureau about as much as so many columns, because it is masked with fresh noise."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class PlannedJob:
    """A proposal, and the portfolio that it was made for, which stays at the bank."""

    proposal: ContractProposal
    portfolio: Portfolio


@dataclass(frozen=True)
class MachineSpeed:
    """The speed of this machine: seconds to blind an identifier and to encrypt a column, bytes of a column."""

    blind_seconds: float
    encrypt_seconds: float
    column_bytes: int


def plan_job(
    home: BankHome,
    keys: BankKeys,
    client: BureauClient,
    request: PlanRequest,
    *,
    progress: Progress = SILENT,
) -> PlannedJob:
    """The smallest proposal under which the portfolio could be matched, scored and scored again, with an estimate.

    Raises ``NotAuthentic`` when the bureau does not know the bank, ``NotFound`` for a model it does not offer,
    ``InvalidInput`` for a portfolio without a usable code or a detail the model does not have.
    """
    offer = parse_offer(client.model_offer(*request.model))
    size = offer.details.get(request.detail)
    if size is None:
        raise InvalidInput(
            f"Model {ModelRef(offer.model, offer.version)} offers the details {', '.join(offer.details)}, "
            f"not {request.detail}.",
            next_step="choose another --detail",
        )
    engine = _first_common("matching engine", offer.engines, ENGINES)
    params = find_parameters(_first_common("parameter set", offer.parameters, tuple(PARAMETERS)))
    portfolio = read_portfolio(request.portfolio, kind=offer.id_kind, id_column=request.id_column)
    require_usable_codes(portfolio, offer.id_kind)
    codes = portfolio.codes
    if not codes:
        raise InvalidInput(
            "Expected at least one usable code in the portfolio; found none.", next_step="check the code column (--id)"
        )
    speed = measure_speed(keys, engine, params, progress)
    context = len(keys.public_context(params))
    proposal = ContractProposal(
        bank=home.card,
        model=offer.model,
        model_version=offer.version,
        purpose=request.purpose,
        detail=request.detail,
        operations=(
            Operation.MATCH,
            Operation.SCORE,
            *((Operation.PORTRAIT,) * (request.detail is not ResultDetail.TOTAL)),
        ),
        recipients=request.recipients or (home.name,),
        ceilings=smallest_ceilings(len(codes), params, request.days),
        id_kind=offer.id_kind,
        days=request.days,
        retention_days=request.retention_days or request.days,
        engine=engine,
        parameters=params.name,
        estimate=estimate_job(len(codes), offer, size, params, speed, context, bank_engine(engine).ELEMENT_BYTES),
    )
    return PlannedJob(proposal, portfolio)


def smallest_ceilings(rows: int, params: ParameterSet, days: int) -> Ceilings:
    """The lowest ceilings for ``rows`` enterprises, all of them matched: a match, a score on the same day, and one more
    score on another.

    Canaries count as identifiers, because the bureau cannot tell them apart. What was matched once is not asked again,
    so identifiers are charged once. The period over which an enterprise's scores are counted is the whole term, because
    a shorter one would allow more.
    """
    most = min(rows + canary_count(rows), MAX_IDENTIFIERS_PER_MATCH)
    return Ceilings(
        identifiers=element_count(rows, min(most, MAX_REQUEST_ELEMENTS)),
        identifiers_per_match=most,
        scores_per_enterprise=PLANNED_SCORES,
        period_days=min(days, 3660),
        jobs_per_day=PLANNED_JOBS_PER_DAY,
        rows_per_job=rows,
        rows_per_batch=min(rows, params.slots),
    )


def measure_speed(keys: BankKeys, engine: str, params: ParameterSet, progress: Progress = SILENT) -> MachineSpeed:
    """Measure this machine: blind some made-up identifiers and encrypt a few columns."""
    with progress.stage("measure", 2) as stage:
        made_up = [f"sample-{number}" for number in range(_SAMPLE)]
        blinding = Blinding(engine, secrets.token_bytes(32))
        blinding.build_request(made_up[:1])  # loads the library
        blind = min(_timed(lambda: blinding.build_request(made_up))[0] for _ in range(2))
        stage.advance()
        holder = keys.key_holder(params)
        tags = np.zeros((params.slots, 16), dtype=np.uint8)
        indicators = np.ones((4, params.slots), dtype=np.uint8)
        holder.encrypt(tags, indicators[:2], contract="plan")
        two, short = _timed(lambda: holder.encrypt(tags, indicators[:2], contract="plan"))  # columns go in pairs
        four, long = _timed(lambda: holder.encrypt(tags, indicators, contract="plan"))
        stage.advance()
    return MachineSpeed(blind / _SAMPLE, max(four - two, four / 3) / 2, (len(long) - len(short)) // 2)


def estimate_job(
    rows: int, offer: ModelOffer, size: DetailCost, params: ParameterSet, speed: MachineSpeed, context: int, width: int
) -> JobEstimate:
    """Seconds by step and bytes both ways if every enterprise matched; an order of magnitude.

    Assumes a bureau as fast as this machine, without other work. ``context``: bytes of the public context; ``width``:
    bytes of an element of the matching engine.
    """
    batches, elements = -(-rows // params.slots), element_count(rows, MAX_REQUEST_ELEMENTS)
    entries = offer.register_entries
    reply = 2 * params.degree * params.primes[0].bit_length() // 8
    set_up = round(entries * MIN_BITS_PER_ENTRY / 8)
    return JobEstimate(
        rows=rows,
        seconds={
            "match": round(elements * speed.blind_seconds * _EXPONENTIATIONS, 3),
            "encrypt": round(batches * size.columns * speed.encrypt_seconds, 3),
            "score": round(batches * (size.columns + _OUTPUT_COLUMNS * size.outputs) * speed.encrypt_seconds, 3),
            "decrypt": round(batches * size.outputs * speed.encrypt_seconds / 2, 3),
        },
        bytes_up=context + elements * width + rows * 16 + batches * size.columns * speed.column_bytes,
        bytes_down=set_up + elements * width + batches * size.outputs * reply,
    )


def _first_common(what: str, offered: Sequence[str], known: Sequence[str]) -> str:
    """The first name that both sides have; raises ``InvalidInput`` if there is none."""
    for name in offered:
        if name in known:
            return name
    raise InvalidInput(
        f"The bureau offers no {what} that this version supports ({', '.join(known)}).",
        next_step="bring both up to date",
    )


def _timed(work: Callable[[], _T]) -> tuple[float, _T]:
    begun = time.perf_counter()
    done = work()
    return time.perf_counter() - begun, done
