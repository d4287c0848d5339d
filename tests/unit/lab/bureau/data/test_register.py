"""Importing a register: sorting rows, versions, atomicity under kill -9, and reading back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import load_items, read_dictionary
from lab.bureau.data.register import (
    RegisterImport,
    RegisterLayout,
    SnapshotReader,
    external_sort,
    find_snapshot,
    import_register,
    preparation,
)
from lab.bureau.data.register.row_validation import validate_rows
from lab.bureau.store import Database, migrate, open_database
from lab.bureau.store.tables import LedgerEntryRow
from lab.tables import table_file
from lab.tables.table_reader import open_table, read_table
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.progress import SILENT
from tests.support.credit_codes import LETTERED, with_checks

ROOT = Path(__file__).resolve().parents[5]
GOOD = "91350100M000100Y43"  # a published code, valid by GB 32100-2015


@pytest.fixture
def home(tmp_path: Path) -> BureauHome:
    return BureauHome.create(tmp_path / "bureau", name="Test bureau")


def bring(store: Database, home: BureauHome, text: str | bytes, **options: object) -> RegisterImport:
    source = home.folder.parent / "source.csv"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    chosen = {"id_column": "id", "id_kind": "opaque", **options}
    name = str(chosen.pop("name", "main"))
    return import_register(store, home, source, RegisterLayout(**chosen), name=name)  # type: ignore[arg-type]


def read(store: Database, home: BureauHome, version: int | None = None) -> pl.DataFrame:
    with store.begin_read() as session:
        return SnapshotReader(home).frame(find_snapshot(session, "main", version))


def test_an_import_keeps_good_rows_and_lists_the_others(store: Database, home: BureauHome) -> None:
    done = bring(store, home, "id,a,b\nx,1,\ny,2,2\nx,1,\ny,9,2\n,3,3\nz,4\nw,5,5\n")
    assert (done.rows, done.set_aside, done.version) == (3, 4, 1)
    assert done.rejection_counts == {"empty": 1, "repeats": 1, "differs from": 1, "ragged": 1}
    assert read(store, home).rows() == [("w", "5", "5"), ("x", "1", None), ("y", "2", "2")]  # by identifier
    assert done.rejected_file is not None
    aside = pl.read_csv(done.rejected_file)
    assert aside.select("row", "reason").rows() == [
        (4, "repeats row 2"),
        (5, "differs from row 3"),
        (6, "empty"),
        (7, "ragged"),
    ]
    assert aside["a"].to_list()[:3] == [1, 9, 3]


def test_codes_are_normalised_and_never_guessed(store: Database, home: BureauHome) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) for c in GOOD.lower())
    text = f"id,a\n{wide},1\n{GOOD},1\n{GOOD[:-1]}X,2\n{GOOD.replace('0', 'O')},3\n"
    done = bring(store, home, text, id_kind="uscc")
    assert read(store, home)["id"].to_list() == [GOOD]
    assert done.rejection_counts == {"checksum": 1, "look-alike": 1, "repeats": 1}


def test_what_is_odd_about_identifiers_is_counted_over_all_chunks(
    store: Database, home: BureauHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "CHUNK_CHARACTERS", 40)
    text = "id,a\n" + "".join(f"10160{number}.0,1\n" for number in range(9)) + "1.016E+05,1\n'0123,1\nx,1\n"
    done = bring(store, home, text)
    assert any(
        line.startswith("9 identifiers were written as decimal numbers; read without .0") for line in done.warnings
    )
    assert any(line.startswith("1 identifiers were set aside") for line in done.warnings)
    assert done.rejection_counts == {"rounded": 1}
    assert read(store, home)["id"].to_list() == ["0123", *(f"10160{number}" for number in range(9)), "x"]
    lettered = bring(store, home, f"id,a\n{LETTERED},1\n{with_checks('E5', '110101', 'MF000000')},1\n", id_kind="uscc")
    assert lettered.rows == 2 and [text.split(" ")[0] for text in lettered.warnings] == ["1", "1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_ordinary_encodings(store: Database, home: BureauHome, encoding: str) -> None:
    bring(store, home, "id,行业\nx,批发\n".encode(encoding))
    assert read(store, home).rows() == [("x", "批发")]


def test_the_columns_asked_for_are_read_and_no_others(store: Database, home: BureauHome) -> None:
    bring(store, home, "id,a,b,c\nx,1,2,3\ny,4,5,6\n")
    with store.begin_read() as session:
        snapshot = find_snapshot(session, "main")
    snapshots = SnapshotReader(home)
    assert snapshots.frame(snapshot, ["c", "nine", "id"]).rows() == [("3", "x"), ("6", "y")]
    (kept,) = snapshots._frames.values()
    assert sorted(kept.columns) == ["c", "id"]
    assert snapshots.frame(snapshot, ["b", "c"]).rows() == [("2", "3"), ("5", "6")]
    assert snapshots.frame(snapshot).rows() == [("x", "1", "2", "3"), ("y", "4", "5", "6")]


def test_versions_stay(store: Database, home: BureauHome) -> None:
    first = bring(store, home, "id,a\nx,1\n")
    second = bring(store, home, "id,a\nx,2\ny,3\n")
    assert (first.version, second.version) == (1, 2)
    assert read(store, home, 1).rows() == [("x", "1")]
    assert read(store, home).rows() == [("x", "2"), ("y", "3")]
    with store.begin_read() as session:
        assert [row.kind for row in session.query(LedgerEntryRow)] == ["register.imported"] * 2
        with pytest.raises(NotFound):
            find_snapshot(session, "main", 3)
        with pytest.raises(NotFound):
            find_snapshot(session, "other")


@pytest.mark.parametrize(
    ("text", "options", "word"),
    [
        ("", {}, "empty"),
        ("id,a\n", {}, "no rows"),
        ("id,a\n,1\n", {}, "empty: 1"),
        ("id,a\nx,1\n", {"id_column": "code"}, "code"),
        ("id,a\nx,1\n", {"columns": ["a", "nine"]}, "nine"),
        ("id,a\nx,1\n", {"columns": ["a", "a"]}, "twice"),
        ("id\nx\n", {}, "beside the identifier"),
        ("id,a\nx,1\n", {"name": "../out"}, "register name"),
    ],
)
def test_what_cannot_be_imported_changes_nothing(
    store: Database, home: BureauHome, text: str, options: dict[str, object], word: str
) -> None:
    bring(store, home, "id,a\nx,1\n")
    before = sorted(home.folder.rglob("*"))
    with pytest.raises(InvalidInput, match=word):
        bring(store, home, text, **options)
    assert read(store, home).rows() == [("x", "1")]
    assert sorted(home.folder.rglob("*")) == before
    with store.begin_read() as session:
        assert [row.kind for row in session.query(LedgerEntryRow)] == ["register.imported"]


def test_columns_can_be_chosen(store: Database, home: BureauHome) -> None:
    done = bring(store, home, "a,id,b\n1,x,2\n", columns=["b"])
    assert done.columns == ("b",)
    assert read(store, home).columns == ["id", "b"]


def test_items_come_from_the_dictionary_and_the_rest_are_nameless(store: Database, home: BureauHome) -> None:
    """An automatic item does not carry the column's name: codes and words of items are told to banks."""
    toml = home.folder.parent / "words.toml"
    toml.write_text(
        '[items.a]\ncode = "tax.paid"\nzh = "纳税"\nen = "tax paid"\ndimension = "tax"\ndomain = "tax"\ngrade = 2\n',
        encoding="utf-8",
    )
    done = bring(store, home, "id,a,secret_name\nx,1,2\n", descriptions=read_dictionary(toml))
    with store.begin_read() as session:
        items = load_items(session, "main", 1)
    assert (items["a"].code, items["a"].dimension, items["a"].grade) == ("tax.paid", "tax", "2")
    assert items["a"].described and not items["secret_name"].described
    assert done.undescribed == ("secret_name",)
    words = items["secret_name"].as_feature_words
    assert "secret_name" not in f"{words}"


