"""What ``make release`` does: wheel, source archive, bill of materials and hashes of the last commit, into ``dist/``.

The same commit gives the same bytes: it is built from what git holds and not from what lies in the tree, and every
time in the files is the commit's (SOURCE_DATE_EPOCH). The wheel comes so from setuptools; its source archive is packed
again here, because setuptools writes the hour and the user into it. The bill of materials (CycloneDX 1.6) lists what
``requirements.lock`` pins, with hashes. ``python release.py FOLDER`` writes elsewhere.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SUMS = "SHA256SUMS"


def build(out: Path, *, root: Path = ROOT) -> list[Path]:
    """Build the last commit of ``root`` into ``out``; raises ``subprocess.CalledProcessError`` where a step fails."""
    epoch = _git(root, "log", "-1", "--format=%ct").decode().strip()
    environment = os.environ | {"SOURCE_DATE_EPOCH": epoch}
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "source"), Path(folder, "made")
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "HEAD"))) as archive:
            archive.extractall(source, filter="data")
        _run(environment, "build", "--no-isolation", "--outdir", str(made), str(source))
        wheel, archive_file = next(made.glob("*.whl")), next(made.glob("*.tar.gz"))
        name = archive_file.name.removesuffix(".tar.gz")
        found = {
            wheel.name: wheel.read_bytes(),
            archive_file.name: pack_again(archive_file.read_bytes(), int(epoch)),
            f"{name}.cdx.json": bill_of_materials(source, environment),
        }
    found[SUMS] = b"".join(f"{hashlib.sha256(found[one]).hexdigest()}  {one}\n".encode() for one in sorted(found))
    for one, content in found.items():
        (out / one).write_bytes(content)
    return [out / one for one in found]


def pack_again(archive: bytes, time: int) -> bytes:
    """The files of a source archive in order, all of one time, and nobody's."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=plain, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            entry = tarfile.TarInfo(member.name)
            entry.type, entry.size, entry.mtime = member.type, member.size, time
            entry.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(entry, old.extractfile(member) if member.isfile() else None)
    return gzip.compress(plain.getvalue(), mtime=time)


def bill_of_materials(source: Path, environment: dict[str, str]) -> bytes:
    """CycloneDX of everything that ``requirements.lock`` installs, as JSON."""
    return _run(
        environment,
        "cyclonedx_py",
        "requirements",
        "--pyproject",
        str(source / "pyproject.toml"),
        "--mc-type",
        "application",
        "--sv",
        "1.6",
        "--output-reproducible",
        str(source / "requirements.lock"),
    )


def _git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True).stdout


def _run(environment: dict[str, str], module: str, *arguments: str) -> bytes:
    done = subprocess.run([sys.executable, "-m", module, *arguments], env=environment, capture_output=True)
    if done.returncode:
        sys.stderr.buffer.write(done.stderr or done.stdout)
        done.check_returncode()
    return done.stdout


def main() -> None:
    """Build into the folder named, or into ``dist``; say what was built."""
    if _git(ROOT, "status", "--porcelain"):
        sys.stderr.write("release: changes that are not committed are left out; the last commit is built\n")
    made = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
    sys.stdout.write(made[-1].read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
