"""The bank's outlet against servers that misbehave in every ordinary way, over real sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.connection.client import BureauClient, JobDescription, ResponseLimits, RetryPolicy
from lab.bank.scoring.batch_transfer import submit_batch
from lab.terms.errors import (
    Busy,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthentic,
    NotFound,
    ShulabError,
    Unreachable,
)
from protocols.wire.frame import Frame, FrameKind
from protocols.wire.http_signatures import verify_request

BUREAU = "ab" * 32
FRAME = Frame(FrameKind.BATCH, {"n": 1}, (b"part",)).pack()
RECEIPT = "eyJlbnRyeSI6IDF9"
QUICK = RetryPolicy(connect_timeout=5, read_timeout=5, tries=3, longest_wait=0.01)


class Key:
    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public_key_hex = self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


Reply = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers the requests of a test in turn, the last answer again and again; keeps what came."""

    def __init__(self, replies: list[Reply]) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self._replies = replies
        self.url = ""

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        self.seen.append((handler.command, handler.path, dict(handler.headers.items()), body))
        self._replies[min(len(self.seen), len(self._replies)) - 1](handler)


@contextmanager
def serving(*replies: Reply) -> Iterator[Server]:
    server = Server(list(replies))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            return None

        def do(self) -> None:
            server.handle(self)

        do_GET = do_POST = do_PUT = do_HEAD = do

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def say(status: int, body: bytes = b"", **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return reply


def problem(status: int, code: str, detail: str = "a detail", step: str = "a step", **headers: str) -> Reply:
    body = {"type": f"urn:shulab:error:{code}", "title": "t", "status": status, "detail": detail, "next_step": step}
    return say(status, json.dumps(body).encode(), content_type="application/problem+json", **headers)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def break_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.wfile.flush()
    hang_up(handler)


def outlet_to(server: Server, **more) -> BureauClient:
    return BureauClient(server.url, Key(), bureau_key=BUREAU, retry_policy=QUICK, **more)


def test_a_request_carries_a_signature_that_verifies_and_the_frame_alone():
    with serving(say(200, FRAME, Shulab_Receipt=RECEIPT)) as server:
        key = Key()
        with BureauClient(server.url, key, bureau_key=BUREAU, retry_policy=QUICK) as outlet:
            assert outlet.match("trial-1", "job-1", FRAME) == (FRAME, {"entry": 1})
        method, path, headers, body = server.seen[0]
        assert (method, path, body) == ("POST", "/v1/contracts/trial-1/matching?job=job-1", FRAME)
        verified = verify_request(method, path, headers.items(), bureau_key=BUREAU)
        assert verified.key == key.public_key_hex
        verified.check_body(body)


@pytest.mark.property(
    "Only frames",
    claim="Of the bank's data, nothing but wire frames leaves the bank.",
    topic="what leaves a party",
    code=["lab.bank.connection.client"],
)
@pytest.mark.parametrize(
    "data", [b"", b"id,name\n1,2\n", b"SHLB", b"SHLB\x01\x63" + bytes(8), "SHLB", bytearray(FRAME)]
)
@pytest.mark.parametrize("operation", ["match", "count_matches", "put_batch", "put_context"])
def test_anything_but_a_frame_stays_inside(data, operation):
    with serving(say(200)) as server, outlet_to(server) as outlet:
        arguments = ("cd" * 32, data) if operation.startswith("put_") else (data,)
        with pytest.raises(NotAllowed, match="Only frames"):
            getattr(outlet, operation)("trial-1", "job-1", *arguments)
        assert server.seen == []
        assert outlet.bytes_up == 0


def test_neither_ids_nor_hashes_can_change_the_path():
    with serving(say(200)) as server, outlet_to(server) as outlet:
        with pytest.raises(InvalidInput):
            outlet.sheet("../../secret")
        with pytest.raises(InvalidInput):
            outlet.has_context("trial-1", "job-1", "../x")
        with pytest.raises(InvalidInput):
            outlet.has_context("trial-1", "../job", "cd" * 32)
        with pytest.raises(InvalidInput):
            outlet.open_job("trial-1", "job?1", JobDescription("department", "credit", 1, 5))
        with pytest.raises(InvalidInput):
            outlet.sign_contract("trial-1", "not hexadecimal")
        for wrong in ("../x", "ab" * 31, "ab" * 32 + "\n", "AB" * 32):
            with pytest.raises(InvalidInput):
                outlet.matching_shard("trial-1", "job-1", wrong, 0, 1)
            with pytest.raises(InvalidInput):
                outlet.matching_delta("trial-1", "job-1", "ab" * 32, wrong)
        assert server.seen == []


@pytest.mark.parametrize(
    ("status", "code", "family"),
    [
        (422, "invalid-input", InvalidInput),
        (403, "refused", NotAllowed),
        (401, "not-authentic", NotAuthentic),
        (404, "not-found", NotFound),
        (409, "conflict", Conflict),
        (503, "unreachable", Unreachable),
        (413, "too-large", InvalidInput),
        (415, "unsupported-media", InvalidInput),
        (408, "timeout", Unreachable),
        (500, "fault", Unreachable),
    ],
)
def test_a_problem_becomes_the_error_it_was(status, code, family):
    with serving(problem(status, code)) as server, outlet_to(server) as outlet:
        with pytest.raises(ShulabError) as caught:
            outlet.sheet("trial-1")
        assert type(caught.value) is family
        assert (caught.value.detail, caught.value.next_step) == ("a detail", "a step")


def test_what_a_stranger_writes_cannot_drive_the_terminal():
    with serving(problem(403, "refused", detail="red \x1b[31m alarm\n" + "x" * 5000)) as server:
        with outlet_to(server) as outlet, pytest.raises(NotAllowed) as caught:
            outlet.sheet("trial-1")
        assert "\x1b" not in caught.value.detail
        assert len(caught.value.detail) <= 1000 + len(r"\u001b\u000a")  # what is not seen is written out


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 100_000, b"\xff\xfe"])
def test_an_error_that_is_no_problem_document_is_told_by_its_status(body):
    with serving(say(403, body)) as server, outlet_to(server) as outlet, pytest.raises(NotAllowed, match="status 403"):
        outlet.sheet("trial-1")


