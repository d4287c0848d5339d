"""The x25519 engine: published vectors, a second implementation, and every rule by which an element is refused."""

from __future__ import annotations

import os

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols.matching.engines.x25519 import backend, bank, bureau, hash_to_curve, multibuffer, openssl, scalars
from protocols.matching.engines.x25519.element_checks import check_canonical, check_on_curve

P = 2**255 - 19
RFC9380_DST = b"QUUX-V01-CS02-with-curve25519_XMD:SHA-512_ELL2_NU_"
# RFC 9380, appendix J.4.2: message, field element u[0], x of Q (before the cofactor is cleared), x of P (after).
RFC9380 = [
    (
        b"",
        "608d892b641f0328523802a6603427c26e55e6f27e71a91a478148d45b5093cd",
        "51125222da5e763d97f3c10fcc92ea6860b9ccbbd2eb1285728f566721c1e65b",
        "1bb913f0c9daefa0b3375378ffa534bda5526c97391952a7789eb976edfe4d08",
    ),
    (
        b"abc",
        "46f5b22494bfeaa7f232cc8d054be68561af50230234d7d1d63d1d9abeca8da5",
        "7d56d1e08cb0ccb92baf069c18c49bb5a0dcd927eff8dcf75ca921ef7f3e6eeb",
        "7c22950b7d900fa866334262fcaea47a441a578df43b894b4625c9b450f9a026",
    ),
    (
        b"abcdef0123456789",
        "235fe40c443766ce7e18111c33862d66c3b33267efa50d50f9e8e5d252a40aaa",
        "3fbe66b9c9883d79e8407150e7c2a1c8680bee496c62fabe4619a72b3cabe90f",
        "31ad08a8b0deeb2a4d8b0206ca25f567ab4e042746f792f4b7973f3ae2096c52",
    ),
    (
        b"q128_" + b"q" * 128,
        "001e92a544463bda9bd04ddbe3d6eed248f82de32f522669efc5ddce95f46f5b",
        "227e0bb89de700385d19ec40e857db6e6a3e634b1c32962f370d26f84ff19683",
        "027877759d155b1997d0d84683a313eb78bdb493271d935b622900459d52ceaa",
    ),
    (
        b"a512_" + b"a" * 512,
        "1a68a1af9f663592291af987203393f707305c7bac9c8d63d6a729bdc553dc19",
        "3bcd651ee54d5f7b6013898aab251ee8ecc0688166fce6e9548d38472f6bd196",
        "5fd892c0958d1a75f54c3182a18d286efab784e774d1e017ba2fb252998b5dc1",
    ),
]
# RFC 7748, section 5.2: scalar, u-coordinate, result. The second u-coordinate has its unused top bit set.
RFC7748 = [
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
]
NAMES = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=8, unique=True)


def ladder(k: int, u: int) -> int:
    """k·u by the Montgomery ladder of RFC 7748, section 5, for any k: a second implementation, slow and plain."""
    a, b, c, d = 1, 0, u, 1
    for t in reversed(range(k.bit_length())):
        if (k >> t) & 1:
            a, b, c, d = c, d, a, b
        e, f = (a + b) ** 2 % P, (a - b) ** 2 % P
        g, h = (c - d) * (a + b) % P, (c + d) * (a - b) % P
        c, d = (g + h) ** 2 % P, u * (g - h) ** 2 % P
        a, b = e * f % P, (e - f) * (e + 121665 * (e - f)) % P
        if (k >> t) & 1:
            a, b, c, d = c, d, a, b
    return a * pow(b, P - 2, P) % P


def row(value: int) -> NDArray[np.uint8]:
    return np.frombuffer(value.to_bytes(32, "little"), dtype=np.uint8).reshape(1, 32)


def number(element: NDArray[np.uint8]) -> int:
    return int.from_bytes(element.tobytes(), "little")


