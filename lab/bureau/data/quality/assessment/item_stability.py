"""Whether an item's values since the baseline are distributed as those before it: the population stability index.

The index and what chance alone makes of it are those by which models are watched (``models.shared.drift``). Records
without a value are a bin of their own. Dates and texts are not compared: time moves dates, and texts have no bins.
"""

from __future__ import annotations

import numpy as np

from lab.bureau.data.quality.assessment.domain_pass import ItemBins
from models.shared.drift.share_changes import stability_index


def measure_movement(bins: ItemBins) -> float | None:
    """The index less what chance makes of it, at least 0, six decimals; None for fewer than 20 records then or now."""
    names = sorted(set(bins.then) | set(bins.now), key=lambda name: (name is None, str(name)))
    then = np.array([bins.then.get(name, 0) for name in names], dtype=np.float64)
    now = np.array([bins.now.get(name, 0) for name in names], dtype=np.float64)
    if _bin_of_all(then, now):
        return 0.0
    found = stability_index(then, now)
    return None if found is None else round(max(found[0] - found[1], 0.0), 6)


def count_since(bins: ItemBins) -> int:
    """Records since the baseline."""
    return sum(bins.now.values())


def _bin_of_all(then: np.ndarray, now: np.ndarray) -> bool:
    """Whether all records, then and now, are in one bin: nothing moved, though there is no index of one bin."""
    together = then + now
    return bool(together.sum() and (together > 0).sum() == 1 and then.sum() and now.sum())
