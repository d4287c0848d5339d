"""Matching and counting over HTTP: what a bank may repeat, what it may send, and what it is told and charged."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy

from lab.bank.scoring.batch_transfer import submit_batch
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput, NotAllowed, NotFound, ShulabError
from models.shared.sheet import BankSheet
from protocols.matching import bank
from protocols.matching.messages import pack_elements, read_elements
from protocols.wire.frame import Frame, FrameKind, unpack_frame
from protocols.wire.http_signatures import sign_request
from tests.service.conftest import JOB, Service
from tests.support import bank_matching
from tests.unit.protocols.matching.engines.test_x25519 import SMALL, TWIST, P

STRANGERS = [f"stranger-{number:04d}" for number in range(200)]
CANARIES = bank.MIN_CANARIES
WIDTH = {"x25519": 32, "openmined": 33}
each_engine = pytest.mark.parametrize("engine", bank.ENGINES)
once = pytest.mark.parametrize("service", ["sqlite"], indirect=True)


def used(service: Service, contract: str) -> int:
    return int(service.outlet().allowance(contract)["identifiers"]["used"])


def matches(service: Service, contract: str) -> list[str]:
    """What the ledger tells of the charges of matching requests; that they were answered is ``answers_of``."""
    others = ("match.setup", "match.answered")
    return [kind for kind in service.ledger(contract) if kind.startswith("match.") and kind not in others]


def answers_of(service: Service, contract: str) -> list[dict[str, Any]]:
    """What the ledger tells of the answers to matching requests."""
    return facts_of(service, contract, "match.answered")


def facts_of(service: Service, contract: str | None, *kinds: str) -> list[dict[str, Any]]:
    """What ledger entries of these kinds say, in order."""
    with service.bureau.store.begin_read() as session:
        query = sqlalchemy.select(LedgerEntryRow.body).where(
            LedgerEntryRow.contract_id == contract, LedgerEntryRow.kind.in_(kinds)
        )
        return [json.loads(body)["facts"] for body in session.scalars(query.order_by(LedgerEntryRow.seq))]


def restart(service: Service, number: signal.Signals = signal.SIGTERM) -> None:
    service.process.stop(number)
    service.process.start()


def signed(service: Service, method: str, target: str, body: bytes = b"") -> dict[str, str]:
    bureau_key = service.bureau.keys.public_key_hex
    return sign_request(method, target, body, service.key, bureau_key=bureau_key) | {
        "content-type": "application/octet-stream"
    }


# --- once charged -----------------------------------------------------------------------------------------------------


@pytest.mark.property(
    "Requests charged once",
    claim="The same matching request is charged once, also when it is sent in parallel and after a restart.",
    topic="matching",
    code=["lab.bureau.exchange.matching.match_requests"],
)
def test_the_same_request_is_charged_once_also_after_a_restart(service: Service) -> None:
    contract = service.contract()
    request = bank_matching.request(service.pilot.codes()[:20] + STRANGERS[:5])
    answers = [service.outlet().match(contract, JOB, request)[0] for _ in range(2)]
    assert matches(service, contract) == ["match.charged", "match.repeated"]
    restart(service)
    answers += [service.outlet().match(contract, JOB, request)[0] for _ in range(2)]
    assert len(set(answers)) == 1 and used(service, contract) == 25 + CANARIES
    assert matches(service, contract) == ["match.charged"] + ["match.repeated"] * 3
    pairs = [(one["request_sha256"], one["response_sha256"]) for one in answers_of(service, contract)]
    assert pairs == [(hashlib.sha256(request).hexdigest(), hashlib.sha256(answers[0]).hexdigest())]
    service.outlet().match(contract, JOB, bank_matching.request(service.pilot.codes()[:20]))
    assert used(service, contract) == 45 + 2 * CANARIES, (
        "other bytes are another request: nobody can see that they ask for the same"
    )
    charges = facts_of(service, contract, "match.charged", "match.repeated")
    assert [facts["identifiers"] for facts in charges] == [25 + CANARIES] * 4 + [20 + CANARIES]
    assert len({facts["request_sha256"] for facts in charges}) == 2


def test_the_same_request_at_once_is_charged_once(service: Service) -> None:
    contract = service.contract(identifiers=60 + CANARIES)
    request = bank_matching.request(service.pilot.codes()[:50])
    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(lambda _: service.answer(contract, request), range(6)))
    assert len(answers) == 1 and used(service, contract) == 50 + CANARIES
    assert sorted(matches(service, contract)) == ["match.charged"] + ["match.repeated"] * 5


@once
def test_it_is_charged_again_under_another_contract_and_not_in_another_job(service: Service) -> None:
    one, other = service.contract(), service.contract()
    request = bank_matching.request(STRANGERS[:7])
    service.open_job(one, "job-2")
    for contract, job in ((one, JOB), (one, "job-2"), (other, JOB)):
        service.outlet().match(contract, job, request)
    assert (used(service, one), used(service, other)) == (7 + CANARIES, 7 + CANARIES)


@once
def test_at_the_ceiling_what_is_paid_for_is_answered_and_nothing_else(service: Service) -> None:
    contract = service.contract(identifiers=5 + CANARIES)
    request = bank_matching.request(STRANGERS[:5])
    first = service.outlet().match(contract, JOB, request)[0]
    with pytest.raises(NotAllowed, match="term: identifiers"):
        service.outlet().match(contract, JOB, bank_matching.request(STRANGERS[:1]))
    assert service.outlet().match(contract, JOB, request)[0] == first
    service.suspend(contract)
    with pytest.raises(NotAllowed):
        service.outlet().match(contract, JOB, request)
    service.outlet().end_job(contract, JOB)
    service.resume(contract)
    with pytest.raises(NotAllowed, match="ended"):
        service.outlet().match(contract, JOB, request)
    assert used(service, contract) == 5 + CANARIES


@once
def test_a_replay_is_refused_and_the_same_bytes_signed_afresh_are_answered(service: Service) -> None:
    contract = service.contract()
    target, body = f"/v1/contracts/{contract}/matching?job={JOB}", bank_matching.request(STRANGERS[:3])
    first = signed(service, "POST", target, body)
    fresh = signed(service, "POST", target, body)
    answers = [
        httpx.post(service.url + target, content=body, headers=head, timeout=60) for head in (first, first, fresh)
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 200]
    assert answers[0].content == answers[2].content
    assert used(service, contract) == 3 + CANARIES


def test_killed_while_it_answers_it_charges_once(service: Service) -> None:
    contract = service.contract()
    codes = [f"big-{number:05d}" for number in range(55_000)] + service.pilot.codes()
    blinding = bank.Blinding(bank_matching.ENGINE, os.urandom(32))
    request = blinding.build_request(codes)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.outlet().match, contract, JOB, request)
        while not matches(service, contract):
            assert not asked.done()
            sleep(0.01)
        service.process.stop(signal.SIGKILL)
        with pytest.raises(ShulabError):
            asked.result(60)
    service.process.start()
    response = service.answer(contract, request)
    assert used(service, contract) == len(codes) + bank.canary_count(len(codes))
    assert matches(service, contract) == ["match.charged", "match.repeated"]
    setup, held = bank_matching.places(service.outlet(), contract, JOB)
    digests = bank.derive_tags_and_marks(
        contract, codes, blinding.finalize(response, len(codes), setup.signed_key.public_key)
    )
    buckets, places = bank.locate_marks(setup.geometry, digests[:, bank.TAG_BYTES :])
    found = [int(place) in held[bucket] for bucket, place in zip(buckets, places, strict=True)]
    assert np.flatnonzero(found).tolist() == list(range(55_000, len(codes)))


# --- what a bank may send ---------------------------------------------------------------------------------------------


def raw(service: Service, contract: str, body: bytes) -> None:
    """POST bytes to be matched that the bank's own outlet would not let out."""
    target = f"/v1/contracts/{contract}/matching?job={JOB}"
    answer = httpx.post(service.url + target, content=body, headers=signed(service, "POST", target, body), timeout=60)
    if answer.status_code == 422:
        raise InvalidInput(answer.json()["detail"], next_step="")
    assert answer.status_code == 200, answer.text


