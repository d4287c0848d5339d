"""What hides identifiers in a request, against the definitions as they are written: seeds, order, canaries, keys."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.matching import bank, bureau, request_composition
from protocols.matching.engines.openmined.points import GROUP_ORDER
from protocols.matching.key_derivation import derive_contract_key
from protocols.wire.frame import FrameKind, unpack_frame

SECRET = bytes(range(32))


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, with SHA-256 and no salt."""
    key = hmac.digest(bytes(32), secret, "sha256")
    made, block, number = b"", b"", 1
    while len(made) < length:
        block = hmac.digest(key, block + info + bytes([number]), "sha256")
        made, number = made + block, number + 1
    return made[:length]


def field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def named(codes: list[str]) -> bytes:
    return hashlib.sha256(b"".join(field(code.encode()) for code in codes)).digest()


def test_seeds_are_as_they_are_written() -> None:
    codes = ["b", "a", "银行"]
    about = field(b"count") + field(b"x25519") + field(b"c-0001") + field(b"12")
    asked = hkdf(SECRET, b"shulab request v2\x00" + about + field(named(codes)), 32)
    assert request_composition.request_seed(SECRET, "count", "x25519", "c-0001", 12, codes) == asked
    ordered = hkdf(SECRET, b"shulab order v1\x00" + about + field(named(["a", "b", "银行"])), 32)
    assert request_composition.permutation_seed(SECRET, "count", "x25519", "c-0001", 12, codes) == ordered


def test_an_order_is_as_it_is_written() -> None:
    stream = hashlib.shake_256(b"shulab order v1\x00" + SECRET).digest(16 * 50)
    words = [stream[16 * place : 16 * place + 16] for place in range(50)]
    assert request_composition.secret_permutation(SECRET, 50).tolist() == sorted(range(50), key=words.__getitem__)
    assert request_composition.secret_permutation(SECRET, 0).tolist() == []


def test_a_contracts_key_is_as_it_is_written() -> None:
    for engine, length in (("x25519", 32), ("openmined", 48)):
        info = b"shulab matching key v1\x00" + field(engine.encode()) + field(b"c-0001") + field(b"match")
        material = hkdf(SECRET, info, length)
        if engine == "x25519":
            wanted = bytes([material[0] & 248, *material[1:31], (material[31] & 127) | 64])
        else:
            wanted = (int.from_bytes(material, "big") % (GROUP_ORDER - 1) + 1).to_bytes(32, "big")
        assert derive_contract_key(SECRET, engine, "c-0001", "match") == wanted


@pytest.mark.parametrize("engine", bank.ENGINES)
def test_a_request_has_its_canaries_where_and_as_they_are_written(engine: str) -> None:
    names, width = [f"n{number}" for number in range(30)], {"x25519": 32, "openmined": 33}[engine]
    part = unpack_frame(bank.Blinding(engine, SECRET).build_request(names), FrameKind.MATCH_REQUEST).parts[0]
    elements = [part[start : start + width] for start in range(0, len(part), width)]
    stream = hashlib.shake_256(b"shulab canary places v1\x00" + SECRET).digest(16 * 94)
    places = sorted(range(94), key=lambda place: stream[16 * place : 16 * place + 16])[:64]
    assert len(elements) == 94 and request_composition.canary_positions(SECRET, 30).tolist() == places
    piece = {"x25519": 32, "openmined": 48}[engine]
    material = hashlib.shake_256(b"shulab canary scalars v1\x00" + SECRET).digest(64 * piece)
    for number in (0, 1, 63):
        own = material[piece * number : piece * (number + 1)]
        half = bureau.derive_contract_key.__globals__["bureau_engine"](engine)
        assert elements[places[number]] == half.public_key(half.derive_key(own))
    others = [element for place, element in enumerate(elements) if place not in set(places)]
    blinding = bank.Blinding(engine, SECRET)
    blinded = blinding._half.blind(blinding._blinding, names)  # type: ignore[attr-defined]
    assert others == [row.tobytes() for row in blinded]


@settings(max_examples=300, deadline=None)
@given(identifiers=st.integers(0, 10**6), most=st.integers(1, 100_000))
def test_requests_hold_all_with_enough_canaries_and_are_as_few_as_can_be(identifiers: int, most: int) -> None:
    if not request_composition.max_identifiers(most):
        assert most <= 64
        if identifiers:
            with pytest.raises(ValueError, match="canaries"):
                request_composition.request_sizes(identifiers, most)
        return
    if identifiers > 5_000 * request_composition.max_identifiers(most):
        return
    sizes = request_composition.request_sizes(identifiers, most)
    assert sum(sizes) == identifiers and len(sizes) == -(-identifiers // request_composition.max_identifiers(most))
    for size in set(sizes):
        canaries = request_composition.canary_count(size)
        assert canaries >= 64 and 100 * canaries >= size + canaries and size + canaries <= most
    assert request_composition.element_count(identifiers, most) == sum(
        size + request_composition.canary_count(size) for size in sizes
    )
    room = request_composition.max_identifiers(most)
    assert room + 1 + request_composition.canary_count(room + 1) > most


def test_places_are_uniform() -> None:
    counts = np.zeros(104, dtype=int)
    for number in range(3_000):
        counts[request_composition.canary_positions(number.to_bytes(32, "big"), 40)] += 1
    chance = 64 / 104
    assert np.abs(counts - 3_000 * chance).max() < 5 * (3_000 * chance * (1 - chance)) ** 0.5
