"""Evaluating a validated batch: the model's weights for its register rows, and a worker that applies them."""

from __future__ import annotations

from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.exchange.scoring.batch_validation import ValidatedBatch
from lab.bureau.exchange.scoring.own_faults import hide_own_faults
from lab.bureau.exchange.scoring.public_contexts import context_not_stored, read_context
from lab.bureau.exchange.scoring.weight_cache import WeightCache, WeightCacheKey
from lab.bureau.workers.pool import TaskExecutor
from lab.terms.errors import InvalidInput, ShulabError
from protocols.scoring.bureau import QuantizedWeights, evaluate_batch
from protocols.scoring.parameters import find_parameters


class BatchEvaluator:
    """Computes replies. Safe to use from several threads."""

    def __init__(self, resources: ExchangeResources, workers: TaskExecutor) -> None:
        self._home, self._models, self._snapshots = resources.home, resources.models, resources.snapshots
        self._workers, self._weights = workers, WeightCache()

    def evaluate(self, validated: ValidatedBatch, batch: bytes) -> bytes:
        """The reply frame to a batch frame.

        Raises ``InvalidInput`` if the ciphertexts do not evaluate, ``BureauDataFault`` if the register does not fit the
        model, ``Unreachable`` if the workers do not answer, ``NotFound`` if the context was lost.
        """
        access, snapshot = validated.access, validated.snapshot
        version, step = access.model_version, access.contract.ceilings.precision
        key = WeightCacheKey(snapshot.name, snapshot.version, snapshot.rows, version.sha256, access.detail, step)
        with hide_own_faults():
            model = self._models.load(version)
            # With the identifier, because a model may use no public column, and its rows are counted all the same.
            columns = [snapshot.id_column, *(feature.name for feature in model.public_features)]
            table = self._snapshots.frame(snapshot, columns)
            weights = self._weights.weights(key, model, validated.rows, lambda rows: table[rows])
        context = read_context(self._home, validated.context_file, validated.head.context)
        if context is None:
            raise context_not_stored()
        try:
            return self._workers.run(
                evaluate_batch,
                context,
                batch,
                QuantizedWeights(*weights.arrays),
                find_parameters(access.contract.parameters),
                access.contract.id,
                sha256=validated.head.sha256,
                places=validated.places,
            )
        except ShulabError:
            raise
        except ValueError as error:
            raise InvalidInput(f"The evaluation failed: {error}.", next_step="encrypt the batch again") from None
