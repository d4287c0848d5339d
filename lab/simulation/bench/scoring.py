"""Benchmark of scoring alone, on one core and without a service: encrypt, evaluate, decrypt; and LightGBM in clear.

It takes the least processor time of a few passes over all batches, since other work on the cores can only lengthen a
pass. Evaluation is all that a bureau's worker does with a batch: read it, unpack and check its residues, expand its
seeds, load both into SEAL, encode the weights, multiply, add, mask and flood, switch down, pack. The service computes
the batch's digest (``name``) and the model's weights (``terms``) beforehand; they are separate figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.bench.concrete_ml import measure_concrete_ml
from lab.simulation.bench.evaluation_profile import binding_overhead_us, evaluation_steps_us
from lab.simulation.bench.lower_bound import lower_bound_us
from lab.simulation.bench.synthetic_firms import PILOT_FIRMS, PUBLIC_ITEMS, SyntheticFirms, make_firms
from lab.simulation.process_monitor import MemoryMonitor
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import ShulabError
from lab.terms.progress import Progress
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import TrainingResult, train_model
from models.shared.features import encode_features
from protocols.scoring import bank, bureau
from protocols.scoring.messages import QuantizedWeights, frame_sha256
from protocols.scoring.parameters import ParameterSet, find_parameters

PASSES = 3
_CONTRACT = "bench"


@dataclass(frozen=True)
class ScoringWorkload:
    """What is measured. ``columns``: of the model; ``peer``: measure Concrete-ML too, if it is set up."""

    enterprises: int
    columns: int
    trees: int
    parameters: str
    peer: bool = True
    seed: int = 1


def measure(workload: ScoringWorkload, progress: Progress) -> dict[str, Any]:
    """Run it; returns the figures.

    Raises ``ShulabError`` if a decrypted score differs from the plain one by more than the model's error bound, or if
    there is no such parameter set.
    """
    params = find_parameters(workload.parameters)
    with progress.stage("measure", PASSES + 3) as stage:
        firms = make_firms(PILOT_FIRMS + workload.enterprises, workload.columns, seed=workload.seed)
        pilot, asked = firms.take(0, PILOT_FIRMS), firms.take(PILOT_FIRMS, PILOT_FIRMS + workload.enterprises)
        limit = params.value_limit
        trained = train_model(
            pilot.public,
            pilot.bank,
            pilot.label,
            TrainingSettings(trees=workload.trees, seed=workload.seed, value_limit=limit),
        )
        stage.advance()
        with (memory := MemoryMonitor()).sampling(os.getpid()):
            ours = _measure_ours(trained, asked, params, stage.advance)
        stage.advance()
        peer = measure_concrete_ml(pilot, asked, workload.trees) if workload.peer else None
        stage.advance()
    evaluated, plain = ours["us_per_enterprise_evaluate"], ours["us_per_enterprise_plain_lightgbm"]
    seconds = peer["cpu_seconds_per_enterprise"] if peer else None  # processor seconds, as all others
    own = sum(ours[f"us_per_enterprise_{step}"] for step in ("encrypt", "evaluate", "decrypt")) / 1e6
    return {
        "enterprises": workload.enterprises,
        "columns": trained.model.column_count,
        "trees": workload.trees,
        "features": PUBLIC_ITEMS + asked.bank.width,
        "parameters": params.name,
        **ours,
        "peak_rss": memory.peak_bytes,
        "evaluate_over_lightgbm": round(evaluated / plain, 2),
        "evaluate_over_floor": round(evaluated / ours["floor_us_per_enterprise"], 2),
        "concrete_ml_seconds_per_enterprise": seconds,
        "concrete_ml_over_ours": round(seconds / own) if seconds else None,
        "concrete_ml_over_evaluate": round(seconds / evaluated * 1e6) if seconds else None,
        "concrete_ml": peer,
    }


class _InProcessParties:
    """Both parties in one process; each method does one step for all batches."""

    def __init__(self, trained: TrainingResult, asked: SyntheticFirms, params: ParameterSet) -> None:
        self.trained, self.params, rows = trained, params, len(asked.label)
        self.holder = bank.KeyHolder(params, bank.generate_secret_key(params))
        self.context = self.holder.public_context()
        bureau.check_context(self.context, params)
        self.firms = [asked.take(start, min(start + params.slots, rows)) for start in range(0, rows, params.slots)]
        self.indicators = [trained.model.indicators(firms.bank) for firms in self.firms]
        model, random = trained.model, np.random.default_rng(1)
        self.tags = [random.integers(0, 256, (len(f.label), 16), dtype=np.uint8) for f in self.firms]
        both = ((asked.public, model.public_features), (asked.bank, model.bank_features))
        # In row order, as LightGBM needs them; otherwise it would spend time converting them.
        self.features = np.ascontiguousarray(np.hstack([encode_features(*one) for one in both]))
        self.public = [firms.public.cast(pl.String) for firms in self.firms]  # as a register stores them
        self.frames: list[bytes] = []
        self.names: list[str] = []
        self.weights: list[QuantizedWeights] = []
        self.replies: list[bytes] = []
        self.sums: list[NDArray[np.int64]] = []
        self.plain = np.zeros(rows)

    def encrypt(self) -> None:
        pairs = zip(self.tags, self.indicators, strict=True)
        self.frames = [self.holder.encrypt(tags, indicators, contract=_CONTRACT) for tags, indicators in pairs]

    def digest_batches(self) -> None:
        # The service computes the digest when it charges the batch, so the worker does not.
        self.names = [frame_sha256(frame) for frame in self.frames]

    def make_weights(self) -> None:
        computed = [self.trained.model.score_weights(texts, ResultDetail.TOTAL) for texts in self.public]
        self.weights = [QuantizedWeights(*one.arrays) for one in computed]

    def evaluate(self) -> None:
        self.replies = [self.evaluate_one(number) for number in range(len(self.frames))]

    def evaluate_one(self, number: int) -> bytes:
        frame, weights, name = self.frames[number], self.weights[number], self.names[number]
        return bureau.evaluate_batch(self.context, frame, weights, self.params, _CONTRACT, sha256=name)

    def decrypt(self) -> None:
        triples = zip(self.replies, self.frames, self.tags, strict=True)
        self.sums = [self.holder.decrypt(reply, rows=len(tags), batch=frame) for reply, frame, tags in triples]

    def predict(self) -> None:
        self.plain = self.trained.booster.predict(self.features, raw_score=True, num_threads=1)

    @property
    def largest_error(self) -> float:
        model = self.trained.model
        scores = np.concatenate([sums[0] for sums in self.sums]) * model.quantum + model.forest.intercept
        return float(np.abs(scores - self.plain).max())


def _measure_ours(
    trained: TrainingResult, asked: SyntheticFirms, params: ParameterSet, advance: Callable[[int], None]
) -> dict[str, Any]:
    parties, rows = _InProcessParties(trained, asked, params), len(asked.label)
    steps = {
        "encrypt": parties.encrypt,
        "name": parties.digest_batches,
        "terms": parties.make_weights,
        "evaluate": parties.evaluate,
        "decrypt": parties.decrypt,
        "plain_lightgbm": parties.predict,
    }
    least = dict.fromkeys(steps, float("inf"))
    for _ in range(PASSES):
        for name, step in steps.items():
            begun = time.process_time()
            step()
            least[name] = min(least[name], time.process_time() - begun)
        advance(1)
    error, bound = parties.largest_error, trained.model.error_bound
    if error > bound:
        raise ShulabError(
            f"Expected scores that differ by at most {bound:.1e}; found {error:.1e}.",
            next_step="report this as a fault",
        )
    weights, size = parties.weights[0], len(parties.tags[0])
    return {
        **{f"us_per_enterprise_{name}": round(seconds / rows * 1e6, 3) for name, seconds in least.items()},
        "bytes_up_per_enterprise": round(sum(map(len, parties.frames)) / rows, 1),
        "bytes_down_per_enterprise": round(sum(map(len, parties.replies)) / rows, 1),
        "bytes_context": len(parties.context),
        "max_abs_error": error,
        "error_bound": bound,
        **lower_bound_us(weights, params, size),
        "evaluate_us_by_step": evaluation_steps_us(lambda: parties.evaluate_one(0), size),
        "binding_us_by_step": binding_overhead_us(weights, params, size),
    }
