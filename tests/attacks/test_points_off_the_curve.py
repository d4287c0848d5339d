"""A bank sends points of another curve, to have the bureau's matching key evaluate in a group of small order.

It wants the key. P-256's twist has points of order 3, 5, 13 and 179: an evaluation that takes any x, as the short
formulas on x-coordinates do, gives away the key modulo each (Fouque, Lercier, Réal, Valette 2008), and the more
curves are tried the more of it. What stops it: only points of the curve are evaluated. With the engine ``x25519`` the
same is tried on its own twist; that has order 4 times a prime, and a scalar of X25519 is a multiple of 8, so that
even without the rule nothing small is learnt: there the rule keeps the oracle to one group, and takes no second
spelling.
"""

from __future__ import annotations

from functools import cache

import gmpy2
import numpy as np
import pytest

from lab.terms.errors import InvalidInput
from protocols.matching.engines.openmined import bureau as openmined
from protocols.matching.engines.x25519 import openssl, scalars
from protocols.matching.messages import pack_elements
from protocols.wire.frame import FrameKind
from tests.support.bureau_scene import Scene
from tests.unit.protocols.matching.engines.test_x25519 import SMALL, TWIST

pytestmark = pytest.mark.threat(
    "Points off the curve",
    who="a bank",
    wants="to learn the matching key from points of another curve, of small order or in a second encoding",
    stopped_by={
        "point checks": (
            "Such points are refused before the key is used. On `x25519` they would not reveal the key "
            "modulo small primes even without the check."
        ),
    },
    code=["protocols.matching.engines"],
)

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
TWIST_ORDER = 2 * (P + 1) - N
SMALL_ORDERS = (3, 5, 13, 179)
Point = tuple[int, int] | None


def right_hand_side(x: int) -> int:
    return (x**3 - 3 * x + B) % P


def add(one: Point, two: Point, d: int) -> Point:
    """On d·y² = x³ - 3x + b, affine."""
    if one is None or two is None:
        return one or two
    (x1, y1), (x2, y2) = one, two
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = ((3 * x1 * x1 - 3) * pow(2 * d * y1, -1, P) if one == two else (y2 - y1) * pow(x2 - x1, -1, P)) % P
    x3 = (d * slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def times(k: int, point: Point, d: int) -> Point:
    found: Point = None
    while k:
        found = add(found, point, d) if k & 1 else found
        point, k = add(point, point, d), k >> 1
    return found


def lifted(x: int) -> tuple[Point, int]:
    """The point over any x: with d = 1 on the curve, with d = f(x) on its twist, where y is 1."""
    f = right_hand_side(x)
    if pow(f, (P - 1) // 2, P) == 1:
        return (x, pow(f, (P + 1) // 4, P)), 1
    return (x, 1), f


@cache
def small(order: int) -> int:
    """The x-coordinate of a point of the twist of this order."""
    for x in range(1, 200):
        point, d = lifted(x)
        if d != 1 and (found := times(TWIST_ORDER // order, point, d)) is not None:
            return found[0]
    raise AssertionError("no such point")


def x_only(key: bytes, elements: np.ndarray) -> np.ndarray:
    """An evaluation on x-coordinates that looks at no curve, as an implementation of one's own could be."""
    rows = []
    for element in elements:
        point, d = lifted(int.from_bytes(element[1:].tobytes(), "big"))
        product = times(int.from_bytes(key, "big"), point, d)
        rows.append(b"\x02" + (product[0] if product else 0).to_bytes(32, "big"))
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(elements), 33)


def ask(evaluate, key: bytes) -> dict[int, int]:
    """The key up to its sign, modulo each small order, from one answer a prime."""
    found = {}
    for order in SMALL_ORDERS:
        x = small(order)
        element = np.frombuffer(b"\x02" + x.to_bytes(32, "big"), dtype=np.uint8).reshape(1, 33)
        answer = int.from_bytes(evaluate(key, element)[0, 1:].tobytes(), "big")
        point, d = lifted(x)
        multiples = {k: times(k, point, d) for k in range(order // 2 + 1)}
        found[order] = next(k for k, one in multiples.items() if (one[0] if one else 0) == answer)
    return found


def test_the_small_orders_are_the_twists() -> None:
    assert all(TWIST_ORDER % order == 0 for order in SMALL_ORDERS)
    for order in SMALL_ORDERS:
        point, d = lifted(small(order))
        assert times(order, point, d) is None and d != 1


@pytest.mark.without_control("point checks")
def test_without_the_look_at_the_curve_the_key_is_read_modulo_small_primes(monkeypatch: pytest.MonkeyPatch) -> None:
    key = openmined.generate_key()
    monkeypatch.setattr(openmined, "evaluate_elements", x_only)
    read = ask(openmined.evaluate_elements, key)
    secret = int.from_bytes(key, "big")
    assert read == {order: min(secret % order, -secret % order) for order in SMALL_ORDERS}


@pytest.mark.with_control("point checks")
def test_no_point_of_the_twist_is_evaluated() -> None:
    key = openmined.generate_key()
    for order in SMALL_ORDERS:
        element = np.frombuffer(b"\x02" + small(order).to_bytes(32, "big"), dtype=np.uint8).reshape(1, 33)
        with pytest.raises(ValueError, match="no point of the curve"):
            openmined.evaluate_elements(key, element)


def as_rows(*elements: int) -> np.ndarray:
    joined = b"".join(one.to_bytes(32, "little") for one in elements)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(elements), 32)


@pytest.mark.with_control("point checks")
def test_the_bureau_evaluates_none_of_x25519_and_charges_nothing(scene: Scene) -> None:
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract)
    prime = 2**255 - 19
    hostile = (as_rows(9, TWIST), *(as_rows(one) for one in SMALL if one < 2**256), as_rows(9 + prime), as_rows(9, 9))
    for elements in hostile:
        with pytest.raises(InvalidInput):
            scene.bureau.matching.match(contract, "job-1", pack_elements(FrameKind.MATCH_REQUEST, "x25519", elements))
    assert scene.bureau.bank_contracts.allowance(contract)["identifiers"]["used"] == 0


def test_on_the_twist_of_x25519_nothing_small_would_be_learnt() -> None:
    """Why the rule is the second line there: the twist's order is 4 times a prime, and clamped scalars kill the 4."""
    order = 2 * (2**255 - 19) + 2 - 8 * scalars.GROUP_ORDER
    assert order % 4 == 0 and gmpy2.is_prime(order // 4)
    for u in SMALL:
        with pytest.raises(ValueError, match="small order"):
            openssl.multiply(scalars.generate_scalar(), as_rows(u % 2**256))
