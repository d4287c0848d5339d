"""Consents: what a file may hold, what counts when, and that no code stays behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.data.consents import ConsentService
from lab.bureau.store.tables import ConsentRow, LedgerEntryRow
from lab.tables.table_reader import read_table
from lab.terms.consent import COLUMNS, consent_file_template, format_consent_time, parse_consent_time
from lab.terms.contract.document import Purpose
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.identifiers import normalise_identifiers
from tests.support.consenting_bureau import (
    BANKS,
    FIRST,
    NAMES,
    SECOND,
    START,
    Pseudonyms,
    Room,
    make_contract,
    open_room,
)
from tests.support.credit_codes import LETTERED, with_checks


@pytest.fixture
def room(database_url: str, tmp_path: Path) -> Iterator[Room]:
    """The room on SQLite, and again on PostgreSQL."""
    with open_room(tmp_path, database_url) as opened:
        yield opened


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Room]:
    """The room on SQLite, where the database makes no difference."""
    with open_room(tmp_path, "") as opened:
        yield opened


def entries(room: Room, kind: str) -> list[dict]:
    with room.store.begin_read() as session:
        bodies = session.scalars(
            sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == kind).order_by(LedgerEntryRow.seq)
        )
        return [json.loads(body) for body in bodies]


def test_a_contract_that_asks_for_no_consent_is_not_narrowed(lite: Room) -> None:
    assert lite.admitted(make_contract(required=False)) is None
    admitted = lite.admitted()
    assert admitted is not None and admitted.rows.tolist() == []


def test_who_agreed_is_admitted_and_nobody_else(room: Room) -> None:
    codes = room.codes
    imported = room.take(
        [
            room.line(codes[7]),
            room.line(codes[3], bank=FIRST),
            room.line(codes[5], bank=BANKS[SECOND]),
            room.line(codes[9], purpose="research"),
            room.line("91990100MAEUJQ08XL"),  # not in the register
        ]
    )
    assert (imported.rows, imported.imported, imported.duplicates, imported.set_aside_rows) == (5, 5, 0, ())
    admitted = room.admitted()
    assert admitted is not None
    assert admitted.rows.dtype == np.int64 and admitted.rows.tolist() == [3, 7]
    assert room.firms(bank=SECOND) == {codes[5]}
    assert room.firms(make_contract(Purpose.RESEARCH)) == {codes[9]}
    assert len({room.admitted(bank=bank).digest for bank in BANKS}) == 2  # type: ignore[union-attr]
    (entry,) = entries(room, "consent.imported")
    assert entry["by"] == "person:steward"
    assert entry["facts"] == {
        "file_sha256": imported.file_sha256,
        "rows": 5,
        "imported": 5,
        "duplicates": 0,
        "set_aside": 0,
    }


def test_a_code_of_an_unknown_department_is_accepted_with_a_warning(lite: Room) -> None:
    imported = lite.take([lite.line(with_checks("E5", "110101", "MF000000")), lite.line(lite.codes[1])])
    assert imported.imported == 2
    assert len(imported.warnings) == 1 and imported.warnings[0].startswith("1 codes begin with a department")


def test_the_same_file_again_adds_nothing_and_revives_nothing(room: Room) -> None:
    lines = [room.line(code) for code in room.codes[:4]]
    room.take(lines)
    again = room.take([*lines, lines[0], room.line(room.codes[4])])
    assert (again.imported, again.duplicates) == (1, 5)
    room.consents.withdraw(room.codes[:2], bank=FIRST, reason="asked in writing", by="person:steward")
    assert room.take(lines).duplicates == 4
    assert room.firms() == set(room.codes[2:5])


def test_a_consent_begins_and_ends_by_the_clock(room: Room) -> None:
    code = room.codes[0]
    begin, end = START + timedelta(days=2), START + timedelta(days=5)
    room.take([room.line(code, starts=format_consent_time(begin), expires=format_consent_time(end))])
    seen = {}
    for moment in (START, begin - timedelta(seconds=1), begin, end - timedelta(seconds=1), end, begin):
        room.clock.now = moment
        seen[moment] = bool(room.firms())
    assert [seen[moment] for moment in sorted(seen)] == [False, False, True, True, False]


def test_what_ran_out_is_recorded_once(room: Room) -> None:
    days = [1, 2, 2, 9]
    room.take(
        [
            room.line(c, expires=format_consent_time(START + timedelta(days=d)))
            for c, d in zip(room.codes, days, strict=False)
        ]
    )
    room.consents.withdraw([room.codes[0]], reason="sold", by="person:steward")
    assert room.consents.record_expiry() == 0
    room.clock.move(days=3)
    assert [room.consents.record_expiry(), room.consents.record_expiry()] == [2, 0]
    room.clock.move(days=30)
    assert room.consents.record_expiry() == 1
    assert [entry["facts"]["consents"] for entry in entries(room, "consent.expired")] == [2, 1]


@pytest.mark.property(
    "Withdrawal at once",
    claim="A withdrawal counts at once in every process.",
    topic="contracts and consent",
    code=["lab.bureau.data.consents"],
)
def test_a_withdrawal_counts_at_once_in_every_process(room: Room) -> None:
    room.take([room.line(code) for code in room.codes[:6]])
    other = ConsentService(room.store, room.home, Pseudonyms(), room.snapshots, room.clock)
    before = room.admitted()
    done = other.withdraw([room.codes[1], room.codes[1], room.codes[30]], reason="信访 by letter", by="person:steward")
    assert (done.enterprises, done.consents) == (1, 1)
    after = room.admitted()
    assert before is not None and after is not None
    assert after.rows.tolist() == [0, 2, 3, 4, 5] and after.digest != before.digest
    (entry,) = entries(room, "consent.withdrawn")
    assert entry["facts"] == {
        "consents": 1,
        "enterprises": 1,
        "asked": 2,
        "bank": "all",
        "purpose": "all",
        "reason": "信访 by letter",
    }


def test_a_withdrawal_keeps_to_its_bank_and_purpose(room: Room) -> None:
    code = room.codes[0]
    room.take(
        [room.line(code, bank=bank, purpose=purpose) for bank in BANKS for purpose in ("credit-approval", "research")]
    )
    room.consents.withdraw([code], bank=BANKS[FIRST], purpose=Purpose.RESEARCH, reason="r", by="person:s")
    assert room.firms() and not room.firms(make_contract(Purpose.RESEARCH))
    assert room.firms(make_contract(Purpose.RESEARCH), SECOND)
    room.consents.withdraw([code], bank=SECOND, reason="r", by="person:s")
    assert room.firms() and not room.firms(bank=SECOND)
    with pytest.raises(NotFound):
        room.consents.withdraw([code], bank="Third Bank", reason="r", by="person:s")


def test_an_older_authorisation_found_after_the_withdrawal_does_not_count(room: Room) -> None:
    code = room.codes[0]
    room.take([room.line(code)])
    room.clock.move(hours=5)
    room.consents.withdraw([code], reason="r", by="person:s")
    old = room.take([room.line(code, evidence="another sheet of paper", starts="2026-02-01")])
    assert (old.imported, dict(old.rejection_counts)) == (0, {"withdrawn": 1})
    room.clock.move(hours=5)
    new = room.take([room.line(code, evidence="asked anew", starts=format_consent_time(START + timedelta(hours=6)))])
    assert new.imported == 1 and room.firms() == {code}


def test_bad_rows_are_set_aside_with_number_and_reason(lite: Room) -> None:
    key, good = Ed25519PrivateKey.generate(), lite.codes[0]
    signed = lite.signed(key, good)
    lines = [
        (lite.line("9199010"), "length"),
        (lite.line(good, bank="Third Bank"), "bank"),
        (lite.line(good, purpose="marketing"), "purpose"),
        (lite.line(good, starts="soon"), "time"),
        (lite.line(good, starts="2026-03-01T08:00:00"), "time"),
        (lite.line(good, expires=""), "time"),
        (lite.line(good, expires=format_consent_time(START)), "term"),
        (lite.line(good, starts="2025-01-01", expires="2026-01-01"), "over"),
        (lite.line(good, evidence=""), "evidence"),
        (lite.line(good, evidence="", public_key=signed["public_key"]), "evidence"),
        (lite.line(good, evidence="x" * 201), "evidence-form"),
        (lite.line(good, evidence="a\x07b"), "evidence-form"),
        (lite.line(good, evidence=f"授权书 {good[:8]} {good[8:]}"), "evidence-code"),
        (lite.line(good, evidence=f"see {lite.codes[1].lower()}"), "evidence-code"),
        (lite.line(good, evidence=f"村集体 {LETTERED}"), "evidence-code"),
        (signed | {"signature": "ab"}, "evidence-form"),
        (signed | {"signature": "00" * 64}, "signature"),
        (signed | {"purpose": "research"}, "signature"),
        (lite.signed(key, lite.codes[1]) | {"code": good}, "signature"),
        (lite.line(lite.codes[2]), None),
        (signed, None),
    ]
    imported = lite.take([line for line, _ in lines])
    assert [reason for _, reason in imported.set_aside_rows] == [reason for _, reason in lines if reason]
    assert [row for row, _ in imported.set_aside_rows] == [row for row, (_, reason) in enumerate(lines, 2) if reason]
    assert (imported.imported, imported.signed) == (2, 1)
    assert imported.rejected_file is not None and imported.rejected_file.stat().st_mode & 0o777 == 0o600
    kept = imported.rejected_file.read_text().splitlines()
    assert kept[0] == "row,reason" and kept[1] == "2,length" and len(kept) == 20


@pytest.mark.parametrize(
    "text",
    [
        "code,bank,purpose,starts\n",
        ",".join(NAMES) + ",note\n",
        "",
        "91990100MAEUJQ08XL,Second Bank,research,2026-01-01,2027-01-01,x\n",
    ],
)
def test_a_file_that_is_no_table_of_consents_is_refused_whole(lite: Room, text: str) -> None:
    path = lite.folder / "other.csv"
    path.write_text(text)
    with pytest.raises(InvalidInput):
        lite.consents.import_file(path, by="person:s")
    assert entries(lite, "consent.imported") == []


def test_a_signature_is_verified_again_when_it_is_shown(lite: Room) -> None:
    key, code = Ed25519PrivateKey.generate(), lite.codes[0]
    imported = lite.take([lite.signed(key, code), lite.line(code, bank=BANKS[SECOND], evidence="授权书 7")])
    first, second = sorted(lite.consents.list_for_enterprise(code), key=lambda shown: shown.bank == BANKS[SECOND])
    assert (first.signature_valid, first.reference, first.state, first.bank) == (True, "", "active", BANKS[FIRST])
    assert (second.signature_valid, second.reference) == (None, "授权书 7")
    # Importing the same file later, when fewer rows of it are good, loses no signature.
    lite.clock.move(days=400)
    assert lite.consents.import_file(lite.folder / "consents.csv", by="person:s").imported == 0
    assert lite.consents.list_for_enterprise(code)[0].state == "expired"
    assert {shown.signature_valid for shown in lite.consents.list_for_enterprise(code)} == {True, None}
    file = lite.home.path(f"consents/{imported.file_sha256[:16]}.signatures.jsonl")
    name, key, signature = json.loads(file.read_text())
    file.write_text(json.dumps([name, key, signature[:-1] + ("0" if signature[-1] != "0" else "1")]) + "\n")
    assert {shown.signature_valid for shown in lite.consents.list_for_enterprise(code)} == {False, None}
    assert lite.consents.list_for_enterprise(lite.codes[1]) == []
    with pytest.raises(InvalidInput):
        lite.consents.list_for_enterprise("no code")


def test_counts_by_bank_and_purpose(room: Room) -> None:
    day = timedelta(days=1)
    room.take(
        [
            room.line(room.codes[0]),
            room.line(room.codes[0], evidence="a second sheet"),
            room.line(room.codes[1], expires=format_consent_time(START + day)),
            room.line(room.codes[2], starts=format_consent_time(START + 9 * day)),
            room.line(room.codes[3]),
            room.line(room.codes[4], bank=BANKS[SECOND], purpose="research"),
        ]
    )
    room.consents.withdraw([room.codes[3]], reason="r", by="person:s")
    room.clock.move(days=2)
    second, first = room.consents.summary()
    assert (second.bank, second.bank_id, second.purpose, second.active) == (BANKS[SECOND], SECOND, "research", 1)
    assert (first.enterprises, first.active, first.upcoming, first.expired, first.withdrawn) == (1, 2, 1, 1, 1)


def test_no_code_stays_in_the_database_or_the_ledger(lite: Room) -> None:
    key, code = Ed25519PrivateKey.generate(), lite.codes[0]
    signed = lite.signed(key, code)
    lite.take([signed, lite.line(code), lite.line(lite.codes[1])])
    for reason in (f"about {code}", f"about {code[:9]} {code[9:].lower()}", "", "x" * 501, "two\nlines"):
        with pytest.raises(InvalidInput):
            lite.consents.withdraw([code], reason=reason, by="person:s")
    lite.consents.withdraw([code], reason="moved away", by="person:s")
    data = b"".join(path.read_bytes() for path in sorted(lite.folder.glob("room.db*")))
    assert len(data) > 10_000
    assert signed["public_key"].encode() not in data, "a key with a signature lets anyone try codes until one fits"
    assert signed["signature"].encode() not in data
    assert not any(one.encode() in data for one in lite.codes)


def test_imports_and_withdrawals_side_by_side_lose_nothing(room: Room) -> None:
    files = [room.file([room.line(code) for code in room.codes[n : n + 20]], f"{n}.csv") for n in (0, 5, 10, 15, 20)]
    with ThreadPoolExecutor(5) as pool:
        imported = list(pool.map(lambda file: room.consents.import_file(file, by="person:s"), files))
    assert sum(one.imported for one in imported) == 40
    assert sum(one.duplicates for one in imported) == 60
    assert room.firms() == set(room.codes)
    with room.store.begin_read() as session:
        assert session.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(ConsentRow)) == 40


def test_times_of_a_file() -> None:
    assert parse_consent_time("2026-03-01") == START.replace(hour=0)
    assert parse_consent_time(" 2026-03-01T16:00:00+08:00 ") == START
    assert parse_consent_time("2026-03-01T08:00:00Z") == START
    for wrong in ("", "20260301", "2026-W09-7", "2026-02-30", "2026-03-01T08:00:00", "2026-03-01T08:00:00.5Z", "1-1-1"):
        assert parse_consent_time(wrong) is None


def test_the_template_is_a_file_that_reads(tmp_path: Path) -> None:
    path = tmp_path / "template.csv"
    path.write_text(consent_file_template())
    table = read_table(path)
    assert table.frame.columns == [name for name, _, _ in COLUMNS] == list(NAMES)
    assert normalise_identifiers(table.frame["code"].to_list(), "uscc").accepted_count == table.rows == 2
