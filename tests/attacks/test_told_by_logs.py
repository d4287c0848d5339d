"""Whoever reads the service's logs, or its answers to broken requests, looks for data in them.

A bank's request makes the service fail inside, with an exception whose text holds a value: a code, a record, a key.
What stops it: the journal keeps only the type and places of an exception, and answers name rules.
"""

from __future__ import annotations

import logging
import traceback

import pytest

from sandbox.monitoring import service_log
from tests.support.bureau_standin import Key
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Data in logs",
    who="somebody on the machine",
    wants="to read data in logs, errors or crash reports",
    stopped_by={
        "log discipline": "Errors name rules and counts. Logs hold fixed texts and places in the code, and no values.",
    },
    code=["sandbox.monitoring.service_log"],
)

PLANTED = "91330000MA27U00016"


def break_it(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """What the log and the answer say after a fault whose text holds a value, and of a request that holds it."""

    def fault(*_: object) -> bytes:
        raise RuntimeError(f"no column for {PLANTED}")

    contract = house.scene.contract()
    monkeypatch.setattr(house.bureau.jobs, "sheet", fault)
    target = f"/v1/contracts/{contract}/sheet"
    answers = [house.send("GET", target, house.signed("GET", target)).text]
    answers.append(house.send("GET", f"/v1/contracts/{contract}/sheet?model={PLANTED}", {"x-code": PLANTED}).text)
    with house.client(Key().public_key_hex) as client:
        answers.append(client.post("/v1/sign-in", json={"name": [PLANTED], "password": {"a": PLANTED}}).text)
    return (house.scene.home / "logs" / service_log.LOG_FILE).read_text(), "".join(answers)


@pytest.mark.without_control("log discipline")
def test_without_the_journals_care_the_log_tells_the_value(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def telling(error: BaseException) -> dict[str, object]:
        return {"trace": "".join(traceback.format_exception(error))}

    monkeypatch.setattr(service_log, "describe_error", telling)
    log, _ = break_it(house, monkeypatch)
    assert PLANTED in log


@pytest.mark.with_control("log discipline")
def test_neither_log_nor_answer_tells_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    log, answers = break_it(house, monkeypatch)
    assert PLANTED not in log and PLANTED not in answers
    assert "RuntimeError" in log and "Traceback" not in log + answers
    assert logging.getLogger(service_log.LOGGER_NAME).handlers
