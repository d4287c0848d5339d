"""Matching end to end, without storage or HTTP: the result is the intersection, and hostile messages are refused.

The reference is openmined-psi's own client and server, which make and read a set-up of their own.
"""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
from dataclasses import dataclass

import numpy as np
import private_set_intersection.python as psi
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols.compute_pool import ProcessComputePool
from protocols.matching import bank, bureau
from protocols.matching.engines import UnknownEngine
from protocols.matching.engines.openmined import bureau as openmined
from protocols.matching.messages import pack_elements
from protocols.wire.frame import Frame, FrameKind, MalformedFrame, unpack_frame

ENGINES = bureau.ENGINES
KEYS = {engine: bureau.derive_contract_key(bureau.generate_key(engine), engine, "c", "match") for engine in ENGINES}
PUBLIC = {engine: bureau.compute_public_key(engine, key) for engine, key in KEYS.items()}
STATED = {engine: bureau.SignedMatchingKey(key, 400, bytes(64)) for engine, key in PUBLIC.items()}
IDENTIFIERS = st.sets(st.text(min_size=1, max_size=18), max_size=25)
each_engine = pytest.mark.parametrize("engine", ENGINES)


@dataclass(frozen=True)
class Made:
    """A set-up as a bureau would serve it."""

    manifest: bytes
    coded: list[bytes]
    tags: NDArray[np.uint8]


def made(engine: str, register: list[str], contract: str = "c", geometry: bureau.BucketGeometry | None = None) -> Made:
    values = bureau.evaluate_register(engine, KEYS[engine], register)
    digests = bureau.derive_tags_and_marks(contract, register, values)
    return made_of(engine, digests[:, :16], digests[:, 16:], geometry)


def made_of(
    engine: str,
    tags: NDArray[np.uint8],
    marks: NDArray[np.uint8],
    geometry: bureau.BucketGeometry | None = None,
    counting: bool = False,
) -> Made:
    geometry = geometry or bureau.BucketGeometry.for_entries(len(marks))
    buckets, places = bureau.locate_marks(geometry, marks)
    coded = [bureau.encode_bucket(np.sort(places[buckets == b])) for b in range(geometry.buckets)]
    contents = bureau.SetupContents(
        engine=engine,
        epoch=1,
        for_counting=counting,
        entries=len(marks),
        geometry=geometry,
        bucket_sizes=tuple(len(part) for part in coded),
        bucket_hashes=tuple(hashlib.sha256(part).digest() for part in coded),
        signed_key=STATED[engine],
    )
    return Made(bureau.pack_setup(contents), coded, tags)


