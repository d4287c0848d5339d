"""A stand-in for the bureau's facade, to see how the service itself behaves: slow work, faults, many callers.

It decides nothing and stores nothing; the tests of the real bureau check the content of responses.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.connection.client import BureauClient, RetryPolicy
from lab.terms.contract.document import (
    Ceilings,
    Contract,
    ContractItem,
    Operation,
    PinnedModel,
    Purpose,
    ResultDetail,
    SignedContract,
)
from lab.terms.errors import NotAuthentic, NotFound
from lab.terms.keys.party import Party
from lab.transport.listening import open_listener
from sandbox.app import create_app, server_config
from sandbox.monitoring.service_log import open_service_log
from sandbox.settings import ServiceSettings

CONTRACT = "contract-1"
JOB = "job-1"
BUREAU_KEY = "ab" * 32


class Key:
    """An Ed25519 signer."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public_key_hex = self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def contract_of(bank_key: str) -> Contract:
    now = datetime.now(UTC)
    return Contract(
        id=CONTRACT,
        bureau=Party(name="bureau", public_key=BUREAU_KEY),
        bank=Party(name="bank", public_key=bank_key),
        purpose=Purpose.RESEARCH,
        recipients=("credit department",),
        items=(ContractItem(code="tax"),),
        operations=(Operation.MATCH, Operation.SCORE),
        detail=ResultDetail.TOTAL,
        models=(PinnedModel(name="credit", version=1, sheet_sha256="cd" * 32),),
        id_kind="opaque",
        engine="openmined",
        parameters="bgv-8192-a",
        ceilings=Ceilings(),
        starts=now - timedelta(days=1),
        expires=now + timedelta(days=1),
    )


class StandInBanks:
    """One bank with one key and one contract."""

    def __init__(self, key: str) -> None:
        self._key = key

    def find_id_by_contract(self, contract_id):
        return "b-1" if contract_id == CONTRACT else None

    def find_by_key(self, key):
        found = SimpleNamespace(id="b-1", name="bank"), SimpleNamespace(is_accepted=lambda now: True)
        return found if key == self._key else None


RECEIPT = "eyJlbnRyeSI6IDF9"
"""A receipt's header; no test reads its entry."""


class StandIn:
    """Answers as the bureau's services do, for one contract; ``work`` is what matching does."""

    def __init__(self, bank_key: str) -> None:
        self._signed = SignedContract(contract=contract_of(bank_key))
        self.banks = StandInBanks(bank_key)
        self.bank_contracts = SimpleNamespace(find=self._find_contract)
        self.nonces = SimpleNamespace(claim=self._claim_nonce)
        self.refusals = SimpleNamespace(record=lambda contract_id, operation, error: None)
        self.matching = SimpleNamespace(match=self._match)
        self.jobs = SimpleNamespace(sheet=lambda contract_id, model=None, version=None: b"{}")
        self._nonces: set[tuple[str, str]] = set()
        self.work = lambda body: body
        self.entered = threading.Semaphore(0)
        self.ready_error: Exception | None = None

    def identity(self):
        return {"name": "b", "public_key": BUREAU_KEY, "api": "1", "engines": ["e"], "parameters": ["p"]}

    def readiness(self):
        if self.ready_error:
            raise self.ready_error
        return {"database": "ok"}

    def close(self):
        return None

    def _find_contract(self, contract_id, version=None):
        if contract_id != CONTRACT:
            raise NotFound(f"No contract {contract_id}.")
        return self._signed, "approved"

    def _claim_nonce(self, key, nonce, now):
        if (key, nonce) in self._nonces:
            raise NotAuthentic("This nonce was used before.")
        self._nonces.add((key, nonce))

    def _match(self, contract_id, job, body):
        self.entered.release()
        return self.work(body), SimpleNamespace(to_header=lambda: RECEIPT)


class Running:
    """A service over a stand-in, in a thread of the test."""

    def __init__(self, url: str, bureau: StandIn, key: Key, logs: Path, server: uvicorn.Server) -> None:
        self.url = url
        self.bureau = bureau
        self.key = key
        self.logs = logs
        self._outlets: list[BureauClient] = []
        self._server = server

    def outlet(self, tries: int = 1, key: Key | None = None) -> BureauClient:
        patience = RetryPolicy(connect_timeout=5, read_timeout=30, tries=tries, longest_wait=0.05)
        client = BureauClient(self.url, key or self.key, bureau_key=BUREAU_KEY, retry_policy=patience)
        self._outlets.append(client)
        return client

    def stop(self) -> None:
        """Ask the service to end, as SIGTERM does."""
        self._server.should_exit = True

    def close(self) -> None:
        for client in self._outlets:
            client.close()

    def log(self) -> str:
        return (self.logs / "service.jsonl").read_text()


@contextmanager
def running(logs: Path, **settings) -> Iterator[Running]:
    key = Key()
    bureau = StandIn(key.public_key_hex)
    limits = ServiceSettings(**settings)
    app = create_app(bureau, limits, open_service_log(logs, limits.log_bytes))  # type: ignore[arg-type]
    listening = open_listener("127.0.0.1", 0)
    server = uvicorn.Server(server_config(app, limits))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the service did not start")
        thread.join(0.01)
    port = listening.getsockname()[1]
    service = Running(f"http://127.0.0.1:{port}", bureau, key, logs, server)
    try:
        yield service
    finally:
        service.close()
        server.should_exit = True
        thread.join(20)
        listening.close()
