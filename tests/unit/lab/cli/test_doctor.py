"""``lab doctor``: a verdict for each thing, a next step unless it is well; it runs at either party and opens no key."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.bank.home import BankHome
from lab.bureau.configuration.home import BureauHome, change_settings
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.store import migrate, open_database
from lab.cli.doctor import homes as doctor_homes
from lab.cli.doctor import installation, machine
from lab.cli.doctor.commands import _show_findings
from lab.cli.doctor.findings import DoctorFinding, DoctorVerdict
from lab.cli.doctor.homes import BANK_HOME, BUREAU_HOME, HomeLayout, check_home
from lab.cli.doctor.installation import LIBRARIES, LibraryCheck, check_library, check_x25519_path, has_avx512_ifma
from lab.cli.doctor.machine import GIB, assess_free_space, check_clock, check_disk, check_memory, check_python
from lab.cli.terminal.output import CommandOutput
from lab.process.optional_extras import extra_command
from protocols.matching.engines.x25519 import backend as x25519_path
from tests.support.party_trees import BANK_ONLY, BUREAU_ONLY, ROOT, install_without, run

CHECKS = [
    *("python", "system", "cores", "memory", "disk_bank", "disk_bureau", "clock"),
    *(one.check for one in LIBRARIES),
    "x25519",
    *("confined_landlock", "confined_seccomp", "confined_network", "confined_dumps"),
    *("home_bank", "home_bureau"),
]
PLANTED = "planted-value"


def lab_doctor(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``lab doctor`` of a person whose homes are in ``folder``."""
    homes = {"SHULAB_BANK_HOME": str(folder / "bank"), "SHULAB_BUREAU_HOME": str(folder / "bureau")}
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", "doctor", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", **homes, **environment},
    )


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A bank's home whose keys are sealed by a key file in it."""
    folder = tmp_path / "bank"
    BankHome.create(folder, name="某银行", key_file=folder / "keys.file")
    return folder


@pytest.fixture
def bureau(tmp_path: Path) -> Path:
    """A bureau's home with its keys and database."""
    made = BureauHome.create(tmp_path / "bureau", name="某局")
    BureauKeys.create(made)
    store = open_database(made.database_url)
    migrate(store.engine)
    store.close()
    return made.folder


# The command


