"""Codes from before unified codes: the table, its contradictions, and rows that nothing maps."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from lab.bureau.data.ingestion.enterprises import LegacyCodes, current_legacy_codes, identify_enterprises
from lab.bureau.data.ingestion.enterprises.legacy_codes import import_legacy_codes
from lab.bureau.data.ingestion.enterprises.legacy_forms import check_digit_fits, compact_codes, legacy_kind
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import InvalidInput
from tests.support.credit_codes import organisation_code
from tests.support.delivering_bureau import FIRMS, DeliveringBureau

OLD = "440301103097413"  # 15 digits with a right check digit by GS 15-2006
ORGANISATION = organisation_code("71526720")


def table(city: DeliveringBureau, *rows: str) -> Path:
    """A file of the table."""
    return city.write("legacy.csv", "注册号,统一社会信用代码", rows)


def test_forms_and_the_check_digit() -> None:
    codes = compact_codes(
        pl.Series(["４４０３０１１０３０９７４１３", f"{ORGANISATION[:8]}-{ORGANISATION[8]}", "12", "", None])
    )
    assert legacy_kind(codes).to_list() == ["registration-15", "organisation-9", None, None, None]
    digits = "44030110309741"
    fitting = [digit for digit in "0123456789" if check_digit_fits(pl.Series([digits + digit]))[0]]
    check = 10
    for one in digits:  # ISO 7064, MOD 11,10, written out a second time
        check = (((check + int(one)) % 10 or 10) * 2) % 11
    assert fitting == [str((11 - check) % 10)]


def test_the_table_grows_and_keeps_what_it_has(city: DeliveringBureau) -> None:
    store, home = city.bureau.store, city.bureau.home
    first = import_legacy_codes(store, home, table(city, f"{OLD},{FIRMS[0]}", f"{ORGANISATION},{FIRMS[0]}"))
    assert (first.added, first.known, first.set_aside, first.total) == (2, 0, 0, 2)
    again = import_legacy_codes(store, home, table(city, f"{OLD},{FIRMS[0]}", f"{ORGANISATION},{FIRMS[0]}"))
    assert (again.added, again.known, again.sha256) == (0, 2, first.sha256)
    rows = (f"{OLD},{FIRMS[1]}", f"110105000000012,{FIRMS[2]}", f"110105000000021,{FIRMS[3]}", f"12,{FIRMS[4]}")
    more = import_legacy_codes(store, home, table(city, *rows, f"110105000000021,{FIRMS[5]}", "110105000000030,91X"))
    assert more.reasons == {"held-otherwise": 1, "legacy-form": 1, "two-enterprises": 2, "unified-form": 1}
    assert (more.added, more.total) == (1, 3) and more.rejected_file is not None
    assert more.rejected_file.stat().st_mode & 0o777 == 0o600
    with store.begin_read() as session:
        assert current_legacy_codes(home, session).look_up(pl.Series([OLD, "x"])).to_list() == [FIRMS[0], None]


def test_a_changed_table_is_found(city: DeliveringBureau) -> None:
    done = import_legacy_codes(city.bureau.store, city.bureau.home, table(city, f"{OLD},{FIRMS[0]}"))
    file = city.bureau.home.path(f"deliveries/legacy-codes/{done.sha256}.parquet")
    file.write_bytes(file.read_bytes() + b"\0")
    with city.bureau.store.begin_read() as session, pytest.raises(DamagedFile):
        current_legacy_codes(city.bureau.home, session)


def test_a_table_without_a_usual_name_says_which_option(city: DeliveringBureau) -> None:
    file = city.write("t.csv", "old number,new", [f"{OLD},{FIRMS[0]}"])
    with pytest.raises(InvalidInput, match="--legacy-column"):
        import_legacy_codes(city.bureau.store, city.bureau.home, file)
    with pytest.raises(InvalidInput, match="did you mean old number"):
        import_legacy_codes(city.bureau.store, city.bureau.home, file, legacy_column="old numbre", unified_column="new")
    done = import_legacy_codes(
        city.bureau.store, city.bureau.home, file, legacy_column="old number", unified_column="new"
    )
    assert done.added == 1


def test_rows_of_all_three_kinds_are_identified() -> None:
    legacy = LegacyCodes(pl.DataFrame({"legacy": [OLD], "enterprise": [FIRMS[0]]}))
    cells = pl.Series([FIRMS[1], OLD, ORGANISATION, None, FIRMS[2][:-1] + "!", OLD])
    found = identify_enterprises(cells, "mixed", legacy)
    assert found.codes.to_list() == [FIRMS[1], FIRMS[0], None, None, None, FIRMS[0]]
    assert found.reasons.to_list() == [None, None, "unmapped", "empty", "characters", None]
    assert found.unmapped.to_list() == [ORGANISATION] and found.mapped == 2
    only = identify_enterprises(cells, "registration-15", legacy)
    assert only.codes.to_list() == [None, FIRMS[0], None, None, None, FIRMS[0]]
    assert only.reasons.to_list()[0] == "legacy-form" and only.mapped == 2
    assert identify_enterprises(cells, "uscc", legacy).reasons.to_list()[1] == "length"


def test_a_delivery_with_unmapped_codes_is_read_again_once_they_are_mapped(city: DeliveringBureau) -> None:
    from tests.support.delivering_bureau import TAX, TAX_HEADER

    mapping = TAX.replace('column = "代码"', 'column = "代码"\nkind = "mixed"')
    file = city.write("t.csv", TAX_HEADER, [f"{OLD},2026-03-01,1,0,A级", f"{FIRMS[1]},2026-03-01,1,0,A级"])
    first = city.deliver(file, mapping)
    assert (first.counts.stored, first.counts.reasons) == (1, {"unmapped": 1})
    assert first.unmapped_file is not None and OLD in first.unmapped_file.read_text(encoding="utf-8-sig")
    assert city.deliver(file, mapping).known
    import_legacy_codes(city.bureau.store, city.bureau.home, table(city, f"{OLD},{FIRMS[0]}"))
    second = city.deliver(file, mapping)
    assert (second.known, second.counts.stored, second.counts.unchanged, second.legacy) == (False, 1, 1, 1)
    assert second.unmapped_file is None and not first.unmapped_file.exists()
    assert {row["enterprise"] for row in city.held()} == {FIRMS[0], FIRMS[1]}
