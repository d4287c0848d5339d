"""Counting over HTTP: how many match and not which, in an order that says nothing, of a hundred at the least."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.bank.connection.client import JobDescription
from lab.bank.scoring.batch_transfer import submit_batch
from lab.terms.contract.document import Operation
from lab.terms.errors import InvalidInput, NotAllowed, NotFound
from protocols.matching import bank
from protocols.matching.messages import pack_elements, read_elements
from protocols.wire.frame import FrameKind
from tests.service.conftest import JOB, RECIPIENT, Service
from tests.service.test_matching_service import STRANGERS, WIDTH, blinded, each_engine, elements, once, refused, used
from tests.support import bank_matching
from tests.unit.protocols.matching.engines.test_x25519 import TWIST


def counting(service: Service, engine: str = bank_matching.ENGINE, **choices: Any) -> str:
    """A contract that allows a count alone, with an open job."""
    return service.contract(operations=(Operation.COUNT,), engine=engine, **choices)


@once
@each_engine
@pytest.mark.parametrize("known", [0, 1, 77, 200])
def test_a_count_is_right(service: Service, engine: str, known: int) -> None:
    contract = counting(service, engine)
    codes = service.pilot.codes()[100 : 100 + known] + STRANGERS[: 200 - known]
    np.random.default_rng(known).shuffle(codes)
    assert bank_matching.count(service.outlet(), contract, JOB, codes, engine) == known
    assert used(service, contract) == 200 + bank.MIN_CANARIES


@once
@each_engine
def test_the_answers_to_a_count_come_in_an_order_that_says_nothing(service: Service, engine: str) -> None:
    contract = counting(service, engine)
    asked = read_elements(bank_matching.request(STRANGERS, engine), FrameKind.MATCH_REQUEST, engine, WIDTH[engine])
    orders = [np.arange(264), np.arange(264)[::-1], np.random.default_rng(1).permutation(264)]
    requests = [pack_elements(FrameKind.MATCH_REQUEST, engine, asked[order]) for order in orders]
    answers = {service.outlet().count_matches(contract, JOB, request)[0] for request in requests}
    assert len(answers) == 1
    rows = read_elements(answers.pop(), FrameKind.MATCH_RESPONSE, engine, WIDTH[engine])
    assert [row.tobytes() for row in rows] == sorted(row.tobytes() for row in rows)


@once
def test_few_are_not_counted_and_not_charged(service: Service) -> None:
    contract = counting(service)
    for few in (0, 1, 99):
        with pytest.raises(NotAllowed, match="at least 100 identifiers and their 64 canaries"):
            service.outlet().count_matches(contract, JOB, bank_matching.request(STRANGERS[:few]))
    # Nor do other elements help a few over the line: they must be of the group, each once.
    small = elements("x25519", *([row.tobytes() for row in blinded(2)] * 90))
    with pytest.raises(InvalidInput, match="repeated"):
        service.outlet().count_matches(contract, JOB, small)
    many = [row.tobytes() for row in blinded(163)]
    wrong = {"twist": elements("x25519", *many, TWIST), "repeated": elements("x25519", *many, many[3])}
    refused(service, contract, wrong, lambda request: service.outlet().count_matches(contract, JOB, request))
    service.outlet().count_matches(contract, JOB, bank_matching.request(STRANGERS[:100]))
    assert used(service, contract) == 100 + bank.MIN_CANARIES


@once
def test_under_a_counting_contract_nothing_else_is_done(service: Service) -> None:
    contract = counting(service)
    outlet, many = service.outlet(), bank_matching.request(STRANGERS)
    setup = bank.read_setup(outlet.matching_setup(contract, JOB, counting=True))
    assert setup.for_counting
    tags = np.zeros((1, bank.TAG_BYTES), dtype=np.uint8)
    holder = service.holder
    batch = holder.encrypt(tags, np.zeros((5, 1), dtype=np.uint8), contract=contract)
    for name, call in {
        "matching set-up": lambda: outlet.matching_setup(contract, JOB),
        "match": lambda: outlet.match(contract, JOB, many),
        "sheet": lambda: outlet.sheet(contract),
        "score": lambda: submit_batch(outlet, contract, JOB, batch),
    }.items():
        with pytest.raises(NotAllowed, match="term: operations"):
            call()
            pytest.fail(name)
    plain = service.contract()
    for call in (
        lambda: outlet.matching_setup(plain, JOB, counting=True),
        lambda: outlet.count_matches(plain, JOB, many),
    ):
        with pytest.raises(NotAllowed, match="allows match, score, not count"):
            call()
    assert used(service, contract) == used(service, plain) == 0
    assert service.ledger(contract).count("refused") == 4


@once
def test_marks_of_two_jobs_do_not_link(service: Service) -> None:
    contract = counting(service)
    service.open_job(contract, "job-2")
    outlet = service.outlet()
    one, two = (bank.read_setup(outlet.matching_setup(contract, job, counting=True)) for job in (JOB, "job-2"))
    assert (one.geometry, one.entries) == (two.geometry, two.entries)
    marks = []
    for setup, job in ((one, JOB), (two, "job-2")):
        (coded,) = bank.read_shard(outlet.matching_shard(contract, job, setup.sha256, 0, 1), setup, 0, 1)
        marks.append(set(bank.decode_bucket(coded, setup.geometry).tolist()))
    assert len(marks[0]) == len(marks[1]) == 400 and not marks[0] & marks[1]
    with pytest.raises(NotFound):
        outlet.matching_shard(contract, "job-2", one.sha256, 0, 1)
    with pytest.raises(NotFound):
        outlet.matching_delta(contract, "job-2", two.sha256, one.sha256)
    assert bank.read_setup(outlet.matching_setup(contract, JOB, counting=True)).sha256 == one.sha256


@once
def test_the_same_bytes_to_match_and_to_count_are_two_requests(service: Service) -> None:
    """Where a contract allows both: an answer in order that was paid for as a count would tell more than a count."""
    contract = service.contract(operations=(Operation.MATCH, Operation.SCORE, Operation.COUNT))
    request = bank_matching.request(STRANGERS)
    matched = service.outlet().match(contract, JOB, request)[0]
    counted = service.outlet().count_matches(contract, JOB, request)[0]
    # The key of counting is another one: neither answer says anything of the other.
    assert sorted(_rows(counted)) == _rows(counted) and not set(_rows(matched)) & set(_rows(counted))
    assert used(service, contract) == 400 + 2 * bank.MIN_CANARIES


def _rows(response: bytes) -> list[bytes]:
    return [row.tobytes() for row in read_elements(response, FrameKind.MATCH_RESPONSE, "x25519", 32)]


@once
def test_a_job_is_opened_for_what_the_contract_allows(service: Service) -> None:
    contract = counting(service, jobs_per_day=2)
    service.outlet().open_job(contract, "job-2", JobDescription(RECIPIENT, "credit", 1, 200))
    with pytest.raises(NotAllowed, match="jobs_per_day"):
        service.outlet().open_job(contract, "job-3", JobDescription(RECIPIENT, "credit", 1, 200))
