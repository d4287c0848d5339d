"""The scene of the attacks: a real bureau, its real service over HTTP, its people, and its bank.

The service runs in a thread of the test, not in a process of its own, so that a test can take one protection out of it
(``monkeypatch``) and leave everything else as it is.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import uvicorn
from argon2 import PasswordHasher
from sqlalchemy import select

from lab.bank.connection.client import BureauClient, RetryPolicy
from lab.bureau.bureau import Bureau
from lab.bureau.exchange import BatchCharge
from lab.bureau.people import NewAccount, OidcSubject, Role
from lab.bureau.people.passwords import Passwords
from lab.bureau.store.tables import LedgerEntryRow
from lab.transport.listening import open_listener
from protocols.wire.http_signatures import sign_request
from sandbox.app import create_app, server_config
from sandbox.monitoring.service_log import open_service_log
from sandbox.settings import ServiceSettings
from tests.support.bureau_scene import Bank, Scene

PASSWORD = "correct horse battery"
PATIENCE = RetryPolicy(connect_timeout=5, read_timeout=60, tries=1, longest_wait=0.05)


class Signs(Protocol):
    """What signs requests."""

    @property
    def public_key_hex(self) -> str: ...

    def sign(self, message: bytes) -> bytes: ...


class Signer:
    """The signer of a scene's bank, as its client needs it."""

    def __init__(self, bank: Bank) -> None:
        self._key, self.public_key_hex = bank.signing, bank.party.public_key

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


@dataclass
class House:
    """A running service, its scene, and the clients that were opened."""

    scene: Scene
    url: str
    _outlets: list[BureauClient] = field(default_factory=list)

    @property
    def bureau(self) -> Bureau:
        return self.scene.bureau

    def outlet(self, signer: Signs | None = None) -> BureauClient:
        """A client of the service for the scene's bank, or for another ``signer``."""
        opened = BureauClient(self.url, signer or Signer(self.scene.bank), retry_policy=PATIENCE)
        self._outlets.append(opened)
        return opened

    def signed(
        self, method: str, target: str, body: bytes = b"", *, signer: Signs | None = None, **more: Any
    ) -> dict[str, str]:
        """The header fields of a request that the scene's bank signs."""
        bureau_key = more.pop("bureau_key", self.bureau.keys.public_key_hex)
        headers = sign_request(method, target, body, signer or Signer(self.scene.bank), bureau_key=bureau_key, **more)
        return headers | ({"content-type": "application/octet-stream"} if body else {})

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> httpx.Response:
        """Send a request as anybody who reaches the service can."""
        return httpx.request(method, self.url + target, headers=headers, content=body, timeout=60, trust_env=False)

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        """An HTTP client of a person."""
        found = headers | ({"authorization": f"Bearer {token}"} if token else {})
        return httpx.Client(base_url=self.url, headers=found, timeout=60, trust_env=False)

    def account(self, name: str, *roles: Role, department: str = "credit", elsewhere: OidcSubject | None = None) -> str:
        """Make an account; returns its one-time password."""
        return self.bureau.accounts.add(NewAccount(name, department, frozenset(roles), "", elsewhere), by="local") or ""

    def settle(self, name: str, *roles: Role, department: str = "credit") -> str:
        """Make an account with the password ``PASSWORD``; returns its token."""
        first = self.account(name, *roles, department=department)
        return self.bureau.accounts.sign_in(name, first, PASSWORD).token

    def entries(self, *kinds: str) -> list[dict[str, Any]]:
        """The bodies of ledger entries of these kinds, in order."""
        with self.bureau.store.begin_read() as session:
            query = select(LedgerEntryRow.body).where(LedgerEntryRow.kind.in_(kinds)).order_by(LedgerEntryRow.seq)
            return [json.loads(body) for body in session.scalars(query)]


@contextmanager
def serving(scene: Scene, *, port: int = 0, **settings: Any) -> Iterator[House]:
    """The service of a scene's bureau, in a thread; batches are evaluated as they arrive."""
    chosen = ServiceSettings(**settings)
    bureau, logs = scene.bureau, scene.home / "logs"
    # Argon2id with little memory and one pass: the cost of a guess matters to two attacks only, which say so.
    bureau.accounts._passwords = Passwords(PasswordHasher(1, 64, 1))
    with ThreadPoolExecutor(1) as evaluating:

        def begin(one: BatchCharge) -> None:
            evaluating.submit(bureau.scoring.evaluate, one.contract, one.job, one.sha256)

        app = create_app(
            bureau,
            chosen,
            open_service_log(logs, chosen.log_bytes),
            begin=begin,
        )
        listening = open_listener("127.0.0.1", port)
        server = uvicorn.Server(server_config(app, chosen))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the service did not start")
            thread.join(0.01)
        house = House(scene, f"http://127.0.0.1:{listening.getsockname()[1]}")
        try:
            yield house
        finally:
            for client in house._outlets:
                client.close()
            server.should_exit = True
            thread.join(20)
            listening.close()
