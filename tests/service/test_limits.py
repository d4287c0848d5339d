"""How the service behaves under crowds, slow work, slow clients and faults, and what its log keeps."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from lab.bank.matching.job_client import MatchingJobClient
from lab.terms.errors import ERROR_FAMILIES, InvalidInput, NotAuthentic, ShulabError, Unreachable
from protocols.wire.frame import Frame, FrameKind
from protocols.wire.http_signatures import sign_request
from tests.support.bureau_standin import BUREAU_KEY, CONTRACT, JOB, Key, Running, running
from tests.support.waiting import wait_until

FRAME = Frame(FrameKind.MATCH_REQUEST, {}, (b"blinded",)).pack()
CONTRACT_PATH = f"/v1/contracts/{CONTRACT}"
PATH = f"{CONTRACT_PATH}/matching?job={JOB}"
CANARY = "canary-8c1f"


def send(service: Running, method: str, target: str, body: bytes = b"", *, key=None, media="application/octet-stream"):
    headers = sign_request(method, target, body, key or service.key, bureau_key=BUREAU_KEY)
    return httpx.request(
        method, service.url + target, content=body, headers=headers | {"content-type": media}, timeout=60
    )


def waiting(service: Running) -> MatchingJobClient:
    """A bank that asks again while it is told that the service is busy."""
    return MatchingJobClient(service.outlet(), CONTRACT, JOB)


def raw(service: Running, *, announced: int, body: bytes = b"") -> socket.socket:
    """A connection on which a signed request has announced ``announced`` bytes and sent only ``body``."""
    address = urlsplit(service.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    headers = sign_request("POST", PATH, b"x" * announced, service.key, bureau_key=BUREAU_KEY)
    headers |= {"host": address.netloc, "content-length": str(announced), "content-type": "application/octet-stream"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode() + body)
    return connection


def test_beyond_its_places_the_service_says_when_to_come_back(tmp_path):
    release = threading.Event()
    with running(tmp_path, heavy_places=1, retry_after=7) as service, ThreadPoolExecutor() as pool:
        service.bureau.work = lambda body: body if release.wait(30) else b""
        first = pool.submit(service.outlet().match, CONTRACT, JOB, FRAME)
        assert service.bureau.entered.acquire(timeout=30)
        busy = send(service, "POST", PATH, FRAME)
        assert busy.status_code == 503
        assert busy.headers["retry-after"] == "7"
        assert busy.json()["type"] == "urn:shulab:error:busy"
        # What is not heavy is served meanwhile.
        assert service.outlet().sheet(CONTRACT) == b"{}"
        release.set()
        assert first.result(30)[0] == FRAME
        assert service.outlet().match(CONTRACT, JOB, FRAME)[0] == FRAME


def test_the_bank_waits_for_a_place(tmp_path):
    release = threading.Event()
    with running(tmp_path, heavy_places=1, retry_after=1) as service, ThreadPoolExecutor() as pool:
        service.bureau.work = lambda body: body if release.wait(30) else b""
        first = pool.submit(service.outlet().match, CONTRACT, JOB, FRAME)
        assert service.bureau.entered.acquire(timeout=30)
        second = pool.submit(waiting(service).match, FRAME)
        wait_until(lambda: service.log().count('"busy"') >= 2)
        release.set()
        assert first.result(30)[0] == second.result(30) == FRAME


def test_work_that_takes_too_long_is_answered_and_keeps_its_place_until_it_ends(tmp_path):
    release = threading.Event()
    with running(tmp_path, heavy_places=1, request_seconds=3.0) as service:
        service.bureau.work = lambda body: body if release.wait(30) else b""
        late = send(service, "POST", PATH, FRAME)
        assert (late.status_code, late.json()["type"]) == (408, "urn:shulab:error:timeout")
        assert send(service, "POST", PATH, FRAME).status_code == 503
        release.set()
        assert waiting(service).match(FRAME) == FRAME


def test_silence_in_a_body_ends_the_request_and_frees_its_place(tmp_path):
    with running(tmp_path, heavy_places=1, body_idle_seconds=1.0) as service:
        with raw(service, announced=1000, body=b"half") as connection:
            assert connection.recv(65536).startswith(b"HTTP/1.1 408")
        assert waiting(service).match(FRAME) == FRAME


def test_a_connection_that_breaks_off_frees_its_place(tmp_path):
    with running(tmp_path, heavy_places=1) as service:
        raw(service, announced=1000, body=b"half").close()
        assert waiting(service).match(FRAME) == FRAME


@pytest.mark.parametrize("announce", [True, False])
def test_a_body_beyond_its_cap_is_refused(tmp_path, announce):
    big = Frame(FrameKind.MATCH_REQUEST, {}, (bytes(5000),)).pack()
    with running(tmp_path, match_bytes=1000) as service:
        if announce:
            answer = send(service, "POST", PATH, big)
        else:
            headers = sign_request("POST", PATH, big, service.key, bureau_key=BUREAU_KEY)
            headers["content-type"] = "application/octet-stream"
            answer = httpx.post(service.url + PATH, content=iter([big[:600], big[600:]]), headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:shulab:error:too-large")
        with pytest.raises(InvalidInput, match="at most 1000 bytes"):
            service.outlet().match(CONTRACT, JOB, big)


def test_a_long_body_that_is_refused_still_hears_why(tmp_path):
    """The answer comes before the body's end; closing at once would reset the connection and lose it."""
    long = Frame(FrameKind.MATCH_REQUEST, {}, (bytes(30_000_000),)).pack()
    release = threading.Event()
    with running(tmp_path, heavy_places=1, match_bytes=40_000_000, retry_after=1) as service:
        stranger = service.outlet(key=Key())
        with pytest.raises(NotAuthentic, match="its key is not"):
            stranger.match(CONTRACT, JOB, long)
        service.bureau.work = lambda body: body if release.wait(30) else b""
        with ThreadPoolExecutor() as pool:
            first = pool.submit(service.outlet().match, CONTRACT, JOB, FRAME)
            assert service.bureau.entered.acquire(timeout=30)
            with pytest.raises(Unreachable, match="All slots"):
                service.outlet().match(CONTRACT, JOB, long)
            release.set()
            assert first.result(30)[0] == FRAME
    with running(tmp_path, match_bytes=1000) as service, pytest.raises(InvalidInput, match="at most 1000 bytes"):
        service.outlet().match(CONTRACT, JOB, long)


