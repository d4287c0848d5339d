"""A made-up bank: its clients, and a pilot sample of other firms with known outcomes.

As in real portfolios, some clients are not in the register, some codes are misspelt, and some firms appear twice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.synthetic.credit_codes import make_codes, misspell_codes
from lab.simulation.synthetic.register import (
    ID,
    Floats,
    LatentTraits,
    SyntheticRegister,
    blank_missing,
    draw_counts,
    draw_outcomes,
    draw_traits,
    read_bundled_dictionary,
)
from lab.tables.spreadsheet_csv import save_csv

LABEL = "default_12m"
_OUTSIDE = 0.06  # share of clients that are not in the register
_BADLY_WRITTEN = 0.02
_REPEATED = 0.004
_PILOT = 0.3  # of the register, at most
_OUTSIDE_START = 500_000_000  # where the codes of clients outside the register start


@dataclass(frozen=True)
class SyntheticPortfolio:
    """Clients (``uscc`` and 12 features), the pilot (the same with ``default_12m``), and counts of faulty rows.

    ``outcomes``, [clients], is the future outcome of each client row (0 or 1). The job never sees it; it serves to
    evaluate scores.
    """

    clients: pl.DataFrame
    pilot: pl.DataFrame
    dictionary: str
    outcomes: NDArray[np.int8]
    outside_register: int
    repeated: int
    badly_written: dict[str, int]

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``portfolio.csv``, ``pilot.csv`` and ``portfolio.toml``; returns the paths of the first two."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "portfolio.toml").write_text(self.dictionary, encoding="utf-8")
        save_csv(self.clients, folder / "portfolio.csv")
        save_csv(self.pilot, folder / "pilot.csv")
        return folder / "portfolio.csv", folder / "pilot.csv"


def make_synthetic_portfolio(
    synthetic: SyntheticRegister, rows: int, seed: int = 1, known_outcomes: NDArray[np.int8] | None = None
) -> SyntheticPortfolio:
    """Make a portfolio of ``rows`` rows for a made-up register, and a pilot sample of other firms in it.

    ``known_outcomes``: of the register's firms, [register rows]; drawn here if they are not given.
    """
    rng = np.random.default_rng([seed, 2])
    order = rng.permutation(synthetic.register.height)
    pilot = order[: max(1, round(synthetic.register.height * _PILOT))]
    repeated = round(rows * _REPEATED)
    inside = order[len(pilot) :][: max(1, round((rows - repeated) * (1 - _OUTSIDE)))]
    outside = rows - repeated - len(inside)

    codes = synthetic.register[ID].to_list()
    known = [codes[i] for i in inside]
    outsiders = make_codes(outside, start=_OUTSIDE_START, seed=synthetic.seed)
    client_traits = _concatenate_traits(synthetic.traits.take(inside), draw_traits(outside, rng))
    clients = pl.DataFrame({ID: known + outsiders} | _features(client_traits, rng))
    outcomes = draw_outcomes(client_traits, rng)
    if known_outcomes is not None:
        outcomes[: len(inside)] = known_outcomes[inside]

    misspelt = rng.choice(len(clients), round(rows * _BADLY_WRITTEN), replace=False)
    written = clients[ID].to_list()
    bad, kinds = misspell_codes([written[i] for i in misspelt], rng)
    for row, code in zip(misspelt, bad, strict=True):
        written[int(row)] = code
    clients = clients.with_columns(pl.Series(ID, written))
    repeats = rng.choice(len(clients), repeated, replace=False)
    shuffled = rng.permutation(rows)
    all_rows = np.concatenate([np.arange(len(clients)), repeats])[shuffled]

    pilot_traits = synthetic.traits.take(pilot)
    return SyntheticPortfolio(
        clients=clients[all_rows],
        pilot=pl.DataFrame(
            {ID: [codes[i] for i in pilot]}
            | _features(pilot_traits, rng)
            | {LABEL: pl.Series(draw_outcomes(pilot_traits, rng) if known_outcomes is None else known_outcomes[pilot])}
        ),
        dictionary=read_bundled_dictionary("portfolio"),
        outcomes=outcomes[all_rows],
        outside_register=outside,
        repeated=repeated,
        badly_written=dict(Counter(kinds)),
    )


def _concatenate_traits(one: LatentTraits, other: LatentTraits) -> LatentTraits:
    return LatentTraits(
        *(
            np.concatenate([getattr(one, f), getattr(other, f)])
            for f in ("public", "private", "size", "age", "industry")
        )
    )


def _features(traits: LatentTraits, rng: np.random.Generator) -> dict[str, pl.Series]:
    weak, size, rows = traits.private, traits.size, len(traits.age)

    def noise(scale: float = 1.0) -> Floats:
        return np.asarray(rng.normal(scale=scale, size=rows))

    def missing(share: float) -> NDArray[np.bool_]:
        return np.asarray(rng.random(rows) < share)

    turnover = np.exp(14.2 + 1.2 * size - 0.2 * weak + noise(0.9))
    payroll = rng.random(rows) < 1 / (1 + np.exp(0.5 + 0.35 * weak - 0.3 * size))
    borrows = rng.random(rows) < 0.7
    return {
        "turnover_12m": blank_missing(np.round(turnover, 2), missing(0.01)),
        "turnover_growth": blank_missing(np.round(np.clip(0.05 - 0.15 * weak + noise(0.45), -1, 9), 3), missing(0.05)),
        "counterparties_12m": pl.Series(draw_counts(rng, 2.6 + 0.6 * size - 0.1 * weak, 0.4)),
        "average_deposit": pl.Series(np.round(turnover * np.exp(-3.2 - 0.35 * weak + noise(0.8)), 2)),
        "overdraft_days_12m": pl.Series(np.minimum(365, draw_counts(rng, 0.2 + 0.6 * weak, 1.6))),
        "loan_utilisation": blank_missing(
            np.round(1 / (1 + np.exp(-(0.1 + 0.45 * weak + noise(1.1)))), 3), ~borrows | missing(0.01)
        ),
        "overdue_count_24m": blank_missing(draw_counts(rng, -1.6 + 0.65 * weak, 1.2), ~borrows),
        "bounced_payments_12m": pl.Series(draw_counts(rng, -1.2 + 0.55 * weak, 1.2)),
        "months_as_client": pl.Series(
            np.minimum(np.round(traits.age * 12 * rng.beta(2.2, 1.6, rows)), 400).astype(np.int64)
        ),
        "products_held": pl.Series(1 + draw_counts(rng, 0.1 + 0.2 * size - 0.12 * weak, 0.3)),
        "payroll_through_bank": pl.Series(np.where(payroll, "是", "否").tolist()),
        "payroll_change": blank_missing(np.round(np.clip(0.03 - 0.1 * weak + noise(0.25), -1, 5), 3), ~payroll),
    }
