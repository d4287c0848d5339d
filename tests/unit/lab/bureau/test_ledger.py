"""The ledger at the bureau: gapless numbers under parallel writers, signed leaves, heads, proofs, refusals."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic_settings import BaseSettings
from sqlalchemy import select, text
from stdnum.cn import uscc

from lab.bureau.ledger import record
from lab.bureau.ledger.log import Ledger
from lab.bureau.ledger.settings_changes import record_configuration_change
from lab.bureau.ledger.tree_head_signer import TreeHeadSigner
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow, TreeHeadRow
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.keys.party import Party
from lab.terms.keys.signature import verify_signature
from lab.terms.ledger.entry_kinds import ENTRY_KINDS
from lab.terms.ledger.receipt import ScoreReceipt, verify_receipt
from lab.terms.ledger.tree import Fact, entry_signing_input, hash_leaf, verify_consistency, verify_inclusion
from tests.support.credit_codes import LETTERED

KEY = Ed25519PrivateKey.generate()
PARTY = Party(name="某数据局", public_key=KEY.public_key().public_bytes_raw().hex())
CODE = "91330000MA27U0001" + uscc.calc_check_digit("91330000MA27U0001")


@pytest.fixture
def log(store: Database) -> Iterator[Ledger]:
    store.sign = KEY.sign
    yield Ledger(store, lambda: PARTY, KEY.sign)


def write(store: Database, count: int = 1, facts: dict[str, Fact] | None = None) -> None:
    for number in range(count):
        with store.begin() as session:
            record(session, "refused", None, facts or {"number": number, "list": ["a", "b"], "none": None}, by="local")


def unlock(store: Database) -> None:
    """Take away the triggers, as somebody who owns the database can."""
    with store.begin() as session:
        if store.engine.dialect.name == "sqlite":
            session.execute(text("DROP TRIGGER ledger_no_update"))
            session.execute(text("DROP TRIGGER ledger_no_delete"))
        else:
            session.execute(text("DROP TRIGGER ledger_append_only ON ledger_entries"))


def test_an_entry_is_canonical_json_a_leaf_and_signed(store: Database, log: Ledger) -> None:
    with store.begin() as session:
        entry = record(session, "job.opened", "c-1", {"rows": 3, "word": "字"}, by="bank:b-0123456789ab")
    with store.begin_read() as session:
        row = session.get(LedgerEntryRow, 1)
    assert row is not None and entry.seq == 1
    body = json.loads(row.body)
    assert rfc8785.dumps(body).decode() == row.body
    assert (body["seq"], body["kind"], body["contract"], body["by"]) == (1, "job.opened", "c-1", "bank:b-0123456789ab")
    assert body["facts"] == {"rows": 3, "word": "字"}
    assert row.leaf == entry.leaf_hash == hash_leaf(row.body.encode()).hex()
    verify_signature(PARTY.public_key, row.signature, entry_signing_input(row.body.encode()), what="the entry")


def test_numbers_have_no_gaps_under_parallel_writers_and_rollbacks(store: Database, log: Ledger) -> None:
    def one(number: int) -> None:
        try:
            with store.begin() as session:
                record(session, "refused", None, {"number": number}, by="bureau")
                if number % 3 == 0:
                    raise RuntimeError
        except RuntimeError:
            pass

    heads = []
    with ThreadPoolExecutor(8) as threads:
        done = threads.map(one, range(30))
        heads += [log.sign_head() for _ in range(5)]  # while entries are being written
        list(done)
    heads.append(log.sign_head())
    assert heads[-1].size == log.size() == 20
    for old, new in pairwise(heads):
        if 0 < old.size < new.size:
            verify_consistency(old, new, log.prove_consistency(old.size, new.size))


@pytest.mark.parametrize(
    ("kind", "by", "facts", "error"),
    [
        ("no.such-kind", "local", {}, ValueError),
        ("refused", "somebody", {}, ValueError),
        ("refused", "person:", {}, ValueError),
        ("refused", "local", {"number": 1.5}, TypeError),
        ("refused", "local", {"nested": [["a"]]}, TypeError),
        ("refused", "local", {"reason": f"the firm {CODE} asked for it"}, InvalidInput),
        ("refused", "local", {"reasons": ["x", CODE.lower()]}, InvalidInput),
        ("refused", "local", {"reason": f"the collective {LETTERED} asked for it"}, InvalidInput),
    ],
)
def test_what_has_no_place_in_the_ledger(
    store: Database, log: Ledger, kind: str, by: str, facts: Any, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised, store.begin() as session:
        record(session, kind, None, facts, by=by)
    assert CODE not in str(raised.value)
    assert log.size() == 0


def test_nothing_is_recorded_without_a_key(store: Database) -> None:
    store.sign = None
    with pytest.raises(RuntimeError, match="signing key"):
        write(store)


def test_kinds_have_words_in_both_languages() -> None:
    for kind in ENTRY_KINDS.values():
        assert kind.en.isascii() and not kind.zh.isascii() and kind.zh.isprintable()


def test_heads_are_signed_kept_and_found(store: Database, log: Ledger) -> None:
    assert log.newest_head() is None
    write(store, 3)
    first = log.head()
    assert first.size == 3 and log.sign_head() == first == log.head(3)
    first.verify(PARTY.public_key)
    write(store, 2)
    assert log.head() == first  # until the next is signed
    second = log.sign_head()
    assert second.size == 5 and log.head(3) == first
    verify_consistency(first, second, log.prove_consistency(3, 5))
    with store.begin_read() as session:
        assert len(session.scalars(select(TreeHeadRow)).all()) == 2
    again = Ledger(store, lambda: PARTY, KEY.sign)  # another process
    assert again.sign_head() == second
    with pytest.raises(NotFound):
        log.head(4)
    for size in ((0, 3), (4, 3), (1, 6)):
        with pytest.raises(NotFound):
            log.prove_consistency(*size)


def test_two_processes_sign_one_head(store: Database, log: Ledger) -> None:
    write(store, 4)
    ledgers = [Ledger(store, lambda: PARTY, KEY.sign) for _ in range(6)]
    gate = threading.Barrier(6)

    def sign(ledger: Ledger):
        gate.wait()
        return ledger.sign_head()

    with ThreadPoolExecutor(6) as threads:
        heads = list(threads.map(sign, ledgers))
    assert all(head == heads[0] for head in heads)


def test_entries_are_proven_and_receipts_prove_themselves(store: Database, log: Ledger) -> None:
    write(store, 3)
    facts: dict[str, Fact] = {"job": "j", "batch_sha256": "ab" * 32, "reply_sha256": "cd" * 32, "rows": 5}
    facts |= {"scored": 5, "register": "main", "register_version": 1, "model": "credit", "model_version": 2, "bytes": 9}
    with store.begin() as session:
        seq = record(session, "score.answered", "c-1", facts, by="bank:b-0123456789ab").seq
    receipt = log.receipt(seq, ScoreReceipt)
    verify_receipt(receipt, PARTY.public_key)
    assert (receipt.entry_number, receipt.rows, receipt.head.size) == (4, 5, 4)
    write(store, 1)
    assert log.receipt(seq, ScoreReceipt).head.size == 4  # a head covers it already
    proven = log.entry_with_proof(5)
    body = rfc8785.dumps(proven["entry"])
    verify_inclusion(body, 5, log.head(), proven["inclusion"])
    with pytest.raises(NotFound):
        log.entry_with_proof(6)
    with pytest.raises(InvalidInput):
        log.receipt(1, ScoreReceipt)  # an entry, and no answered batch


def test_entries_are_listed(store: Database, log: Ledger) -> None:
    with store.begin() as session:
        for contract in ("c-1", "c-2", "c-1"):
            record(session, "job.opened", contract, {}, by="local")
        record(session, "job.ended", "c-1", {}, by="local")
    assert [one["seq"] for one in log.entries()] == [1, 2, 3, 4]
    assert [one["seq"] for one in log.entries(contract="c-1", kind="job.opened")] == [1, 3]
    assert [one["seq"] for one in log.entries(after=1, limit=2)] == [2, 3]
    with pytest.raises(InvalidInput):
        log.entries(kind="nonsense")


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE ledger_entries SET leaf = substr(leaf, 2) || substr(leaf, 1, 1) WHERE seq = 2",
        "DELETE FROM ledger_entries WHERE seq = 2",
        "DELETE FROM ledger_entries WHERE seq = 5",
        "UPDATE ledger_size SET size = 3",
    ],
)
def test_a_bureau_signs_nothing_that_contradicts_its_heads(store: Database, log: Ledger, harm: str) -> None:
    write(store, 5)
    log.sign_head()
    unlock(store)
    with store.begin() as session:
        session.execute(text(harm))
    fresh = Ledger(store, lambda: PARTY, KEY.sign)
    with pytest.raises(InvalidInput):
        fresh.sign_head()
    with pytest.raises(InvalidInput):
        fresh.prove_inclusion(1, 5)
    with store.begin_read() as session:
        assert [row.size for row in session.scalars(select(TreeHeadRow))] == [5]


def test_the_notary_signs_when_enough_came_or_enough_time_passed(store: Database, log: Ledger) -> None:
    clock = [datetime(2026, 3, 1, tzinfo=UTC)]
    log = Ledger(store, lambda: PARTY, KEY.sign, lambda: clock[0])
    errors: list[Exception] = []
    notary = TreeHeadSigner(log, entries=4, seconds=60, on_error=errors.append, clock=lambda: clock[0])
    assert notary.sign_if_due() is None  # nothing to sign
    write(store, 1)
    head = notary.sign_if_due()
    assert head is not None and head.size == 1  # the first
    write(store, 3)
    assert notary.sign_if_due() is None
    write(store, 1)
    head = notary.sign_if_due()
    assert head is not None and head.size == 5
    write(store, 1)
    assert notary.sign_if_due() is None
    clock[0] += timedelta(seconds=60)
    head = notary.sign_if_due()
    assert head is not None and head.size == 6
    clock[0] += timedelta(days=1)
    assert notary.sign_if_due() is None  # nothing came
    assert not errors


def test_the_notary_runs_by_itself_and_outlives_an_error(store: Database, log: Ledger) -> None:
    failed, signed = threading.Event(), threading.Event()
    times = [0]

    def sign(message: bytes) -> bytes:
        times[0] += 1
        if times[0] == 1:
            raise RuntimeError
        signed.set()
        return KEY.sign(message)

    write(store, 1)
    broken = Ledger(store, lambda: PARTY, sign)
    notary = TreeHeadSigner(broken, entries=1, seconds=0.01, on_error=lambda error: failed.set())
    notary.start()
    assert failed.wait(30) and signed.wait(30)
    notary.stop()
    assert log.head().size == 1


class Made(BaseSettings):
    """Settings of a test."""

    workers: int = 2
    database_url: str = ""


def test_changed_settings_are_recorded_by_name_and_never_by_value(store: Database, log: Ledger) -> None:
    def hide(texts: Any) -> list[str]:
        return [KEY.sign(one.encode()).hex()[:32] for one in texts]

    secret = "postgresql://user:hunter2@host/db"
    first = record_configuration_change(store, "bureau", Made(), hide, by="local")
    assert first is not None and first.facts["changed"] == ["database_url", "workers"]
    assert record_configuration_change(store, "bureau", Made(), hide, by="local") is None
    assert record_configuration_change(store, "service", Made(), hide, by="local") is not None
    assert record_configuration_change(store, "bureau", Made(), hide, by="local") is None
    changed = record_configuration_change(store, "bureau", Made(database_url=secret), hide, by="local")
    assert changed is not None and changed.facts["changed"] == ["database_url"]
    with store.begin_read() as session:
        bodies = " ".join(session.scalars(select(LedgerEntryRow.body)))
    assert "hunter2" not in bodies and log.size() == 3
