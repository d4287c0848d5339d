"""Each party starts and works with the other party's folders removed from the disk."""

from __future__ import annotations

import configparser
import json
import signal
import stat
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.support.party_trees import BANK_ONLY, BUREAU_ONLY, ROOT, command, environment, install_without, run


@pytest.fixture(scope="module")
def bank_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_without(BUREAU_ONLY, tmp_path_factory.mktemp("bank-tree"))


@pytest.fixture(scope="module")
def bureau_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_without(BANK_ONLY, tmp_path_factory.mktemp("bureau-tree"))


def test_a_copy_sees_no_other_installation(bank_tree: Path) -> None:
    """The check of the check: from the copy, the removed package is truly absent."""
    done = subprocess.run(
        [*command()[:2], "-c", "import lab, importlib.util as u; print(lab.__file__, u.find_spec('sandbox'))"],
        cwd=bank_tree,
        env=environment(bank_tree),
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(bank_tree) in done.stdout
    assert done.stdout.strip().endswith("None")


@pytest.mark.parametrize("words", [(), ("score",)])
def test_bank_commands_start_without_the_bureau(bank_tree: Path, words: tuple[str, ...]) -> None:
    done = run(bank_tree, "bank", *words, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_bank_makes_its_keys_without_the_bureau(bank_tree: Path, tmp_path: Path) -> None:
    home = tmp_path / "bank"
    done = run(
        bank_tree, "bank", "init", "--name", "试验银行", "--home", str(home), "--json",
        variables={"SHULAB_PASSPHRASE": "correct horse battery"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700


@pytest.mark.property(
    "Separate code",
    claim="Each party's code loads without the other's. They share definitions, helpers and the wire format.",
    topic="what leaves a party",
    code=[".importlinter"],
)
def test_every_module_of_the_bank_loads_without_the_bureau(bank_tree: Path) -> None:
    """Lazy imports hide from a start: load each module the bank's copy has, by name."""
    modules = [
        ".".join(path.relative_to(bank_tree).with_suffix("").parts).removesuffix(".__init__")
        for package in ("lab", "models", "protocols")
        for path in sorted((bank_tree / package).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    assert "lab.bank.scoring.job" in modules
    done = subprocess.run(
        [*command()[:2], "-c", f"import importlib\nfor name in {modules!r}: importlib.import_module(name)"],
        cwd=bank_tree,
        env=environment(bank_tree),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_bank_says_that_the_bureau_is_not_installed(bank_tree: Path) -> None:
    done = run(bank_tree, "bureau", "--help")
    assert done.returncode == 7
    assert "Traceback" not in done.stderr
    assert "not part of this installation" in done.stderr


@pytest.mark.parametrize("words", [("bureau",), ("officer",), ("model",)])
def test_bureau_commands_start_without_the_bank(bureau_tree: Path, words: tuple[str, ...]) -> None:
    done = run(bureau_tree, *words, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_bureau_serves_without_the_bank(bureau_tree: Path, tmp_path: Path) -> None:
    home, port_file = tmp_path / "bureau", tmp_path / "port"
    done = run(bureau_tree, "bureau", "init", "--name", "Test bureau", "--home", str(home), "--json")
    assert done.returncode == 0, done.stderr
    service = subprocess.Popen(
        command("bureau", "serve", "--home", str(home), "--port", "0", "--port-file", str(port_file)),
        cwd=bureau_tree,
        env=environment(bureau_tree),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not port_file.exists() and service.poll() is None:
            time.sleep(0.1)
        assert service.poll() is None, service.stderr.read() if service.stderr else ""
        answer = httpx.get(f"http://127.0.0.1:{port_file.read_text().strip()}/v1/health", trust_env=False)
        assert answer.status_code == 200
    finally:
        service.send_signal(signal.SIGTERM)
        _, notes = service.communicate(timeout=60)
    assert service.returncode == 0, notes


@pytest.mark.property("Separate code")
def test_every_module_of_the_bureau_loads_without_the_bank(bureau_tree: Path) -> None:
    modules = [
        ".".join(path.relative_to(bureau_tree).with_suffix("").parts).removesuffix(".__init__")
        for package in ("lab", "models", "protocols", "sandbox")
        for path in sorted((bureau_tree / package).rglob("*.py"))
        if path.name != "__main__.py" and "migrations" not in path.parts
    ]
    assert "sandbox.app" in modules
    done = subprocess.run(
        [*command()[:2], "-c", f"import importlib\nfor name in {modules!r}: importlib.import_module(name)"],
        cwd=bureau_tree,
        env=environment(bureau_tree),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_module_of_models_is_the_banks_or_the_bureaus_alone() -> None:
    """A new module of ``models`` must be sorted: for both parties, or for the bureau alone."""
    assert {path.name for path in (ROOT / "models").iterdir() if path.suffix == ".py"} == {"__init__.py"}
    assert {path.name for path in (ROOT / "models").iterdir() if any(path.glob("*.py"))} == {"bureau", "shared"}
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", "utf-8")
    assert "models.bureau" in contracts["importlinter:contract:bank"]["forbidden_modules"].split()
    assert "models/bureau" in BUREAU_ONLY
