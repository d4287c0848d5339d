"""The bank's secrets stay secrets: not printed, pickled, copied, logged, nor readable by others on the machine."""

from __future__ import annotations

import copy
import gc
import json
import logging
import pickle
import resource
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.bank.keys import BankKeys
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.keys.sealing import SealKey, open_sealed, seal
from protocols.scoring.bureau import check_context
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS
from protocols.wire.frame import Frame, FrameKind, unpack_frame

PARAMS = PARAMETERS[DEFAULT_PARAMETERS]
WORDS = "correct horse battery"
MATCHING = ("x25519", "c-0001", 1, ("firm-1", "firm-2"))
"""Engine, contract, epoch and identifiers of a request."""


@pytest.fixture
def seal_key() -> SealKey:
    return SealKey.from_file_bytes(b"k" * 32)


@pytest.fixture
def keys(tmp_path: Path, seal_key: SealKey) -> BankKeys:
    return BankKeys.create(tmp_path / "keys", seal_key)


def seed_of(
    keys: BankKeys, engine: str, contract: str, epoch: int, codes: Sequence[str], *, counting: bool = False
) -> bytes:
    """The seed that a request is made from."""
    seed: bytes = keys.blinding(engine, contract, epoch, codes, counting=counting)._seed  # type: ignore[attr-defined]
    return seed


def test_a_portfolio_is_asked_in_an_order_that_is_secret_and_always_the_same(keys: BankKeys, tmp_path: Path) -> None:
    engine, contract, epoch, _ = MATCHING
    codes = [f"firm-{number:03d}" for number in range(200)]
    order = keys.request_order(engine, contract, epoch, codes)
    assert sorted(order.tolist()) == list(range(200)) and order.tolist() != list(range(200))
    assert keys.request_order(engine, contract, epoch, codes[::-1]).tolist() == order.tolist()
    other = BankKeys.create(tmp_path / "other", SealKey.from_file_bytes(b"k" * 32))
    others = [
        other.request_order(engine, contract, epoch, codes),
        keys.request_order(engine, "c-0002", epoch, codes),
        keys.request_order(engine, contract, 2, codes),
        keys.request_order(engine, contract, epoch, [*codes[:-1], "firm-999"]),
        keys.request_order(engine, contract, epoch, codes, counting=True),
    ]
    assert len({tuple(one.tolist()) for one in (order, *others)}) == 6
    # No relation of places to the text's order: a rank correlation of 200 is within 5 sigma of none.
    assert abs(np.corrcoef(order, np.arange(200))[0, 1]) < 5 / 200**0.5


def secrets_of(keys: BankKeys) -> list[bytes]:
    scoring, _ = keys._scoring(PARAMS)
    seed = seed_of(keys, *MATCHING)
    return [keys.current_key()._private.private_bytes_raw(), scoring, keys._matching_secret(), seed]


def test_signing_key_signs_what_its_public_half_verifies(keys: BankKeys, tmp_path: Path, seal_key: SealKey) -> None:
    from lab.terms.keys.signature import verify_signature

    again = BankKeys.open(tmp_path / "keys", seal_key)
    assert again.public_key_hex == keys.public_key_hex
    verify_signature(keys.public_key_hex, again.sign(b"message").hex(), b"message", what="a signature")
    with pytest.raises(NotAuthentic):
        verify_signature(keys.public_key_hex, again.sign(b"message").hex(), b"another", what="a signature")


@pytest.mark.property(
    "Bank secrets stay closed",
    claim="The bank's secrets are not printed, logged, pickled or copied, and are sealed on disk.",
    topic="keys and people",
    code=["lab.bank.keys", "lab.terms.keys.sealing"],
)
def test_text_and_log_show_nothing(keys: BankKeys, caplog: pytest.LogCaptureFixture) -> None:
    holder, blinding = keys.key_holder(PARAMS), keys.blinding(*MATCHING)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("bank").warning("%s %r %s %r", keys, keys, holder, {"keys": [keys, holder, blinding]})
    try:
        raise RuntimeError(keys, holder, blinding)
    except RuntimeError as error:
        trace = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    text = f"{keys} {keys!r} {[keys]} {holder!r} {blinding!r} {blinding}" + caplog.text + trace
    assert "hidden" in caplog.text and "hidden" in trace
    for secret in secrets_of(keys):
        assert secret.hex() not in text and repr(secret) not in text and repr(secret)[2:40] not in text


@pytest.mark.parametrize(
    "leak", [pickle.dumps, copy.copy, copy.deepcopy, vars, json.dumps, dict, list, bytes, lambda k: k.__dict__]
)
def test_no_way_of_copying_or_writing_works(keys: BankKeys, leak: Any) -> None:
    for secretive in (keys, keys.key_holder(PARAMS), keys.blinding(*MATCHING)):
        with pytest.raises((TypeError, AttributeError)):
            leak(secretive)


