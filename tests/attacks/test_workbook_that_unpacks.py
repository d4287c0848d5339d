"""A workbook is sent as a portfolio or register, made to exhaust or take over what reads it.

Who: whoever sends a table: a client of the bank, an enterprise that reports to the bureau, whoever changed the file on
the way. What they want: to end the command or service that reads it, or to have the parser, which is native code, run
theirs with the keys and files of whoever reads. What stops them: the archive is unpacked piece by piece and refused
beyond bounds before the parser gets it, and both run in a process that has no files, no network and limited memory.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab.tables.table_reader import read_table
from lab.tables.workbook import reading
from lab.terms.errors import InvalidInput
from tests.support.workbooks import MAIN, sheet_xml, xlsx, xlsx_parts

pytestmark = [
    pytest.mark.threat(
        "Workbook that unpacks without end",
        who="a stranger",
        wants="to end the command or service that reads a table, with a workbook that unpacks to far more than it is",
        stopped_by={
            "container check": (
                "A workbook is unpacked piece by piece, and refused beyond limits of parts, size and ratio, before it "
                "is parsed. No declared size is believed."
            ),
            "memory limit": "The process that parses it has a limit of memory; its death costs the one file.",
        },
        code=["lab.tables.workbook.container", "lab.tables.workbook.reading"],
    ),
    pytest.mark.threat(
        "Workbook that takes over its reader",
        who="a stranger",
        wants="to read files and keys, or to reach the network, from a parser of workbooks that was taken over",
        stopped_by={
            "confined reader": (
                "A workbook is parsed in a process that gave up files, network and other processes before it read the "
                "first byte, and that sends back text, which is checked."
            ),
        },
        shipped="on; a machine that lacks the protections reads no workbooks",
        code=["lab.tables.workbook.confined_reader", "lab.process.confinement"],
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="readers are confined on Linux"),
]

FLOOD = 256 << 20
"""Bytes of one cell's text; packed, less than a thousandth."""
SHARED_TEXT = ('<c r="PLACE" t="s"><v>0</v></c>',)
TO_SHARED = (
    '<Relationship Id="rIdT" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" '
    'Target="sharedStrings.xml"/></Relationships>'
)
UNCHECKED = """
import io, sys, resource, python_calamine
sheet = python_calamine.load_workbook(io.BytesIO(sys.stdin.buffer.read())).get_sheet_by_index(0)
print(max(len(str(cell)) for row in sheet.iter_rows() for cell in row))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""A reader without check and limits: the length of the longest text, and the most memory in KiB."""
READER = """
import sys, json; sys.path[:] = json.loads(sys.argv[1])
from lab.tables.workbook import confined_reader as reader
from lab.tables.workbook.container import Container, WorkbookRefused
CHANGE
reader.main()
"""
NO_CHECK = "reader.check_container = lambda data: Container('xlsx'); reader.MEMORY_BYTES = 256 << 20"
"""The check is gone, the limit is there (a smaller one, which a smaller flood exceeds)."""
TAKEN_OVER = """
def taken_over(data, send):
    try:
        secret = open(SECRET, "rb").read()
    except OSError:
        raise WorkbookRefused("damaged") from None
    raise WorkbookRefused("parts", 0, int.from_bytes(secret, "big"))
reader._convert = taken_over
"""
"""The bytes have made the parser do something else: it reads a file, and sends it back as a number."""
NO_CONFINEMENT = "reader.Confinement = lambda: type('Open', (), {'enter': lambda self, **limits: None})()"


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workbook of 250 kB with a text of 256 MiB."""
    parts = xlsx_parts(sheet_xml([["a"], [SHARED_TEXT]]))
    parts["xl/_rels/workbook.xml.rels"] = parts["xl/_rels/workbook.xml.rels"].replace("</Relationships>", TO_SHARED)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
        with archive.open("xl/sharedStrings.xml", "w") as part:
            part.write(f'<?xml version="1.0"?><sst xmlns="{MAIN}"><si><t>'.encode())
            for _ in range(FLOOD >> 20):
                part.write(b"x" * (1 << 20))
            part.write(b"</t></si></sst>")
    path = tmp_path_factory.mktemp("bomb") / "bomb.xlsx"
    path.write_bytes(buffer.getvalue())
    assert path.stat().st_size < FLOOD // 900
    return path


def read_with(change: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the reader says of the file, after a change of its code."""
    monkeypatch.setattr(reading, "_BEGIN", READER.replace("CHANGE", change))
    with pytest.raises(InvalidInput) as error:
        read_table(path)
    return str(error.value)


@pytest.mark.without_control("container check", "memory limit")
def test_without_check_and_limit_it_is_all_in_memory(bomb: Path) -> None:
    with bomb.open("rb") as file:
        done = subprocess.run([sys.executable, "-c", UNCHECKED], stdin=file, capture_output=True, check=True)
    longest, memory = map(int, done.stdout.split())
    assert longest == FLOOD and memory << 10 > FLOOD


@pytest.mark.with_control("container check")
def test_it_is_refused_before_it_is_parsed(bomb: Path) -> None:
    with pytest.raises(InvalidInput, match="unpacks to over 200 times its size"):
        read_table(bomb)


@pytest.mark.with_control("memory limit")
def test_without_the_check_the_reader_dies_and_the_command_goes_on(
    bomb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "memory of its reader" in read_with(NO_CHECK, bomb, monkeypatch)
    monkeypatch.undo()
    (tmp_path / "next.xlsx").write_bytes(xlsx([["a"], ["1"]]))
    assert read_table(tmp_path / "next.xlsx").frame.rows() == [("1",)]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that only its owner may read, beside a workbook."""
    (tmp_path / "table.xlsx").write_bytes(xlsx([["a"], ["1"]]))
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    return path


@pytest.mark.without_control("confined reader")
def test_a_reader_that_is_not_confined_gives_a_secret_away(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change = NO_CONFINEMENT + TAKEN_OVER.replace("SECRET", repr(str(secret)))
    told = read_with(change, secret.with_name("table.xlsx"), monkeypatch)
    assert f"{int.from_bytes(b'secret', 'big'):,}" in told


@pytest.mark.with_control("confined reader")
def test_a_confined_reader_can_open_no_file(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change = TAKEN_OVER.replace("SECRET", repr(str(secret)))
    assert "is damaged" in read_with(change, secret.with_name("table.xlsx"), monkeypatch)
