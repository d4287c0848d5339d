"""A department's database as a source: read only, no password in a file, nothing of it in an error."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path

import pytest

from lab.bureau.data.ingestion import DepartmentDelivery
from lab.bureau.data.ingestion.mapping import parse_mapping
from lab.bureau.data.ingestion.mapping.document import SourceTable
from lab.bureau.data.ingestion.sources import copy_sql_table, sql_table
from lab.terms.errors import InvalidInput, Unreachable
from lab.terms.progress import SILENT
from tests.support.delivering_bureau import FIRMS, RECEIVED, TAX, DeliveringBureau


def database(path: Path, rows: int = 60) -> Path:
    """A table of the tax office with a column that the mapping does not read."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            'CREATE TABLE monthly ("代码" TEXT, "所属期" DATE, "销售额" REAL, "欠税" REAL, "等级" TEXT, x TEXT)'
        )
        cells = [(firm, "2026-03-01", 1.5, None, "A级", "unread") for firm in FIRMS[:rows]]
        connection.executemany("INSERT INTO monthly VALUES (?, ?, ?, ?, ?, ?)", cells)
    return path


def test_a_table_is_read_in_chunks_and_again_changes_nothing(
    city: DeliveringBureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_table, "CHUNK_ROWS", 7)
    path = database(city.folder / "office.db")
    text = TAX + f'\n[source]\nurl = "sqlite:///{path}"\ntable = "monthly"\n'
    mapping = parse_mapping(text.encode(), "m.toml")
    first = city.reader.read(DepartmentDelivery(None, mapping, RECEIVED))
    assert (first.counts.stored, first.source) == (60, "monthly") and city.held()[0]["sales"] == 15_000.0
    assert city.reader.read(DepartmentDelivery(None, mapping, RECEIVED)).known
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE monthly SET 销售额 = 2 WHERE 代码 = ?", [FIRMS[0]])
    found = city.reader.read(DepartmentDelivery(None, mapping, RECEIVED))
    assert found.counts.reasons == {"differs:sales": 1} and found.counts.unchanged == 59
    assert not list(city.records.files.staging.iterdir())


def test_columns_that_nobody_asked_for_are_not_read(tmp_path: Path) -> None:
    stated = SourceTable(url=f"sqlite:///{database(tmp_path / 'o.db')}", table="monthly")
    copied = copy_sql_table(stated, ["代码", "销售额"], tmp_path, SILENT)
    assert copied.columns == ("代码", "销售额")
    assert not any(b"unread" in path.read_bytes() for path in tmp_path.glob("*.table"))


@pytest.mark.parametrize(
    ("url", "table", "words"),
    [
        ("postgresql+psycopg://me:SECRET@host/db", "t", "SHULAB_SOURCE_PASSWORD"),
        ("postgresql+psycopg://me@host/db?password=SECRET", "t", "without a password"),
        ("not an address", "t", "SQLAlchemy address"),
        ("nosuchdialect://host/SECRET", "t", "driver is installed"),
        ("sqlite:///nowhere.db", "t", "there is none"),
    ],
)
def test_an_address_that_cannot_be(tmp_path: Path, url: str, table: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        copy_sql_table(SourceTable(url=url, table=table), ["a"], tmp_path, SILENT)
    assert "SECRET" not in str(caught.value)
    assert not Path("nowhere.db").exists()


def test_a_missing_table_and_a_database_that_does_not_answer(tmp_path: Path) -> None:
    path = database(tmp_path / "o.db")
    with pytest.raises(InvalidInput, match="Expected the table other"):
        copy_sql_table(SourceTable(url=f"sqlite:///{path}", table="other"), ["a"], tmp_path, SILENT)
    (tmp_path / "bad.db").write_bytes(b"SECRET" * 1000)
    with pytest.raises(Unreachable) as caught:
        copy_sql_table(SourceTable(url=f"sqlite:///{tmp_path / 'bad.db'}", table="t"), ["a"], tmp_path, SILENT)
    assert "SECRET" not in str(caught.value)


def test_a_name_is_never_sql(tmp_path: Path) -> None:
    path = database(tmp_path / "o.db")
    with pytest.raises(ValueError, match="pattern"):
        SourceTable(url=f"sqlite:///{path}", table='monthly"; DROP TABLE monthly; --')
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM monthly").fetchone() == (60,)


def test_values_of_a_database_as_text() -> None:
    values = [None, "a", True, datetime.datetime(2026, 3, 1, 8), datetime.date(2026, 3, 1), b"x", 1.5, 3]
    assert [sql_table._text(one) for one in values] == [
        None, "a", "true", "2026-03-01 08:00:00", "2026-03-01", "x", "1.5", "3",
    ]  # fmt: skip