def holds(manifest: bytes, coded: list[bytes], marks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which marks the set-up holds, read as a bank reads it."""
    setup = bank.read_setup(manifest)
    buckets, places = bank.locate_marks(setup.geometry, marks)
    found = np.zeros(len(marks), dtype=bool)
    for number, part in enumerate(coded):
        bank.check_bucket(setup, number, part)
        inside = buckets == number
        found[inside] = np.isin(places[inside], bank.decode_bucket(part, setup.geometry))
    return found


def evaluated(engine: str, portfolio: list[str], seed: bytes | None = None) -> NDArray[np.uint8]:
    blinding = bank.Blinding(engine, seed or os.urandom(32))
    elements = bureau.read_request(engine, blinding.build_request(portfolio), ceiling=1000)
    response = bureau.pack_response(engine, bureau.evaluate_elements(engine, KEYS[engine], elements))
    return blinding.finalize(response, len(portfolio), PUBLIC[engine])


def matched(engine: str, register: list[str], portfolio: list[str], contract: str = "c") -> dict[str, bytes]:
    """The intersection, and each identifier's tag."""
    setup = made(engine, register, contract)
    digests = bank.derive_tags_and_marks(contract, portfolio, evaluated(engine, portfolio))
    found = holds(setup.manifest, setup.coded, digests[:, 16:])
    return {portfolio[i]: digests[i, :16].tobytes() for i in np.flatnonzero(found)}


def reference(register: list[str], portfolio: list[str]) -> set[str]:
    """openmined-psi by itself."""
    client, server = psi.client.CreateWithNewKey(True), psi.server.CreateWithNewKey(True)
    setup = server.CreateSetupMessage(2.0**-40, max(len(portfolio), 1), register, psi.DataStructure.RAW)
    response = server.ProcessRequest(client.CreateRequest(portfolio))
    return {portfolio[i] for i in client.GetIntersection(setup, response) if i < len(portfolio)}


@pytest.mark.property(
    "Exact intersection",
    claim=(
        "Matching finds the intersection and nothing else. The engines agree with each other and with openmined-psi."
    ),
    topic="matching",
    code=["protocols.matching"],
)
@settings(max_examples=30, deadline=None)
@given(IDENTIFIERS, IDENTIFIERS, IDENTIFIERS)
def test_the_result_is_the_intersection_and_the_engines_agree(ours: set[str], theirs: set[str], both: set[str]) -> None:
    register, portfolio = sorted(ours | both), sorted(theirs | both, reverse=True)
    found = {engine: matched(engine, register, portfolio) for engine in ENGINES}
    for engine, named in found.items():
        assert set(named) == set(register) & set(portfolio)
        tags = dict(zip(register, (tag.tobytes() for tag in made(engine, register).tags), strict=True))
        assert all(tags[name] == tag for name, tag in named.items())
    if register and portfolio:
        assert set(found["x25519"]) == reference(register, portfolio)


@each_engine
@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=30, unique=True), st.data())
def test_batches_and_order_change_nothing(engine: str, portfolio: list[str], data: st.DataObject) -> None:
    whole = dict(zip(portfolio, evaluated(engine, portfolio), strict=True))
    shuffled = data.draw(st.permutations(portfolio))
    cut = data.draw(st.integers(0, len(shuffled)))
    for batch in (shuffled[:cut], shuffled[cut:]):
        for name, value in zip(batch, evaluated(engine, batch), strict=True):
            assert (whole[name] == value).all()
    assert (bureau.evaluate_register(engine, KEYS[engine], portfolio) == np.stack(list(whole.values()))).all()


@each_engine
def test_all_none_one_and_empty(engine: str) -> None:
    assert set(matched(engine, ["a", "b"], ["b", "a"])) == {"a", "b"}
    assert set(matched(engine, ["a", "b"], ["c"])) == set()
    assert set(matched(engine, ["a"], ["a"])) == {"a"}
    assert set(matched(engine, ["a"], [])) == set()
    assert set(matched(engine, [], ["a"])) == set()


@each_engine
def test_repeated_identifiers_are_refused_by_the_bank_and_repeated_elements_by_the_bureau(engine: str) -> None:
    with pytest.raises(ValueError, match="repeated"):
        bank.Blinding(engine, os.urandom(32)).build_request(["a", "a"])
    element = bureau.read_request(engine, bank.Blinding(engine, os.urandom(32)).build_request(["a"]), ceiling=65)[:1]
    twice = pack_elements(FrameKind.MATCH_REQUEST, engine, np.concatenate([element, element]))
    with pytest.raises(MalformedFrame, match="repeated"):
        bureau.read_request(engine, twice, ceiling=5)


def test_a_point_and_its_negative_count_as_repeated_on_p256() -> None:
    element = bureau.read_request(
        "openmined", bank.Blinding("openmined", os.urandom(32)).build_request(["a"]), ceiling=65
    )[:1]
    negative = element.copy()
    negative[0, 0] ^= 1
    both = pack_elements(FrameKind.MATCH_REQUEST, "openmined", np.concatenate([element, negative]))
    with pytest.raises(MalformedFrame, match="repeated"):
        bureau.read_request("openmined", both, ceiling=5)


@pytest.mark.property(
    "Unlinkable contracts",
    claim="Tags and marks of two contracts have nothing in common, and a tag does not repeat its mark.",
    topic="matching",
    code=["protocols.matching"],
)
@each_engine
def test_digests_of_two_contracts_do_not_link(engine: str) -> None:
    values = bureau.evaluate_register(engine, KEYS[engine], ["a", "b"])
    one, two = (
        bureau.derive_tags_and_marks("one", ["a", "b"], values),
        bureau.derive_tags_and_marks("two", ["a", "b"], values),
    )
    assert one.shape == (2, 32)
    assert not (one == two).all(axis=1).any() and not (one[:, :16] == one[:, 16:]).all(axis=1).any()


