"""Tables that somebody exported, and the rows of consent files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lab.bureau.data.consents.row_validation import describe_reason, validate_rows
from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers
from lab.terms.progress import SILENT
from tests.fuzz.target import Target, as_file

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_BANKS = {"b-1": ("b-1", "Bank"), "Bank": ("b-1", "Bank")}


def read_rows(path: Path) -> None:
    """Every row is counted once: it stands in the frame or aside."""
    table = read_table(path)
    assert len(table.frame) == len(table.row_numbers)
    rows = [*table.row_numbers.tolist(), *(line.row for line in table.rejected)]
    assert len(set(rows)) == len(rows) == table.rows
    for kind in ("uscc", "opaque"):
        normal = normalise_identifiers(table.frame[:, 0].to_list(), kind)
        assert all(
            (code is None) != (reason is None) for code, reason in zip(normal.codes, normal.reasons, strict=True)
        )


def read_consents(path: Path) -> None:
    """Every row is good or has a reason that has words."""
    table = read_table(path)
    for kind in ("uscc", "opaque"):
        with SILENT.stage("import", 1) as stage:
            found = validate_rows(table, kind, _BANKS, _NOW, stage)
        assert len(found.good) + len(found.set_aside) == table.rows
        assert all(all(describe_reason(reason)) for _, reason in found.set_aside)


_TABLE = "code,income,名称\n91110000100000044W,1.5,甲\n\n91310000MA1FL0LQ3Y,,乙\nragged,1\n"
_CONSENTS = (
    "code,bank,purpose,starts,expires,evidence,public_key,signature\n"
    "91110000100000044W,b-1,credit-approval,2026-01-01,2027-01-01,file 7,,\n"
    f"x,Bank,research,2026-01-01T00:00:00+08:00,2027-01-01,,{'ab' * 32},{'cd' * 64}\n"
)


def tables() -> list[bytes]:
    """One table in every encoding and with every separator, and with quoted fields."""
    quoted = 'code;"a ""b"""\n"9\n1";2\n'
    return [
        _TABLE.encode(),
        _TABLE.replace(",", "\t").encode("gb18030"),
        _TABLE.encode("utf-16"),
        _TABLE.encode("utf-8-sig"),
        quoted.encode(),
    ]


TARGETS = (
    Target(
        "csv",
        as_file(read_rows, ".csv"),
        (InvalidInput,),
        tables,
    ),
    Target(
        "consents",
        as_file(read_consents, ".csv"),
        (InvalidInput,),
        lambda: [_CONSENTS.encode()],
    ),
)