def test_pickling_is_refused_under_every_protocol_and_inside_other_things(keys: BankKeys) -> None:
    @dataclass
    class Box:
        keys: BankKeys

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for secretive in (keys, keys.blinding(*MATCHING)):
            with pytest.raises(TypeError):
                pickle.dumps([secretive], protocol=protocol)
    with pytest.raises(TypeError):
        asdict(Box(keys))


def test_json_with_a_default_gives_the_hidden_form(keys: BankKeys) -> None:
    assert json.loads(json.dumps({"keys": keys}, default=str)) == {"keys": "BankKeys(hidden)"}


def test_no_attribute_or_referent_is_the_bytes_of_a_secret(keys: BankKeys) -> None:
    secrets = secrets_of(keys)
    held = [getattr(keys, name) for name in dir(keys)] + gc.get_referents(keys)
    assert not any(isinstance(thing, (bytes, bytearray, str)) and thing in secrets for thing in held)


@pytest.mark.property("Bank secrets stay closed")
def test_what_lies_on_disk_is_sealed_and_the_owners_alone(keys: BankKeys, tmp_path: Path) -> None:
    secrets = secrets_of(keys)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        content = path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
        assert not any(secret[:32] in content or secret[:32].hex().encode() in content for secret in secrets)


def test_wrong_passphrase_wrong_kind_and_altered_files_are_not_authentic(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    BankKeys.create(folder, SealKey.from_passphrase(WORDS))
    BankKeys.open(folder, SealKey.from_passphrase(WORDS))
    for wrong in (SealKey.from_passphrase(WORDS + "!"), SealKey.from_file_bytes(WORDS.encode() * 2)):
        with pytest.raises(NotAuthentic) as error:
            BankKeys.open(folder, wrong)
        assert WORDS not in str(error.value)
    sealed = bytearray((folder / "signing.sealed").read_bytes())
    sealed[-1] ^= 1
    (folder / "signing.sealed").write_bytes(sealed)
    with pytest.raises(NotAuthentic):
        BankKeys.open(folder, SealKey.from_passphrase(WORDS))


def test_scoring_key_of_another_file_is_refused(keys: BankKeys, tmp_path: Path, seal_key: SealKey) -> None:
    keys.key_holder(PARAMS)
    path = tmp_path / "keys" / f"scoring-{PARAMS.name}.sealed"
    path.write_bytes((tmp_path / "keys" / "signing.sealed").read_bytes())
    with pytest.raises(NotAuthentic):
        keys.key_holder(PARAMS)
    # Sealed with the right label, but no key of this parameter set inside.
    label = b"shulab bank scoring key v1 " + PARAMS.name.encode()
    assert open_sealed(seal(b"x", seal_key, label), seal_key, label) == b"x"
    path.write_bytes(seal((4).to_bytes(4, "big") + b"none" + b"context", seal_key, label))
    with pytest.raises(NotAuthentic):
        keys.key_holder(PARAMS)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o711, 0o770])
def test_a_folder_that_others_may_enter_is_refused(
    keys: BankKeys, tmp_path: Path, seal_key: SealKey, mode: int
) -> None:
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(NotAllowed, match=f"{mode:04o}"):
        BankKeys.open(tmp_path / "keys", seal_key)


def test_a_key_file_that_others_may_read_or_a_link_is_refused(
    keys: BankKeys, tmp_path: Path, seal_key: SealKey
) -> None:
    path = tmp_path / "keys" / "signing.sealed"
    path.chmod(0o640)
    with pytest.raises(NotAllowed, match="0640"):
        BankKeys.open(tmp_path / "keys", seal_key)
    path.chmod(0o600)
    moved = path.rename(tmp_path / "elsewhere")
    path.symlink_to(moved)
    with pytest.raises(NotAllowed):
        BankKeys.open(tmp_path / "keys", seal_key)


def test_keys_are_never_overwritten_and_their_absence_is_said(
    keys: BankKeys, tmp_path: Path, seal_key: SealKey
) -> None:
    with pytest.raises(Conflict):
        BankKeys.create(tmp_path / "keys", seal_key)
    assert BankKeys.open(tmp_path / "keys", seal_key).public_key_hex == keys.public_key_hex
    with pytest.raises(NotFound):
        BankKeys.open(tmp_path / "none", seal_key)


def test_core_dumps_are_off_once_keys_are_open(keys: BankKeys) -> None:
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def test_public_context_is_the_same_at_every_opening_and_holders_agree(
    keys: BankKeys, tmp_path: Path, seal_key: SealKey
) -> None:
    again = BankKeys.open(tmp_path / "keys", seal_key)
    assert again.public_context(PARAMS) == keys.public_context(PARAMS)
    assert not any(secret[:64] in keys.public_context(PARAMS) for secret in secrets_of(keys))
    # A batch of one holder under the kept context is decrypted by another, after the bureau's part.
    from protocols.scoring.bureau import evaluate_batch
    from protocols.scoring.messages import QuantizedWeights

    context = keys.public_context(PARAMS)
    tags = np.arange(32, dtype=np.uint8).reshape(2, 16)
    answers = np.array([[1, 0]], dtype=np.uint8)
    batch = keys.key_holder(PARAMS).encrypt(tags, answers, contract="c-1", context=check_context(context, PARAMS))
    terms = QuantizedWeights(np.array([0], np.int32), ((0,),), np.array([[5, 7]]), np.array([[100, -200]]))
    reply = evaluate_batch(context, batch, terms, PARAMS, "c-1")
    assert again.key_holder(PARAMS).decrypt(reply, rows=2, batch=batch).tolist() == [[105, -200]]