def test_a_digest_binds_contract_identifier_and_value_without_ambiguity() -> None:
    value = np.zeros((1, 32), dtype=np.uint8)
    assert (bureau.derive_tags_and_marks("c", ["ab"], value) != bureau.derive_tags_and_marks("ca", ["b"], value)).any()
    expected = hashlib.sha256(b"shulab match v2\x00" + b"\x00\x01c" + b"\x00\x02ab" + bytes(32)).digest()
    assert bureau.derive_tags_and_marks("c", ["ab"], value).tobytes() == expected


def test_openmined_evaluation_agrees_with_another_implementation() -> None:
    """OpenSSL's Diffie-Hellman under the same scalar returns the x-coordinate of the library's evaluated point."""
    request = bank.Blinding("openmined", os.urandom(32)).build_request(["x", "y"])
    blinded = bureau.read_request("openmined", request, ceiling=66)
    key = KEYS["openmined"]
    scalar = ec.derive_private_key(int.from_bytes(key, "big"), ec.SECP256R1())
    for before, after in zip(blinded, openmined.evaluate_elements(key, blinded), strict=True):
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), before.tobytes())
        assert scalar.exchange(ec.ECDH(), point) == after[1:].tobytes()


@each_engine
def test_the_same_seed_makes_the_same_request_and_another_seed_another(engine: str) -> None:
    seed = os.urandom(32)
    one, again, other = (bank.Blinding(engine, s).build_request(["x", "y"]) for s in (seed, seed, os.urandom(32)))
    assert one == again and one != other


@each_engine
def test_a_pool_of_processes_changes_no_byte(engine: str) -> None:
    names, seed = [f"r{i}" for i in range(4500)], os.urandom(32)
    pool = ProcessComputePool(2)
    try:
        alone, helped = (
            bank.Blinding(engine, seed).build_request(names),
            bank.Blinding(engine, seed).build_request(names, pool),
        )
        assert alone == helped
        elements = bureau.read_request(engine, alone, ceiling=5000)
        response = bureau.pack_response(engine, bureau.evaluate_elements(engine, KEYS[engine], elements))
        blinding = bank.Blinding(engine, seed)
        assert (
            blinding.finalize(response, 4500, PUBLIC[engine]) == blinding.finalize(response, 4500, PUBLIC[engine], pool)
        ).all()
    finally:
        pool.close()


@pytest.mark.property(
    "Counts tell a number",
    claim="The order of a count's responses reveals nothing, and the marks of two jobs have nothing in common.",
    topic="matching",
    code=["protocols.matching"],
)
@each_engine
def test_a_count_is_the_size_of_the_intersection_and_comes_out_of_order(engine: str) -> None:
    register, portfolio = [f"r{i}" for i in range(400)], [f"r{i}" for i in range(300, 500)]
    key = KEYS[engine]
    marks = bureau.derive_counting_marks("c", "job-1", bureau.evaluate_register(engine, key, register))
    setup = made_of(engine, marks[:0], marks, counting=True)
    blinding = bank.Blinding(engine, os.urandom(32))
    elements = bureau.read_request(engine, blinding.build_request(portfolio), ceiling=264)
    plain = bureau.evaluate_elements(engine, key, elements)
    response = bureau.pack_response(engine, plain, counting=True)
    other_order = bureau.pack_response(engine, plain[::-1], counting=True)
    assert response == other_order != bureau.pack_response(engine, plain)
    values = blinding.finalize(response, 200, PUBLIC[engine], counting=True)
    assert holds(setup.manifest, setup.coded, bank.derive_counting_marks("c", "job-1", values)).sum() == 100
    assert not holds(setup.manifest, setup.coded, bank.derive_counting_marks("c", "job-2", values)).any()
    assert bank.read_setup(setup.manifest).for_counting


@pytest.mark.parametrize(("count", "data"), [(1000, b""), (0, bytes(32)), (3, bytes(32))])
def test_a_number_of_elements_that_their_bytes_do_not_bear_out_is_refused(count: int, data: bytes) -> None:
    with pytest.raises(MalformedFrame, match="number of elements"):
        bureau.count_requested_elements(
            Frame(FrameKind.MATCH_REQUEST, {"engine": "x25519", "count": count}, (data,)).pack()
        )


