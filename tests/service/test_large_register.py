"""A register of several buckets: evaluated in the background, fetched by range, changed by delta, killed in between."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
import sqlalchemy

from lab.bank.connection.client import BureauClient
from lab.bureau.bureau import Bureau
from lab.bureau.data.register import DriftPolicy, RegisterLayout, import_register
from lab.bureau.model_registry.registry import publish_model, save_model
from lab.bureau.store.tables import LedgerEntryRow
from lab.disk.checked_blocks import DIGEST_BYTES
from lab.terms.errors import Busy, NotFound
from protocols.matching import bank
from protocols.matching.bureau import REGISTER_CHUNK_ROWS, evaluate_register
from protocols.wire.frame import MalformedFrame
from protocols.wire.http_signatures import sign_request
from tests.service.conftest import JOB, Pilot, Process, Service
from tests.support import bank_matching

ENTRIES = 140_000
SHARDS = -(-ENTRIES // REGISTER_CHUNK_ROWS)
CODES = [f"large-{number:06d}" for number in range(ENTRIES)]


@dataclass
class Large:
    """A service over the large register, which was killed while it was evaluated, and what was seen of that."""

    service: Service
    contract: str
    source: Path
    busy: Busy
    shards_kept: int
    """Shards that were done when the service was killed."""

    def bring(self, codes: list[str], *, tax: str = "1") -> None:
        """Import a version of the register with these enterprises."""
        table = pl.DataFrame({"id": codes}).with_columns(tax=pl.lit(tax), staff=pl.lit("2"))
        table.write_csv(self.source)
        bureau = self.service.bureau
        accepted = DriftPolicy(accept=True)  # another tax for everybody
        import_register(bureau.store, bureau.home, self.source, RegisterLayout("id", "opaque"), policy=accepted)

    def setup(self, contract: str = "") -> bank.SetupManifest:
        return bank.read_setup(ready(self.service.outlet(), contract or self.contract))

    def buckets(self, setup: bank.SetupManifest, first: int, count: int) -> list[bytes]:
        shard = self.service.outlet().matching_shard(self.contract, JOB, setup.sha256, first, count)
        return bank.read_shard(shard, setup, first, min(count, setup.geometry.buckets - first))

    def evaluations(self) -> list[dict[str, Any]]:
        """What the ledger tells of registers evaluated."""
        with self.service.bureau.store.begin_read() as session:
            query = sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == "register.evaluated")
            return [json.loads(body)["facts"] for body in session.scalars(query.order_by(LedgerEntryRow.seq))]


def ready(outlet: BureauClient, contract: str) -> bytes:
    """The manifest, as soon as the register is prepared."""
    while True:
        try:
            return outlet.matching_setup(contract, JOB)
        except Busy:
            sleep(0.1)


def shards_done(home: Path) -> int:
    """How many shards have their digest on the disk; a shard that is not done has none."""
    digests = b"".join(path.read_bytes() for path in (home / "evaluated").rglob("done*"))
    kept = (digests[start : start + DIGEST_BYTES] for start in range(0, len(digests), DIGEST_BYTES))
    return sum(any(digest) for digest in kept)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, pilot: Pilot) -> Iterator[Large]:
    home, source = tmp_path_factory.mktemp("large"), tmp_path_factory.mktemp("source") / "register.csv"
    with Bureau.create(home, name="某征信") as bureau:
        process = Process(home)
        service = Service(process, bureau, pilot)
        found = Large(service, "", source, Busy(""), 0)
        found.bring(CODES)
        save_model(bureau.store, bureau.home, pilot.model, "main")
        publish_model(bureau.store, bureau.home, "credit", 1)
        process.start()
        try:
            found.contract = service.contract()
            with pytest.raises(Busy) as caught:
                service.outlet().matching_setup(found.contract, JOB)
            found.busy = caught.value
            while shards_done(home) < 2:
                sleep(0.001)
            process.stop(signal.SIGKILL)
            found.shards_kept = shards_done(home)
            process.start()
            found.setup()
            yield found
        finally:
            service.close()
            process.stop()


def test_killed_while_it_evaluates_its_register_it_goes_on_where_it_was(large: Large) -> None:
    assert large.busy.code == "busy" and 1 <= large.busy.retry_after <= 15 and "not begun" in large.busy.detail
    # Otherwise the kill came before or after the work, and nothing was shown.
    assert 2 <= large.shards_kept < SHARDS
    facts = large.evaluations()[0]
    assert (facts["rows"], facts["carried"]) == (ENTRIES, 0)
    assert facts["resumed"] + facts["computed"] == ENTRIES
    assert facts["resumed"] >= (large.shards_kept - 1) * REGISTER_CHUNK_ROWS
    (path,) = (large.service.bureau.home.folder / "evaluated").rglob("main-1-*/all/values")
    values = np.fromfile(path, dtype=np.uint8).reshape(ENTRIES, 32)
    rows = sorted(
        {*range(0, ENTRIES, 631), *(shard * REGISTER_CHUNK_ROWS - 1 for shard in range(1, SHARDS)), ENTRIES - 1}
    )
    keys = large.service.bureau.keys
    engine = bank_matching.ENGINE
    codes = [CODES[row] for row in rows]
    again = keys.with_matching_key(
        engine, 1, large.contract, "match", lambda key: evaluate_register(engine, key, codes)
    )
    assert np.array_equal(values[rows], again)


def test_an_interrupted_download_goes_on_by_range_also_after_a_kill(large: Large) -> None:
    setup = large.setup()
    assert (setup.entries, setup.geometry.buckets) == (ENTRIES, 3)
    assert 8 * setup.total_bytes / ENTRIES < bank.MIN_BITS_PER_ENTRY + 0.7
    service = large.service
    target = f"/v1/contracts/{large.contract}/matching/setup/{setup.sha256}?job={JOB}&first=0&count=3"
    headers = sign_request("GET", target, b"", service.key, bureau_key=service.bureau.keys.public_key_hex)
    with httpx.stream("GET", service.url + target, headers=headers, timeout=60) as answer:
        part = next(answer.iter_raw(50_000))  # and the connection breaks off
    assert 0 < len(part) < setup.total_bytes
    with pytest.raises(MalformedFrame):
        bank.read_shard(part, setup, 0, 3)
    held = large.buckets(setup, 0, 1)
    service.process.stop(signal.SIGKILL)
    service.process.start()
    assert large.setup() == setup
    held += large.buckets(setup, 1, 1) + large.buckets(setup, 2, 64)
    assert held == large.buckets(setup, 0, 3) == large.buckets(setup, 0, 64)
    places = [bank.decode_bucket(coded, setup.geometry) for coded in held]
    assert sum(map(len, places)) == ENTRIES
    with pytest.raises(MalformedFrame, match="the size and hash that the manifest names"):
        shard = service.outlet().matching_shard(large.contract, JOB, setup.sha256, 0, 1)
        bank.read_shard(shard[:-1] + bytes([shard[-1] ^ 1]), setup, 0, 1)


def test_a_bank_finds_its_clients_in_it(large: Large) -> None:
    chosen = np.random.default_rng(3).choice(ENTRIES, 300, replace=False)
    asked = [CODES[row] for row in chosen] + [f"stranger-{number}" for number in range(300)]
    found = bank_matching.match(large.service.outlet(), large.contract, JOB, asked)
    assert found.indices.tolist() == list(range(300))


def test_a_days_delta_is_small_and_leads_to_the_bytes_that_the_manifest_names(large: Large) -> None:
    """The last here, for it brings new versions of the register."""
    old, other = large.setup(), large.service.contract()
    foreign = large.setup(other)
    held = large.buckets(old, 0, 64)
    gone, came = CODES[1000:1040], [f"newly-{number:04d}" for number in range(60)]
    large.bring([code for code in CODES if code not in set(gone)] + came)
    new, outlet = large.setup(), large.service.outlet()
    assert (new.entries, new.geometry) == (ENTRIES + 20, old.geometry) and new.sha256 != old.sha256
    facts = large.evaluations()[-1]
    assert (facts["computed"], facts["carried"], facts["resumed"]) == (60, ENTRIES - 40, 0)
    delta = outlet.matching_delta(large.contract, JOB, new.sha256, old.sha256)
    assert len(delta) < 1_500 < new.total_bytes / 400
    changed = bank.read_delta(delta, old, new)
    after = [
        bank.apply_delta(coded, added, removed, new.geometry)
        for coded, (added, removed) in zip(held, changed, strict=True)
    ]
    assert tuple(hashlib.sha256(coded).digest() for coded in after) == new.bucket_hashes
    assert after == large.buckets(new, 0, 64)
    sizes = [[len(bank.decode_bucket(part, new.geometry)) for part in pair] for pair in changed]
    assert np.sum(sizes, axis=0).tolist() == [60, 40]
    found = bank_matching.match(outlet, large.contract, JOB, [*gone, *came, CODES[0]])
    assert found.indices.tolist() == list(range(40, 101))
    # What is outdated, or another contract's, leads nowhere.
    for name, since in ((old.sha256, old.sha256), (old.sha256, new.sha256), (new.sha256, foreign.sha256)):
        with pytest.raises(NotFound):
            outlet.matching_delta(large.contract, JOB, name, since)
    for name in (old.sha256, foreign.sha256):
        with pytest.raises(NotFound, match="not the present one"):
            outlet.matching_shard(large.contract, JOB, name, 0, 1)
    # A version in which records alone have changed is the same set-up: there is nothing to fetch.
    large.bring([code for code in CODES if code not in set(gone)] + came, tax="3")
    assert large.setup() == new
    assert large.buckets(new, 0, 64) == after
