"""Scoring measured by itself, on one core and without a service: encrypt, evaluate, decrypt, beside LightGBM in clear.

What is counted is processor time of this process, the least of a few passes over all batches, since other work on the
same cores can only lengthen one. Evaluation is everything that a bureau's worker does with a batch: reading it, judging
its ciphertexts from outside, loading them, encoding the weights, multiplying, adding, mask and flood, switching down,
serialising. Taking the weights from the model (``terms``) is done before, by the service, and stands by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lab.rehearsal.bench.firms import ITEMS, TAUGHT, Firms, make_firms
from lab.rehearsal.bench.floor import floor_us
from lab.rehearsal.bench.peer import concrete_ml
from lab.rehearsal.bench.steps import binding_us, steps_us
from lab.rehearsal.stage import Memory
from lab.terms.contract import Detail
from lab.terms.errors import ShulabError
from lab.terms.progress import Progress
from models.features import encode
from models.training import Trained, train
from protocols.scoring import bank, bureau
from protocols.scoring.layout import Terms
from protocols.scoring.params import PARAMETERS, ParameterSet

PASSES = 3
_CONTRACT = "bench"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Measurement:
    """What is measured. ``columns``: as many as the model shall have; ``peer``: Concrete-ML too, where it is set up."""

    enterprises: int
    columns: int
    trees: int
    parameters: str
    peer: bool = True
    seed: int = 1


@dataclass(frozen=True)
class _Batch:
    """Some firms, as both parties see them: tags uint8 [rows, 16], answers uint8 [columns, rows], and plain scores."""

    firms: Firms
    tags: NDArray[np.uint8]
    answers: NDArray[np.uint8]
    terms: Terms


def measure(what: Measurement, progress: Progress) -> dict[str, Any]:
    """The figures. Raises ``ShulabError`` if a decrypted score is further from the plain one than the model says."""
    params = PARAMETERS[what.parameters]
    with progress.stage("measure", PASSES + 3) as stage:
        firms = make_firms(TAUGHT + what.enterprises, what.columns, seed=what.seed)
        pilot, asked = firms.take(0, TAUGHT), firms.take(TAUGHT, TAUGHT + what.enterprises)
        limit = params.value_limit
        trained = train(pilot.public, pilot.bank, pilot.label, trees=what.trees, seed=what.seed, value_limit=limit)
        stage.advance()
        with (memory := Memory()).watching(os.getpid()):
            ours = _measure_ours(trained, asked, params, stage.advance)
        stage.advance()
        peer = concrete_ml(pilot, asked, what.trees) if what.peer else None
        stage.advance()
    evaluated, plain = ours["us_per_enterprise_evaluate"], ours["us_per_enterprise_plain_lightgbm"]
    seconds = peer["seconds_per_enterprise"] if peer else None
    own = sum(ours[f"us_per_enterprise_{step}"] for step in ("encrypt", "evaluate", "decrypt")) / 1e6
    return {
        "enterprises": what.enterprises,
        "columns": trained.model.columns,
        "trees": what.trees,
        "features": ITEMS + asked.bank.width,
        "parameters": params.name,
        **ours,
        "peak_rss": memory.peak,
        "evaluate_over_lightgbm": round(evaluated / plain, 2),
        "evaluate_over_floor": round(evaluated / ours["floor_us_per_enterprise"], 2),
        "concrete_ml_seconds_per_enterprise": seconds,
        "concrete_ml_over_ours": round(seconds / own) if seconds else None,
        "concrete_ml_over_evaluate": round(seconds / evaluated * 1e6) if seconds else None,
        "concrete_ml": peer,
    }


def _measure_ours(
    trained: Trained, asked: Firms, params: ParameterSet, passed: Callable[[int], None]
) -> dict[str, Any]:
    model, rows = trained.model, len(asked.label)
    holder = bank.KeyHolder(params, bank.generate_secret(params))
    context = holder.public_context()
    bureau.check_context(context, params)
    parts = [asked.take(start, min(start + params.slots, rows)) for start in range(0, rows, params.slots)]
    batches = [
        _Batch(
            firms,
            np.random.default_rng(number).integers(0, 256, (len(firms.label), 16), dtype=np.uint8),
            model.answers(firms.bank),
            _terms(trained, firms),
        )
        for number, firms in enumerate(parts)
    ]
    features = np.hstack([encode(asked.public, model.public_features), encode(asked.bank, model.bank_features)])
    spent: dict[str, list[float]] = {}
    for _ in range(PASSES):
        seconds, frames = _timed(lambda: [holder.encrypt(b.tags, b.answers, contract=_CONTRACT) for b in batches])
        spent.setdefault("encrypt", []).append(seconds)
        seconds, _ = _timed(lambda: [_terms(trained, b.firms) for b in batches])
        spent.setdefault("terms", []).append(seconds)
        seconds, replies = _timed(
            lambda frames=frames: [  # type: ignore[misc]
                bureau.evaluate(context, frame, b.terms, params, _CONTRACT)
                for frame, b in zip(frames, batches, strict=True)
            ]
        )
        spent.setdefault("evaluate", []).append(seconds)
        seconds, found = _timed(
            lambda frames=frames, replies=replies: [  # type: ignore[misc]
                holder.decrypt(reply, rows=len(b.tags), batch=frame)
                for reply, frame, b in zip(replies, frames, batches, strict=True)
            ]
        )
        spent.setdefault("decrypt", []).append(seconds)
        seconds, plain = _timed(lambda: trained.booster.predict(features, raw_score=True, num_threads=1))
        spent.setdefault("plain_lightgbm", []).append(seconds)
        passed(1)
    us = {name: round(min(seconds) / rows * 1e6, 3) for name, seconds in spent.items()}
    scores = np.concatenate([values[0] for values in found]) * model.quantum + model.forest.intercept
    error = float(np.abs(scores - plain).max())
    if error > model.error_bound:
        raise ShulabError(
            f"A score differs by {error:.1e}; the model says at most {model.error_bound:.1e}.",
            next_step="report this as a fault",
        )
    frame, one = frames[0], batches[0]
    us_by_step = steps_us(lambda: bureau.evaluate(context, frame, one.terms, params, _CONTRACT), len(one.tags))
    return {
        **{f"us_per_enterprise_{name}": value for name, value in us.items()},
        "bytes_up_per_enterprise": round(sum(map(len, frames)) / rows, 1),
        "bytes_down_per_enterprise": round(sum(map(len, replies)) / rows, 1),
        "bytes_context": len(context),
        "max_abs_error": error,
        "error_bound": model.error_bound,
        **floor_us(one.terms, params, len(one.tags)),
        "evaluate_us_by_step": us_by_step,
        "binding_us_by_step": binding_us(one.terms, params, len(one.tags)),
    }


def _terms(trained: Trained, firms: Firms) -> Terms:
    made = trained.model.terms(firms.public, Detail.TOTAL)
    return Terms(made.columns, made.outputs, made.values, made.base)


def _timed(work: Callable[[], _T]) -> tuple[float, _T]:
    begun = time.process_time()
    done = work()
    return time.process_time() - begun, done
