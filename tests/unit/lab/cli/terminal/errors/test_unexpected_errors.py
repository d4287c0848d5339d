"""An error of a library or of the machine: its kind, the system's word and the file are shown, its text never."""

from __future__ import annotations

import errno
import sqlite3
import ssl
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.exceptions import ComputeError, InvalidOperationError, PolarsError

from lab.cli.terminal.errors.unexpected_errors import describe_fault, explain_error, fault_error
from lab.cli.terminal.output import report_unexpected_error
from lab.terms.errors import Conflict, InvalidInput, MachineFault, NotFound, ShulabError, Unreachable

SECRET = "91990100MAEUJQ08XL-secret-value"
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=12, max_size=60)


def caught(error: BaseException) -> BaseException:
    """``error`` with a traceback, as it reaches the top."""
    try:
        raise error
    except BaseException as raised:
        return raised


def shown(error: BaseException, capsys: pytest.CaptureFixture[str]) -> str:
    report_unexpected_error(caught(error), as_json=True)
    streams = capsys.readouterr()
    return streams.out + streams.err


@pytest.mark.parametrize(
    ("number", "family"),
    [
        (errno.ENOENT, NotFound),
        (errno.EEXIST, Conflict),
        (errno.EISDIR, InvalidInput),
        (errno.ENOTDIR, InvalidInput),
        (errno.ENOSPC, MachineFault),
        (errno.EROFS, MachineFault),
        (errno.EACCES, MachineFault),
        (errno.EXDEV, MachineFault),
        (errno.ECONNREFUSED, Unreachable),
    ],
)
def test_what_the_system_refuses_is_said_in_its_words_with_the_file_and_a_next_step(
    number: int, family: type[ShulabError], tmp_path: Path
) -> None:
    explained = explain_error(OSError(number, SECRET, str(tmp_path / "scores.parquet")))
    assert type(explained) is family and explained.next_step
    assert errno.errorcode[number] in explained.detail and SECRET not in str(explained)
    assert "scores.parquet" in explained.detail or family is Unreachable


def test_a_draft_is_named_as_the_file_that_it_becomes() -> None:
    explained = explain_error(FileNotFoundError(errno.ENOENT, "x", "/none/.card.json.a1b2c3_d.partial"))
    assert explained and "/none/card.json" in explained.detail and "folder is missing" in explained.detail


def test_the_cause_is_found_through_other_errors() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, SECRET)
        except OSError as cause:
            raise ValueError(SECRET) from cause
    except ValueError as error:
        explained = explain_error(error)
    assert isinstance(explained, MachineFault) and SECRET not in str(explained)


def test_a_cause_that_was_suppressed_is_not_blamed() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, SECRET)
        except OSError:
            raise ValueError(SECRET) from None
    except ValueError as error:
        assert explain_error(error) is None


def test_polars_names_the_systems_error_in_its_text_alone() -> None:
    with pytest.raises(OSError) as found:
        pl.DataFrame({"a": [1]}).write_parquet("/none/scores.parquet")
    assert isinstance(explain_error(found.value), NotFound)


def test_a_database_that_is_full_locked_or_damaged(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    first, second = (sqlite3.connect(file, timeout=0, isolation_level=None) for _ in range(2))
    first.execute("CREATE TABLE t (a)")
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as locked:
        second.execute("BEGIN IMMEDIATE")
    first.execute("COMMIT")
    assert isinstance(explain_error(locked.value), Unreachable)
    first.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as full:
        first.execute("INSERT INTO t VALUES (?)", ("x" * 10_000,))
    assert isinstance(explain_error(full.value), MachineFault)
    for one in (first, second):
        one.close()
    file.write_bytes(b"nothing of a database" * 100)
    with pytest.raises(sqlite3.DatabaseError) as damaged:
        sqlite3.connect(file).execute("SELECT * FROM t")
    assert isinstance(explain_error(damaged.value), InvalidInput)


def test_a_tls_error_is_told_by_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    file.write_text(SECRET)
    with pytest.raises(ssl.SSLError) as found:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)
    explained = explain_error(found.value)
    assert explained and "TLS" in explained.detail and SECRET not in str(explained)


def test_the_text_of_a_polars_error_is_withheld_and_its_place_told(capsys: pytest.CaptureFixture[str]) -> None:
    long = SECRET + "x" * 200
    with pytest.raises(PolarsError) as found:
        pl.Series([long + "a"]).cast(pl.Int64)
    assert SECRET in str(found.value)  # what a traceback would have shown
    text = shown(found.value, capsys)
    assert "polars." in text and SECRET not in text and "Traceback" not in text
    assert '"error": "fault"' in text and Path(__file__).name in text


@given(value=VALUES, kind=st.sampled_from([ValueError, KeyError, ComputeError, InvalidOperationError, RuntimeError]))
def test_no_error_prints_its_text(value: str, kind: type[Exception]) -> None:
    error = caught(kind(value))
    error.__cause__ = kind(value, value)
    told = describe_fault(error) + str(fault_error(error))
    assert explain_error(error) is None and value not in told and kind.__name__ in told


@given(value=VALUES, number=st.one_of(st.none(), st.integers(-5, 300)))
def test_no_error_of_the_system_prints_its_text(value: str, number: int | None) -> None:
    error = OSError(value) if number is None else OSError(number, value)
    told = describe_fault(error) + str(explain_error(error) or fault_error(error))
    assert value not in told


def test_threads_and_destructors_print_no_text_either() -> None:
    script = f"""
import threading
from lab.cli.terminal.output import install_hooks
install_hooks()
class Falls:
    def __del__(self): raise ValueError({SECRET!r})
Falls()
def fall(): raise KeyError({SECRET!r})
thread = threading.Thread(target=fall); thread.start(); thread.join()
raise RuntimeError({SECRET!r})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and SECRET not in done.stdout + done.stderr
    for kind in ("ValueError", "KeyError", "RuntimeError"):
        assert f"fault: {kind}" in done.stderr
