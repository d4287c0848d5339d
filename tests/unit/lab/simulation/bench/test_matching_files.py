"""Files for measuring: the codes are those of the slow way, half of the portfolio is in the register, bytes repeat."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pytest
from stdnum.cn import uscc

from lab.simulation.bench.matching_files import BANK_FEATURE, ID, LABEL, make_code_letters, write_matching_files
from lab.simulation.synthetic.credit_codes import make_codes


@pytest.mark.parametrize(("rows", "start", "seed"), [(3_000, 0, 0), (500, 886_999_999, 4), (1, 0, 1), (0, 0, 1)])
def test_letters_are_the_codes_of_the_slow_way(rows, start, seed):
    letters = make_code_letters(rows, start=start, seed=seed)
    assert [bytes(line).decode() for line in letters] == make_codes(rows, start=start, seed=seed)
    assert all(uscc.is_valid(bytes(line).decode()) for line in letters)


@pytest.mark.parametrize(("register", "portfolio"), [(5_000, 400), (5_000, 401), (40, 400), (1, 1), (7, 2)])
def test_half_of_the_portfolio_is_in_the_register(tmp_path, register, portfolio):
    files = write_matching_files(tmp_path, register, portfolio)
    held = pl.read_csv(files.register)[ID]
    asked = pl.read_csv(files.portfolio)[ID]
    assert held.n_unique() == len(held) == register
    assert asked.n_unique() == len(asked) == portfolio
    assert len(set(held) & set(asked)) == files.common == min(portfolio // 2, register)


def test_clients_are_spread_over_the_register_and_mixed(tmp_path):
    files = write_matching_files(tmp_path, 50_000, 2_000)
    rows = {code: row for row, code in enumerate(pl.read_csv(files.register)[ID])}
    places = [rows.get(code) for code in pl.read_csv(files.portfolio)[ID]]
    found = np.array([place for place in places if place is not None])
    assert found.max() > 49_000 and found.min() < 1_000
    assert 400 < sum(place is not None for place in places[:1_000]) < 600
    assert (np.diff(found) < 0).sum() > 300


def test_the_same_sizes_and_seed_give_the_same_bytes(tmp_path):
    one, again, other = (
        write_matching_files(tmp_path / name, 3_000, 200, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    digests = [
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in (files.register, files.portfolio, files.pilot)]
        for files in (one, again, other)
    ]
    assert digests[0] == digests[1]
    assert all(first != second for first, second in zip(digests[0], digests[2], strict=True))


def test_the_pilot_has_both_labels(tmp_path):
    pilot = pl.read_csv(write_matching_files(tmp_path, 2_000, 100).pilot)
    assert pilot.columns == [ID, BANK_FEATURE, LABEL]
    assert 0.1 < np.mean(pilot[LABEL].to_numpy()) < 0.5
