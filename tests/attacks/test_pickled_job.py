"""Somebody who can write to the bureau's database wants to run code in the service, and so to have its keys.

The table of jobs says of each value how it is written, and the library that reads it takes pickles: a row that calls
itself pickled is a program. What stops it: its reader of pickles is closed when the service configures it.
"""

from __future__ import annotations

import base64
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from dbos._serialization import DBOSPortableJSON, deserialize_value

from sandbox.jobs.dbos_config import make_dbos_config

pytestmark = pytest.mark.threat(
    "Pickled job",
    who="somebody on the machine",
    wants="to run code in the service by writing a row to the database",
    stopped_by={
        "no pickles": "Jobs are stored as JSON, and the library's reader of pickles is closed.",
    },
    code=["sandbox.jobs.dbos_config"],
)

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """What stands in the row: a command that is run when it is read."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self._mark}",)


def row(mark: Path) -> str:
    return base64.b64encode(pickle.dumps(Program(mark))).decode()


@pytest.mark.without_control("no pickles")
def test_without_the_closed_reader_the_program_runs(tmp_path: Path) -> None:
    """The library as it comes, in a process of its own."""
    code = (
        "import sys; from dbos._serialization import DBOSPortableJSON, deserialize_value; "
        "deserialize_value(sys.argv[1], 'py_pickle', DBOSPortableJSON)"
    )
    subprocess.run([sys.executable, "-c", code, row(tmp_path / "mark")], cwd=ROOT, check=True, timeout=60)
    assert (tmp_path / "mark").exists()


@pytest.mark.with_control("no pickles")
def test_the_program_is_not_read(tmp_path: Path) -> None:
    make_dbos_config("sqlite:///x", "e", threads=1, logger=logging.getLogger("test"))
    with pytest.raises(TypeError, match="pickled jobs are not allowed"):
        deserialize_value(row(tmp_path / "mark"), "py_pickle", DBOSPortableJSON)
    assert not (tmp_path / "mark").exists()
