"""Which batches are the same set of enterprises, by a sketch of each.

The sketch of a batch is its smallest pseudonyms. Pseudonyms are keyed hashes, the same under every contract, so that
these are a uniform sample that nobody outside can influence, and two sketches give the Jaccard overlap of their batches
(Broder, "On the resemblance and containment of documents", 1997; bottom-k): exactly, for batches no larger than a
sketch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.bureau.watch.rules import OVERLAP_THRESHOLD

SKETCH_SIZE = 64
"""Pseudonyms in a sketch: an overlap of 0.9 is estimated to 0.04 (standard deviation)."""
_SHARED_MEMBERS = 8  # similar batches share one of their smallest eight, except with probability 10^-8


@dataclass(frozen=True, slots=True)
class BatchSketch:
    """A batch by contract, bank, and its smallest pseudonyms in ascending order."""

    contract: str
    bank: str
    smallest: tuple[str, ...]


def jaccard_overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """The Jaccard overlap of two batches, 0 to 1, from their sketches."""
    both = set(one) & set(other)
    union = sorted({*one, *other})[:SKETCH_SIZE]
    return sum(member in both for member in union) / max(len(union), 1)


def count_repeated_sets(sketches: Iterable[BatchSketch]) -> Mapping[str, tuple[int, int]]:
    """For each contract, the largest number of batches that are the same set as one of its batches: of its own bank
    (that batch included, over all contracts), and of other banks."""
    batches = list(sketches)
    where: dict[str, list[int]] = defaultdict(list)
    for number, batch in enumerate(batches):
        for member in batch.smallest[:_SHARED_MEMBERS]:
            where[member].append(number)
    most: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for batch in batches:
        met = {number for member in batch.smallest[:_SHARED_MEMBERS] for number in where[member]}
        alike = [
            batches[n].bank for n in met if jaccard_overlap(batch.smallest, batches[n].smallest) >= OVERLAP_THRESHOLD
        ]
        own = alike.count(batch.bank)
        same, shared = most[batch.contract]
        most[batch.contract] = (max(same, own), max(shared, len(alike) - own))
    return most