def on_curve(u: int) -> bool:
    return pow(u**3 + 486662 * u**2 + u, (P - 1) // 2, P) in (0, 1)


TWIST = next(u for u in range(2, 50) if not on_curve(u))
# The u-coordinates of order 1, 2, 4 and 8 (https://cr.yp.to/ecdh.html#validate), those below the prime.
SMALL = [
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    P - 1,
]


@pytest.mark.property(
    "Curve standards",
    claim=(
        "Engine `x25519` hashes to the curve by RFC 9380 and multiplies by RFC 7748; the accelerated path gives"
        " the same bytes."
    ),
    topic="matching",
    code=["protocols.matching.engines"],
)
@pytest.mark.parametrize(("message", "field", "before", "after"), RFC9380, ids=range(len(RFC9380)))
def test_hash_to_curve_is_that_of_rfc_9380(message: bytes, field: str, before: str, after: str) -> None:
    (u,) = hash_to_curve.hash_to_field([message], RFC9380_DST)
    assert u == int(field, 16)
    (q,) = hash_to_curve.map_to_curve_elligator2([u])
    assert q == int(before, 16)
    assert ladder(8, int(q)) == int(after, 16)


@pytest.mark.property("Curve standards")
@pytest.mark.parametrize(("scalar", "element", "wanted"), RFC7748)
def test_multiplication_is_that_of_rfc_7748(scalar: str, element: str, wanted: str) -> None:
    found = openssl.multiply(bytes.fromhex(scalar), row(int.from_bytes(bytes.fromhex(element), "little")))
    assert found.tobytes().hex() == wanted


def test_multiplication_iterated_a_thousand_times_is_that_of_rfc_7748() -> None:
    k = u = row(9)
    for _ in range(1000):
        k, u = openssl.multiply(k.tobytes(), u), k
    assert k.tobytes().hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=32, max_size=32), NAMES)
def test_multiplication_agrees_with_a_second_implementation(scalar: bytes, names: list[str]) -> None:
    points = hash_to_curve.encode_to_curve(names)
    clamped = int.from_bytes(scalars.clamp_scalar(scalar), "little")
    found = backend.select_backend().multiply(scalar, points)
    assert [number(e) for e in found] == [ladder(clamped, number(p)) for p in points]


@settings(max_examples=50, deadline=None)
@given(NAMES)
def test_every_encoding_is_on_the_curve_and_depends_on_its_own_name_alone(names: list[str]) -> None:
    together = hash_to_curve.encode_to_curve(names)
    assert all(on_curve(number(point)) for point in together)
    assert all(
        (hash_to_curve.encode_to_curve([name])[0] == point).all() for name, point in zip(names, together, strict=True)
    )


def test_batches_of_inversions_do_not_show() -> None:
    names = [f"name {i}" for i in range(hash_to_curve._BATCH + 3)]
    whole = hash_to_curve.encode_to_curve(names)
    assert (whole[-4:] == hash_to_curve.encode_to_curve(names[-4:])).all() and (
        whole[:2] == hash_to_curve.encode_to_curve(names[:2])
    ).all()


def test_the_exceptional_case_of_elligator_does_not_occur() -> None:
    assert pow(-pow(2, -1, P) % P, (P - 1) // 2, P) == P - 1  # -1/2 is no square


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=64), st.binary(min_size=32, max_size=32), NAMES)
def test_unblinding_takes_the_blinding_off(seed: bytes, key: bytes, names: list[str]) -> None:
    blinding, unblinding = bank.derive_blinding_keys(seed)
    blinded = bank.blind(blinding, names)
    assert (
        bank.unblind(unblinding, bureau.evaluate_elements(key, blinded)) == bureau.evaluate_register(key, names)
    ).all()


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_every_scalar_drawn_has_a_clamped_partner(scalar: bytes) -> None:
    clamped = scalars.clamp_scalar(scalar)
    c = int.from_bytes(clamped, "little")
    partner = scalars.invert_blinding(c)
    assert partner is not None and 2**254 <= partner < 2**255 and partner % 8 == 0
    assert c * partner % scalars.GROUP_ORDER in (1, scalars.GROUP_ORDER - 1)
    assert scalars.clamp_scalar(partner.to_bytes(32, "little")) == partner.to_bytes(32, "little")


def test_a_scalar_without_a_partner_is_told() -> None:
    beyond = 2**255  # a multiple of 8 just beyond the clamped range, whose negative modulo 8·l lies far below it
    assert 0 < 8 * scalars.GROUP_ORDER - beyond < 2**254
    assert scalars.invert_blinding(pow(beyond, -1, scalars.GROUP_ORDER)) is None


