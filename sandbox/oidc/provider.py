"""Client of the OpenID provider: OpenID Connect Core 1.0, section 3.1 (authorization code flow), with PKCE (RFC 7636).

Authlib does the requests, the client authentication, PKCE and the claims of the ID token; joserfc verifies its
signature. Checked are: the metadata belong to the issuer; the callback belongs to a request of this service and this
browser (``state``); the ID token is signed by a key of the provider with an asymmetric algorithm, and is from this
issuer, for this client, not expired, and of this sign-in (``nonce``).
"""

from __future__ import annotations

import ipaddress
import json
import logging
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from lab.bureau.people import OidcSubject
from lab.terms.errors import InvalidInput, NotAuthentic, Unreachable
from lab.transport.address import describe_transport_error
from lab.transport.certificates import find_certificate_error, open_trust_context
from lab.transport.http_client import find_proxy_failure, open_async_http_client
from sandbox.monitoring.service_log import LOGGER_NAME, log_event
from sandbox.oidc.pending_sign_ins import CALLBACK_PATH, AuthorizationRequest
from sandbox.settings import ServiceSettings

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"}
)
"""Without ``none`` and without shared-secret algorithms: whoever knows the client's secret could sign for anybody."""
_LEEWAY = 60
_METADATA_SECONDS = 3600.0
_MAX_RESPONSE_BYTES = 1024 * 1024
_TIMEOUT_SECONDS = 10.0
_RETRY_STEP = "sign in again; if it fails again, ask an administrator"


