"""Pending sign-ins at the provider, and the one-time codes by which a command line fetches its sign-in.

Both are in memory: they last minutes and belong to one process; after a restart the person signs in again. Their number
is limited and the oldest is dropped, so that strangers who begin and never finish cannot fill the memory.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from lab.bureau.people import SignInTokens

T = TypeVar("T")
MAX_PENDING = 1000
CALLBACK_PATH = "/v1/sign-in/oidc/callback"
SIGN_IN_SECONDS, CODE_SECONDS = 600.0, 60.0


@dataclass(frozen=True, slots=True, repr=False)
class AuthorizationRequest:
    """An authorization request: the URL for the browser, and what its callback must match."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class LoopbackClient:
    """A command line that waits on the person's machine (RFC 8252): its port, challenge and state."""

    port: int
    challenge: str
    state: str


@dataclass(frozen=True, slots=True, repr=False)
class PendingSignIn:
    """A pending sign-in: the request, the browser that was sent, and the command line that waits, if any."""

    request: AuthorizationRequest
    browser_sha256: str
    loopback: LoopbackClient | None

    def is_from_browser(self, browser: str) -> bool:
        """Whether ``browser`` (the value of its cookie) is the one that began the sign-in."""
        return hmac.compare_digest(hashlib.sha256(browser.encode()).hexdigest(), self.browser_sha256)


class OneTimeStore(Generic[T]):
    """Values that can be taken once, by key, within a time."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, value: T) -> None:
        """Keep ``value`` under ``key``; the oldest beyond ``MAX_PENDING`` are dropped."""
        self._values[key] = (self._clock() + self._seconds, value)
        while len(self._values) > MAX_PENDING:
            self._values.popitem(last=False)

    def take(self, key: str) -> T | None:
        """Remove and return the value under ``key``; None if there is none or it has expired."""
        until, value = self._values.pop(key, (0.0, None))
        return value if until > self._clock() else None


class PendingSignIns:
    """The pending sign-ins and codes of one service; used from one event loop."""

    def __init__(self) -> None:
        self.begun: OneTimeStore[PendingSignIn] = OneTimeStore(SIGN_IN_SECONDS)
        self._codes: OneTimeStore[tuple[str, SignInTokens]] = OneTimeStore(CODE_SECONDS)

    def begin(self, request: AuthorizationRequest, loopback: LoopbackClient | None) -> str:
        """Keep a request by its state; returns the value for the browser's cookie."""
        browser = secrets.token_urlsafe(32)
        digest = hashlib.sha256(browser.encode()).hexdigest()
        self.begun.put(request.state, PendingSignIn(request, digest, loopback))
        return browser

    def issue_code(self, tokens: SignInTokens, challenge: str) -> str:
        """A one-time code for ``tokens``; redeeming it needs the verifier of ``challenge`` (RFC 7636)."""
        code = secrets.token_urlsafe(32)
        self._codes.put(code, (challenge, tokens))
        return code

    def redeem_code(self, code: str, verifier: str) -> SignInTokens | None:
        """The tokens of ``code``, or None. A wrong verifier uses up the code too."""
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        found = self._codes.take(code)
        if found is None or not hmac.compare_digest(create_s256_code_challenge(verifier), found[0]):
            return None
        return found[1]