@pytest.mark.parametrize("words", ['[items.a]\ncode="x y"\n', '[items.a]\ncode="t"\n[items.b]\ncode="t"\n'])
def test_item_codes_are_checked(store: Database, home: BureauHome, words: str) -> None:
    toml = home.folder.parent / "words.toml"
    toml.write_text(words)
    with pytest.raises(InvalidInput, match="code"):
        bring(store, home, "id,a,b\nx,1,2\n", descriptions=read_dictionary(toml))


def test_an_altered_snapshot_is_noticed(store: Database, home: BureauHome) -> None:
    bring(store, home, "id,a\nx,1\n")
    file = home.folder / "registers" / "main-1.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(InvalidInput, match="not the one imported"):
        read(store, home)
    file.unlink()
    with pytest.raises(InvalidInput, match="cannot be read"):
        read(store, home)


KILLED = """
import os, sys
from pathlib import Path
from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.register import RegisterLayout, import_register, version_storage
from lab.bureau.store import open_database
real = getattr(version_storage, {step!r})
def killed(*arguments, **named):
    {before}
    os.kill(os.getpid(), 9)
setattr(version_storage, {step!r}, killed)
home = BureauHome.open(Path(sys.argv[1]))
store = open_database(sys.argv[2])
store.sign = lambda message: bytes(64)
import_register(store, home, Path(sys.argv[3]), RegisterLayout("id", "opaque"))
"""


