"""The processor time of arithmetic: counted for every call and process, whatever is computed beside it."""

from __future__ import annotations

import os
import time
from contextlib import closing

import pytest

from protocols.compute_pool import ProcessComputePool
from protocols.matching import bank, bureau
from protocols.matching.arithmetic_time import timed


def test_a_call_is_timed_by_the_processor_and_not_by_the_clock() -> None:
    result, seconds = timed(time.sleep, 0.2)
    assert result is None and seconds < 0.1
    assert timed(sum, range(2_000_000))[1] > 0


@pytest.mark.parametrize("engine", bureau.ENGINES)
def test_a_request_and_its_response_count_arithmetic_and_no_more_than_the_process_took(engine: str) -> None:
    key, names = bureau.generate_key(engine), [f"r{number}" for number in range(300)]
    begun = time.process_time()
    blinding = bank.Blinding(engine, os.urandom(32))
    elements = bureau.read_request(engine, blinding.build_request(names), ceiling=1000)
    blinded = blinding.arithmetic_seconds
    response = bureau.pack_response(engine, bureau.evaluate_elements(engine, key, elements))
    blinding.finalize(response, len(names), bureau.compute_public_key(engine, key))
    assert 0 < blinded < blinding.arithmetic_seconds < time.process_time() - begun


def test_the_seconds_of_other_processes_count_too() -> None:
    names, seed = [f"r{number}" for number in range(5000)], os.urandom(32)
    with closing(ProcessComputePool(2, bank.worker_modules("x25519"))) as pool:
        alone, spread = bank.Blinding("x25519", seed), bank.Blinding("x25519", seed)
        assert alone.build_request(names) == spread.build_request(names, pool)
    assert spread.arithmetic_seconds > alone.arithmetic_seconds / 4


def test_the_modules_of_workers_are_of_one_party() -> None:
    assert bank.worker_modules("x25519") == ("protocols.matching.bank", "protocols.matching.engines.x25519.bank")
    assert not any(module.endswith(".bank") for module in bureau.WORKER_MODULES)
