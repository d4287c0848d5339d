"""Two versions compared: counts of what entered, left and changed."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from lab.bureau.data.register import Snapshot
from lab.bureau.data.register.version_comparison import ColumnChange, compare_versions
from lab.terms.errors import InvalidInput

OLD = pl.DataFrame({"id": ["a", "b", "c", "d"], "x": ["1", "2", None, "4"], "gone": ["", "", "", ""]})
NEW = pl.DataFrame({"id": ["b", "c", "d", "e"], "x": ["2", "3", None, "5"], "more": ["", "", "", ""]})


class Reader:
    """Reads the two tables as ``SnapshotReader`` does."""

    def identifiers(self, snapshot: Snapshot) -> list[str]:
        return self._table(snapshot)["id"].to_list()

    def column(self, snapshot: Snapshot, column: str) -> pl.Series:
        return self._table(snapshot)[column]

    def _table(self, snapshot: Snapshot) -> pl.DataFrame:
        return OLD if snapshot.version == 1 else NEW


def snapshot(version: int, *columns: str) -> Snapshot:
    return Snapshot("main", version, "id", "opaque", 4, columns, "", "")


def test_what_differs_is_counted() -> None:
    found = compare_versions(Reader(), snapshot(1, "x", "gone"), snapshot(2, "x", "more"))  # type: ignore[arg-type]
    assert (found.common, found.entered, found.left) == (3, 1, 1)
    assert (found.added, found.removed) == (("more",), ("gone",))
    assert found.changes == (ColumnChange("x", changed=0, appeared=1, vanished=1),)
    assert found.changes[0].total == 2


def test_other_kinds_of_identifiers_are_not_compared() -> None:
    other = replace(snapshot(2, "x"), id_kind="uscc")
    with pytest.raises(InvalidInput, match="kind of identifiers"):
        compare_versions(Reader(), snapshot(1, "x"), other)  # type: ignore[arg-type]