@pytest.mark.parametrize("step", [pytest.param("save_items", marks=pytest.mark.soak), "move_private", "record"])
@pytest.mark.parametrize("before", ["pass", "real(*arguments, **named)"])
def test_kill_9_leaves_the_former_version(
    database_url: str, home: BureauHome, tmp_path: Path, step: str, before: str
) -> None:
    """Killed before and after each of the steps inside the transaction, the import never was."""
    store = open_database(database_url)
    store.sign = lambda message: bytes(64)
    migrate(store.engine)
    bring(store, home, "id,a\nx,1\n")
    source = tmp_path / "new.csv"
    source.write_text("id,a\nx,2\ny,2\nx,3\n")
    script = KILLED.format(step=step, before=before)
    done = subprocess.run(
        [sys.executable, "-c", script, str(home.folder), database_url, str(source)], cwd=ROOT, check=False
    )
    assert done.returncode == -9
    assert read(store, home).rows() == [("x", "1")]
    with store.begin_read() as session:
        assert [row.kind for row in session.query(LedgerEntryRow)] == ["register.imported"]
    assert bring(store, home, source.read_bytes()).version == 2
    assert read(store, home).rows() == [("x", "2"), ("y", "2")]
    store.close()


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from(["", "p", "q", "r"]), st.sampled_from(["1", "2"])), max_size=12))
def test_every_row_ends_in_exactly_one_place(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / f"rows-{os.getpid()}.csv"
    file.write_text("id,a\n" + "".join(f"{code},{cell}\n" for code, cell in rows))
    if not rows:
        return
    table = read_table(file)
    out = validate_rows(table, "id", "opaque", ["a"])
    assert out.kept.height + out.set_aside.height == len(rows)
    expected = dict(reversed([(code, cell) for code, cell in rows if code]))
    assert dict(out.kept.rows()) == expected
    assert sum(out.reasons.values()) == out.set_aside.height


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["", "p", "q", "r", "s"]), st.sampled_from(["1", "2", "3,4"])), max_size=15
    ),
    budget=st.sampled_from([1, 100, 1 << 20]),
)
def test_an_import_in_pieces_is_the_import(
    rows: list[tuple[str, str]], budget: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is read and sorted at once, the same rows are kept and the same are set aside, for the same reasons."""
    folder = tmp_path_factory.mktemp("pieces")
    file = folder / "rows.csv"
    file.write_text("id,a\n" + "".join(f"{code},{cell}\n" for code, cell in rows))
    first: dict[str, tuple[int, str]] = {}
    aside = []
    for number, (code, cell) in enumerate(rows, start=2):
        if "," in cell:
            aside.append((number, "ragged"))
        elif not code:
            aside.append((number, "empty"))
        elif code in first:
            row, kept = first[code]
            aside.append((number, f"{'repeats' if kept == cell else 'differs from'} row {row}"))
        else:
            first[code] = number, cell
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(table_file, "CHUNK_CHARACTERS", 16)
        patched.setattr(external_sort, "RUN_BYTES", budget)
        patched.setattr(external_sort, "BLOCK_ROWS", 2)
        workshop = folder / "workshop"
        workshop.mkdir()
        table = open_table(file)
        if not first:
            with pytest.raises(InvalidInput, match="good identifier"):
                preparation.prepare_register(table, workshop, RegisterLayout("id", "opaque"), ["a"], SILENT)
            return
        found = preparation.prepare_register(table, workshop, RegisterLayout("id", "opaque"), ["a"], SILENT)
    assert pl.read_parquet(found.file).rows() == sorted((code, cell) for code, (_, cell) in first.items())
    assert (found.rows, found.set_aside) == (len(first), len(aside))
    told = (
        pl.read_csv(found.rejected, infer_schema=False) if found.rejected else pl.DataFrame({"row": [], "reason": []})
    )
    assert [(int(row), reason) for row, reason in told.select("row", "reason").rows()] == aside


def test_what_a_killed_import_left_is_gone_with_the_next(store: Database, home: BureauHome) -> None:
    left = home.folder / "registers" / ".main" / "import-x"
    left.mkdir(parents=True)
    (left / "good.0").write_bytes(b"rows")
    bring(store, home, "id,a\nx,1\n")
    assert [path.name for path in left.parent.iterdir()] == ["lock"]
