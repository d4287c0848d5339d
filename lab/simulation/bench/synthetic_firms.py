"""Made-up firms for measuring scoring: what the bureau and the bank know of each, and who will default.

A bank's features have a few values each, and neighbours among them differ in risk, so that a boosted model trained on
enough firms tells every value apart: it has then as many ciphertext columns as were asked for, or nearly.
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
"""Public items of a firm."""
PILOT_FIRMS = 20_000
"""Firms of a pilot sample: enough for a model of a few hundred columns."""
_VALUES = 8  # of a bank's feature, at most; a column for each but one, which the others imply
_ITEM_VALUES = 32  # values of a public item, as many as LightGBM is told to tell apart


@dataclass(frozen=True)
class SyntheticFirms:
    """One row a firm in each: ``public`` (``PUBLIC_ITEMS`` numbers), ``bank`` (one digit a feature), ``label`` (0 or
    1).
    """

    public: pl.DataFrame
    bank: pl.DataFrame
    label: NDArray[np.int64]

    def take(self, start: int, stop: int) -> SyntheticFirms:
        """The firms from ``start`` to before ``stop``."""
        part = slice(start, stop)
        return SyntheticFirms(self.public[part], self.bank[part], self.label[part])


@dataclass(frozen=True)
class ScoringBenchmarkFiles:
    """Where the files of firms lie, and how many of the portfolio's are in the register."""

    register: Path
    portfolio: Path
    pilot: Path
    common: int


def make_firms(rows: int, columns: int, *, seed: int = 1) -> SyntheticFirms:
    """``rows`` firms, for a model of ``columns`` columns (at least 2); the same arguments give the same firms."""
    rng = np.random.default_rng([seed, 21])
    features = -(-columns // (_VALUES - 1))
    values = [1 + columns // features + (place < columns % features) for place in range(features)]
    risk = [np.where(np.arange(count) % 2, 1.0, -1.0) * rng.uniform(0.4, 0.8, count) for count in values]
    weight = rng.normal(size=PUBLIC_ITEMS)
    # Most firms have small figures, as in real registers. Uniform ones would flatter us: branches that are harder to
    # foresee cost LightGBM more, and us nothing.
    public = (_ITEM_VALUES * rng.random((PUBLIC_ITEMS, rows)) ** 3).astype(np.int64)
    bank = np.stack([(count * rng.random(rows) ** 2).astype(np.int64) for count in values])
    strain = weight @ (public / _ITEM_VALUES - 0.25)
    odds = strain + np.sum([one[answers] for one, answers in zip(risk, bank, strict=True)], axis=0)
    odds += strain * risk[0][bank[0]]  # so that a public record and an answer say more together than each alone
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

    Every firm of the portfolio is in the register as far as that is large enough, spread over it in another order. The
    pilot's firms are of the register too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    firms = make_firms(max(register, portfolio), columns, seed=seed)
    letters = make_code_letters(len(firms.label), seed=seed)
    codes = pl.Series(ID, letters.view("S18").ravel().astype(str))
    order = np.random.default_rng([seed, 22]).permutation(register)
    clients = np.concatenate([order[:portfolio], np.arange(register, max(register, portfolio))])
    taught = order[::-1][:PILOT_FIRMS]
    files = ScoringBenchmarkFiles(
        folder / "register.csv", folder / "portfolio.csv", folder / "pilot.csv", min(portfolio, register)
    )
    save_csv(firms.public[:register].insert_column(0, codes[:register]), files.register)
    whole = firms.bank.insert_column(0, codes)
    save_csv(whole[clients], files.portfolio)
    save_csv(whole.with_columns(pl.Series(LABEL, firms.label))[taught], files.pilot)
    return files
