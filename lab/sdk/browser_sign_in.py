"""Signing in through a browser (RFC 8252): the person signs in at the provider, and a code returns over a loopback
address. Only the holder of the verifier (RFC 7636) can exchange the code for a token.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
import webbrowser
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from lab.sdk.connection import ServiceConnection
from lab.terms.errors import NotAuthentic, Unreachable

SIGN_IN_SECONDS = 300.0
_PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>Shulab</title>
<p>可以关闭此页，回到命令行。 You may close this page and go back to the command line.</p></html>""".encode()
_AGAIN = "run the command again"


def sign_in_by_browser(
    service: str, say: Callable[[str], None], *, ca_file: str = "", seconds: float = SIGN_IN_SECONDS
) -> dict[str, Any]:
    """Let a person sign in with a browser; returns the service's response, with the token.

    Raises ``Unreachable`` if nobody signs in within ``seconds``, ``NotAuthentic`` if the sign-in is refused.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    with (
        closing(ServiceConnection(service, ca_file=ca_file)) as connection,
        _CallbackServer(state, seconds) as listener,
    ):
        query = {"port": listener.port, "code_challenge": create_s256_code_challenge(verifier), "state": state}
        url = f"{connection.service}/v1/sign-in/oidc?{urlencode(query)}"
        say(f"请在浏览器中登录 Sign in in the browser; if none opens, go to: {url}")
        # A browser named by BROWSER may hold its caller until it is closed.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        code = listener.wait_for_code()
        response: dict[str, Any] = connection.request(
            "POST", "/v1/sign-in/oidc/code", body={"code": code, "verifier": verifier}
        )
    return response


class _CallbackServer(HTTPServer):
    """Listens on the loopback address until a browser brings the right state."""

    def __init__(self, state: str, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _CallbackHandler)
        self.port = int(self.server_address[1])
        self.state = state
        self.callback_query: dict[str, str] = {}
        self._seconds = seconds

    def wait_for_code(self) -> str:
        """The code that the browser brought; raises ``Unreachable`` or ``NotAuthentic``."""
        deadline = time.monotonic() + self._seconds
        while not self.callback_query:
            self.timeout = deadline - time.monotonic()
            if self.timeout <= 0:
                raise Unreachable("Nobody signed in with the browser in time.", next_step=_AGAIN)
            self.handle_request()
        if "code" not in self.callback_query:
            raise NotAuthentic("The sign-in with the browser was refused.", next_step="ask an administrator")
        return self.callback_query["code"]

    def handle_error(self, request: object, client_address: object) -> None:
        """A visitor who hangs up is not an error."""


class _CallbackHandler(BaseHTTPRequestHandler):
    server: _CallbackServer
    timeout = 10

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        # Any page in the browser can send a request here; only the service knows the state.
        fits = hmac.compare_digest(query.get("state", "").encode(), self.server.state.encode())
        right = fits and parts.path == "/signed-in"
        if right:
            self.server.callback_query = query
        self.send_response(200 if right else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-security-policy", "default-src 'none'")
        self.end_headers()
        if right:
            self.wfile.write(_PAGE)

    def log_message(self, *_: object) -> None:
        """Log nothing: a line would show the code."""
