"""Printing never ends a command: another encoding, a reader that left, a full disk, a closed stream."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli.terminal.errors.standard_streams import ToleratedFile, encode_json_for, find_lost_output
from lab.terms.errors import MachineFault
from lab.terms.text.escaping import dump_visible_json

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def lab(words: str, *, redirect: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """``lab`` run by a shell, so that it can be piped and redirected as a person does."""
    return subprocess.run(
        ["/bin/bash", "-c", f'set -o pipefail; "{sys.executable}" -m lab.cli {words} {redirect}'],
        capture_output=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "80", **environment},
    )


@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii", "ascii:strict", "utf-16", "utf-8"])
def test_a_terminal_of_another_encoding_reads_every_line(encoding: str) -> None:
    done = lab("steward --help", PYTHONIOENCODING=encoding)
    text = done.stdout.decode(encoding.partition(":")[0])
    assert done.returncode == 0 and "consent" in text and b"Traceback" not in done.stderr
    chinese = "授权" in text if encoding in ("gbk", "utf-16", "utf-8") else r"\u6388\u6743" in text
    assert chinese  # as it is, or as an escape: no character is lost


@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii", "utf-8"])
def test_json_is_the_same_object_in_every_encoding(encoding: str) -> None:
    done = lab("bank runs --json --home /nowhere/𠮷", PYTHONIOENCODING=encoding)
    told = json.loads(done.stdout.decode(encoding))
    assert told["error"] == "not-found" and done.returncode == 7
    assert json.loads(lab("bank scroe --json").stdout)["error"] == "usage"


@pytest.mark.parametrize(("encoding", "chinese"), [("latin-1", False), ("gbk", True), ("utf-8", True)])
def test_an_error_is_english_where_chinese_would_be_escapes(encoding: str, chinese: bool) -> None:
    done = lab("bank runs --home /nowhere", PYTHONIOENCODING=encoding)
    told = done.stderr.decode(encoding)
    assert "Expected a bank's folder" in told and ("应为银行目录" in told) is chinese
    assert r"\u5e94" not in told


@pytest.mark.parametrize("text", ["登记", "é", "𠮷", "a"])
@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii", "utf-8", "UTF-8"])
def test_json_is_escaped_only_where_it_must_be(text: str, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    shown = encode_json_for(stream, dump_visible_json({"name": text}))
    assert json.loads(shown) == {"name": text}
    assert shown.isascii() or encoding.lower() == "utf-8"


@pytest.mark.parametrize("words", ["steward --help", "--version"])
def test_a_reader_that_leaves_is_no_failure(words: str) -> None:
    done = lab(words, redirect="| true")
    assert done.returncode == 0 and b"rror" not in done.stderr, done.stderr.decode()


@needs_full
@pytest.mark.parametrize("words", ["steward --help", "--version"])
def test_output_lost_on_a_full_disk_is_told_once_the_work_is_done(words: str) -> None:
    done = lab(words, redirect="> /dev/full")
    assert done.returncode == MachineFault.exit_code
    assert b"ENOSPC" in done.stderr and b"has done its work" in done.stderr and b"Traceback" not in done.stderr


@needs_full
def test_an_error_keeps_its_exit_code_when_it_cannot_be_printed() -> None:
    done = lab("bank runs --json --home /nowhere", redirect="> /dev/full")
    assert done.returncode == 7 and b"Expected a bank's folder" in done.stderr
    assert lab("bank runs --home /nowhere", redirect="2> /dev/full").returncode == 7


def test_streams_that_are_closed_are_no_failure() -> None:
    assert lab("--version", redirect=">&- 2>&-").returncode == 0


def test_after_the_first_failure_the_rest_is_dropped_and_the_failure_kept() -> None:
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(io.BufferedWriter(ToleratedFile(writing)), line_buffering=True)
    stream.write("a\n")
    assert find_lost_output(stream) is None
    os.close(reading)
    for _ in range(3):
        stream.write("b\n")
    assert find_lost_output(stream) is None  # nobody reads: nothing is lost to anybody
    raw = stream.buffer.raw  # type: ignore[attr-defined]
    assert isinstance(raw, ToleratedFile)
    assert raw.failure and raw.failure.errno == errno.EPIPE
    raw.failure = OSError(errno.EIO, "x")
    assert find_lost_output(stream) is raw.failure
    os.close(writing)
