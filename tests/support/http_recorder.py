"""A proxy between the two parties that keeps every byte of HTTP both ways."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Recorder:
    """What went over the wire: (request line, head and body as bytes), to the bureau and to the bank."""

    def __init__(self, port: int) -> None:
        self.to_bureau: list[tuple[str, bytes]] = []
        self.to_bank: list[tuple[str, bytes]] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def relay(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                line = f"{self.command} {self.path}"
                recorder.to_bureau.append((f"-> {line} (head)", f"{line}\n{self.headers}".encode()))
                recorder.to_bureau.append((f"-> {line}", body))
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                headers = {key: value for key, value in self.headers.items() if key.lower() != "connection"}
                upstream.request(self.command, self.path, body=body or None, headers=headers)
                answer = upstream.getresponse()
                content = answer.read()
                recorder.to_bank.append((f"<- {line} (head)", f"{answer.status}\n{answer.headers}".encode()))
                recorder.to_bank.append((f"<- {line}", content))
                self.send_response(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                        self.send_header(key, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
                upstream.close()

            do_GET = do_POST = do_PUT = do_HEAD = relay

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def recording(port: int) -> Iterator[Recorder]:
    """A recorder in front of the service at ``port``, for the time of the block."""
    recorder = Recorder(port)
    thread = threading.Thread(target=recorder.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        recorder.server.shutdown()
        recorder.server.server_close()
        thread.join()
