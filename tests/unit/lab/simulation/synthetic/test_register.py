"""The made-up town: valid codes, a learnable and reproducible risk, dictionaries that fit, and a messy portfolio."""

from __future__ import annotations

import tomllib

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score
from stdnum.cn import uscc

from lab.simulation.synthetic.credit_codes import make_codes, misspell_codes
from lab.simulation.synthetic.portfolio import LABEL, make_synthetic_portfolio
from lab.simulation.synthetic.register import (
    ID,
    make_synthetic_register,
    read_bundled_dictionary,
    write_synthetic_register,
)
from lab.terms.identifiers import RejectionReason, normalise_identifiers
from models.bureau.training.trainer import fit_baseline
from models.shared.dictionary.dictionary_entries import parse_dictionary


def test_codes_are_valid_distinct_and_of_no_region():
    codes = make_codes(3_000, seed=4)
    assert len(set(codes)) == 3_000
    assert all(uscc.is_valid(code) and code[2:8] == "990100" for code in codes)
    assert not set(codes) & set(make_codes(3_000, start=500_000_000, seed=4))


def test_badly_written_codes_are_normalised_or_reported_never_guessed():
    codes = make_codes(400)
    written, ways = misspell_codes(codes, np.random.default_rng(1))
    read = normalise_identifiers(written, "uscc")
    for code, way, found, reason in zip(codes, ways, read.codes, read.reasons, strict=True):
        if way in ("full-width", "lower-case", "spaced"):
            assert found == code
        else:
            assert found is None
            assert reason == (RejectionReason.LOOK_ALIKE if way == "look-alike" else RejectionReason.CHECKSUM)
    assert len(set(ways)) == 5


def test_same_seed_same_town():
    one, again, other = (
        make_synthetic_register(300, 7),
        make_synthetic_register(300, 7),
        make_synthetic_register(300, 8),
    )
    assert one.register.equals(again.register)
    assert not one.register.equals(other.register)
    assert make_synthetic_portfolio(one, 100, 7).clients.equals(make_synthetic_portfolio(again, 100, 7).clients)


def test_dictionaries_describe_every_column():
    town = make_synthetic_register(300, 1)
    clients = make_synthetic_portfolio(town, 100, 1)
    for name, frame in (("register", town.register), ("portfolio", clients.clients)):
        words = parse_dictionary(tomllib.loads(read_bundled_dictionary(name)))
        assert set(words) == set(frame.columns) - {ID}
        assert all(word.zh and word.en and word.dimension and word.item for word in words.values())
    assert (
        len({word.dimension for word in parse_dictionary(tomllib.loads(read_bundled_dictionary("register"))).values()})
        == 5
    )


def test_portfolio_holds_what_real_ones_bring():
    town = make_synthetic_register(2_000, 3)
    made = make_synthetic_portfolio(town, 600, 3)
    assert made.clients.height == 600 and LABEL not in made.clients.columns
    read = normalise_identifiers(made.clients[ID].to_list(), "uscc")
    codes = [code for code in read.codes if code is not None]
    known = set(town.register[ID].to_list())
    assert read.accepted_count < 600
    assert len(codes) > len(set(codes))
    assert 0 < sum(code not in known for code in codes) < 60
    assert not set(made.pilot[ID].to_list()) & set(codes)
    assert set(made.pilot[ID].to_list()) <= known
    assert sum(made.badly_written.values()) == 12


def test_missing_values_and_text_are_there(tmp_path):
    town = make_synthetic_register(1_000, 2)
    assert town.register["electricity_growth"].null_count() > 50
    assert town.register.schema["industry"] == pl.String
    path = write_synthetic_register(town, tmp_path)
    assert "虚构" in (tmp_path / "MADE-UP.txt").read_text(encoding="utf-8")
    assert pl.read_csv(path).height == 1_000


def test_each_side_tells_something_and_both_tell_more():
    town = make_synthetic_register(9_000, 5)
    made = make_synthetic_portfolio(town, 3_000, 5)
    pilot = made.pilot.join(town.register, on=ID, maintain_order="left")
    asked = made.clients.with_columns(outcome=made.outcomes).join(town.register, on=ID, maintain_order="left")
    own, public = made.clients.columns[1:], town.register.columns[1:]

    def text(frame, names):
        return frame.select(pl.col(names).cast(pl.String))

    aucs = {}
    for parties in (("bank",), ("bureau",), ("bureau", "bank")):
        model = fit_baseline(text(pilot, public), text(pilot, own), pilot[LABEL].to_numpy(), parties=parties)
        aucs[parties] = roc_auc_score(asked["outcome"], model.raw_scores(text(asked, public), text(asked, own)))
    assert aucs[("bank",)] > 0.6 and aucs[("bureau",)] > 0.6
    assert aucs[("bureau", "bank")] > max(aucs[("bank",)], aucs[("bureau",)])
