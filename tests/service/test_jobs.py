"""Batches as durable workflows: two services on one database, killed in the middle; room, events, figures, logs."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy

from lab.bank.scoring.batch_transfer import submit_batch
from lab.bureau.key_management.metrics_token import metrics_token
from lab.bureau.store.tables import BatchRow, JobRow
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import Busy, InvalidInput, NotAllowed, NotFound
from protocols.wire.frame import Frame, FrameKind
from protocols.wire.http_signatures import sign_request
from tests.service.conftest import JOB, Process, Service

ROWS = 8
PLANTED = "PLANTED-7731"


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def states(service: Service, contract: str) -> list[str]:
    with service.bureau.store.begin_read() as session:
        return list(session.scalars(sqlalchemy.select(BatchRow.state).where(BatchRow.contract_id == contract)))


def batches(service: Service, contract: str, count: int) -> list[bytes]:
    """Batches of the same enterprises, each encrypted anew."""
    tags = service.tags(contract, service.pilot.codes()[:ROWS])
    return [service.batch(contract, tags, service.pilot.bank[:ROWS]) for _ in range(count)]


def name_of(batch: bytes) -> str:
    return hashlib.sha256(batch).hexdigest()


def holders(service: Service) -> set[str]:
    """Executors that hold a workflow now, as the library's table says."""
    text = "SELECT executor_id FROM shulab_jobs.workflow_status WHERE status = 'PENDING'"
    with service.bureau.store.engine.connect() as connection:
        return set(connection.execute(sqlalchemy.text(text)).scalars())


@pytest.mark.property(
    "Batches answered once",
    claim="Each charged batch is answered once, whichever process is killed.",
    topic="limits and interruptions",
    code=["sandbox.jobs.batch_workflows", "lab.bureau.exchange.scoring.batch_scoring"],
)
@pytest.mark.parametrize("service", ["postgresql"], indirect=True)
def test_batches_of_a_killed_service_are_answered_by_the_one_that_lives(service: Service) -> None:
    """While the other process only stands still, its batch is left to it; once it is dead, it is taken over."""
    contract = service.contract(detail=ResultDetail.TOTAL, scores_per_enterprise=100)
    sent = batches(service, contract, 12)
    before = {path.name for path in (service.bureau.home.folder / "executors").iterdir()}
    second = Process(service.bureau.home.folder, "second-port")
    second.start()
    (name,) = {path.name for path in (service.bureau.home.folder / "executors").iterdir()} - before
    outlet = service.outlet(tries=50)
    try:
        for _ in range(100):  # until it is caught with a batch in its hands that it has not answered yet
            for batch in sent:
                outlet.put_batch(contract, JOB, name_of(batch), batch)
            until(lambda: name in holders(service) or "charged" not in states(service, contract))
            second.send(signal.SIGSTOP)
            if name in holders(service):
                time.sleep(3)  # the other answers what it has
                if "charged" in states(service, contract):
                    break
            second.send(signal.SIGCONT)
            sent += batches(service, contract, 6)
        assert name in holders(service) and "charged" in states(service, contract)
    finally:
        second.stop(signal.SIGKILL)
    until(lambda: states(service, contract) == ["answered"] * len(sent))
    replies = [submit_batch(outlet, contract, JOB, batch) for batch in sent]
    assert states(service, contract) == ["answered"] * len(sent)
    assert len({json.dumps(receipt, sort_keys=True) for _, receipt in replies}) == len(sent)
    kinds = service.ledger(contract)
    assert kinds.count("score.charged") == kinds.count("score.answered") == len(sent)
    assert "score.returned" not in kinds
    assert name not in holders(service)


@pytest.mark.property(
    "Charged before a kill",
    claim="A batch that was charged just before a kill is answered after the next start.",
    topic="limits and interruptions",
    code=["sandbox.jobs.batch_workflows"],
)
def test_a_batch_charged_just_before_a_kill_is_answered_after_the_next_start(service: Service) -> None:
    """The bureau's table says that it waits, and no workflow knows of it: as a kill between the two leaves it."""
    contract = service.contract(detail=ResultDetail.TOTAL)
    (batch,) = batches(service, contract, 1)
    service.process.stop(signal.SIGKILL)
    service.bureau.scoring.receive(contract, JOB, batch)
    assert states(service, contract) == ["charged"]
    service.process.start()
    until(lambda: states(service, contract) == ["answered"])
    submit_batch(service.outlet(), contract, JOB, batch)
    assert service.ledger(contract).count("score.charged") == 1


