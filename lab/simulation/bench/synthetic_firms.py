"""Made-up firms for benchmarks of scoring: the bureau's items, the bank's features, and who will default.

Each of the bank's features has a few values, and neighbouring values differ in risk. So a boosted model that is trained
on enough firms separates all values, and has (nearly) the requested number of ciphertext columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.bench.matching_files import ID, LABEL, make_code_letters
from lab.tables.spreadsheet_csv import save_csv

PUBLIC_ITEMS = 20
"""Number of public items of a firm."""
PILOT_FIRMS = 20_000
"""Number of firms of a pilot sample: enough for a model of a few hundred columns."""
_VALUES = 8  # most values of a bank's feature; each has a column but one, which the others imply
_ITEM_VALUES = 32  # values of a public item, as many as LightGBM's bins


@dataclass(frozen=True)
class SyntheticFirms:
    """One row for each firm: ``public`` ([rows, PUBLIC_ITEMS]), ``bank`` (one digit a feature), ``label`` (0 or 1)."""

    public: pl.DataFrame
    bank: pl.DataFrame
    label: NDArray[np.int64]

    def take(self, start: int, stop: int) -> SyntheticFirms:
        """The firms from ``start`` to before ``stop``."""
        part = slice(start, stop)
        return SyntheticFirms(self.public[part], self.bank[part], self.label[part])


@dataclass(frozen=True)
class ScoringBenchmarkFiles:
    """Paths of the files, and how many of the portfolio's firms are in the register."""

    register: Path
    portfolio: Path
    pilot: Path
    common: int


def make_firms(rows: int, columns: int, *, seed: int = 1) -> SyntheticFirms:
    """``rows`` firms, for a model of ``columns`` columns (at least 2); the same arguments give the same firms."""
    rng = np.random.default_rng([seed, 21])
    features = -(-columns // (_VALUES - 1))
    values = [1 + columns // features + (number < columns % features) for number in range(features)]
    risk = [np.where(np.arange(count) % 2, 1.0, -1.0) * rng.uniform(0.4, 0.8, count) for count in values]
    weight = rng.normal(size=PUBLIC_ITEMS)
    # Most firms have small values, as in real registers. Uniform values would favour encrypted scoring: branches that
    # are harder to predict slow LightGBM down only.
    public = (_ITEM_VALUES * rng.random((PUBLIC_ITEMS, rows)) ** 3).astype(np.int64)
    bank = np.stack([(count * rng.random(rows) ** 2).astype(np.int64) for count in values])
    strain = weight @ (public / _ITEM_VALUES - 0.25)
    odds = strain + np.sum([one[digits] for one, digits in zip(risk, bank, strict=True)], axis=0)
    odds += strain * risk[0][bank[0]]  # an interaction of a public item and a bank feature
    label = (rng.random(rows) < 1 / (1 + np.exp(1.5 - odds))).astype(np.int64)
    return SyntheticFirms(
        pl.DataFrame({f"item_{number:02}": row for number, row in enumerate(public)}),
        pl.DataFrame({f"answer_{number:02}": row for number, row in enumerate(bank)}),
        label,
    )


def write_firm_files(
    folder: Path, register: int, portfolio: int, columns: int, *, seed: int = 1
) -> ScoringBenchmarkFiles:
    """Write ``register.csv``, ``portfolio.csv`` and ``pilot.csv`` of these sizes into ``folder``.

    The portfolio's firms are all in the register, in another order, if the register is large enough. The pilot's firms
    are in the register too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    firms = make_firms(max(register, portfolio), columns, seed=seed)
    letters = make_code_letters(len(firms.label), seed=seed)
    codes = pl.Series(ID, letters.view("S18").ravel().astype(str))
    order = np.random.default_rng([seed, 22]).permutation(register)
    clients = np.concatenate([order[:portfolio], np.arange(register, max(register, portfolio))])
    pilot = order[::-1][:PILOT_FIRMS]
    files = ScoringBenchmarkFiles(
        folder / "register.csv", folder / "portfolio.csv", folder / "pilot.csv", min(portfolio, register)
    )
    save_csv(firms.public[:register].insert_column(0, codes[:register]), files.register)
    whole = firms.bank.insert_column(0, codes)
    save_csv(whole[clients], files.portfolio)
    save_csv(whole.with_columns(pl.Series(LABEL, firms.label))[pilot], files.pilot)
    return files
