"""What was paid for is kept: through kill -9, for its own contract alone, and by one process at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bank.matching.evaluation_store import open_evaluation_store, stored_epochs
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic, ShulabError

ROOT = Path(__file__).resolve().parents[5]
OF = ("c-0001", 1, "x25519")


def values_of(codes) -> np.ndarray:
    """A value for each code that can be told from the code."""
    rows = [np.frombuffer(code.encode()[:32].ljust(32, b"."), dtype=np.uint8) for code in codes]
    return np.array(rows, dtype=np.uint8).reshape(-1, 32)


def test_values_come_back_in_the_order_asked_and_the_others_are_missing(tmp_path: Path) -> None:
    with open_evaluation_store(tmp_path / "e", *OF) as store:
        number = store.record_request(["b", "a"])
        assert store.pending_requests() == [(number, ["b", "a"])] and len(store) == 0
        store.record_evaluations(number, ["b", "a"], values_of(["b", "a"]))
        assert store.pending_requests() == [] and len(store) == 2
    with open_evaluation_store(tmp_path / "e", *OF) as store:
        values, held = store.look_up(["a", "x", "b", "a"])
        assert held.tolist() == [True, False, True, True]
        assert np.array_equal(values[held], values_of(["a", "b", "a"])) and not values[1].any()
        assert store.missing(["y", "a", "x"]) == ["y", "x"] and store.missing([]) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.text(min_size=1, max_size=8), max_size=20), max_size=6))
def test_any_sequence_of_requests_leaves_each_code_with_its_value(tmp_path_factory, requests) -> None:
    asked: set[str] = set()
    with open_evaluation_store(tmp_path_factory.mktemp("e"), *OF) as store:
        for request in requests:
            codes = [code for code in request if _encodable(code)]
            fresh = store.missing(codes)
            assert set(fresh) == set(codes) - asked
            store.record_evaluations(store.record_request(fresh), fresh, values_of(fresh))
            asked |= set(codes)
            values, held = store.look_up(sorted(asked))
            assert held.all() and np.array_equal(values, values_of(sorted(asked)))


def _encodable(text: str) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in text)


def test_requests_end_by_their_numbers_and_numbers_are_not_used_again(tmp_path: Path) -> None:
    with open_evaluation_store(tmp_path / "e", *OF) as store:
        first, second = store.record_request(["a"]), store.record_request(["b"])
        assert store.pending_requests() == [(first, ["a"]), (second, ["b"])]
        store.discard_request(second)
        with pytest.raises(ValueError, match="32 bytes"):
            store.record_evaluations(first, ["a"], np.zeros((2, 32), np.uint8))
        assert store.pending_requests() == [(first, ["a"])]
        assert store.record_request(["c"]) > second
        store.record_evaluations(first, ["a"], values_of(["a"]))
        assert [codes for _, codes in store.pending_requests()] == [["c"]] and store.missing(["a", "c"]) == ["c"]


def test_files_are_the_owners_alone_and_others_files_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    with open_evaluation_store(folder, *OF) as store, store.exclusive():
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    path = folder / "c-0001.e1.x25519.sqlite"
    path.chmod(0o644)
    with pytest.raises(NotAllowed, match="0600"), open_evaluation_store(folder, *OF):
        pass
    path.chmod(0o600)
    moved = path.rename(tmp_path / "moved")
    path.symlink_to(moved)
    with pytest.raises(NotAllowed), open_evaluation_store(folder, *OF):
        pass
    path.unlink()
    folder.chmod(0o755)
    with pytest.raises(NotAllowed), open_evaluation_store(folder, *OF):
        pass


@pytest.mark.parametrize("other", [("c-0002", 1, "x25519"), ("c-0001", 2, "x25519"), ("c-0001", 1, "openmined")])
def test_the_file_of_another_contract_epoch_or_engine_is_not_taken(tmp_path: Path, other) -> None:
    with open_evaluation_store(tmp_path, *OF):
        pass
    (tmp_path / "c-0001.e1.x25519.sqlite").rename(tmp_path / f"{other[0]}.e{other[1]}.{other[2]}.sqlite")
    with pytest.raises(NotAuthentic), open_evaluation_store(tmp_path, *other):
        pass


def test_a_damaged_file_is_told_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "c-0001.e1.x25519.sqlite"
    path.touch(0o600)
    path.write_bytes(b"not a database at all, whatever its name" * 100)
    with pytest.raises(InvalidInput, match="damaged") as found, open_evaluation_store(tmp_path, *OF):
        pass
    assert "charged again" in found.value.next_step


def test_epochs_are_told_for_one_contract_and_engine(tmp_path: Path) -> None:
    for of in (OF, ("c-0001", 12, "x25519"), ("c-0001", 3, "openmined"), ("c-0001-b", 4, "x25519")):
        with open_evaluation_store(tmp_path, *of):
            pass
    assert stored_epochs(tmp_path, "c-0001", "x25519") == (1, 12)
    assert stored_epochs(tmp_path / "none", "c-0001", "x25519") == ()


def _hold(folder: Path, held, release) -> None:
    with open_evaluation_store(folder, *OF) as store, store.exclusive():
        number = store.record_request(["a"])
        held.set()
        release.wait(30)
        store.record_evaluations(number, ["a"], values_of(["a"]))


def test_two_processes_send_one_after_the_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(30)
    with open_evaluation_store(tmp_path, *OF) as store, store.exclusive(waiting=release.set):
        assert release.is_set() and store.pending_requests() == [] and store.missing(["a"]) == []
    other.join(30)
    assert other.exitcode == 0


KILLED = """
import sys
from pathlib import Path
import numpy as np
from lab.bank.matching.evaluation_store import open_evaluation_store
from tests.unit.lab.bank.matching.test_evaluation_store import OF, values_of
with open_evaluation_store(Path(sys.argv[1]), *OF) as store:
    number = 0
    while True:
        with store.exclusive():
            for before, codes in store.pending_requests():
                store.record_evaluations(before, codes, values_of(codes))
            codes = [f"code-{number}-{n}" for n in range(200)]
            number += 1
            fresh = store.missing(codes)
            if fresh:
                begun = store.record_request(fresh)
                print("sent", number - 1, flush=True)
                store.record_evaluations(begun, fresh, values_of(fresh))
                print("kept", number - 1, flush=True)
