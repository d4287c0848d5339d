"""Comparing two catalogues: no difference where the digest is the same, and one for everything that changed."""

from __future__ import annotations

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.definition import build_catalogue
from lab.bureau.data.catalogue.differences import DefinitionChange, compare_catalogues
from tests.support.small_catalogues import SIGNALS, TAX, edited, small_files

SMALL = build_catalogue(small_files())


def changes(name: str, before: str, after: str) -> tuple[DefinitionChange, ...]:
    found = compare_catalogues(SMALL, build_catalogue(edited(name, before, after)))
    assert not (found.added or found.removed or found.same)
    return found.changed


def test_the_same_catalogue_has_no_difference() -> None:
    assert compare_catalogues(SMALL, build_catalogue(small_files())).same
    assert compare_catalogues(default_catalogue(), default_catalogue()).same


def test_each_field_is_told_with_both_texts() -> None:
    assert changes("tax", "申报的销售额。", "开票的销售额。") == (
        DefinitionChange("tax.sales", "definition_zh", "申报的销售额。", "开票的销售额。"),
    )
    assert changes("tax", "税务局", "国税局") == (DefinitionChange("tax", "owner_zh", "税务局", "国税局"),)
    assert changes("catalogue", "小目录", "目录") == (DefinitionChange("", "zh", "小目录", "目录"),)
    assert changes("tax", '["甲", "First"]', '["甲等", "First"]') == (
        DefinitionChange("tax.rating", "codes.A", "甲 First", "甲等 First"),
    )


def test_codes_that_come_and_go_are_told() -> None:
    found = changes("tax", "codes.B", "codes.C")
    assert {(one.field, one.before, one.after) for one in found} == {
        ("codes.B", "乙 Second", ""),
        ("codes.C", "", "乙 Second"),
        ("codes", "A, B", "A, C"),
    }


def test_a_new_order_alone_is_told() -> None:
    found = changes("catalogue", '"tax", "signals"', '"signals", "tax"')
    assert found == (DefinitionChange("", "domains", "tax, signals", "signals, tax"),)
    head, item = TAX[: TAX.index("[items.rating]")], TAX[TAX.index("[items.rating]") : TAX.index("[items.payer]")]
    turned = build_catalogue(small_files(tax=head + TAX[TAX.index("[items.payer]") :] + item))
    (order,) = compare_catalogues(SMALL, turned).changed
    assert (order.code, order.field) == ("tax", "items")


def test_domains_and_items_that_come_and_go_are_told() -> None:
    renamed = build_catalogue(small_files(signals=SIGNALS.replace("[items.strength]", "[items.force]")))
    found = compare_catalogues(SMALL, renamed)
    assert (found.added, found.removed) == (("signals.force",), ("signals.strength",))
    back = compare_catalogues(renamed, SMALL)
    assert (back.added, back.removed) == (found.removed, found.added)
    everything = compare_catalogues(SMALL, default_catalogue())
    assert "signals" in everything.removed and "courts.outcome" in everything.added