@each_engine
def test_more_identifiers_than_the_ceiling_are_refused(engine: str) -> None:
    request = bank.Blinding(engine, os.urandom(32)).build_request(["a", "b"])
    assert bureau.count_requested_elements(request) == 2 + bank.MIN_CANARIES
    with pytest.raises(MalformedFrame, match="at most 65"):
        bureau.read_request(engine, request, ceiling=65)


@pytest.mark.property("Points checked")
@pytest.mark.parametrize(
    "element",
    [b"\x00" * 33, b"\x02" + b"\xff" * 32, b"\x04" + b"\x01" * 32, b"\x02" + bytes(31) + b"\x07"],
    ids=["infinity", "beyond the field", "another form", "off the curve"],
)
def test_what_is_no_point_of_p256_is_not_evaluated(element: bytes) -> None:
    row = np.frombuffer(element, dtype=np.uint8).reshape(1, 33)
    request = pack_elements(FrameKind.MATCH_REQUEST, "openmined", row)
    with pytest.raises(ValueError):
        elements = bureau.read_request("openmined", request, ceiling=5)
        bureau.evaluate_elements("openmined", KEYS["openmined"], elements)


@each_engine
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200))
def test_arbitrary_requests_are_refused(engine: str, body: bytes) -> None:
    for request in (body, Frame(FrameKind.MATCH_REQUEST, {"engine": engine, "count": 7}, (body,)).pack()):
        with pytest.raises(MalformedFrame):
            bureau.read_request(engine, request, ceiling=10)


SETUP = made("x25519", [f"r{i}" for i in range(300)], geometry=bureau.BucketGeometry(4, 80))


@pytest.mark.property("Hostile bytes")
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_set_ups_shards_deltas_and_responses_raise_nothing_else(body: bytes) -> None:
    setup = bank.read_setup(SETUP.manifest)
    kinds = (FrameKind.MATCH_SETUP, FrameKind.MATCH_SHARD, FrameKind.MATCH_DELTA, FrameKind.MATCH_RESPONSE)
    for data in (body, *(Frame(kind, {}, (body,)).pack() for kind in kinds)):
        for read in (
            bank.read_setup,
            lambda d: bank.read_shard(d, setup, 0, 1),
            lambda d: bank.read_delta(d, setup, setup),
            lambda d: bank.Blinding("x25519", bytes(32)).finalize(d, 1, PUBLIC["x25519"]),
        ):
            with pytest.raises(MalformedFrame):
                read(data)
    with pytest.raises(MalformedFrame):
        bank.decode_bucket(body or b"\x00", setup.geometry)


@pytest.mark.parametrize(
    ("meta", "parts"),
    [
        ({"buckets": 0}, None),
        ({"buckets": 5}, None),
        ({"buckets": 2**20}, None),
        ({"slots": 0}, None),
        ({"slots": 2**40}, None),
        ({"entries": 321}, None),
        ({"entries": -1}, None),
        ({"epoch": 0}, None),
        ({"counting": "no"}, None),
        ({"engine": 5}, None),
        ({"public_key": "00"}, None),
        ({"public_key": 5}, None),
        ({"public_key": "A" * 64}, None),
        ({"key_signature": "00"}, None),
        ({"register_entries": -1}, None),
        ({}, (b"\xff" * 16, bytes(128))),
        ({}, (bytes(16),)),
        ({}, (bytes(15), bytes(128))),
    ],
)
def test_hostile_manifests_are_refused_by_the_bank(meta: dict[str, object], parts: tuple[bytes, ...] | None) -> None:
    good = unpack_frame(SETUP.manifest, FrameKind.MATCH_SETUP)
    with pytest.raises(MalformedFrame):
        bank.read_setup(Frame(FrameKind.MATCH_SETUP, {**good.meta, **meta}, parts or good.parts).pack())
    assert bank.read_setup(good.pack()).entries == 300


