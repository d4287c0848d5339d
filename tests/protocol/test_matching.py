"""Matching: the result is the intersection, for any two sets and either form; and hostile messages are refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.matching import bank, bureau
from protocols.matching.engines import UnknownEngine
from protocols.matching.engines.openmined import bank as engine_bank
from protocols.matching.engines.openmined import bureau as engine_bureau
from protocols.matching.layout import contract_tags, pack_elements
from protocols.wire.frame import Frame, Kind, MalformedFrame, unpack

ENGINE = "openmined"
KEY = bureau.generate_key(ENGINE)
IDENTIFIERS = st.sets(st.text(min_size=1, max_size=18), max_size=25)


def run(register: list[str], portfolio: list[str], contract: str = "c") -> bank.Matched:
    values = bureau.evaluate_register(ENGINE, KEY, register)
    setup = bureau.build_setup(ENGINE, KEY, register, announced=max(len(portfolio), 1), values=values)
    matcher = bank.Matcher(ENGINE, portfolio)
    response = bureau.respond(ENGINE, KEY, matcher.request(), ceiling=len(portfolio))
    return matcher.finish(setup, response, contract=contract)


@pytest.mark.parametrize("form", ["raw", "gcs"])
@settings(max_examples=25, deadline=None)
@given(IDENTIFIERS.filter(bool), IDENTIFIERS, IDENTIFIERS)
def test_the_result_is_the_intersection(form: str, ours: set[str], theirs: set[str], both: set[str]) -> None:
    register, portfolio = sorted(ours | both), sorted(theirs | both, reverse=True)
    limit = engine_bureau.RAW_LIMIT
    engine_bureau.RAW_LIMIT = limit if form == "raw" else 0
    try:
        found = run(register, portfolio)
    finally:
        engine_bureau.RAW_LIMIT = limit
    assert {portfolio[i] for i in found.indices} == set(register) & set(portfolio)
    where = {identifier: row for row, identifier in enumerate(register)}
    wanted = contract_tags("c", bureau.evaluate_register(ENGINE, KEY, register))
    for index, tag in zip(found.indices, found.tags, strict=True):
        assert (tag == wanted[where[portfolio[index]]]).all()


def test_several_chunks_keep_their_order() -> None:
    register, portfolio = [f"r{i}" for i in range(2500)], [f"r{i}" for i in range(1300, 3700)]
    assert run(register, portfolio).indices.tolist() == list(range(1200))


def test_all_none_one_and_empty() -> None:
    assert run(["a", "b"], ["b", "a"]).indices.tolist() == [0, 1]
    assert run(["a", "b"], ["c"]).indices.tolist() == []
    assert run(["a"], ["a"]).indices.tolist() == [0]
    assert run(["a"], []).indices.tolist() == []


def test_repeated_identifiers_are_refused() -> None:
    with pytest.raises(ValueError, match="repeated"):
        bank.Matcher(ENGINE, ["a", "a"])


def test_tags_of_two_contracts_do_not_link() -> None:
    values = bureau.evaluate_register(ENGINE, KEY, ["a", "b"])
    one, two = contract_tags("one", values), contract_tags("two", values)
    assert not (one == two).all(axis=1).any() and one.shape == (2, 16)


def test_evaluation_agrees_with_another_implementation() -> None:
    """OpenSSL's Diffie-Hellman under the same scalar returns the x-coordinate of the library's evaluated point."""
    blinded = engine_bank.Session().blind(["x", "y"])
    evaluated = engine_bureau.evaluate_blinded(KEY, blinded)
    scalar = ec.derive_private_key(int.from_bytes(KEY, "big"), ec.SECP256R1())
    for before, after in zip(blinded, evaluated, strict=True):
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), before.tobytes())
        assert scalar.exchange(ec.ECDH(), point) == after[1:].tobytes()


def test_blinding_is_fresh_in_every_session() -> None:
    assert not (engine_bank.Session().blind(["x"]) == engine_bank.Session().blind(["x"])).all()


def test_a_raw_set_up_does_not_keep_the_registers_order() -> None:
    register = [f"r{i}" for i in range(50)]
    body = unpack(bureau.build_setup(ENGINE, KEY, register, announced=5), Kind.MATCH_SETUP).parts[0]
    assert body == bytes(b for e in sorted(body[i : i + 33] for i in range(0, len(body), 33)) for b in e)


def test_the_false_positive_rate_is_for_the_whole_query_and_bounded_by_the_librarys_range() -> None:
    register = [f"r{i}" for i in range(400)]
    limit, engine_bureau.RAW_LIMIT = engine_bureau.RAW_LIMIT, 0
    try:
        small, large, beyond = (
            unpack(bureau.build_setup(ENGINE, KEY, register, announced=n), Kind.MATCH_SETUP) for n in (10, 2**18, 2**24)
        )
    finally:
        engine_bureau.RAW_LIMIT = limit
    assert small.meta["false_positive_rate"] == 2.0**-40
    assert large.meta["false_positive_rate"] == 2.0**36 / 2.0**62
    assert 400 < int(large.text("hash_range")) < 2**63
    assert beyond.text("form") == "raw" and beyond.meta["false_positive_rate"] == 0.0


def test_more_identifiers_than_announced_are_refused_by_the_bank() -> None:
    setup = bureau.build_setup(ENGINE, KEY, ["a"], announced=1)
    matcher = bank.Matcher(ENGINE, ["a", "b"])
    response = bureau.respond(ENGINE, KEY, matcher.request(), ceiling=2)
    with pytest.raises(MalformedFrame, match="false-positive"):
        matcher.finish(setup, response, contract="c")


def test_more_identifiers_than_the_ceiling_are_refused_by_the_bureau() -> None:
    request = bank.Matcher(ENGINE, ["a", "b"]).request()
    assert bureau.count_request(request) == 2
    with pytest.raises(MalformedFrame, match="at most 1"):
        bureau.respond(ENGINE, KEY, request, ceiling=1)


@pytest.mark.parametrize(
    "element",
    [b"\x00" * 33, b"\x02" + b"\xff" * 32, b"\x04" + b"\x01" * 32, b"\x02" + bytes(31) + b"\x07"],
    ids=["infinity", "beyond the field", "another form", "off the curve"],
)
def test_what_is_no_point_of_the_curve_is_not_evaluated(element: bytes) -> None:
    request = pack_elements(Kind.MATCH_REQUEST, ENGINE, np.frombuffer(element, dtype=np.uint8).reshape(1, 33))
    with pytest.raises(ValueError):
        bureau.respond(ENGINE, KEY, request, ceiling=5)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_requests_are_refused(body: bytes) -> None:
    for request in (body, Frame(Kind.MATCH_REQUEST, {"engine": ENGINE, "count": 2}, (body,)).pack()):
        with pytest.raises(ValueError):
            bureau.respond(ENGINE, KEY, request, ceiling=10)


GOOD_SETUP = unpack(bureau.build_setup(ENGINE, KEY, ["a", "b", "c"], announced=5), Kind.MATCH_SETUP)


@pytest.mark.parametrize(
    ("meta", "body"),
    [
        ({"form": "bloom"}, None),
        ({"form": "gcs", "division": 0, "hash_range": "100"}, b"x" * 30),
        ({"form": "gcs", "division": 40, "hash_range": "0"}, b"x" * 30),
        ({"form": "gcs", "division": 40, "hash_range": str(2**63)}, b"x" * 30),
        ({"form": "gcs", "division": 40, "hash_range": "1" * 40}, b"x" * 30),
        ({"form": "gcs", "division": 1, "hash_range": "100", "entries": 10**9}, b"x" * 30),
        ({"entries": 10**9}, None),
        ({"entries": 0}, None),
        ({"entries": 0}, b"x"),
        ({"form": "gcs", "division": 1, "hash_range": "100", "entries": 0}, b""),
        ({}, b"\x00" * 99),
        ({"announced": 1}, None),
        ({"engine": "another"}, None),
        ({"false_positive_rate": 2.0}, None),
    ],
)
def test_hostile_set_ups_are_refused_by_the_bank(meta: dict[str, object], body: bytes | None) -> None:
    parts = GOOD_SETUP.parts if body is None else (body,)
    setup = Frame(Kind.MATCH_SETUP, {**GOOD_SETUP.meta, **meta}, parts).pack()
    matcher = bank.Matcher(ENGINE, ["a", "z"])
    response = bureau.respond(ENGINE, KEY, matcher.request(), ceiling=2)
    with pytest.raises(MalformedFrame):
        matcher.finish(setup, response, contract="c")


def test_a_response_of_another_length_or_off_the_curve_is_refused_by_the_bank() -> None:
    setup = GOOD_SETUP.pack()
    for wrong in (np.full((1, 33), 2, dtype=np.uint8), np.full((2, 33), 0, dtype=np.uint8)):
        with pytest.raises(MalformedFrame):
            bank.Matcher(ENGINE, ["a", "z"]).finish(
                setup, pack_elements(Kind.MATCH_RESPONSE, ENGINE, wrong), contract="c"
            )


def test_nobody_matches_an_empty_set_up() -> None:
    setup = bureau.build_setup(ENGINE, KEY, [], announced=4)
    matcher = bank.Matcher(ENGINE, ["a", "z"])
    found = matcher.finish(setup, bureau.respond(ENGINE, KEY, matcher.request(), ceiling=2), contract="c")
    assert found.indices.tolist() == [] and found.tags.shape == (0, 16) and found.false_positive_rate == 0


def test_unknown_engines_are_refused() -> None:
    with pytest.raises(UnknownEngine):
        bank.Matcher("nonsense", ["a"])
    with pytest.raises(UnknownEngine):
        bureau.generate_key("../openmined")


def test_a_session_cannot_be_printed_pickled_or_copied() -> None:
    matcher = bank.Matcher(ENGINE, ["secret name"])
    assert "secret name" not in repr(matcher)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy, vars):
        with pytest.raises(TypeError):
            attempt(matcher)