def test_busy_is_waited_out_and_each_try_is_signed_anew():
    busy = problem(503, "busy", Retry_After="0")
    with serving(busy, busy, say(200, FRAME)) as server, outlet_to(server) as outlet:
        assert outlet.sheet("trial-1") == FRAME
        inputs = {headers["signature-input"] for _, _, headers, _ in server.seen}
        assert len(server.seen) == len(inputs) == 3


def test_patience_ends():
    with serving(problem(503, "busy", Retry_After="0")) as server, outlet_to(server) as outlet:
        with pytest.raises(Unreachable):
            outlet.sheet("trial-1")
        assert len(server.seen) == QUICK.tries


@pytest.mark.parametrize("failure", [hang_up, break_off])
def test_a_broken_connection_is_tried_again_when_that_is_safe(failure):
    answers = (failure, say(202, b"{}"), failure, say(202, b"{}"), say(200, FRAME, Shulab_Receipt=RECEIPT))
    with serving(*answers) as server, outlet_to(server) as outlet:
        assert submit_batch(outlet, "trial-1", "job-1", FRAME) == (FRAME, {"entry": 1})
        assert [body for *_, body in server.seen] == [FRAME, FRAME, b"", b"", b""]


def test_a_batch_waits_until_the_bureau_has_room_for_it():
    busy = [problem(503, "busy", Retry_After="0")] * (QUICK.tries + 2)
    answers = (*busy, say(202, b"{}"), say(200, FRAME, Shulab_Receipt="eyJlbnRyeSI6IDF9"))
    with serving(*answers) as server, outlet_to(server) as outlet:
        assert submit_batch(outlet, "trial-1", "job-1", FRAME)[0] == FRAME
        assert len(server.seen) == len(answers)


@pytest.mark.parametrize("failure", [hang_up, break_off, problem(503, "unreachable")])
@pytest.mark.parametrize("operation", ["match", "count_matches"])
def test_a_matching_request_is_sent_again_byte_for_byte(failure, operation):
    with serving(failure, say(200, FRAME, Shulab_Receipt=RECEIPT)) as server, outlet_to(server) as outlet:
        assert getattr(outlet, operation)("trial-1", "job-1", FRAME) == (FRAME, {"entry": 1})
        assert [body for *_, body in server.seen] == [FRAME, FRAME]


@pytest.mark.parametrize("failure", [hang_up, break_off, problem(503, "unreachable")])
def test_a_signature_that_may_have_been_taken_is_not_sent_again(failure):
    with serving(failure, say(200, b"{}")) as server, outlet_to(server) as outlet:
        with pytest.raises(Unreachable):
            outlet.sign_contract("trial-1", "ab" * 64)
        assert len(server.seen) == 1


