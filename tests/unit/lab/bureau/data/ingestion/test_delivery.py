"""One delivery from file to records: what is stored, unchanged, repeated and set aside, and that nothing leaks."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from lab.bureau.data.ingestion import delivery_blocks
from lab.bureau.data.ingestion.delivery_history import list_deliveries
from lab.bureau.store.tables import LedgerEntryRow
from lab.tables import table_file
from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from tests.support.delivering_bureau import (
    COURTS,
    COURTS_HEADER,
    FIRMS,
    REGISTRATION,
    REGISTRATION_HEADER,
    TAX,
    TAX_HEADER,
    DeliveringBureau,
    tax_rows,
)


def kinds(city: DeliveringBureau) -> list[str]:
    """The kinds of the ledger's entries about records, in order."""
    with city.bureau.store.begin_read() as session:
        found = session.scalars(select(LedgerEntryRow.kind).order_by(LedgerEntryRow.seq)).all()
    return [kind for kind in found if kind.startswith(("records.", "delivery."))]


def test_new_rows_are_stored_and_the_same_file_again_changes_nothing(city: DeliveringBureau) -> None:
    rows = tax_rows()
    first = city.tax("t.csv", rows)
    assert first.counts.stored == len(rows) and not first.known and first.rejected_file is None
    held = city.held()
    assert held[0]["sales"] == 10_000.0 * (FIRMS.index(str(held[0]["enterprise"])) + 1)
    before = kinds(city)
    again = city.tax("copy.csv", rows)  # the same bytes under another name
    assert again.known and kinds(city) == before and city.held() == held
    other = city.tax("other.csv", rows[::-1])  # the same rows in another file
    assert (other.known, other.counts.stored, other.counts.unchanged) == (False, 0, len(rows))
    assert kinds(city) == [*before, "delivery.read"] and city.held() == held


def test_a_row_that_differs_is_set_aside_until_it_comes_as_a_correction(city: DeliveringBureau) -> None:
    city.tax("t.csv", tax_rows())
    changed = [row.replace("A级", "B级") for row in tax_rows()[:3]] + tax_rows()[3:6]
    found = city.tax("later.csv", changed)
    assert found.counts.reasons == {"differs:credit_rating": 3} and found.counts.unchanged == 3
    assert {row["credit_rating"] for row in city.held()} == {"A"}
    assert found.rejected_file is not None
    done = city.deliver(found.rejected_file, TAX, "correct")  # the file of rows set aside, as it is
    assert (done.counts.stored, done.counts.set_aside) == (3, 0)
    assert sum(row["credit_rating"] == "B" for row in city.held()) == 3
    assert city.deliver(found.rejected_file, TAX, "correct").known


def test_rows_set_aside_are_corrected_and_imported_alone(city: DeliveringBureau) -> None:
    rows = tax_rows()[:6]
    rows[0] = rows[0].replace("2026-03-01", "9999-12-31")
    rows[1] = rows[1].replace("2026-03-01", "1899-12-30")
    rows[2] = rows[2].replace("2026-03-01", "2027-01-01")
    rows[3] = rows[3].replace(",4,", ",4万块,")
    rows[4] = rows[4].replace("A级", "Z级")
    found = city.tax("t.csv", [*rows, "one,two"])
    assert found.counts.reasons == {
        "future-date:period": 1,
        "not-a-number:sales": 1,
        "ragged": 1,
        "stand-in-date:period": 2,
        "unknown-code:credit_rating": 1,
    }
    assert (found.counts.stored, found.counts.set_aside, found.counts.rows) == (1, 6, 7)
    path = found.rejected_file
    assert path is not None and path.stat().st_mode & 0o777 == 0o600
    table = read_table(path).frame
    assert table.columns == [*TAX_HEADER.split(","), "row", "reason"]
    assert table["row"].to_list() == ["2", "3", "4", "5", "6", "8"]
    assert "写明" not in table["reason"][0] and "1899" in table["reason"][0] and " · " in table["reason"][0]
    fixed = table.head(5).with_columns(
        pl.lit("2026-03-01").alias("所属期"), pl.lit("7").alias("销售额"), pl.lit("A级").alias("等级")
    )
    fixed.write_csv(city.folder / "fixed.csv")
    done = city.deliver(city.folder / "fixed.csv")
    assert (done.counts.stored, done.counts.set_aside) == (5, 0)