@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
def test_a_batch_goes_under_its_own_hash_and_in_its_own_job(service: Service) -> None:
    contract = service.contract(detail=ResultDetail.TOTAL)
    service.open_job(contract, "job-2")
    batch, other = batches(service, contract, 2)
    outlet = service.outlet()
    with pytest.raises(InvalidInput, match="hash"):
        outlet.put_batch(contract, JOB, name_of(other), batch)
    with pytest.raises(NotFound):
        outlet.batch_reply(contract, JOB, name_of(batch))
    submit_batch(outlet, contract, JOB, batch)
    with pytest.raises(NotFound):
        outlet.batch_reply(contract, "job-2", name_of(batch))


@pytest.mark.property(
    "Busy service",
    claim="When all its places are taken, the service refuses a request and says when to ask again.",
    topic="limits and interruptions",
    code=["lab.bureau.exchange.batches", "sandbox.http.limits"],
)
@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
def test_beyond_its_room_the_service_says_when_to_come_back(service: Service) -> None:
    contract = service.contract(detail=ResultDetail.TOTAL, scores_per_enterprise=100)
    most = service.bureau.home.settings.waiting_batches_per_contract
    sent = batches(service, contract, most + 1)
    service.process.stop()
    for batch in sent[:-1]:
        service.bureau.scoring.receive(contract, JOB, batch)
    with pytest.raises(Busy) as caught:
        service.bureau.scoring.receive(contract, JOB, sent[-1])
    assert caught.value.retry_after > 0
    service.bureau.scoring.receive(contract, JOB, sent[0])  # what is known has its place
    assert len(list((service.bureau.home.folder / "batches").glob(f"{contract}-*"))) == most
    assert service.ledger(contract).count("score.charged") == most
    service.process.start()
    submit_batch(service.outlet(), contract, JOB, sent[-1])
    until(lambda: states(service, contract) == ["answered"] * (most + 1))


@pytest.mark.property(
    "Stopped contracts",
    claim="While a contract is suspended, what waits under it is not evaluated.",
    topic="contracts and consent",
    code=["lab.bureau.exchange.scoring.batch_scoring"],
)
def test_a_suspended_contract_stops_what_waits_and_goes_on_when_it_is_resumed(service: Service) -> None:
    contract = service.contract(detail=ResultDetail.TOTAL, scores_per_enterprise=100)
    sent = batches(service, contract, 6)
    service.process.stop()
    for batch in sent:
        service.bureau.scoring.receive(contract, JOB, batch)
    service.suspend(contract)
    service.process.start()
    until(lambda: states(service, contract) == ["returned"] * len(sent))
    with pytest.raises(NotAllowed, match="suspended"):
        service.outlet().batch_reply(contract, JOB, name_of(sent[0]))
    assert "score.answered" not in service.ledger(contract)
    with service.bureau.store.begin_read() as session:
        job = session.get(JobRow, (contract, JOB))
        assert job is not None and (job.state, job.rows_used) == ("stopped", 0)
    service.resume(contract)
    service.open_job(contract)
    with pytest.raises(NotAllowed, match="suspended"):  # why it was not answered is still to be heard
        service.outlet().batch_reply(contract, JOB, name_of(sent[0]))
    for batch in sent:
        submit_batch(service.outlet(), contract, JOB, batch)
    assert states(service, contract) == ["answered"] * len(sent)