def test_a_request_is_the_same_bytes_again_and_no_other_is_blinded_by_its_keys(
    keys: BankKeys, tmp_path: Path, seal_key: SealKey
) -> None:
    engine, contract, epoch, codes = MATCHING
    again = BankKeys.open(tmp_path / "keys", seal_key)
    assert again.blinding(*MATCHING).build_request(codes) == keys.blinding(*MATCHING).build_request(codes)
    others = [
        ("openmined", contract, epoch, codes),
        (engine, "c-0002", epoch, codes),
        (engine, contract, 2, codes),
        (engine, contract, epoch, codes[::-1]),
        (engine, contract, epoch, ("firm-1f", "irm-2")),
        (engine, "c-00011", 1, codes),
        (engine, contract, epoch, ()),
    ]
    seeds = [seed_of(again, *one) for one in (MATCHING, *others)]
    seeds.append(seed_of(again, *MATCHING, counting=True))
    assert len(set(seeds)) == len(seeds) and all(len(seed) == 32 for seed in seeds)


def test_the_matching_secret_is_kept_bound_to_its_name_and_outlives_the_signing_key(
    keys: BankKeys, tmp_path: Path, seal_key: SealKey
) -> None:
    secret = keys._matching_secret()
    keys.promote_next_key(keys.make_next_key().public_key_hex)
    assert BankKeys.open(tmp_path / "keys", seal_key)._matching_secret() == secret
    (tmp_path / "keys" / "matching.sealed").write_bytes((tmp_path / "keys" / "signing.sealed").read_bytes())
    with pytest.raises(NotAuthentic):
        keys.blinding(*MATCHING)


def test_a_public_context_of_an_earlier_form_is_made_anew_for_the_same_secret(
    keys: BankKeys, tmp_path: Path, seal_key: SealKey
) -> None:
    secret, context = keys._scoring(PARAMS)
    path = tmp_path / "keys" / f"scoring-{PARAMS.name}.sealed"
    label = b"shulab bank scoring key v1 " + PARAMS.name.encode()
    frame = unpack_frame(context, FrameKind.CONTEXT)
    former = Frame(FrameKind.CONTEXT, {"parameters": PARAMS.name}, frame.parts).pack()
    path.write_bytes(seal(len(secret).to_bytes(4, "big") + secret + former, seal_key, label))
    again = BankKeys.open(tmp_path / "keys", seal_key)
    made = again.public_context(PARAMS)
    assert made not in (former, context) and check_context(made, PARAMS)
    assert again._scoring(PARAMS) == (secret, made)
    assert BankKeys.open(tmp_path / "keys", seal_key).public_context(PARAMS) == made
    assert path.stat().st_mode & 0o777 == 0o600 and {one.name for one in path.parent.iterdir()} == {
        "signing.sealed",
        path.name,
    }


def test_a_sealed_scoring_key_of_another_length_is_no_key(keys: BankKeys, tmp_path: Path, seal_key: SealKey) -> None:
    secret, context = keys._scoring(PARAMS)
    path = tmp_path / "keys" / f"scoring-{PARAMS.name}.sealed"
    label = b"shulab bank scoring key v1 " + PARAMS.name.encode()
    for wrong in (secret[:-1], secret + b"\0", secret * 2, b""):
        path.write_bytes(seal(len(wrong).to_bytes(4, "big") + wrong + context, seal_key, label))
        with pytest.raises(NotAuthentic, match="not a key"):
            BankKeys.open(tmp_path / "keys", seal_key).key_holder(PARAMS)


def test_a_key_of_a_set_that_is_not_offered_any_more_is_in_nobodys_way(
    keys: BankKeys, tmp_path: Path, seal_key: SealKey
) -> None:
    folder, former = tmp_path / "keys", replace(PARAMS, name="bgv-4096-a")
    secret, context = keys._scoring(PARAMS)
    path = folder / f"scoring-{former.name}.sealed"
    label = b"shulab bank scoring key v1 " + former.name.encode()
    path.write_bytes(seal(len(secret).to_bytes(4, "big") + secret + context, seal_key, label))
    path.chmod(0o600)
    sealed = path.read_bytes()
    again = BankKeys.open(folder, seal_key)
    for asked in (again.key_holder, again.public_context):
        with pytest.raises(InvalidInput, match="parameter set"):
            asked(former)
    assert again.public_context(PARAMS) == context
    again.promote_next_key(again.make_next_key().public_key_hex)
    assert path.read_bytes() == sealed
    path.unlink()
    assert BankKeys.open(folder, seal_key).public_context(PARAMS) == context