def test_rows_set_aside_twice_have_their_two_columns_once(city: DeliveringBureau) -> None:
    first = city.tax("t.csv", [tax_rows()[0].replace("A级", "Z级")])
    assert first.rejected_file is not None
    second = city.deliver(first.rejected_file)
    assert second.rejected_file is not None
    assert read_table(second.rejected_file).frame.columns == [*TAX_HEADER.split(","), "row", "reason"]


def test_rows_of_one_file_that_contradict_each_other_are_all_set_aside(city: DeliveringBureau) -> None:
    rows = tax_rows()[:3]
    found = city.tax("t.csv", [*rows, rows[0], rows[1].replace("A级", "B级")])
    assert (found.counts.stored, found.counts.repeated, found.counts.reasons) == (2, 1, {"same-file": 2})
    assert [row["enterprise"] for row in city.held()] == sorted([FIRMS[0], FIRMS[2]])


def test_corrections_that_overlap_and_of_what_never_was_are_set_aside(city: DeliveringBureau) -> None:
    city.tax("t.csv", tax_rows()[:3])
    rows = [tax_rows()[0].replace("A级", "B级"), tax_rows()[0].replace("A级,", "A级,").replace(",1,", ",9,")]
    never = tax_rows()[5]
    found = city.tax("c.csv", [*rows, never, tax_rows()[1].replace("A级", "B级")], "correct")
    assert (found.counts.stored, found.counts.reasons) == (1, {"never-was": 1, "same-file": 2})


def test_a_correction_leaves_what_it_does_not_state(city: DeliveringBureau) -> None:
    city.deliver(city.write("c.csv", COURTS_HEADER, [f"{FIRMS[0]},(2025)1号,civil,2025-02-03,executed,"]), COURTS)
    part = 'domain = "courts"\n[enterprise]\ncolumn = "code"\n'
    part += '[items.case_number]\ncolumn = "case"\n[items.closed_on]\ncolumn = "closed"\n'
    file = city.write("close.csv", "code,case,closed", [f"{FIRMS[0]},（2025）1号,2026-05-06"])
    assert city.deliver(file, part, "correct").counts.stored == 1
    (row,) = city.held("courts")
    assert (row["case_kind"], row["closed_on"]) == ("civil", datetime.date(2026, 5, 6))
    assert (row["held_from"], row["held_to"]) == (datetime.date(2025, 2, 3), datetime.date(2026, 5, 6))


def test_a_deletion_a_second_one_and_a_return(city: DeliveringBureau) -> None:
    city.tax("t.csv", tax_rows()[:4])
    gone = tax_rows()[:2]
    assert city.tax("d.csv", [*gone, tax_rows()[9]], "delete").counts.reasons == {"never-was": 1}
    assert len(city.held()) == 2
    assert city.tax("e.csv", gone[::-1], "delete").counts.unchanged == 2
    late = city.tax("late.csv", gone[:1])
    assert late.counts.reasons == {"was-deleted": 1} and len(city.held()) == 2
    assert city.tax("back.csv", gone[:1], "correct").counts.stored == 1 and len(city.held()) == 3
    assert city.tax("again.csv", [*gone[:1], tax_rows()[3]]).counts.unchanged == 2
    assert kinds(city).count("records.deleted") == 1


