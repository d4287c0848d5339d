"""A look at one enterprise: who may see what of it, and what the ledger keeps of the look."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.enterprises import EnterpriseLook
from lab.bureau.store.tables import LedgerEntryRow, RepairCaseRow
from lab.terms.errors import InvalidInput
from tests.support.small_catalogue import deliver

CODE, PERSON = "91350100M000100Y43", "张三"
APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    with Bureau.create(tmp_path / "bureau", name="Test bureau") as opened:
        catalogue = default_catalogue()
        firm = pl.DataFrame(
            {
                "enterprise": [CODE],
                "name": ["福州某公司"],
                "status_changed_on": [date(2020, 1, 1)],
                "legal_representative": [PERSON],
                "legal_representative_id": ["1"],
            }
        )
        tax = pl.DataFrame({"enterprise": [CODE], "period": [date(2026, 1, 1)], "sales": [5.0]})
        deliver(opened.records, catalogue.domain("registration"), APRIL, firm)
        deliver(opened.records, catalogue.domain("tax"), APRIL, tax)
        deliver(opened.records, catalogue.domain("tax"), MAY, tax.with_columns(sales=pl.lit(6.0)), "corrected")
        yield opened


def test_a_look_shows_domains_and_is_a_ledger_entry_without_code(bureau: Bureau) -> None:
    now = bureau.enterprises.look(EnterpriseLook(CODE.lower(), history=True), by="local")
    then = bureau.enterprises.look(EnterpriseLook(CODE, APRIL), by="person:li.wei")
    assert [one["domain"] for one in now["domains"]] == ["registration", "tax"]
    assert [one["domains"][1]["records"][0]["items"]["sales"] for one in (then, now)] == [5.0, 6.0]
    assert [one["known_on"] for one in now["domains"][1]["history"]] == ["2026-04-01", "2026-05-01"]
    assert then["domains"][1]["history"] == []
    assert PERSON not in str(now)
    with bureau.store.begin_read() as session:
        bodies = [row.body for row in session.query(LedgerEntryRow) if row.kind == "enterprise.viewed"]
    assert len(bodies) == 2
    assert '"records":2' in bodies[0] and '"by":"person:li.wei"' in bodies[1]
    assert not any(CODE in body for body in bodies)


def test_cases_and_inquiries_about_its_records_are_shown(bureau: Bureau) -> None:
    record_id = bureau.enterprises.look(EnterpriseLook(CODE), by="local")["domains"][1]["records"][0]["record"]
    with bureau.store.begin() as session:
        session.add(
            RepairCaseRow(
                id="r-1",
                kind="objection",
                domain="tax",
                record=record_id,
                state="open",
                open_key="k",
                opened_at=datetime(2026, 5, 2, tzinfo=UTC),
                opened_on=date(2026, 5, 2),
                due_on=date(2026, 5, 20),
                due_certain=True,
                opened_by="person:li.wei",
                evidence="e",
                grounds="g",
                rules_sha256="0" * 64,
            )
        )
    found = bureau.enterprises.look(EnterpriseLook(CODE, inquiries=True), by="local")
    assert [one["case"] for one in found["domains"][1]["cases"]] == ["r-1"]
    assert (found["inquiries"], found["assessed_on"], found["domains"][0]["cases"]) == ([], None, [])
    with bureau.store.begin_read() as session:
        kinds = [row.kind for row in session.query(LedgerEntryRow)]
    assert kinds[-2:] == ["enterprise.viewed", "inquiries.read"]


def test_personal_items_need_a_reason_that_the_ledger_keeps(bureau: Bureau) -> None:
    with pytest.raises(InvalidInput, match="reason"):
        bureau.enterprises.look(EnterpriseLook(CODE, personal=True), by="local")
    with pytest.raises(InvalidInput, match="code"):
        bureau.enterprises.look(EnterpriseLook(CODE, personal=True, reason=f"look at {CODE}"), by="local")
    found = bureau.enterprises.look(EnterpriseLook(CODE, personal=True, reason="复核"), by="local")
    assert found["domains"][0]["records"][0]["items"]["legal_representative"] == PERSON
    with bureau.store.begin_read() as session:
        (body,) = [row.body for row in session.query(LedgerEntryRow) if row.kind == "enterprise.viewed"]
    assert "复核" in body and PERSON not in body


def test_a_text_that_is_no_code_is_refused(bureau: Bureau) -> None:
    with pytest.raises(InvalidInput, match="credit code"):
        bureau.enterprises.look(EnterpriseLook("12345"), by="local")