"""


def test_a_process_that_is_killed_leaves_values_or_the_request(tmp_path: Path) -> None:
    kept: set[int] = set()
    for attempt in range(60):  # a slow disk takes longer until something is kept
        if kept and attempt >= 6:
            break
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline().split()]
            sleep(0.02 * attempt + 0.005)
            os.kill(child.pid, signal.SIGKILL)
            lines += [line.split() for line in child.stdout.read().splitlines()]
        whole = [line for line in lines if len(line) == 2]
        kept |= {int(number) for word, number in whole if word == "kept"}
        sent = {int(number) for word, number in whole if word == "sent"}
        with open_evaluation_store(tmp_path, *OF) as store:
            for number in kept | sent:
                codes = [f"code-{number}-{n}" for n in range(200)]
                values, held = store.look_up(codes)
                assert held.all() or (
                    number not in kept and [request for _, request in store.pending_requests()] == [codes]
                )
                assert not held.any() or np.array_equal(values, values_of(codes))
        with closing(sqlite3.connect(tmp_path / "c-0001.e1.x25519.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert kept


def test_a_store_of_the_former_kind_is_emptied_and_never_read(tmp_path: Path) -> None:
    """Its values have no digests, or are of a key that all contracts shared."""
    with open_evaluation_store(tmp_path / "e", *OF):
        pass
    (path,) = (tmp_path / "e").glob("*.sqlite")
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("store", "evaluations", "requests"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("CREATE TABLE about (schema TEXT, contract TEXT, epoch INTEGER, engine TEXT)")
        connection.execute("CREATE TABLE evaluated (code TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO evaluated VALUES ('a', zeroblob(32))")
    with open_evaluation_store(tmp_path / "e", *OF) as store:
        assert len(store) == 0 and store.pending_requests() == [] and store.missing(["a"]) == ["a"]


def filled(folder: Path) -> Path:
    """A store of 50 rows and a request without a response."""
    codes = [f"code-{number:02d}" for number in range(50)]
    with open_evaluation_store(folder, *OF) as store:
        store.record_evaluations(store.record_request(codes), codes, values_of(codes))
        store.record_request(["waits"])
    (path,) = folder.glob("*.sqlite")
    return path


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE evaluations SET value = zeroblob(48) WHERE code = 'code-07'",
        "UPDATE evaluations SET value = (SELECT value FROM evaluations WHERE code = 'code-08') WHERE code = 'code-07'",
        "UPDATE evaluations SET value = zeroblob(32) WHERE code = 'code-07'",
        "DELETE FROM evaluations WHERE code = 'code-07'",
        "DELETE FROM store",
        "UPDATE requests SET codes = '[\"wants\"]'",
    ],
)
def test_a_changed_or_lost_row_stops_the_bank_and_is_neither_used_nor_paid_again(tmp_path: Path, damage: str) -> None:
    with closing(sqlite3.connect(filled(tmp_path))) as connection, connection:
        connection.execute(damage)
    with (
        pytest.raises(DamagedFile, match=r"c-0001\.e1\.x25519\.sqlite") as found,
        open_evaluation_store(tmp_path, *OF) as store,
    ):
        store.look_up([f"code-{number:02d}" for number in range(50)])
        store.pending_requests()
    assert "backup" in found.value.next_step and "code-" not in str(found.value)


def test_no_flipped_bit_changes_a_value_in_silence(tmp_path: Path) -> None:
    """Bits all over the file: what is found is right or refused; what is not found would be asked again."""
    path = filled(tmp_path)
    whole, codes = path.read_bytes(), [f"code-{number:02d}" for number in range(50)]
    refused = 0
    for at in range(0, len(whole), 37):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            with open_evaluation_store(tmp_path, *OF) as store:
                values, held = store.look_up(codes)
                assert np.array_equal(values[held], values_of(codes)[held])
        except ShulabError:
            refused += 1
    assert refused > 20
