"""Which enterprises default within twelve months after the last month, and how well anybody could know it before."""

from __future__ import annotations

import numpy as np

from lab.simulation.city.draws import Flags, Floats, Integers, logistic
from lab.simulation.city.enterprises import City


def default_chances(city: City, rows: Integers) -> Floats:
    """The chance of default of each of ``rows``, from latent traits alone."""
    one = city.enterprises
    young = np.exp(-(city.settings.end - one.founded[rows]) / 900.0)
    decline = one.decline(city.settings.end, rows)
    return logistic(-3.6 + 1.25 * one.risk[rows] + 2.2 * decline + 0.7 * young - 0.15 * one.size[rows])


def draw_defaults(city: City, rows: Integers, chances: Floats) -> Flags:
    """Whether each of ``rows`` defaults."""
    drawn = city.rng(30).random(len(city.enterprises))[rows]  # one draw an enterprise, whichever rows are asked for
    return np.asarray(drawn < chances)


def best_auc(chances: Floats) -> float:
    """The expected AUC of whoever knows the chances themselves: no model can expect more.

    A pair of a defaulter and another is ordered rightly with the weight ``p_i (1 - p_j)`` where ``p_i > p_j``, and half
    of it where they are equal.
    """
    order = np.sort(chances)
    good = np.cumsum(1.0 - order)
    below = np.searchsorted(order, order, side="left")
    until = np.searchsorted(order, order, side="right")
    with_zero = np.concatenate([[0.0], good])
    ordered = with_zero[below] + 0.5 * (with_zero[until] - with_zero[below])
    pairs = order.sum() * (1.0 - order).sum()
    own = 0.5 * (order * (1.0 - order)).sum()  # nobody is paired with itself
    return float(((order * ordered).sum() - own) / (pairs - (order * (1.0 - order)).sum()))


def labelled_rows(city: City) -> Integers:
    """The enterprises that have a label: those alive on the day after the last month."""
    return np.flatnonzero(city.enterprises.alive(city.settings.end))
