"""A made-up register of enterprises, drawn from a seeded latent risk that a model can learn.

Everything here is made up: no enterprise, figure or outcome is real, and no code can belong to anyone
(``lab.simulation.synthetic.credit_codes``). ``python -m lab.simulation --rows 20000 --out DIR`` writes the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.synthetic.credit_codes import make_codes
from lab.tables.spreadsheet_csv import save_csv

ID = "uscc"
MADE_UP_NOTICE = (
    "虚构数据：本文件夹中的企业、代码与数值均由程序生成，不对应任何真实企业。\n"
    "MADE-UP DATA: every enterprise, code and figure in this folder was generated; none belongs to a real enterprise.\n"
)
Floats = NDArray[np.float64]

_TYPES = ("有限责任公司", "个人独资企业", "合伙企业", "股份有限公司", "外商投资企业")
_TYPE_SHARES = (0.71, 0.14, 0.08, 0.05, 0.02)
_INDUSTRIES = (
    "批发和零售业",
    "制造业",
    "租赁和商务服务业",
    "建筑业",
    "信息传输、软件和信息技术服务业",
    "科学研究和技术服务业",
    "交通运输、仓储和邮政业",
    "住宿和餐饮业",
    "居民服务、修理和其他服务业",
    "房地产业",
    "农、林、牧、渔业",
    "文化、体育和娱乐业",
)
_INDUSTRY_SHARES = (0.31, 0.16, 0.12, 0.10, 0.07, 0.06, 0.05, 0.05, 0.03, 0.02, 0.02, 0.01)
_INDUSTRY_RISK = (0.05, -0.15, 0.0, 0.3, -0.2, -0.3, 0.1, 0.4, 0.1, 0.35, -0.05, 0.15)


@dataclass(frozen=True)
class LatentTraits:
    """Hidden traits, [rows] each: weakness in public conduct and at the bank, size, age in years, index of industry."""

    public: Floats
    private: Floats
    size: Floats
    age: Floats
    industry: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> LatentTraits:
        """The enterprises at ``rows``."""
        return LatentTraits(self.public[rows], self.private[rows], self.size[rows], self.age[rows], self.industry[rows])


@dataclass(frozen=True)
class SyntheticRegister:
    """A register (one row for each enterprise: ``uscc`` and 28 items) with its dictionary as TOML text."""

    register: pl.DataFrame
    dictionary: str
    traits: LatentTraits
    seed: int


def make_synthetic_register(rows: int, seed: int = 1) -> SyntheticRegister:
    """Make a register of ``rows`` enterprises; the same seed gives the same register."""
    rng = np.random.default_rng([seed, 1])
    traits = draw_traits(rows, rng)
    columns = {ID: pl.Series(make_codes(rows, seed=seed))} | _items(traits, rng)
    return SyntheticRegister(pl.DataFrame(columns), read_bundled_dictionary("register"), traits, seed)


def draw_traits(rows: int, rng: np.random.Generator) -> LatentTraits:
    """Draw the traits of ``rows`` enterprises; public and private weakness correlate at about 0.25."""
    common, own_public, own_private = rng.normal(size=(3, rows))
    industry = rng.choice(len(_INDUSTRIES), rows, p=_INDUSTRY_SHARES)
    return LatentTraits(
        public=0.5 * common + 0.866 * own_public + np.asarray(_INDUSTRY_RISK)[industry],
        private=0.5 * common + 0.866 * own_private,
        size=rng.normal(size=rows),
        age=np.clip(rng.gamma(1.7, 4.6, rows), 0.1, 45.0),
        industry=industry.astype(np.int64),
    )


def draw_outcomes(traits: LatentTraits, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw whether each enterprise defaults within 12 months: 0 or 1, [rows]; about one in ten does."""
    young = np.exp(-traits.age / 3.0)
    strain = np.clip(traits.public, 0, None) * np.clip(traits.private, 0, None)
    odds = -4.05 + 1.3 * traits.public + 1.45 * traits.private + 0.9 * young - 0.2 * traits.size + 0.35 * strain
    return np.asarray(rng.random(len(odds)) < 1 / (1 + np.exp(-odds)), dtype=np.int8)