def elements(engine: str, *numbers: int | bytes) -> bytes:
    """A request of these elements."""
    rows = b"".join(n if isinstance(n, bytes) else n.to_bytes(32, "little") for n in numbers)
    width = WIDTH[engine]
    return pack_elements(FrameKind.MATCH_REQUEST, engine, np.frombuffer(rows, dtype=np.uint8).reshape(-1, width))


def refused(service: Service, contract: str, wrong: dict[str, bytes], send: Callable[[bytes], object]) -> None:
    for name, request in wrong.items():
        with pytest.raises(InvalidInput) as caught:
            send(request)
            pytest.fail(name)
        assert "Wanted" in caught.value.detail or "not acceptable" in caught.value.detail
    assert used(service, contract) == 0
    kinds = matches(service, contract)
    assert kinds.count("match.charged") == kinds.count("match.returned")


@once
@each_engine
def test_frames_that_are_changed_on_their_way_are_refused_and_not_charged(service: Service, engine: str) -> None:
    contract = service.contract(engine=engine)
    good = bank_matching.request(STRANGERS[:4], engine)
    frame, other = unpack_frame(good, FrameKind.MATCH_REQUEST), next(name for name in bank.ENGINES if name != engine)
    part = frame.parts[0]

    def with_(meta: dict[str, object], *parts: bytes) -> bytes:
        return Frame(FrameKind.MATCH_REQUEST, {**frame.meta, **meta}, parts).pack()

    # A frame that no writer of frames would make: its prefix ends with the number of parts.
    two_parts = good[:10] + (2).to_bytes(4, "big") + good[14:] + good[-len(part) - 4 :]
    wrong = {
        "a byte more": good + b"\0",
        "a byte less": good[:-1],
        "half": good[: len(good) // 2],
        "head alone": good[:12],
        "another kind": Frame(FrameKind.MATCH_RESPONSE, frame.meta, frame.parts).pack(),
        "a shorter part": with_({}, part[:-1]),
        "one element less": with_({}, part[: -WIDTH[engine]]),
        "one announced less": with_({"count": 67}, part),
        "none announced": with_({"count": 0}, part),
        "one announced": with_({"count": 1}, part),
        "minus one": with_({"count": -1}, part),
        "no number": with_({"count": "68"}, part),
        "far more": with_({"count": 10**9}, part),
        "two parts": two_parts,
        "no part": with_({}),
        "another engine": with_({"engine": other}, part),
        "no engine": with_({"engine": 7}, part),
    }
    refused(service, contract, wrong, lambda request: raw(service, contract, request))
    assert service.outlet().match(contract, JOB, good) and used(service, contract) == 4 + CANARIES


@once
def test_no_bit_of_a_request_can_be_changed_on_its_way(service: Service) -> None:
    """The signature covers the body: who sits between learns nothing by sending other elements."""
    contract = service.contract()
    target, body = f"/v1/contracts/{contract}/matching?job={JOB}", bank_matching.request(STRANGERS[:2])
    for place in (5, len(body) // 2, len(body) - 1):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        answer = httpx.post(
            service.url + target, content=changed, headers=signed(service, "POST", target, body), timeout=60
        )
        assert answer.status_code == 401
    assert used(service, contract) == 0


@once
def test_elements_that_are_none_of_the_group_are_refused_and_not_charged(service: Service) -> None:
    contract, good = service.contract(), 9
    wrong = {f"small order {number}": elements("x25519", good, u) for number, u in enumerate(SMALL)}
    wrong |= {f"not canonical {number}": elements("x25519", good, u) for number, u in enumerate((P, P + 9, 2**255 + 9))}
    wrong |= {
        "twist": elements("x25519", good, TWIST),
        "repeated": elements("x25519", good, 16, good),
        "zero": elements("x25519", 0),
    }
    refused(service, contract, wrong, lambda request: service.outlet().match(contract, JOB, request))


@once
def test_points_that_are_none_of_p256_are_refused_and_not_charged(service: Service) -> None:
    contract = service.contract(engine="openmined")
    point = unpack_frame(bank_matching.request(STRANGERS[:1], "openmined"), FrameKind.MATCH_REQUEST).parts[0][:33]
    wrong = {
        "infinity": elements("openmined", bytes(33)),
        "beyond the field": elements("openmined", b"\2" + b"\xff" * 32),
        "another form": elements("openmined", b"\4" + point[1:]),
        "off the curve": elements("openmined", b"\2" + bytes(31) + b"\7"),
        "repeated": elements("openmined", point, point),
        "a point and its negative": elements("openmined", point, bytes([point[0] ^ 1]) + point[1:]),
    }
    refused(service, contract, wrong, lambda request: service.outlet().match(contract, JOB, request))


@once
def test_more_than_the_contract_allows_is_refused_before_it_is_evaluated(service: Service) -> None:
    contract = service.contract(identifiers_per_match=10 + CANARIES)
    with pytest.raises(NotAllowed, match="identifiers_per_match"):
        service.outlet().match(contract, JOB, bank_matching.request(STRANGERS[:11]))
    big = elements("x25519", *(bytes([3]) + os.urandom(31) for _ in range(70_000)))
    with pytest.raises(InvalidInput, match="at most 2000000 bytes"):
        service.outlet().match(contract, JOB, big)
    assert matches(service, contract) == []


def blinded(count: int) -> np.ndarray:
    """Elements of strangers, as a bank blinds them."""
    return read_elements(bank_matching.request(STRANGERS[:count]), FrameKind.MATCH_REQUEST, "x25519", 32)[:count]


# --- set-ups by name --------------------------------------------------------------------------------------------------


@once
def test_a_set_up_is_its_contracts_alone_and_only_while_it_is_the_present_one(service: Service) -> None:
    one, other = service.contract(), service.contract()
    outlet = service.outlet()
    setups = [bank.read_setup(outlet.matching_setup(contract, JOB)) for contract in (one, other)]
    assert setups[0].bucket_hashes != setups[1].bucket_hashes
    assert outlet.matching_shard(one, JOB, setups[0].sha256, 0, 1)
    for sha256 in (setups[1].sha256, "00" * 32, setups[0].bucket_hashes[0].hex()):
        with pytest.raises(NotFound, match="not the present one"):
            outlet.matching_shard(one, JOB, sha256, 0, 1)
        with pytest.raises(NotFound):
            outlet.matching_delta(one, JOB, sha256, setups[0].sha256)
    for since in (setups[1].sha256, setups[0].sha256, "00" * 32):
        with pytest.raises(NotFound, match="No delta"):
            outlet.matching_delta(one, JOB, setups[0].sha256, since)
    for first, count in ((1, 1), (2**31, 1), (0, 64)):
        if first:
            with pytest.raises(InvalidInput, match=r"buckets|query\.first"):
                outlet.matching_shard(one, JOB, setups[0].sha256, first, count)
        else:
            assert (
                len(unpack_frame(outlet.matching_shard(one, JOB, setups[0].sha256, 0, 64), FrameKind.MATCH_SHARD).parts)
                == 1
            )
    with pytest.raises(NotFound):
        outlet.matching_shard(one, "no-job", setups[0].sha256, 0, 1)
    with pytest.raises(NotFound):
        outlet.matching_setup(one, "no-job")


@once
@each_engine
def test_both_engines_match_and_score(service: Service, engine: str) -> None:
    contract = service.contract(engine=engine)
    rows = list(range(100, 160))
    codes = [service.pilot.codes()[row] for row in rows]
    found = bank_matching.match(service.outlet(), contract, JOB, [*STRANGERS, *codes], engine)
    assert found.indices.tolist() == list(range(len(STRANGERS), len(STRANGERS) + len(codes)))
    records = service.pilot.bank[rows]
    batch = service.batch(contract, found.tags, records)
    reply, _ = submit_batch(service.outlet(), contract, JOB, batch)
    answers = BankSheet.from_json(service.outlet().sheet(contract)).compute_indicators(records)
    expected = service.pilot.model.score_weights(service.pilot.public[rows], ResultDetail.TOTAL).apply_to_indicators(
        answers
    )
    assert np.array_equal(service.holder.decrypt(reply, rows=len(rows), batch=batch), expected)
    stray = bank_matching.match(service.outlet(), contract, JOB, STRANGERS[:3], engine)
    assert not len(stray.indices)
    with pytest.raises(NotAllowed, match="1 of 1"):
        tags = stray.digests[:1, : bank.TAG_BYTES]
        submit_batch(service.outlet(), contract, JOB, service.batch(contract, tags, service.pilot.bank[[0]]))
