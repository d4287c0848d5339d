"""Letters for penalties: what they say in both languages, about which records, and what they escape."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy

from lab.bureau.data.credit_repair.notices.writing import NoticeRequest, NoticesWritten, write_notices
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow
from tests.support.repair_scene import CODES, START, RepairScene, open_scene


@pytest.fixture
def scene(store: Database, tmp_path: Path) -> RepairScene:
    return open_scene(tmp_path, store)


def write(scene: RepairScene, folder: Path, since: date) -> NoticesWritten:
    request = NoticeRequest(folder, since, START, "local")
    return write_notices(scene.store, scene.home, scene.records, request)


def test_a_letter_says_class_terms_and_how_to_repair_in_both_languages(scene: RepairScene, tmp_path: Path) -> None:
    record = scene.penalty(decided_on=date(2026, 8, 31), known_on=date(2026, 9, 1))
    done = write(scene, tmp_path / "letters", date(2026, 9, 1))
    assert (done.letters, done.by_class, done.undated) == (1, {"ordinary": 1}, 0)
    text = (tmp_path / "letters" / f"{record}.txt").read_text("utf-8")
    page = (tmp_path / "letters" / f"{record}.html").read_text("utf-8")
    for letter in (text, page):
        for word in (CODES[0], "罚-1", "一般", "ordinary", "2026-11-30", "2026-12-01", "2027-08-31"):
            assert word in letter, word
        for word in (
            "10 working days",
            "10个工作日",
            "7 working days",
            "条文号未核对",
            "article not checked",
            "国办发",
        ):
            assert word in letter, word
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert json.loads((tmp_path / "letters" / "notices.json").read_text("utf-8"))["letters"] == 1
    assert (tmp_path / "letters").stat().st_mode & 0o077 == 0


def test_letters_are_for_what_became_known_since(scene: RepairScene, tmp_path: Path) -> None:
    scene.penalty("罚-1", known_on=date(2026, 8, 1))
    new = scene.penalty("罚-2", known_on=date(2026, 8, 2), seriousness="minor")
    assert write(scene, tmp_path / "new", date(2026, 8, 2)).by_class == {"minor": 1}
    assert {path.name for path in (tmp_path / "new").iterdir()} == {f"{new}.html", f"{new}.txt", "notices.json"}
    assert write(scene, tmp_path / "all", date(2026, 8, 1)).letters == 2
    assert write(scene, tmp_path / "none", date(2026, 8, 3)).letters == 0


def test_what_a_department_wrote_is_no_markup(scene: RepairScene, tmp_path: Path) -> None:
    record = scene.penalty(authority="<script>alert(1)</script>\u202e局")
    write(scene, tmp_path / "letters", date(2026, 1, 1))
    page = (tmp_path / "letters" / f"{record}.html").read_text("utf-8")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\u202e" not in (tmp_path / "letters" / f"{record}.txt").read_text("utf-8")


def test_the_ledger_has_the_number_and_no_code(scene: RepairScene, tmp_path: Path) -> None:
    scene.penalty()
    write(scene, tmp_path / "letters", date(2026, 1, 1))
    with scene.store.begin_read() as session:
        body = session.scalar(sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == "repair.noticed"))
    assert body is not None
    assert json.loads(body)["facts"]["letters"] == 1
    assert CODES[0] not in body