def test_personal_items_are_compared_and_kept_by_a_correction(city: DeliveringBureau) -> None:
    row = f"{FIRMS[0]},甲公司,limited,C,440300,2015-03-04,active,2015-03-04,张三,"
    assert city.deliver(city.write("r.csv", REGISTRATION_HEADER, [row]), REGISTRATION).counts.stored == 1
    other = city.write("s.csv", REGISTRATION_HEADER, [row.replace("张三", "李四")])
    assert city.deliver(other, REGISTRATION).counts.reasons == {"differs:legal_representative": 1}
    same = city.write("u.csv", REGISTRATION_HEADER, [row + "新"])
    assert city.deliver(same, REGISTRATION).counts.unchanged == 1
    part = REGISTRATION.partition("[items.name]")[0] + (
        '[items.status_changed_on]\ncolumn = "变更"\n[items.region]\ncolumn = "区划"\n'
    )
    file = city.write("v.csv", "代码,变更,区划", [f"{FIRMS[0]},2015-03-04,440301"])
    assert city.deliver(file, part, "correct").counts.stored == 1
    again = city.write("w.csv", REGISTRATION_HEADER, [row.replace(",440300,", ",440301,")])
    assert city.deliver(again, REGISTRATION).counts.unchanged == 1  # the name of its representative is still there
    assert city.held("registration")[0]["region"] == "440301"


def test_a_changed_header_stops_before_a_row_is_read(city: DeliveringBureau) -> None:
    file = city.write("t.csv", TAX_HEADER.replace("欠税", "欠税余额"), tax_rows())
    with pytest.raises(InvalidInput) as caught:
        city.deliver(file)
    assert "items.arrears.column" in str(caught.value) and "欠税余额" in str(caught.value)
    assert kinds(city) == [] and city.held() == []


def test_a_change_needs_a_reason_and_days_of_receipt_go_forward(city: DeliveringBureau) -> None:
    from lab.bureau.data.ingestion import DepartmentDelivery
    from lab.bureau.data.ingestion.mapping import parse_mapping

    city.tax("t.csv", tax_rows(), day=3)
    mapping, file = parse_mapping(TAX.encode(), "m"), city.write("c.csv", TAX_HEADER, tax_rows())
    with pytest.raises(InvalidInput, match="reason"):
        city.reader.read(DepartmentDelivery(file, mapping, datetime.date(2026, 6, 9), "correct"))
    with pytest.raises(InvalidInput, match="2026-06-04 or later"):
        city.tax("u.csv", tax_rows(period="2026-04-01"), day=2)


def test_a_stated_encoding_and_encodings_mixed_by_file(city: DeliveringBureau) -> None:
    utf = city.write("u.csv", TAX_HEADER, tax_rows())
    gbk = city.write("g.csv", TAX_HEADER, tax_rows(period="2026-04-01"), "gb18030")
    assert city.deliver(utf).counts.stored == city.deliver(gbk).counts.stored == len(FIRMS)
    stated = 'encoding = "gb18030"\n' + TAX
    assert city.deliver(gbk, stated).counts.unchanged == len(FIRMS)
    with pytest.raises(InvalidInput, match=r"u.csv in gb18030, as the mapping states; found utf-8"):
        city.deliver(utf, stated)


def test_a_corrected_mapping_reads_the_file_again(city: DeliveringBureau) -> None:
    file = city.write("t.csv", TAX_HEADER, tax_rows())
    assert city.deliver(file, TAX.replace("万元", "元")).counts.stored == len(FIRMS)
    with pytest.raises(InvalidInput, match="60 of 60 enterprises are about 10,000 times"):
        city.deliver(file)  # other amounts for what is held, as if units were mixed
    found = city.deliver(file, accept_amounts=True)
    assert not found.known and found.counts.reasons == {"differs:sales": len(FIRMS)}
    assert city.deliver(file, TAX, "correct").counts.stored == len(FIRMS)
    assert min(float(str(row["sales"])) for row in city.held()) == 10_000.0


def test_chunks_and_blocks_make_no_difference(city: DeliveringBureau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "CHUNK_CHARACTERS", 300)
    monkeypatch.setattr(delivery_blocks, "BLOCK_ROWS", 20)
    rows = [*tax_rows(), tax_rows()[0], tax_rows()[1].replace("A级", "B级")]
    found = city.tax("t.csv", rows)
    assert (found.counts.stored, found.counts.repeated) == (len(FIRMS), 1)
    assert found.counts.reasons == {"earlier-row": 1}
    with pytest.raises(InvalidInput, match="split the file"):
        city.tax("c.csv", rows, "correct")