def test_the_routes_of_matching_and_that_a_busy_bureau_is_told_at_once():
    name, older = "cd" * 32, "ef" * 32
    asked = {
        "GET /v1/contracts/trial-1/matching/setup?job=job-1": lambda o: o.matching_setup("trial-1", "job-1"),
        "GET /v1/contracts/trial-1/matching/setup?job=job-1&counting=true": lambda o: o.matching_setup(
            "trial-1", "job-1", counting=True
        ),
        f"GET /v1/contracts/trial-1/matching/setup/{name}?job=job-1&first=16&count=8": lambda o: o.matching_shard(
            "trial-1", "job-1", name, 16, 8
        ),
        f"GET /v1/contracts/trial-1/matching/setup/{name}/delta?job=job-1&since={older}": lambda o: o.matching_delta(
            "trial-1", "job-1", name, older
        ),
        "POST /v1/contracts/trial-1/matching?job=job-1": lambda o: o.match("trial-1", "job-1", FRAME)[0],
        "POST /v1/contracts/trial-1/matching/count?job=job-1": lambda o: o.count_matches("trial-1", "job-1", FRAME)[0],
    }
    for line, ask in asked.items():
        answered = say(200, FRAME, Shulab_Receipt=RECEIPT)
        with serving(answered, problem(503, "busy", Retry_After="7")) as server, outlet_to(server) as outlet:
            assert ask(outlet) == FRAME
            assert "{} {}".format(*server.seen[0][:2]) == line
            with pytest.raises(Busy) as busy:
                ask(outlet)
            assert busy.value.retry_after == 7 and busy.value.exit_code == Unreachable.exit_code
            assert len(server.seen) == 2


def test_a_bureau_that_is_down_is_unreachable_with_a_next_step():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with BureauClient(url, Key(), retry_policy=QUICK) as outlet, pytest.raises(Unreachable) as caught:
            outlet.bureau_card()
    assert "lab bureau serve" in caught.value.next_step


def test_an_endless_answer_is_cut():
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        except OSError:
            handler.close_connection = True

    with serving(endless) as server, outlet_to(server, caps=ResponseLimits(sheet=1_000_000)) as outlet:
        with pytest.raises(InvalidInput, match="at most 1000000 bytes"):
            outlet.sheet("trial-1")
        assert outlet.bytes_down < 20_000_000


def test_a_redirect_is_not_followed():
    with serving(say(200, b"{}")) as elsewhere, serving(say(307, Location=elsewhere.url)) as server:
        with outlet_to(server) as outlet, pytest.raises(Unreachable, match="307"):
            outlet.match("trial-1", "job-1", FRAME)
        assert elsewhere.seen == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"name":"x","public_key":"y"}'])
def test_another_service_at_the_address_is_no_bureau(body):
    with serving(say(200, body)) as server, outlet_to(server) as outlet, pytest.raises(Unreachable):
        outlet.bureau_card()


def test_without_a_pin_the_first_signed_request_asks_for_the_bureau_key():
    card = {"name": "b", "public_key": BUREAU, "api": "1", "engines": ["openmined"], "parameters": ["bgv-8192-a"]}
    with serving(say(200, json.dumps(card).encode()), say(200, b"sheet")) as server:
        with BureauClient(server.url, Key(), retry_policy=QUICK) as outlet:
            assert outlet.sheet("trial-1") == b"sheet"
            assert outlet.sheet("trial-1") == b"sheet"
        assert [path for _, path, _, _ in server.seen] == ["/v1/bureau"] + ["/v1/contracts/trial-1/sheet"] * 2
        assert "signature" not in server.seen[0][2]
        assert server.seen[1][2]["shulab-bureau"] == BUREAU


def test_bodies_are_counted_exactly_and_headers_nearly():
    with serving(say(200, b"x" * 100_000, Shulab_Receipt=RECEIPT)) as server, outlet_to(server) as outlet:
        big = Frame(FrameKind.MATCH_REQUEST, {}, (bytes(50_000),)).pack()
        outlet.match("trial-1", "job-1", big)
        assert len(big) < outlet.bytes_up < len(big) + 2000
        assert 100_000 < outlet.bytes_down < 101_000


@pytest.mark.parametrize(
    ("url", "family"),
    [
        ("http://192.0.2.1:8000", NotAllowed),
        ("http://bureau.example", NotAllowed),
        ("http://localhost.example", NotAllowed),
        ("ftp://127.0.0.1", InvalidInput),
        ("127.0.0.1:8000", InvalidInput),
        ("http://127.0.0.1/v1", InvalidInput),
        ("https://user:word@bureau.example", InvalidInput),
        ("http://[::1", InvalidInput),
        ("http://127.0.0.1:99999", InvalidInput),
        ("", InvalidInput),
    ],
)
def test_addresses_that_are_not_allowed(url, family):
    with pytest.raises(family):
        BureauClient(url, Key())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://bureau.example"]
)
def test_addresses_that_are_allowed(url):
    BureauClient(url, Key()).close()


def test_plain_http_elsewhere_only_when_asked_for():
    BureauClient("http://192.0.2.1:8000", Key(), insecure_http=True).close()
