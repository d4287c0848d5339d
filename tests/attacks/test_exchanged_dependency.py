"""Somebody exchanges a package on its way to the bureau: at the index, at a mirror, at a proxy.

The name and the version are right, the code is theirs, and it would run with the bureau's keys. What stops it:
`setup` installs by hash alone, without a resolver, and every line of the lock has a hash.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.threat(
    "Exchanged dependency",
    who="a stranger",
    wants="to replace a package on its way to the installation",
    stopped_by={
        "locked hashes": "Every package is locked by hash and installed without a resolver.",
    },
    code=["setup"],
)

ROOT = Path(__file__).resolve().parents[2]
NAME = "shulab_attack_parcel"


def wheel(folder: Path, code: str) -> Path:
    """A package of that code, under the one name and version."""
    folder.mkdir()
    path = folder / f"{NAME}-1.0-py3-none-any.whl"
    info = f"{NAME}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{NAME}.py", code)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def flags() -> list[str]:
    """What `setup` tells pip, for what is locked."""
    (line,) = re.findall(r"pip install ([^\n]*)-r \"\$lock\"", (ROOT / "setup").read_text("utf-8"))
    return line.split()


def install(folder: Path, words: list[str]) -> str:
    """The code that is installed: the lock names the true wheel, the index gives the other one."""
    true = wheel(folder / "true", "WHOSE = 'ours'\n")
    wheel(folder / "index", "WHOSE = 'theirs'\n")
    lock = folder / "lock"
    lock.write_text(f"{NAME}==1.0 --hash=sha256:{hashlib.sha256(true.read_bytes()).hexdigest()}\n")
    if "--require-hashes" not in words:
        lock.write_text(f"{NAME}==1.0\n")
    target = folder / "site"
    command = [sys.executable, "-m", "pip", "install", *words, "--no-index", "--find-links", str(folder / "index")]
    subprocess.run(
        [*command, "--target", str(target), "--quiet", "-r", str(lock)], capture_output=True, check=False, timeout=120
    )
    found = target / f"{NAME}.py"
    return found.read_text() if found.exists() else ""


@pytest.mark.without_control("locked hashes")
def test_without_the_hash_their_code_is_installed(tmp_path: Path) -> None:
    words = [word for word in flags() if word != "--require-hashes"]
    assert "theirs" in install(tmp_path, words)


@pytest.mark.with_control("locked hashes")
def test_nothing_of_theirs_is_installed(tmp_path: Path) -> None:
    assert "--require-hashes" in flags() and "--no-deps" in flags()
    assert install(tmp_path, flags()) == ""


@pytest.mark.with_control("locked hashes")
@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_no_line_of_the_lock_is_without_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert [line for line in lines if "--hash=sha256:" not in line] == [] and len(lines) > 30