def read_bundled_dictionary(name: str) -> str:
    """The dictionary ``register`` or ``portfolio`` as TOML text."""
    return files("lab.simulation.synthetic").joinpath("words", f"{name}.toml").read_text(encoding="utf-8")


def draw_counts(rng: np.random.Generator, level: Floats, spread: float = 1.0) -> NDArray[np.int64]:
    """Overdispersed counts with mean ``exp(level)``, [rows]: most are zero and a few are large."""
    return np.asarray(rng.poisson(np.exp(level) * rng.gamma(1 / spread, spread, len(level))), dtype=np.int64)


def blank_missing(values: NDArray[np.generic] | list[str], missing: NDArray[np.bool_]) -> pl.Series:
    """The values, [rows], with null where ``missing`` is true."""
    series = pl.Series(values)
    return series.zip_with(pl.Series(~missing), pl.Series([None], dtype=series.dtype).new_from_index(0, len(series)))


@dataclass(frozen=True)
class _Draws:
    """Random numbers, one for each enterprise; every call takes the next ones."""

    rng: np.random.Generator
    rows: int

    def noise(self, scale: float = 1.0) -> Floats:
        """Normal with mean 0; [rows]."""
        return np.asarray(self.rng.normal(scale=scale, size=self.rows))

    def missing(self, share: float, more: Floats | NDArray[np.bool_] | float = 0.0) -> NDArray[np.bool_]:
        """True with probability ``share`` plus ``more``; [rows]."""
        return np.asarray(self.rng.random(self.rows) < share + np.asarray(more))


def _items(traits: LatentTraits, rng: np.random.Generator) -> dict[str, pl.Series]:
    """The 28 items. The order of the draws fixes the data of a seed."""
    weak, size, age, rows = traits.public, traits.size, traits.age, len(traits.age)
    small = 1 / (1 + np.exp(2.2 * (size + 0.9)))  # the smallest enterprises have the fewest records
    draws = _Draws(rng, rows)
    noise, missing = draws.noise, draws.missing
    capital = np.exp(5.2 + 1.1 * size + noise(0.9))
    kinds = rng.choice(_TYPES, rows, p=_TYPE_SHARES)
    invoiced = np.exp(14.6 + 1.25 * size - 0.22 * weak + noise(0.8))
    tax = invoiced * np.exp(-3.6 - 0.18 * weak + noise(0.6))
    tax[rng.random(rows) < 0.06] = 0.0
    rating_level = -0.9 * weak + 0.25 * np.log1p(age) + noise(1.1)
    rating = np.asarray(["D", "C", "M", "B", "A"])[np.digitize(rating_level, (-2.1, -1.3, -0.35, 1.1))]
    rating[age < 1.0] = "M"  # the level for newly established enterprises
    staff = np.maximum(1, np.exp(2.1 + 0.95 * size + noise(0.6))).astype(np.int64)
    fined = draw_counts(rng, -1.9 + 0.45 * weak + 0.2 * size)
    sued = draw_counts(rng, -1.4 + 0.6 * weak + 0.35 * size)
    business = {
        "age_years": pl.Series(np.round(age, 1)),
        "registered_capital": blank_missing(np.round(capital, 1), missing(0.01)),
        "paid_in_ratio": blank_missing(np.round(1 / (1 + np.exp(-(0.3 - 0.4 * weak + noise(1.4)))), 2), missing(0.22)),
        "enterprise_type": pl.Series(kinds.tolist()),
        "industry": blank_missing(np.asarray(_INDUSTRIES)[traits.industry].tolist(), missing(0.01)),
        "representative_changes_3y": pl.Series(draw_counts(rng, -1.5 + 0.35 * weak)),
        "address_changes_3y": pl.Series(draw_counts(rng, -1.2 + 0.1 * weak)),
        "abnormal_listings_3y": pl.Series(draw_counts(rng, -2.3 + 0.6 * weak + 0.5 * small)),
        "tax_paid_12m": blank_missing(np.round(tax, 2), missing(0.02, 0.10 * small)),
        "tax_growth": blank_missing(
            np.round(np.clip(0.06 - 0.16 * weak + noise(0.42), -1, 9), 3), missing(0.03, age < 2)
        ),
        "tax_arrears_24m": pl.Series(draw_counts(rng, -1.7 + 0.75 * weak)),
        "tax_credit_rating": blank_missing(rating.tolist(), missing(0.04)),
        "late_filings_12m": pl.Series(np.minimum(12, draw_counts(rng, -1.3 + 0.5 * weak + 0.4 * small))),
        "invoiced_12m": blank_missing(np.round(invoiced, 2), missing(0.03, 0.12 * small)),
        "invoice_gap_days": blank_missing(
            np.minimum(365, draw_counts(rng, 2.9 + 0.3 * weak - 0.5 * size, 0.6)), missing(0.05)
        ),
    }
    return business | _conduct_items(traits, draws, small, staff, sued, fined)


