"""An independent OpenID provider in its own process: ``idpyoidc``'s certified server behind plain HTTP.

    python -m tests.support.openid_provider CALLBACK CLIENT SECRET PORT_FILE

``GET /as/NAME`` sets who signs in from now on; there is no login form.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from idpyoidc.message.oidc import AccessTokenRequest
from idpyoidc.server import Server
from idpyoidc.server.configure import OPConfiguration

_OIDC = "idpyoidc.server.oidc"
ENDPOINTS = {
    ".well-known/openid-configuration": ("provider_config", f"{_OIDC}.provider_config.ProviderConfiguration"),
    "authorization": ("authorization", f"{_OIDC}.authorization.Authorization"),
    "token": ("token", f"{_OIDC}.token.Token"),
}


def make_server(issuer: str, callback: str, client: str, secret: str) -> Server:
    """The provider, which knows one client, demands PKCE and lets in whoever its ``NoAuthn`` method names."""
    methods = {"token": ["client_secret_basic", "client_secret_post"]}
    configuration = {
        "issuer": issuer,
        "httpc_params": {"verify": True},
        "preference": {
            "subject_types_supported": ["public"],
            "grant_types_supported": ["authorization_code"],
        },
        "keys": {
            "key_defs": [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}],
            "uri_path": "jwks",
        },
        "endpoint": {
            name: {"path": path, "class": kind, "kwargs": {"client_authn_method": methods.get(name)}}
            for path, (name, kind) in ENDPOINTS.items()
        },
        "authentication": {
            "user": {
                "acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:InternetProtocolPassword",
                "class": "idpyoidc.server.user_authn.user.NoAuthn",
                "kwargs": {"user": "nobody"},
            }
        },
        "authz": {
            "class": "idpyoidc.server.authz.AuthzHandling",
            "kwargs": {
                "grant_config": {
                    "usage_rules": {
                        "authorization_code": {"supports_minting": ["access_token", "id_token"], "max_usage": 1},
                        "access_token": {},
                    },
                    "expires_in": 3600,
                }
            },
        },
        "claims_interface": {"class": "idpyoidc.server.session.claims.ClaimsInterface", "kwargs": {}},
        "session_params": {"sub_func": {"public": {"class": "tests.support.openid_provider.Plain"}}},
        "token_handler_args": {
            "key_conf": {"key_defs": [{"type": "OCT", "bytes": 24, "use": ["enc"], "kid": "code"}]},
            "code": {"lifetime": 600},
            "token": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": 3600}},
            "id_token": {"class": "idpyoidc.server.token.id_token.IDToken", "kwargs": {"lifetime": 300}},
        },
        "userinfo": {"class": "idpyoidc.server.user_info.UserInfo", "kwargs": {"db": {}}},
        "add_on": {
            "pkce": {
                "function": "idpyoidc.server.oauth2.add_on.pkce.add_support",
                "kwargs": {"essential": True, "code_challenge_methods": {"S256": True}},
            }
        },
    }
    server = Server(OPConfiguration(conf=configuration, base_path=os.getcwd()), cwd=os.getcwd())
    server.get_context().cdb[client] = {
        "client_id": client,
        "client_secret": secret,
        "redirect_uris": [(callback, None)],
        "token_endpoint_auth_method": "client_secret_basic",
        "response_types": ["code"],
        "response_types_supported": ["code"],
        "allowed_scopes": ["openid"],
    }
    server.get_context().keyjar.add_symmetric(client, secret)
    return server


class Plain:
    """A subject that is the user's name, so that tests know it beforehand."""

    def __init__(self, **_: Any) -> None:
        pass

    def __call__(self, user_id: str, *_: Any, **__: Any) -> str:
        return user_id


class Handler(BaseHTTPRequestHandler):
    """Passes requests to the provider's endpoints, and returns its responses."""

    provider: Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.strip("/")
        if path.startswith("as/"):
            method = self.provider.get_context().authn_broker.get_method_by_id("user")
            method.user = path.removeprefix("as/")
            self._send(200, {}, b"")
        elif path == "jwks":
            keys = self.provider.get_context().keyjar.export_jwks()
            self._send(200, {"content-type": "application/json"}, json.dumps(keys).encode())
        else:
            self._serve(path, dict(parse_qsl(urlsplit(self.path).query)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self._serve(urlsplit(self.path).path.strip("/"), dict(parse_qsl(body)))

    def _serve(self, path: str, asked: dict[str, str]) -> None:
        if path not in ENDPOINTS:
            self._send(404, {}, b"")
            return
        endpoint = self.provider.get_endpoint(ENDPOINTS[path][0])
        headers = {name.lower(): value for name, value in self.headers.items()}
        info = {"headers": headers, "method": self.command, "url": self.path, "cookie": []}
        try:
            request = endpoint.parse_request(asked, http_info=info)
            if "error" in request:
                raise ValueError(request.to_json())
            typed = AccessTokenRequest(**request) if path == "token" else request
            done = endpoint.process_request(typed, http_info=info)
            answer = endpoint.do_response(request=request, **done)
        except Exception as error:
            self._send(400, {"content-type": "text/plain"}, str(error).encode())
            return
        placement = answer.get("response_placement") or endpoint.response_placement
        text = answer["response"]
        if placement == "url":
            self._send(302, {"location": text}, b"")
        else:
            status = answer.get("response_code") or (400 if "error" in done else 200)
            self._send(status, dict(answer["http_headers"]), text.encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main(callback: str, client: str, secret: str, port_file: Path) -> None:
    warnings.simplefilter("ignore")  # it warns that its NoAuthn method is for tests
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://127.0.0.1:{listening.server_address[1]}"
    Handler.provider = make_server(issuer, callback, client, secret)
    draft = port_file.with_suffix(".part")
    draft.write_text(issuer)
    draft.replace(port_file)
    listening.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
