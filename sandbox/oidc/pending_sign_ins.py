"""Sign-ins under way at the provider, and the one-time codes by which a command line fetches its own.

Both live in memory: they last minutes, belong to one process, and a restart only means to begin again. There are at
most so many; the oldest gives way, so that strangers who begin and never end cannot fill the memory.
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
    """One sign-in under way: where the browser is sent, and what its answer must fit."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class LoopbackClient:
    """A command line that waits on this machine of the person's (RFC 8252): its port, challenge and own state."""

    port: int
    challenge: str
    state: str


@dataclass(frozen=True, slots=True, repr=False)
class PendingSignIn:
    """A sign-in under way: the question, the browser that was sent with it, and who waits for the outcome."""

    request: AuthorizationRequest
    browser_sha256: str
    loopback: LoopbackClient | None

    def is_from_browser(self, browser: str) -> bool:
        """Whether ``browser`` (the value of its cookie) is the one that began."""
        return hmac.compare_digest(hashlib.sha256(browser.encode()).hexdigest(), self.browser_sha256)


class OneTimeStore(Generic[T]):
    """Things that are taken once, under a key, within a time."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, thing: T) -> None:
        """Keep ``thing`` under ``key``; the oldest beyond ``MAX_PENDING`` are dropped."""
        self._held[key] = (self._clock() + self._seconds, thing)
        while len(self._held) > MAX_PENDING:
            self._held.popitem(last=False)

    def take(self, key: str) -> T | None:
        """The thing under ``key``, which is gone afterwards; None if there is none, or its time is over."""
        until, thing = self._held.pop(key, (0.0, None))
        return thing if until > self._clock() else None


class PendingSignIns:
    """What one service waits for; used from one event loop."""

    def __init__(self) -> None:
        self.begun: OneTimeStore[PendingSignIn] = OneTimeStore(SIGN_IN_SECONDS)
        self._codes: OneTimeStore[tuple[str, SignInTokens]] = OneTimeStore(CODE_SECONDS)

    def begin(self, question: AuthorizationRequest, loopback: LoopbackClient | None) -> str:
        """Remember a question by its state; returns what the browser's cookie must say."""
        browser = secrets.token_urlsafe(32)
        digest = hashlib.sha256(browser.encode()).hexdigest()
        self.begun.put(question.state, PendingSignIn(question, digest, loopback))
        return browser

    def issue_code(self, tokens: SignInTokens, challenge: str) -> str:
        """A one-time code for ``tokens``, of use only to who knows the verifier of ``challenge``."""
        code = secrets.token_urlsafe(32)
        self._codes.put(code, (challenge, tokens))
        return code

    def redeem_code(self, code: str, verifier: str) -> SignInTokens | None:
        """The tokens of ``code``; a wrong verifier spends it too."""
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        found = self._codes.take(code)
        if found is None or not hmac.compare_digest(create_s256_code_challenge(verifier), found[0]):
            return None
        return found[1]