def _conduct_items(
    traits: LatentTraits,
    draws: _Draws,
    small: Floats,
    staff: NDArray[np.int64],
    sued: NDArray[np.int64],
    fined: NDArray[np.int64],
) -> dict[str, pl.Series]:
    """Items of staff, courts, penalties, permits and utilities."""
    weak, size, age, rng = traits.public, traits.size, traits.age, draws.rng
    noise, missing = draws.noise, draws.missing
    return {
        "insured_headcount": blank_missing(staff, missing(0.03, 0.15 * small)),
        "headcount_change": blank_missing(
            np.round(np.clip(0.02 - 0.11 * weak + noise(0.27), -1, 5), 3), missing(0.06, age < 1)
        ),
        "insurance_arrears_months": blank_missing(np.minimum(24, draw_counts(rng, -1.5 + 0.6 * weak)), missing(0.04)),
        "housing_fund_ratio": blank_missing(
            np.round(1 / (1 + np.exp(0.6 + 0.3 * weak - 0.6 * size + noise())), 2), missing(0.15)
        ),
        "lawsuits_defendant_3y": pl.Series(sued),
        "enforcements_3y": pl.Series(rng.binomial(sued, 1 / (1 + np.exp(1.3 - 0.7 * weak))).astype(np.int64)),
        "penalties_3y": pl.Series(fined),
        "penalty_amount_3y": pl.Series(np.round(fined * np.exp(8.2 + noise(1.3)), 0)),
        "permits_valid": pl.Series(draw_counts(rng, 0.2 + 0.4 * size - 0.1 * weak, 0.5)),
        "permits_lapsed": pl.Series(draw_counts(rng, -1.4 + 0.25 * weak)),
        "electricity_growth": blank_missing(
            np.round(np.clip(0.03 - 0.13 * weak + noise(0.38), -1, 9), 3), missing(0.10, 0.2 * small)
        ),
        "electricity_overdue_12m": blank_missing(
            np.minimum(12, draw_counts(rng, -1.4 + 0.5 * weak)), missing(0.10, 0.2 * small)
        ),
        "water_growth": blank_missing(
            np.round(np.clip(0.02 - 0.06 * weak + noise(0.45), -1, 9), 3), missing(0.14, 0.2 * small)
        ),
    }


def write_synthetic_register(synthetic: SyntheticRegister, folder: Path) -> Path:
    """Write ``register.csv``, ``register.toml`` and the notice; returns the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MADE-UP.txt").write_text(MADE_UP_NOTICE, encoding="utf-8")
    (folder / "register.toml").write_text(synthetic.dictionary, encoding="utf-8")
    save_csv(synthetic.register, folder / "register.csv")
    return folder / "register.csv"