def test_a_connection_is_not_reset_while_a_refused_body_is_still_coming(tmp_path):
    with running(tmp_path, match_bytes=1000) as service, raw(service, announced=3_000_000) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
        for _ in range(30):
            connection.sendall(bytes(100_000))
        while connection.recv(65536):  # to a clean end; a reset would raise
            pass


def test_a_refused_body_that_never_ends_is_not_waited_for(tmp_path):
    limits = {"match_bytes": 1000, "linger_seconds": 0.2}
    with running(tmp_path, **limits) as service, raw(service, announced=3_000_000) as connection:
        while connection.recv(65536):
            pass


def test_an_unsigned_body_is_not_read(tmp_path):
    """The answer comes although the body never does."""
    with running(tmp_path) as service:
        address = urlsplit(service.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 401")


def test_another_media_type_is_refused(tmp_path):
    with running(tmp_path) as service:
        answer = send(service, "POST", PATH, FRAME, media="text/plain")
        assert (answer.status_code, answer.json()["type"]) == (415, "urn:shulab:error:unsupported-media")


def test_a_body_other_than_signed_is_not_authentic(tmp_path):
    with running(tmp_path) as service:
        headers = sign_request("POST", PATH, FRAME, service.key, bureau_key=BUREAU_KEY)
        headers["content-type"] = "application/octet-stream"
        answer = httpx.post(service.url + PATH, content=FRAME + b"x", headers=headers, timeout=60)
        assert answer.status_code == 401
        get = sign_request("GET", CONTRACT_PATH + "/sheet", b"", service.key, bureau_key=BUREAU_KEY)
        smuggled = httpx.request(
            "GET", service.url + CONTRACT_PATH + "/sheet", content=b"smuggled", headers=get, timeout=60
        )
        assert smuggled.status_code in (401, 413)


def test_a_fault_answers_500_and_neither_answer_nor_log_repeat_its_text(tmp_path, capfd):
    def fail(body: bytes) -> bytes:
        raise ZeroDivisionError(CANARY)

    with running(tmp_path) as service:
        service.bureau.work = fail
        answer = send(service, "POST", PATH, FRAME)
        assert answer.status_code == 500
        assert answer.json()["type"] == "urn:shulab:error:fault"
        assert answer.json()["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
        log = service.log()
        assert answer.headers["x-request-id"] in log
        assert "ZeroDivisionError" in log
        assert "test_limits.py" in log
        assert CANARY not in answer.text + log + "".join(capfd.readouterr())


def test_the_bank_is_told_the_number_of_a_fault(tmp_path):
    def fail(body: bytes) -> bytes:
        raise ZeroDivisionError(CANARY)

    with running(tmp_path) as service:
        service.bureau.work = fail
        with pytest.raises(Unreachable, match=r"The service failed on this request\. Instance: ") as caught:
            service.outlet().match(CONTRACT, JOB, FRAME)
        number = caught.value.next_step.split()[3]
        assert f'"request": "{number}"' in service.log()


@pytest.mark.parametrize(
    "path", ["/v1/health", "/v1/ready", "/v1/bureau", "/v1/openapi.json", "/v1/ledger/head?size=x"]
)
def test_public_routes_answer_head_as_get_without_the_body(tmp_path, path):
    with running(tmp_path) as service:
        asked, headed = (httpx.request(method, service.url + path, timeout=60) for method in ("GET", "HEAD"))
    assert headed.status_code == asked.status_code != 405
    assert headed.content == b""
    assert headed.headers["content-length"] == asked.headers["content-length"] or "ledger" in path


def test_a_bank_whose_clock_is_off_is_told_so(tmp_path):
    with running(tmp_path) as service:
        target = f"{CONTRACT_PATH}/sheet"
        then = datetime.now(UTC) - timedelta(minutes=20)
        headers = sign_request("GET", target, b"", service.key, bureau_key=BUREAU_KEY, created=then)
        answer = httpx.get(service.url + target, headers=headers, timeout=60)
    assert answer.status_code == 401
    assert f"signed at {then:%Y-%m-%d %H:%M:%S} UTC by the sender's clock" in answer.json()["detail"]
    assert "the sender's clock is 20 minutes" in answer.json()["detail"]
    assert "clock" in answer.json()["next_step"]


def test_readiness_says_no_without_saying_why(tmp_path):
    with running(tmp_path) as service:
        assert httpx.get(service.url + "/v1/ready", timeout=60).json() == {"status": "ready"}
        service.bureau.ready_error = OSError(CANARY)
        answer = httpx.get(service.url + "/v1/ready", timeout=60)
        assert answer.status_code == 503
        assert CANARY not in answer.text + service.log()
        assert httpx.get(service.url + "/v1/health", timeout=60).json() == {"status": "ok"}


def test_neither_log_nor_answer_repeat_what_a_caller_sends(tmp_path):
    with running(tmp_path) as service:
        answers = [
            httpx.get(f"{service.url}/{CANARY}?{CANARY}={CANARY}", timeout=60),
            httpx.get(f"{service.url}/v1/contracts/{CANARY.upper()}", headers={CANARY: CANARY}, timeout=60),
            httpx.get(f"{service.url}/v1/contracts/{CANARY}/sheet", headers={"signature": CANARY}, timeout=60),
            httpx.request(CANARY, service.url + "/v1/health", timeout=60),
            send(service, "GET", f"/v1/contracts/{CONTRACT}/matching/setup?job={JOB}&counting={CANARY}"),
            send(service, "POST", f"/v1/contracts/{CONTRACT}/signature", CANARY.encode(), media="application/json"),
            send(service, "POST", PATH, CANARY.encode(), media=CANARY),
        ]
        assert [answer.status_code for answer in answers] == [404, 422, 401, 405, 422, 422, 415]
        for answer in answers:
            assert answer.headers["content-type"] == "application/problem+json"
            assert CANARY not in answer.text.lower()

        def lines() -> list[dict]:
            return [line for line in map(json.loads, service.log().splitlines()) if line["event"] == "request"]

        wait_until(lambda: len(lines()) == len(answers))  # a line is written once its answer has left
        log, requests = service.log(), lines()
        assert CANARY not in log.lower()
        assert [line["status"] for line in requests] == [answer.status_code for answer in answers]
        assert requests[-1]["contract"] == CONTRACT
        assert requests[-1]["route"] == "/v1/contracts/{contract_id}/matching"


def test_every_answer_bears_the_security_headers(tmp_path):
    with running(tmp_path) as service:
        for path in ("/v1/health", "/nowhere", f"/v1/contracts/{CONTRACT}"):
            headers = httpx.get(service.url + path, timeout=60).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert len(headers.get_list("x-request-id")) == 1
            assert "server" not in headers


def test_a_stranger_cannot_tell_a_contract_from_none(tmp_path):
    with running(tmp_path) as service:
        here = send(service, "GET", f"/v1/contracts/{CONTRACT}/sheet", key=Key())
        nowhere = send(service, "GET", "/v1/contracts/contract-2/sheet", key=Key())
        own_key_nowhere = send(service, "GET", "/v1/contracts/contract-2/sheet")
        for answer in (here, nowhere, own_key_nowhere):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Signature")
        bodies = [dict(answer.json(), instance="") for answer in (here, nowhere, own_key_nowhere)]
        assert bodies[0] == bodies[1] == bodies[2]


def test_a_replayed_request_is_refused(tmp_path):
    with running(tmp_path) as service:
        target = f"/v1/contracts/{CONTRACT}/sheet"
        headers = sign_request("GET", target, b"", service.key, bureau_key=BUREAU_KEY)
        assert httpx.get(service.url + target, headers=headers, timeout=60).status_code == 200
        assert httpx.get(service.url + target, headers=headers, timeout=60).status_code == 401


def test_a_request_for_another_bureau_is_refused(tmp_path):
    with running(tmp_path) as service:
        target = f"/v1/contracts/{CONTRACT}/sheet"
        headers = sign_request("GET", target, b"", service.key, bureau_key="cd" * 32)
        answer = httpx.get(service.url + target, headers=headers, timeout=60)
        assert answer.status_code == 401
        assert "another bureau" in answer.json()["detail"]


FAMILIES = [family for family in ERROR_FAMILIES.values() if ShulabError in family.__bases__]


def test_every_error_family_reaches_the_bank_as_itself(tmp_path):
    with running(tmp_path) as service:
        for family in FAMILIES:

            def fail(body: bytes, family=family) -> bytes:
                raise family("a detail", next_step="a step")

            service.bureau.work = fail
            with pytest.raises(family) as caught:
                service.outlet().match(CONTRACT, JOB, FRAME)
            assert type(caught.value) is family
            assert (caught.value.detail, caught.value.next_step) == ("a detail", "a step")
        assert {NotAuthentic, Unreachable} < set(FAMILIES)
