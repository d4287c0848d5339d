"""A small bureau in this process: the protocol's own bureau halves over a set of identifiers, and what it charged.

It can fail at any request, before or after the work for it (``cut``), and be busy (``busy``).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, Listener
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from lab.bank.connection.client import RetryPolicy
from lab.terms.errors import Busy, NotAllowed, NotFound
from lab.terms.keys.matching_key_statement import MatchingKeyStatement
from protocols.matching import bureau
from protocols.matching.bank import max_identifiers
from protocols.matching.bureau import BucketGeometry

CONTRACT, JOB, EPOCH = "c-0001", "job-1", 1


class Cut(Exception):
    """The bureau fails, as in a power cut."""


class Registry:
    """The routes of matching (``lab.bank.matching.job_client.MatchingRoutes``)."""

    retry_policy = RetryPolicy(longest_wait=0.001, busy_timeout=5.0)

    def __init__(self, identifiers: Iterable[str], engine: str = "x25519", *, ceiling: int = 10**9) -> None:
        self.engine, self.secret, self.ceiling = engine, bureau.generate_key(engine), ceiling
        self.signing = Ed25519PrivateKey.generate()
        self.public_key = self.signing.public_key().public_bytes_raw().hex()
        self.register_entries = 1_000_000
        self.identifiers = sorted(identifiers)
        self.version = 1
        self.state = "open"
        self.calls: list[str] = []
        self.charged: dict[str, int] = {}
        self.elements: Counter[bytes] = Counter()
        self.cut: tuple[int, bool] | None = None
        self.busy = 0
        self.deltas = True
        self._geometry: BucketGeometry | None = None
        self._setups: dict[str, tuple[BucketGeometry, list[bytes]]] = {}

    @property
    def used(self) -> int:
        """Identifiers charged, without the canaries that went with them."""
        return sum(self.charged.values())

    def update(self, identifiers: Iterable[str]) -> None:
        """The register's next version."""
        self.identifiers, self.version = sorted(identifiers), self.version + 1

    def matching_setup(self, contract: str, job: str, *, counting: bool = False) -> bytes:
        with self._call("setup"):
            operation = bureau.matching_operation(counting)
            values = bureau.evaluate_register(self.engine, self.key(contract, operation), self.identifiers)
            if counting:
                marks, kept = bureau.derive_counting_marks(contract, job, values), None
            else:
                marks, kept = bureau.derive_tags_and_marks(contract, self.identifiers, values)[:, 16:], self._geometry
            geometry = BucketGeometry.for_entries(len(self.identifiers), kept)
            # Several buckets, so that only some of them can be lost.
            geometry = kept or BucketGeometry(5, geometry.slots)
            if not counting:
                self._geometry = geometry
            buckets, places = bureau.locate_marks(geometry, marks)
            coded = [bureau.encode_bucket(np.sort(places[buckets == number])) for number in range(geometry.buckets)]
            contents = bureau.SetupContents(
                engine=self.engine,
                epoch=EPOCH,
                for_counting=counting,
                entries=len(self.identifiers),
                geometry=geometry,
                bucket_sizes=tuple(len(one) for one in coded),
                bucket_hashes=tuple(hashlib.sha256(one).digest() for one in coded),
                signed_key=self.stated(contract, operation),
            )
            frame = bureau.pack_setup(contents)
            self._setups[hashlib.sha256(frame).hexdigest()] = (geometry, coded)
            return frame

    def matching_shard(self, contract: str, job: str, sha256: str, first: int, count: int) -> bytes:
        with self._call(f"shard {first} {count}"):
            return bureau.pack_shard(sha256, first, self._setups[sha256][1][first : first + count])

    def matching_delta(self, contract: str, job: str, sha256: str, since: str) -> bytes:
        with self._call("delta"):
            if since not in self._setups or not self.deltas:
                raise NotFound("no way")
            (geometry, new), (_, old) = self._setups[sha256], self._setups[since]
            changes = [
                bureau.multiset_difference(
                    bureau.decode_bucket(before, geometry), bureau.decode_bucket(after, geometry)
                )
                for before, after in zip(old, new, strict=True)
            ]
            added, removed = ([bureau.encode_bucket(pair[side]) for pair in changes] for side in (0, 1))
            return bureau.pack_delta(since, sha256, added, removed)

    def match(self, contract: str, job: str, frame: bytes) -> tuple[bytes, dict[str, Any]]:
        with self._call("match"):
            return self._answer(contract, frame, counted=False), {}

    def count_matches(self, contract: str, job: str, frame: bytes) -> tuple[bytes, dict[str, Any]]:
        with self._call("count"):
            return self._answer(contract, frame, counted=True), {}

    def job(self, contract: str, job: str) -> dict[str, Any]:
        return {"state": self.state}

    def _answer(self, contract: str, frame: bytes, *, counted: bool) -> bytes:
        if self.state != "open":
            raise NotAllowed("stopped")
        blinded = bureau.read_request(self.engine, frame, ceiling=10**9)
        name = hashlib.sha256(frame).hexdigest()
        if name not in self.charged:
            identifiers = max_identifiers(len(blinded))
            if self.used + identifiers > self.ceiling:
                raise NotAllowed("ceiling")
            self.charged[name] = identifiers
            self.elements.update(row.tobytes() for row in blinded)
        evaluated = self.evaluate(self.key(contract, bureau.matching_operation(counted)), blinded)
        return bureau.pack_response(self.engine, evaluated, counting=counted)

    def evaluate(self, key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The evaluated elements; subclasses use another key."""
        return bureau.evaluate_elements(self.engine, key, blinded)

    def key(self, contract: str, operation: bureau.MatchingOperation) -> bytes:
        """The key of a contract and operation."""
        return bureau.derive_contract_key(self.secret, self.engine, contract, operation)

    def stated(self, contract: str, operation: bureau.MatchingOperation) -> bureau.SignedMatchingKey:
        """The signed statement of that key."""
        public_key = bureau.compute_public_key(self.engine, self.key(contract, operation))
        about = (contract, operation, self.engine, EPOCH, public_key.hex(), self.register_entries)
        signature = self.signing.sign(MatchingKeyStatement(*about).signing_input())
        return bureau.SignedMatchingKey(public_key, self.register_entries, signature)

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        self.calls.append(name)
        if self.busy:
            self.busy -= 1
            raise Busy("evaluating", retry_after=0)
        cut = self.cut is not None and len(self.calls) == self.cut[0]
        if cut and self.cut is not None and not self.cut[1]:
            raise Cut
        yield
        if cut:
            raise Cut


def serve(registry: Registry, listener: Listener) -> None:
    """Serve a process at the other end of a socket (``Remote``) until it disconnects."""
    with listener.accept() as connection:
        connection.send((registry.engine, registry.public_key))
        while True:
            try:
                name, arguments, words = connection.recv()
            except EOFError:
                return
            connection.send(getattr(registry, name)(*arguments, **words))


class Remote:
    """A registry in another process, so that this one's memory is the bank's alone."""

    retry_policy = Registry.retry_policy

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.engine, self.public_key = connection.recv()

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any, **words: Any) -> Any:
            self._connection.send((name, arguments, words))
            return self._connection.recv()

        return ask