def test_a_shard_is_the_one_asked_for_or_refused() -> None:
    setup = bank.read_setup(SETUP.manifest)
    shard = bureau.pack_shard(setup.sha256, 1, SETUP.coded[1:3])
    assert bank.read_shard(shard, setup, 1, 2) == SETUP.coded[1:3]
    for first, count in ((0, 2), (1, 1), (2, 2), (1, 3)):
        with pytest.raises(MalformedFrame):
            bank.read_shard(shard, setup, first, count)
    other = bureau.pack_shard("0" * 64, 1, SETUP.coded[1:3])
    swapped = bureau.pack_shard(setup.sha256, 1, [SETUP.coded[2], SETUP.coded[1]])
    flipped = bureau.pack_shard(
        setup.sha256, 1, [SETUP.coded[1], SETUP.coded[2][:-1] + bytes([SETUP.coded[2][-1] ^ 1])]
    )
    for wrong in (other, swapped, flipped):
        with pytest.raises(MalformedFrame):
            bank.read_shard(wrong, setup, 1, 2)


def test_a_delta_leads_to_the_very_set_up_that_its_manifest_names() -> None:
    geometry = bureau.BucketGeometry(4, 80)
    old = made("x25519", [f"r{i}" for i in range(300)], geometry=geometry)
    new = made("x25519", [f"r{i}" for i in range(10, 305)], geometry=geometry)
    before, after = bank.read_setup(old.manifest), bank.read_setup(new.manifest)
    pairs = []
    for one, two in zip(old.coded, new.coded, strict=True):
        changed = bureau.multiset_difference(bureau.decode_bucket(one, geometry), bureau.decode_bucket(two, geometry))
        pairs.append(tuple(bureau.encode_bucket(part) for part in changed))
    delta = bureau.pack_delta(before.sha256, after.sha256, [p[0] for p in pairs], [p[1] for p in pairs])
    assert len(delta) < sum(after.bucket_sizes) / 3
    for number, (added, removed) in enumerate(bank.read_delta(delta, before, after)):
        coded = bank.apply_delta(old.coded[number], added, removed, geometry)
        bank.check_bucket(after, number, coded)
        assert coded == new.coded[number]
    with pytest.raises(MalformedFrame):
        bank.read_delta(delta, after, before)
    with pytest.raises(MalformedFrame):
        bank.apply_delta(new.coded[0], b"", bureau.encode_bucket(np.array([7], dtype=np.uint64)), geometry)


@each_engine
def test_a_response_of_another_length_repeated_or_of_no_elements_is_refused_by_the_bank(engine: str) -> None:
    width = 32 if engine == "x25519" else 33
    for wrong in (
        np.full((1, width), 2, dtype=np.uint8),
        np.full((2, width), 2, dtype=np.uint8),
        np.full((66, width), 2, dtype=np.uint8),
        np.stack([np.zeros(width, dtype=np.uint8), np.full(width, 255, dtype=np.uint8)]),
    ):
        response = pack_elements(FrameKind.MATCH_RESPONSE, engine, wrong)
        with pytest.raises(MalformedFrame):
            bank.Blinding(engine, os.urandom(32)).finalize(response, 2, PUBLIC[engine])


def test_a_response_of_another_engine_is_refused() -> None:
    response = pack_elements(FrameKind.MATCH_RESPONSE, "openmined", np.zeros((0, 33), dtype=np.uint8))
    with pytest.raises(MalformedFrame):
        bank.Blinding("x25519", os.urandom(32)).finalize(response, 0, PUBLIC["x25519"])


def test_unknown_engines_are_refused() -> None:
    with pytest.raises(UnknownEngine):
        bank.Blinding("nonsense", os.urandom(32))
    with pytest.raises(UnknownEngine):
        bureau.generate_key("../openmined")


@pytest.mark.property(
    "Blinding keys stay",
    claim="Blinding keys cannot be printed, pickled or copied.",
    topic="keys and people",
    code=["protocols.matching.bank"],
)
@each_engine
def test_a_blinding_cannot_be_printed_pickled_or_copied(engine: str) -> None:
    blinding = bank.Blinding(engine, bytes(range(32)))
    keys = [getattr(blinding, name) for name in ("_blinding", "_unblinding", "_seed")]
    assert all(key.hex() not in repr(blinding) and repr(key) not in repr(blinding) for key in keys)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy, vars):
        with pytest.raises(TypeError):
            attempt(blinding)