class OidcProvider:
    """The provider that the settings name; used from one event loop."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._issuer = settings.oidc_issuer
        self._client = settings.oidc_client_id
        self._secret = _secret(settings)
        self._callback = settings.public_url + CALLBACK_PATH
        self._network = settings.network_settings().with_ca_file(settings.oidc_ca_file, "oidc_ca_file")
        open_trust_context(self._network.ca_file, option=self._network.ca_option)  # refuses a wrong file at the start
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at = 0.0

    async def new_authorization_request(self) -> AuthorizationRequest:
        """A new request with random state, nonce and verifier."""
        metadata = await self._read_metadata()
        state, nonce, verifier = generate_token(43), generate_token(43), generate_token(64)
        url = prepare_grant_uri(
            metadata["authorization_endpoint"],
            self._client,
            "code",
            redirect_uri=self._callback,
            scope="openid",
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return AuthorizationRequest(url, state, nonce, verifier)

    async def verify_callback(self, request: AuthorizationRequest, code: str, issuer: str | None) -> OidcSubject:
        """The person who signed in: exchange the callback's ``code`` for an ID token and verify it.

        ``issuer``: the callback's parameter ``iss`` (RFC 9207). Raises ``NotAuthentic`` or ``Unreachable``.
        """
        metadata = await self._read_metadata()
        if issuer not in (None, self._issuer) or (
            issuer is None and metadata.get("authorization_response_iss_parameter_supported") is True
        ):
            raise _not_authentic("the response is from another issuer")
        token = await self._exchange(metadata, code, request.verifier)
        claims = await self._read(metadata, token, request.nonce)
        return OidcSubject(self._issuer, str(claims["sub"]))

    async def _exchange(self, metadata: dict[str, Any], code: str, verifier: str) -> dict[str, Any]:
        body = prepare_token_request(
            "authorization_code", redirect_uri=self._callback, code=code, code_verifier=verifier
        )
        offered = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        auth = ClientAuth(self._client, self._secret, method if self._secret else "none")
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        url, headers, body = auth.prepare("POST", metadata["token_endpoint"], headers, body)
        status, found = await self._fetch("POST", url, headers=headers, content=body.encode())
        if status != 200 or not isinstance(found.get("id_token"), str):
            raise _not_authentic("the provider did not accept the code")
        return found

    async def _read(self, metadata: dict[str, Any], token: dict[str, Any], nonce: str) -> CodeIDToken:
        offered = metadata.get("id_token_signing_alg_values_supported", ["RS256"])
        algorithms = sorted(ALGORITHMS & set(offered))
        try:
            try:
                read = jwt.decode(token["id_token"], await self._key_set(metadata), algorithms=algorithms)
            except InvalidKeyIdError:  # the provider has changed its keys
                read = jwt.decode(token["id_token"], await self._key_set(metadata, refresh=True), algorithms=algorithms)
            claims = CodeIDToken(
                read.claims,
                read.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client},
                    "nonce": {"essential": True, "value": nonce},
                },
                {"nonce": nonce, "client_id": self._client, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError) as error:
            # An error of joserfc names a claim or a rule, never a value; the text of others is not shown.
            raise _not_authentic(getattr(error, "error", "") or "it is not an ID token") from None
        if not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255:
            raise _not_authentic("its subject is missing or too long")
        return claims

    async def _read_metadata(self) -> dict[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0), read again every hour."""
        if not self._metadata or time.monotonic() - self._read_at > _METADATA_SECONDS:
            url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            status, found = await self._fetch("GET", url)
            endpoints = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            if status != 200 or found.get("issuer") != self._issuer or not all(map(is_secure_url, endpoints)):
                raise Unreachable(
                    "Expected the OpenID provider's own metadata, with https addresses; found others.",
                    next_step="an administrator checks oidc_issuer in service.toml",
                )
            self._metadata, self._keys, self._read_at = found, None, time.monotonic()
        return self._metadata

    async def _key_set(self, metadata: dict[str, Any], *, refresh: bool = False) -> KeySet:
        if self._keys is None or refresh:
            status, found = await self._fetch("GET", metadata["jwks_uri"])
            if status != 200:
                raise _unreachable()
            self._keys = KeySet.import_key_set({"keys": found.get("keys", [])})
        return self._keys

    async def _fetch(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, content: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON object (empty for anything else); raises ``Unreachable``, also for too large a response."""
        try:
            async with (
                open_async_http_client(self._network, timeout=_TIMEOUT_SECONDS) as client,
                client.stream(method, url, headers=headers, content=content) as response,
            ):
                received = bytearray()
                async for piece in response.aiter_bytes():
                    received += piece
                    if len(received) > _MAX_RESPONSE_BYTES:
                        raise _unreachable()
        except (httpx.TransportError, httpx.InvalidURL) as error:
            log_event(logging.getLogger(LOGGER_NAME), "OpenID provider unreachable", why=_describe(error))
            raise _unreachable() from None
        try:
            found = json.loads(received)
        except (ValueError, RecursionError):
            found = None
        return response.status_code, found if isinstance(found, dict) else {}


def _secret(settings: ServiceSettings) -> str:
    if settings.oidc_client_secret_file is None:
        return settings.oidc_client_secret.get_secret_value()
    try:
        return settings.oidc_client_secret_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise InvalidInput(
            "Expected the client's secret in oidc_client_secret_file; it cannot be read.", next_step="check the path"
        ) from None


def _describe(error: Exception) -> str:
    """What went wrong, for the log: the proxy's part, or the certificate's; else the kind of the error."""
    proxy, certificate = find_proxy_failure(error), find_certificate_error(error)
    if proxy is not None:
        return proxy.detail
    if certificate is not None:
        return f"its certificate does not verify: {certificate.verify_message}"
    return describe_transport_error(error)


def is_secure_url(url: object) -> bool:
    """Whether a URL is https, or http to this machine."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return False
    if parts is None or not parts.hostname:
        return False
    try:
        own = ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        own = parts.hostname == "localhost"
    return parts.scheme == "https" or (parts.scheme == "http" and own)


def _not_authentic(rule: str) -> NotAuthentic:
    return NotAuthentic(f"The provider's response is not accepted: {rule}.", next_step=_RETRY_STEP)


def _unreachable() -> Unreachable:
    return Unreachable("The OpenID provider does not answer.", next_step="try again in a minute")
