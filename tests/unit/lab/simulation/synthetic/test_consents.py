"""The made-up town's consents: the same each time, of every kind, and rows that a consent file may have."""

from __future__ import annotations

from datetime import date

from lab.simulation.synthetic.consents import CONSENTED_SHARE, count_valid_consents, make_consents
from lab.simulation.synthetic.register import ID, make_synthetic_register
from lab.terms.consent import COLUMNS, parse_consent_time
from lab.terms.contract.document import Purpose

TODAY = date(2026, 3, 1)


def test_most_of_the_town_agrees_and_every_kind_is_there() -> None:
    town = make_synthetic_register(3000, 5)
    found = make_consents(town.register[ID].to_list(), "Bank", Purpose.CREDIT_APPROVAL, seed=5, today=TODAY)
    assert found.equals(
        make_consents(town.register[ID].to_list(), "Bank", Purpose.CREDIT_APPROVAL, seed=5, today=TODAY)
    )
    assert set(found["code"]) < set(town.register[ID]) and found["code"].is_unique().all()
    count = count_valid_consents(found, Purpose.CREDIT_APPROVAL, today=TODAY)
    assert abs(count / 3000 - CONSENTED_SHARE) < 0.03
    assert found["purpose"].n_unique() == 2
    later = found.filter(found["starts"] > TODAY.isoformat()).height
    assert 0 < later < count < found.height < 3000


def test_the_rows_are_those_of_a_consent_file() -> None:
    codes = make_synthetic_register(200, 5).register[ID].to_list()
    found = make_consents(codes, "Bank", Purpose.RESEARCH, seed=5, today=TODAY)
    assert set(found.columns) <= {name for name, _, _ in COLUMNS}
    for starts, expires, evidence in zip(found["starts"], found["expires"], found["evidence"], strict=True):
        begin, end = parse_consent_time(starts), parse_consent_time(expires)
        assert begin is not None and end is not None and begin < end and 0 < len(evidence) < 200
