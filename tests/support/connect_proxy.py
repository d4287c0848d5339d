"""A proxy that understands CONNECT, on this machine: an honest one, and the ways in which one fails or cheats."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class ConnectProxy:
    """``targets``: what was asked for; ``heads``: the whole requests. ``answer``: sent instead of a tunnel.

    ``routes``: where a target really is, for names that no resolver knows. ``change``: alters what the service sends.
    ``intercept``: a TLS context with which the proxy answers in the service's place.
    """

    answer: bytes = b""
    routes: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    change: Callable[[bytes], bytes] = lambda data: data
    intercept: ssl.SSLContext | None = None
    answer_then_close: bool = True
    targets: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    url: str = ""

    def serve(self, connection: socket.socket) -> None:
        """One connection, from its CONNECT to its end."""
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(4096)
                if not piece:
                    return
                head += piece
            self.heads.append(head)
            target = head.split()[1].decode()
            self.targets.append(target)
            if self.answer:
                connection.sendall(self.answer)
                if not self.answer_then_close:
                    connection.recv(1)
                return
            host, _, port = target.rpartition(":")
            place = self.routes.get(target, (host.strip("[]"), int(port)))
            connection.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: test\r\n\r\n")
            if self.intercept is not None:
                with self.intercept.wrap_socket(connection, server_side=True) as opened:
                    opened.recv(1)
                return
            with socket.create_connection(place, timeout=10) as service:
                self._copy(connection, service)

    def _copy(self, client: socket.socket, service: socket.socket) -> None:
        while True:
            for ready in select.select([client, service], [], [], 10)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                client.sendall(self.change(data)) if ready is service else service.sendall(data)


@contextmanager
def running_proxy(
    proxy: ConnectProxy, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[ConnectProxy]:
    """``proxy``, listening; its ``url`` is set. ``tls``: the connection to the proxy is https."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, 0), family=family)
    port = listening.getsockname()[1]
    proxy.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
    ended = threading.Event()

    def accept() -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()
            except OSError:
                return

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            proxy.serve(tls.wrap_socket(connection, server_side=True) if tls else connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield proxy
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


class _SmallService(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"status":"ok"}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A caller who hangs up is no error."""


class _Server6(_Server):
    address_family = socket.AF_INET6


@contextmanager
def running_tls_service(chain: Path, key: Path, *, host: str = "127.0.0.1") -> Iterator[int]:
    """A service that answers every request with a small JSON object over TLS; its port."""
    server = (_Server6 if ":" in host else _Server)((host, 0), _SmallService)
    server.socket = server_context(chain, key).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def server_context(chain: Path, key: Path) -> ssl.SSLContext:
    """A server's TLS context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context