def test_parquet_and_constants_and_units_by_row(city: DeliveringBureau) -> None:
    pl.DataFrame(
        {"代码": FIRMS[:2], "期": [datetime.date(2026, 3, 31)] * 2, "额": [1.5, 2.0], "单位": ["万元", "元"]}
    ).write_parquet(city.folder / "t.parquet")
    mapping = """
domain = "tax"
enterprise = { column = "代码" }
[items]
period = { column = "期", period = "month" }
sales = { column = "额", unit_column = "单位" }
credit_rating = { constant = "B" }
"""
    assert city.deliver(city.folder / "t.parquet", mapping).counts.stored == 2
    held = {row["enterprise"]: row for row in city.held()}
    assert [held[firm]["sales"] for firm in FIRMS[:2]] == [15_000.0, 2.0]
    assert held[FIRMS[0]]["period"] == datetime.date(2026, 3, 1) and held[FIRMS[0]]["credit_rating"] == "B"


def test_no_cell_is_a_formula_in_the_file_of_rows_set_aside(city: DeliveringBureau) -> None:
    attack = "=cmd|'/c calc'!A0"
    found = city.tax("t.csv", [f"{FIRMS[0]},2026-03-01,{attack},0,A级", "@SUM(1),2026-03-01,1,0,+1"])
    assert found.rejected_file is not None and found.counts.set_aside == 2
    text = found.rejected_file.read_text(encoding="utf-8-sig")
    cells = [cell for line in text.splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.lstrip('"')[:1] in ("=", "@", "+", "-")]
    assert read_table(found.rejected_file).frame["销售额"][0] == attack  # and nothing of it is lost


def test_no_cell_is_in_an_error_the_ledger_or_the_database(
    city: DeliveringBureau, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "CANARY7391"
    row = f"{FIRMS[0]},{canary}公司,{canary},C,440300,2015-03-04,active,2015-03-04,{canary}代表,{canary}"
    good = f"{FIRMS[1]},{canary}公司,limited,C,440300,2015-03-04,active,2015-03-04,{canary}代表,{canary}"
    found = city.deliver(city.write("r.csv", REGISTRATION_HEADER, [row, good, canary]), REGISTRATION)
    assert (found.counts.stored, found.counts.set_aside) == (1, 2)
    for text in (str(found), json.dumps(dict(found.counts.reasons)), caplog.text):
        assert canary not in text and FIRMS[0] not in text
    for file in ("bureau.db", "bureau.db-wal"):
        path = city.bureau.home.folder / file
        data = path.read_bytes() if path.exists() else b""
        assert canary.encode() not in data and FIRMS[1].encode() not in data
    for path in Path(city.bureau.home.path("records")).rglob("*"):  # the personal item is sealed
        if path.is_file():
            assert f"{canary}代表".encode() not in path.read_bytes()
    header = city.write("h.csv", f"{canary},b", ["1,2"])
    with pytest.raises(InvalidInput) as caught:
        city.deliver(header, TAX)
    assert canary not in str(caught.value)


def test_deliveries_are_listed_with_who_and_why(city: DeliveringBureau) -> None:
    city.tax("t.csv", tax_rows())
    city.tax("c.csv", [tax_rows()[0].replace("A级", "B级")], "correct")
    with city.bureau.store.begin_read() as session:
        newest, first = list_deliveries(session, domain="tax")
        assert (newest.operation, newest.why, newest.actor, newest.stored) == ("correct", "decided again", "local", 1)
        assert (first.operation, first.why, first.rows) == ("add", "", len(FIRMS))
        entry = session.scalars(select(LedgerEntryRow).where(LedgerEntryRow.kind == "records.corrected")).one()
    assert json.loads(entry.body)["facts"]["why"] == "decided again"


def test_a_reason_with_an_enterprises_code_is_refused(city: DeliveringBureau) -> None:
    city.tax("t.csv", tax_rows())
    file = city.write("c.csv", TAX_HEADER, [tax_rows()[0].replace("A级", "B级")])
    with pytest.raises(InvalidInput, match="holds an enterprise's code"):
        city.deliver(file, TAX, "correct", why=f"wrong for {FIRMS[0]}")
    assert {row["credit_rating"] for row in city.held()} == {"A"}