def test_one_json_object_with_every_line_in_both_languages(tmp_path: Path) -> None:
    done = lab_doctor(tmp_path, "--json", SHULAB_X25519="portable")
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    assert told["ok"] is True
    lines = {line["check"]: line for line in told["findings"]}
    assert list(lines) == CHECKS
    for line in told["findings"]:
        assert line["verdict"] in ("ok", "note")
        assert line["found"]["zh"] and line["found"]["en"]
        if line["verdict"] != "ok":
            assert line["next_step"]["zh"] and line["next_step"]["en"]
    assert lines["x25519"]["value"] == "portable" and "SHULAB_X25519" in lines["x25519"]["next_step"]["en"]
    assert lines["memory"]["value"] > GIB and lines["cores"]["value"] >= 1
    assert lines["python"]["value"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert lines["home_bank"]["verdict"] == lines["home_bureau"]["verdict"] == "note"


def test_a_person_reads_a_table_in_both_languages(tmp_path: Path) -> None:
    done = lab_doctor(tmp_path)
    assert done.returncode == 0
    for word in ("结论 verdict", "下一步 next step", "内存", "memory", "正常 ok", "Everything that is needed works"):
        assert word in done.stdout


def test_what_is_wrong_is_named_and_the_exit_code_is_1(bank: Path) -> None:
    bank.chmod(0o755)
    done = lab_doctor(bank.parent, "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert [line["check"] for line in told["findings"] if line["verdict"] == "wrong"] == ["home_bank"]
    assert "To be corrected: home_bank" in done.stderr


def test_settings_and_a_database_that_the_bureau_would_refuse_are_wrong(bureau: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(bureau / "bureau.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0009'")
    words = ("--bank-home", str(tmp_path / "none"), "--bureau-home", str(bureau), "--json")
    done = lab_doctor(tmp_path, *words)
    lines = {line["check"]: line for line in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1 and "lab bureau upgrade" in lines["home_bureau"]["next_step"]["en"]
    with (bureau / "bureau.toml").open("a") as file:
        file.write('two_officers_abov = "internal"\n')
    done = lab_doctor(tmp_path, *words)
    lines = {line["check"]: line for line in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1 and "two_officers_above" in lines["home_bureau"]["found"]["en"]


def test_the_homes_that_are_named_are_looked_at(bank: Path, tmp_path: Path) -> None:
    done = lab_doctor(tmp_path / "elsewhere", "--json", "--bank-home", str(bank), "--bureau-home", str(tmp_path / "no"))
    lines = {line["check"]: line for line in json.loads(done.stdout)["findings"]}
    assert (lines["home_bank"]["verdict"], lines["home_bureau"]["verdict"]) == ("ok", "note")
    assert str(tmp_path / "no") in lines["home_bureau"]["found"]["en"]


def test_the_name_of_an_extra_is_shown_with_its_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    finding = DoctorFinding(
        "x", ("甲", "a"), DoctorVerdict.NOTE, ("无 [fast]", "no [fast]"), ("装 [fast]", "get 'shulab[fast]'")
    )
    _show_findings(CommandOutput(), [finding])
    shown = capsys.readouterr().out
    assert "no [fast]" in shown and "'shulab[fast]'" in shown
    assert "next step" in shown and "\\u" not in shown


@pytest.mark.parametrize("removed", [BANK_ONLY, BUREAU_ONLY], ids=["at the bureau", "at a bank"])
def test_it_runs_where_the_other_party_is_not_installed(removed: tuple[str, ...], tmp_path: Path) -> None:
    tree = install_without(removed, tmp_path / "tree")
    homes = {"SHULAB_BANK_HOME": str(tmp_path / "bank"), "SHULAB_BUREAU_HOME": str(tmp_path / "bureau")}
    done = run(tree, "doctor", "--json", variables=homes)
    assert done.returncode == 0, done.stderr
    assert [line["check"] for line in json.loads(done.stdout)["findings"]] == CHECKS


def test_every_module_of_the_doctor_stands_under_its_import_contract() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", "utf-8")
    assert contracts["importlinter:contract:doctor"]["source_modules"].split() == ["lab.cli.doctor"]
    assert {"lab.bank", "lab.bureau"} <= set(contracts["importlinter:contract:doctor"]["forbidden_modules"].split())


# Homes


def test_homes_in_order_are_found_so(bank: Path, bureau: Path) -> None:
    for party, folder in ((BANK_HOME, bank), (BUREAU_HOME, bureau)):
        line = check_home(party, folder)
        assert (line.verdict, line.next_step) == (DoctorVerdict.OK, ("", "")), line.found


def test_where_there_is_none_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    for party, command in ((BANK_HOME, "lab bank init"), (BUREAU_HOME, "lab bureau init")):
        line = check_home(party, tmp_path / "none")
        assert line.verdict is DoctorVerdict.NOTE and command in line.next_step[1]


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


BROKEN: dict[str, tuple[HomeLayout, Callable[[Path], object], str, str]] = {
    "a bank's folder open to others": (BANK_HOME, lambda f: f.chmod(0o750), "mode 0750", "chmod 700"),
    "a bureau's folder open to others": (BUREAU_HOME, lambda f: f.chmod(0o755), "mode 0755", "chmod 700"),
    "keys open to others": (BUREAU_HOME, lambda f: (f / "keys").chmod(0o711), "keys", "chmod 700"),
    "a sealed key open to others": (
        BUREAU_HOME,
        lambda f: next((f / "keys").glob("*.sealed")).chmod(0o640),
        ".sealed",
        "chmod 600",
    ),
    "a bank's sealed key open to others": (
        BANK_HOME,
        lambda f: next(p for p in (f / "keys").iterdir() if p.is_file()).chmod(0o604),
        "mode 0604",
        "chmod 600",
    ),
    "a key that is a link": (BUREAU_HOME, lambda f: linked(f / "keys" / "signing.sealed"), "is a link", "not accepted"),
    "no keys": (BANK_HOME, lambda f: shutil.rmtree(f / "keys"), "no keys/", "backup"),
    "settings that are no TOML": (BANK_HOME, lambda f: (f / "bank.toml").write_text(PLANTED), "bank.toml", "backup"),
    "settings that are no text": (
        BUREAU_HOME,
        lambda f: (f / "bureau.toml").write_bytes(b"\xff"),
        "bureau.toml",
        "backup",
    ),
    "settings without a key": (BANK_HOME, lambda f: (f / "bank.toml").write_text('name = "x"'), "public_key", "backup"),
    "a bank's key file gone": (
        BANK_HOME,
        lambda f: (f / "keys.file").unlink(),
        "keys.file is missing",
        "key file back",
    ),
    "a bank's key file open to others": (BANK_HOME, lambda f: (f / "keys.file").chmod(0o644), "mode 0644", "chmod 600"),
    "the seal key gone": (
        BUREAU_HOME,
        lambda f: (f / "keys" / "seal.key").unlink(),
        "seal.key is missing",
        "key file back",
    ),
    "no database": (BUREAU_HOME, lambda f: (f / "bureau.db").unlink(), "no bureau.db", "backup"),
    "another file as database": (
        BUREAU_HOME,
        lambda f: (f / "bureau.db").write_text(PLANTED),
        "not a database",
        "backup",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_thing_that_is_wrong_with_a_home_is_told_with_what_to_do(name: str, bank: Path, bureau: Path) -> None:
    party, breaking, found, step = BROKEN[name]
    folder = bank if party is BANK_HOME else bureau
    breaking(folder)
    line = check_home(party, folder)
    assert line.verdict is DoctorVerdict.WRONG
    assert found in line.found[1] and step in line.next_step[1]
    assert line.found[0] != line.found[1] and line.next_step[0]
    assert PLANTED not in str(line)


def test_all_that_is_wrong_is_told_at_once(bureau: Path) -> None:
    bureau.chmod(0o755)
    (bureau / "bureau.db").unlink()
    line = check_home(BUREAU_HOME, bureau)
    assert "mode 0755" in line.found[1] and "bureau.db" in line.found[1]


def test_another_users_home_is_wrong(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    line = check_home(BANK_HOME, bank)
    assert line.verdict is DoctorVerdict.WRONG and "belongs to another user" in line.found[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may enter every folder")
def test_a_home_that_cannot_be_entered_is_wrong_and_no_fault(bank: Path) -> None:
    bank.chmod(0)
    try:
        line = check_home(BANK_HOME, bank)
    finally:
        bank.chmod(0o700)
    assert line.verdict is DoctorVerdict.WRONG and line.next_step[1]


def test_a_database_elsewhere_is_not_asked_and_its_password_not_told(bureau: Path) -> None:
    change_settings(bureau, {"database_url": f"postgresql+psycopg://bureau:{PLANTED}@db/bureau"})
    (bureau / "bureau.db").unlink()
    line = check_home(BUREAU_HOME, bureau)
    assert line.verdict is DoctorVerdict.NOTE and "lab bureau serve" in line.next_step[1]
    assert PLANTED not in str(line)


def test_what_seals_the_bureaus_secrets_has_to_be_at_hand(bureau: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bureau / "keys" / "seal.key").unlink()
    change_settings(bureau, {"seal": "environment"})
    line = check_home(BUREAU_HOME, bureau)
    assert line.verdict is DoctorVerdict.NOTE and "SHULAB_BUREAU_SEAL_KEY" in line.next_step[1]
    monkeypatch.setenv("SHULAB_BUREAU_SEAL_KEY", PLANTED)
    assert check_home(BUREAU_HOME, bureau).verdict is DoctorVerdict.OK
    monkeypatch.setenv("SHULAB_BUREAU_SEAL", "pkcs11:module=/x;token=t;object=o")  # the environment goes first
    monkeypatch.setattr(doctor_homes, "find_spec", lambda name: None)
    line = check_home(BUREAU_HOME, bureau)
    assert line.verdict is DoctorVerdict.WRONG and line.next_step[1] == extra_command("hsm")


def test_no_key_is_opened(bank: Path, bureau: Path) -> None:
    script = f"""
import sys
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from pathlib import Path
from lab.cli.doctor.homes import BANK_HOME, BUREAU_HOME, check_home
print(check_home(BANK_HOME, Path({str(bank)!r})).verdict, check_home(BUREAU_HOME, Path({str(bureau)!r})).verdict)
print(*(Path(name).name for name in opened if name.startswith({str(bank.parent)!r})))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    verdicts, opened = done.stdout.strip().splitlines()
    assert verdicts == "ok ok"
    assert set(opened.split()) == {"bank.toml", "bureau.toml", "bureau.db"}


# What is installed


def test_a_library_that_is_absent_is_wrong_unless_an_extra_brings_it() -> None:
    absent = LibraryCheck("x", "no-such-package", "no_such_module", ("甲", "a"))
    assert check_library(absent).verdict is DoctorVerdict.WRONG and "setup" in check_library(absent).next_step[1]
    extra = check_library(replace(absent, extra="cluster"))
    assert (
        extra.verdict is DoctorVerdict.NOTE
        and extra_command("cluster") in extra.next_step[1]
        and extra.found[1] == "not installed"
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise ImportError('libgomp.so.1: cannot open shared object file')", "libgomp.so.1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "SIGILL; the processor"),
        ("import os; os._exit(3)", "exit code 3"),
        ("import sys; sys.exit('no way')", "no way"),
    ],
)
def test_a_library_that_does_not_load_is_wrong_and_the_doctor_lives(
    body: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sick_library.py").write_text(body, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for extra in ("", "cluster"):  # one that is there and does not load is wrong in any case
        line = check_library(
            LibraryCheck("x", "numpy", "sick_library", ("甲", "a"), extra=extra, next_step=("做", "do this"))
        )
        assert line.verdict is DoctorVerdict.WRONG and why in line.found[1] and line.next_step == ("做", "do this")


def test_a_library_is_not_taken_from_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(1)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert check_library(LibraryCheck("x", "numpy", "numpy", ("甲", "a"))).verdict is DoctorVerdict.OK


def test_a_library_that_takes_for_ever_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_library.py").write_text("import time; time.sleep(60)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(installation, "_LOAD_TIMEOUT_SECONDS", 1)
    line = check_library(LibraryCheck("x", "numpy", "slow_library", ("甲", "a")))
    assert line.verdict is DoctorVerdict.WRONG and "within 1 s" in line.found[1]


def test_the_path_of_x25519_is_the_one_that_matching_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(x25519_path.BACKEND_VARIABLE, raising=False)
    way = x25519_path.select_backend()
    line = check_x25519_path()
    assert line.value == way.name and way.reason in line.found[1]
    assert "portable" not in way.name or "AVX-512 IFMA" in line.found[0]
    assert line.verdict is (DoctorVerdict.OK if way.name == "accelerated" else DoctorVerdict.NOTE)


@pytest.mark.parametrize(
    ("flags", "able", "step"),
    [
        ("fpu avx512f avx512ifma", True, f"for the faster one: {extra_command('fast')}"),
        ("fpu avx2", False, "on a processor with AVX-512 IFMA"),
        (None, None, "for the faster one"),
    ],
)
def test_why_it_is_not_the_faster_one_is_told_with_what_would_make_it_so(
    flags: str | None, able: bool | None, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpus = tmp_path / "cpuinfo"
    cpus.write_text("processor : 0\n" + (f"flags\t\t: {flags}\n" if flags else ""), encoding="utf-8")
    assert has_avx512_ifma(cpus) is able
    why = "the package ipp-crypto is not installed (extra [fast])"
    way = x25519_path.X25519Backend("portable", why, lambda key, rows: rows, lambda keys, row: keys)
    monkeypatch.delenv(x25519_path.BACKEND_VARIABLE, raising=False)
    monkeypatch.setattr(x25519_path, "select_backend", lambda: way)
    monkeypatch.setattr(installation, "has_avx512_ifma", lambda: has_avx512_ifma(cpus))
    line = check_x25519_path()
    assert (line.verdict, line.value) == (DoctorVerdict.NOTE, "portable")
    assert way.reason in line.found[1] and step in line.next_step[1]
    monkeypatch.setattr(x25519_path, "select_backend", lambda: replace(way, name="accelerated"))
    line = check_x25519_path()
    assert (line.verdict, line.value, line.next_step) == (DoctorVerdict.OK, "accelerated", ("", ""))


def test_a_processor_that_cannot_be_asked_is_not_guessed_at(tmp_path: Path) -> None:
    assert has_avx512_ifma(tmp_path / "none") is None


# The machine


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 10), "wrong"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "wrong"), ((4, 0), "wrong")],
)
def test_a_python_without_wheels_is_wrong(version: tuple[int, int], verdict: str) -> None:
    assert check_python(version).verdict == verdict


@pytest.mark.parametrize(("size", "verdict"), [(GIB - 1, "wrong"), (GIB, "note"), (4 * GIB, "ok")])
def test_memory_is_judged_by_what_the_work_needs(size: int, verdict: str) -> None:
    line = check_memory(size)
    assert (line.verdict, line.value, bool(line.next_step[1])) == (verdict, size, verdict != "ok")


def test_a_containers_memory_is_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "_CGROUP_MEMORY", limit)
    whole = machine.memory_limit()
    limit.write_text("max\n")
    assert machine.memory_limit() == whole
    limit.write_text("1073741824\n")
    assert machine.memory_limit() == GIB


@pytest.mark.parametrize(("free", "verdict"), [(GIB - 1, "wrong"), (GIB, "note"), (10 * GIB, "ok")])
def test_a_disk_is_judged_by_its_room(free: int, verdict: str, tmp_path: Path) -> None:
    line = check_disk("bank", tmp_path / "not" / "made" / "yet")
    assert line.value and str(tmp_path) in line.found[1]
    assert assess_free_space(line, free, tmp_path).verdict == verdict


def test_a_clock_is_wrong_before_the_installation_and_noted_where_it_follows_none() -> None:
    now = datetime.now(UTC)
    assert check_clock(now, True).verdict is DoctorVerdict.OK
    for follows in (False, None):
        line = check_clock(now, follows)
        assert line.verdict is DoctorVerdict.NOTE and "300 seconds" in line.next_step[1]
    assert check_clock(machine.installation_time() - timedelta(seconds=1), True).verdict is DoctorVerdict.WRONG
    assert machine.is_clock_synchronised() in (True, False, None)
