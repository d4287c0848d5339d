"""Processor time by phase and process: arithmetic and the rest add up to the total."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.simulation.bench.processor_time import (
    ProcessorTime,
    add_up,
    describe_phase,
    service_arithmetic_seconds,
)
from lab.terms.errors import Unreachable

PARTS = {"bureau": ProcessorTime(5.00049, 3.00051), "bank": ProcessorTime(4.4, 2.0)}


def test_arithmetic_and_rest_add_up_in_each_process_and_in_all() -> None:
    phase = describe_phase(PARTS)
    assert set(phase) == {"bureau", "bank", "all"}
    for split in phase.values():
        assert split["arithmetic"] + split["rest"] == pytest.approx(split["total"], abs=1e-9)
    assert phase["all"]["total"] == pytest.approx(sum(part.total for part in PARTS.values()), abs=1e-3)
    assert phase["bank"] == {"total": 4.4, "arithmetic": 2.0, "rest": 2.4}
    assert add_up({}) == ProcessorTime(0, 0)


@contextmanager
def metrics_page(text: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """A service whose metrics are ``text``; its address, and the tokens that it was sent."""
    tokens: list[str | None] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", tokens
    finally:
        server.shutdown()
        server.server_close()


def test_the_service_tells_its_seconds_to_the_holder_of_the_token(tmp_path: Path) -> None:
    (tmp_path / "metrics.token").write_text("a token\n")
    with metrics_page(b"# HELP shulab_arithmetic x\nshulab_waiting 2.0\nshulab_arithmetic 1.25\n") as (url, tokens):
        assert service_arithmetic_seconds(url, tmp_path) == 1.25
    assert tokens == ["Bearer a token"]


def test_metrics_without_the_seconds_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "metrics.token").write_text("a token\n")
    with metrics_page(b"shulab_waiting 2.0\n") as (url, _), pytest.raises(Unreachable, match="found none"):
        service_arithmetic_seconds(url, tmp_path)