def test_blinded_elements_of_two_seeds_differ_and_of_one_seed_agree() -> None:
    one, two = (bank.derive_blinding_keys(os.urandom(32))[0] for _ in range(2))
    assert (bank.blind(one, ["x"]) == bank.blind(one, ["x"])).all()
    assert not (bank.blind(one, ["x"]) == bank.blind(two, ["x"])).all()


@pytest.mark.property("Points checked")
@pytest.mark.parametrize("u", [P, P + 1, P + 18, 2**255, 2**256 - 1, 2**255 + 9])
def test_a_u_coordinate_that_is_not_canonical_is_refused(u: int) -> None:
    with pytest.raises(ValueError, match="canonical"):
        check_canonical(row(u))
    check_canonical(row(P - 1))


def test_a_repeated_element_is_refused() -> None:
    with pytest.raises(ValueError, match="repeated"):
        check_canonical(np.concatenate([row(9), row(5), row(9)]))
    check_canonical(np.concatenate([row(9), row(5), row(9 + 2**200)]))


@pytest.mark.property(
    "Points checked",
    claim="The bureau's key is never used on a point off the curve, of small order or not canonical.",
    topic="matching",
    code=["protocols.matching.engines"],
)
def test_an_element_of_the_twist_is_refused() -> None:
    for side in (bureau.evaluate_elements, bank.unblind):
        with pytest.raises(ValueError, match="twist"):
            side(scalars.generate_scalar(), np.concatenate([row(9), row(TWIST)]))


@pytest.mark.property("Points checked")
@pytest.mark.parametrize("u", SMALL)
def test_an_element_of_small_order_is_refused(u: int) -> None:
    for side in (bureau.evaluate_elements, bank.unblind):
        with pytest.raises(ValueError, match=r"small order|twist"):
            side(scalars.generate_scalar(), np.concatenate([row(9), row(u)]))


def test_small_orders_are_those_that_a_clamped_scalar_takes_to_zero() -> None:
    assert [ladder(8, u) for u in SMALL] == [0] * len(SMALL)


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=2, max_value=P - 2))
def test_the_rule_on_the_twist_is_eulers_criterion(u: int) -> None:
    assert hash_to_curve.is_on_curve(mpz(u)) == on_curve(u)
    if not on_curve(u):
        with pytest.raises(ValueError, match="twist"):
            check_on_curve(row(u))


def test_openssl_agrees_with_the_bureau_on_a_blinded_element() -> None:
    key = bureau.generate_key()
    blinded = bank.blind(bank.derive_blinding_keys(os.urandom(32))[0], ["a", "b", "c"])
    wanted = [
        X25519PrivateKey.from_private_bytes(key).exchange(X25519PublicKey.from_public_bytes(element.tobytes()))
        for element in blinded
    ]
    assert [element.tobytes() for element in bureau.evaluate_elements(key, blinded)] == wanted


def test_a_path_that_gives_other_bytes_is_not_taken() -> None:
    def off_by_one(scalar: bytes, elements: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return openssl.multiply(scalar, elements) ^ np.uint8(1)

    def refuses(scalar: bytes, elements: NDArray[np.uint8]) -> NDArray[np.uint8]:
        raise ValueError("no")

    assert backend.verify_multiply(openssl.multiply)
    assert not backend.verify_multiply(off_by_one) and not backend.verify_multiply(refuses)


def test_the_path_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    way = backend.select_backend()
    assert way.name in ("portable", "accelerated") and way.reason
    monkeypatch.setenv(backend.BACKEND_VARIABLE, "portable")
    backend.select_backend.cache_clear()
    try:
        assert backend.select_backend().name == "portable"
    finally:
        backend.select_backend.cache_clear()


@pytest.mark.property("Curve standards")
def test_the_accelerated_path_gives_the_same_bytes() -> None:
    try:
        multibuffer.load_library()
    except multibuffer.AccelerationUnavailable as reason:
        pytest.skip(f"the accelerated path is not available here: {reason}")
    points, key = hash_to_curve.encode_to_curve([f"name {i}" for i in range(1001)]), scalars.generate_scalar()
    assert (multibuffer.multiply(key, points) == openssl.multiply(key, points)).all()
    for count in (1, 7, 8, 9):
        assert (multibuffer.multiply(key, points[:count]) == openssl.multiply(key, points[:count])).all()
    with pytest.raises(ValueError, match="small order"):
        multibuffer.multiply(key, np.concatenate([points[:9], row(0)]))