@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
def test_a_jobs_progress_comes_as_events(service: Service) -> None:
    contract = service.contract(detail=ResultDetail.TOTAL, scores_per_enterprise=100)
    sent = batches(service, contract, 3)
    target = f"/v1/contracts/{contract}/jobs/{JOB}/events"
    key = service.bureau.party.public_key
    headers = sign_request("GET", target, b"", service.key, bureau_key=key)
    told = []
    with httpx.stream("GET", service.url + target, headers=headers, timeout=60) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if not line.startswith("data: "):
                continue
            told.append(json.loads(line.removeprefix("data: ")))
            if len(told) == 1:
                for batch in sent:
                    submit_batch(service.outlet(), contract, JOB, batch)
            elif told[-1]["batches"]["answered"] == 3 and told[-1]["state"] == "open":
                service.outlet().end_job(contract, JOB)
    assert told[0]["batches"] == {"charged": 0, "answered": 0, "returned": 0}
    assert told[-1]["state"] == "ended" and told[-1]["rows_used"] == 3 * ROWS
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        httpx.get(service.url + target, timeout=60).raise_for_status()


@pytest.mark.property(
    "Anonymous metrics",
    claim="Metrics require a token and name neither contract nor bank.",
    topic="what leaves a party",
    code=["sandbox.monitoring.metrics"],
)
@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
def test_figures_are_for_who_has_the_token_and_tell_of_no_contract(service: Service) -> None:
    contract = service.contract(detail=ResultDetail.TOTAL)
    (batch,) = batches(service, contract, 1)
    submit_batch(service.outlet(), contract, JOB, batch)
    token = {"authorization": f"Bearer {metrics_token(service.bureau.home.folder)}"}
    answer = httpx.get(service.url + "/metrics", headers=token, timeout=60)
    figures = answer.raise_for_status().text
    assert 'shulab_batches_total{state="answered"}' in figures and "shulab_waiting 0.0" in figures
    route = "/v1/contracts/{contract_id}/jobs/{job_id}/batches/{sha256}"
    assert f'shulab_requests_total{{method="PUT",route="{route}",status="202"}}' in figures
    for word in (contract, JOB, name_of(batch), service.name, service.key.public_key_hex, "firm-"):
        assert word not in figures
    for passed_on in ({"x-forwarded-for": "203.0.113.9"}, {"forwarded": "for=203.0.113.9"}, {"via": "1.1 proxy"}):
        assert httpx.get(service.url + "/metrics", headers=passed_on, timeout=60).status_code == 401
    assert httpx.get(service.url + "/metrics", timeout=60).status_code == 401


@pytest.mark.property(
    "No values in logs",
    claim="Logs, metrics and the table of jobs hold no value.",
    topic="what leaves a party",
    code=["sandbox.monitoring.service_log", "sandbox.monitoring.metrics", "sandbox.jobs.dbos_config"],
)
@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
def test_planted_values_are_in_no_log_no_figure_and_no_table_of_jobs(service: Service) -> None:
    """In paths, queries, headers and bodies, by a stranger and by the bank; and the town's own codes and records."""
    contract = service.contract(detail=ResultDetail.TOTAL)
    (batch,) = batches(service, contract, 1)
    submit_batch(service.outlet(), contract, JOB, batch)
    base = f"{service.url}/v1/contracts/{contract}/jobs/{JOB}"
    with httpx.Client(headers={"x-planted": PLANTED}, timeout=60) as client:
        client.get(f"{base}/events", params={"q": PLANTED})
        client.get(f"{service.url}/{PLANTED}/{PLANTED}")
        client.put(f"{base}/batches/{PLANTED}", content=PLANTED.encode())
        client.get(f"{service.url}/metrics", params={"q": PLANTED}, headers={"authorization": f"Bearer {PLANTED}"})
        token = metrics_token(service.bureau.home.folder)
        figures = client.get(f"{service.url}/metrics", headers={"authorization": f"Bearer {token}"}).text
    planted = Frame(FrameKind.BATCH, {"planted": PLANTED}, (PLANTED.encode(),)).pack()
    with pytest.raises(InvalidInput):
        service.outlet().put_batch(contract, JOB, name_of(planted), planted)
    home = service.bureau.home.folder
    written = figures + "".join(path.read_text(errors="replace") for path in (home / "logs").iterdir())
    written += (home / "jobs.db").read_bytes().decode("utf-8", "replace")
    assert '"event": "batch"' in written and name_of(batch) in written
    values = [PLANTED, *service.pilot.codes(), *service.pilot.bank["debt"], *service.pilot.public["tax"]]
    words = [value for value in values if len(value) > 5]
    assert len(words) > 400
    assert [word for word in words if word in written] == []
