"""A bank of the made-up city: its own records of a part of the enterprises, with and without known outcomes."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.city.draws import Integers, happens
from lab.simulation.city.enterprises import City
from lab.simulation.synthetic.portfolio import SyntheticPortfolio, make_synthetic_portfolio
from lab.simulation.synthetic.register import ID, LatentTraits, SyntheticRegister
from lab.tables.spreadsheet_csv import save_csv

_INDIVIDUALS = 0.15  # of individual businesses that have an account for business
_OWN_VIEW = 0.65  # what the bank sees of strain, the rest is noise


def write_bank_files(city: City, rows: Integers, defaults: NDArray[np.bool_], clients: int) -> SyntheticPortfolio:
    """Write ``bank.csv`` (a pilot sample, with ``default_12m``), ``portfolio.csv`` and ``portfolio.toml``.

    ``rows``: the enterprises that have an outcome, and ``defaults`` theirs. ``clients``: rows of the portfolio.
    """
    one, out, rng = city.enterprises, city.settings.out, city.rng(32)
    served = ~one.is_individual[rows] | happens(rng, _INDIVIDUALS, len(rows))
    at = rows[served]
    strain = one.strain(city.settings.end, at)
    traits = LatentTraits(
        public=strain.astype(np.float64),
        private=_OWN_VIEW * strain + (1 - _OWN_VIEW**2) ** 0.5 * rng.normal(size=len(at)),
        size=one.size[at].astype(np.float64),
        age=(city.settings.end - one.founded[at]) / 365.25,
        industry=one.section[at],
    )
    market = SyntheticRegister(one.codes[at].alias(ID).to_frame(), "", traits, city.settings.seed)
    bank = make_synthetic_portfolio(market, clients, city.settings.seed, defaults[served].astype(np.int8))
    save_csv(bank.pilot, out / "bank.csv")
    save_csv(bank.clients, out / "portfolio.csv")
    save_csv(pl.DataFrame({"outcome": bank.outcomes}), out / "portfolio-outcomes.csv")
    (out / "portfolio.toml").write_text(bank.dictionary, encoding="utf-8")
    return bank
