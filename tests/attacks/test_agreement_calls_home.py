"""A stranger sends an officer an agreement that makes the bureau's machine fetch something, or work without end.

They want to learn who reads it and when, to reach addresses inside the bureau's network, or to stop the service. What
stops it: contexts that are closed before anything is parsed, and caps on bytes, depth, values and statements.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lab.terms.contract.odrl import from_odrl, graph, to_odrl
from lab.terms.errors import InvalidInput
from tests.support.drawn_documents import plain_contract, signed

pytestmark = pytest.mark.threat(
    "Agreement that calls home",
    who="a stranger",
    wants="to make the reader of an agreement fetch an address, or never finish",
    stopped_by={
        "closed contexts": "Contexts are fixed before anything is parsed; nothing is fetched.",
        "document caps": "Bytes, depth, values and statements are limited.",
    },
    code=["lab.terms.contract.odrl.graph"],
)


class Listener:
    """The stranger's own server; ``asked`` is what was fetched from it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            body = b'{"@context": {}}'
            self.send_response(200)
            self.send_header("content-type", "application/ld+json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Listener(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


def letter(context: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(to_odrl(signed(plain_contract()))))
    document["@context"] = [document["@context"], context]
    return document


def contexts(url: str) -> list[object]:
    return [f"{url}/context.jsonld", {"@import": f"{url}/imported.jsonld"}]


@pytest.mark.without_control("closed contexts")
@pytest.mark.parametrize("which", [0, 1])
def test_without_closed_contexts_the_stranger_is_asked(
    listener: Listener, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_close", lambda value, depth, budget: value)
    document = letter(contexts(listener.url)[which])
    document["@context"] = document["@context"][1]
    with suppress(InvalidInput):
        from_odrl(document)
    assert listener.asked


@pytest.mark.with_control("closed contexts")
@pytest.mark.parametrize("which", [0, 1])
def test_nobody_is_asked(listener: Listener, which: int) -> None:
    with pytest.raises(InvalidInput):
        from_odrl(letter(contexts(listener.url)[which]))
    assert listener.asked == []


def bomb() -> dict[str, Any]:
    """A small document that names a large context in every one of its nodes: a kilobyte of work for each ten bytes."""
    inner: list[dict[str, Any]] = [{"@context": "http://www.w3.org/ns/odrl.jsonld"} for _ in range(400)]
    return {"@context": "http://www.w3.org/ns/odrl.jsonld", "x": inner}


def size_after(document: dict[str, Any]) -> int:
    """How large the document has become when it is closed."""
    return len(json.dumps(graph._close(document, 0, [graph.MAX_VALUES])))


@pytest.mark.without_control("document caps")
def test_without_its_price_a_small_document_becomes_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "_CONTEXT_COST", 1)
    assert size_after(bomb()) > 50 * len(json.dumps(bomb()))


@pytest.mark.with_control("document caps")
def test_a_bomb_is_refused_before_it_grows() -> None:
    with pytest.raises(InvalidInput, match="values"):
        size_after(bomb())
