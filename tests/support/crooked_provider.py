"""An OpenID provider that a test controls: correct by default, and wrong in one thing at a time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import Key, KeySet, RSAKey

CLIENT, SECRET = "shulab", "s3cret-of-the-client-s3cret-of-the-client"
Claims = dict[str, Any]


class Crooked:
    """``bend`` may change the claims, ``sign`` makes the token, ``metadata`` overrides the provider's own."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig"})
        self.straight()

    def straight(self) -> None:
        """Return to correct responses."""
        self.bend: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.signed
        self.shown: list[Key] = [self.key]
        self.metadata: dict[str, Any] = {}
        self.answer: dict[str, str] = {}
        self.asked: dict[str, str] = {}
        self.exchanged: dict[str, str] = {}
        self.nonce: str | None = None

    def signed(self, claims: Claims, key: Key | None = None, alg: str = "RS256", kid: str = "one") -> str:
        return jwt.encode({"alg": alg, "kid": kid}, claims, key or self.key, algorithms=[alg])

    def own_metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
        } | self.metadata

    def token(self) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "u-1", "aud": CLIENT, "iat": now, "exp": now + 300}
        claims |= {"nonce": self.nonce or self.asked["nonce"]}
        return {"token_type": "Bearer", "access_token": "a", "id_token": self.sign(self.bend(claims))}


@contextmanager
def crooked_provider() -> Iterator[Crooked]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if path == "/authorize":
                provider.asked = {name: values[0] for name, values in query.items()}
                back = {"code": "c0de", "state": provider.asked["state"]} | provider.answer
                self.send_response(302)
                self.send_header("location", f"{provider.asked['redirect_uri']}?{urlencode(back)}")
                self.send_header("content-length", "0")
                self.end_headers()
            elif path == "/jwks":
                self._say(KeySet(provider.shown).as_dict(private=False))
            else:
                self._say(provider.own_metadata())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            provider.exchanged = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(provider.token())

        def _say(self, found: object) -> None:
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Crooked(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
