"""Runs targets for a while each: ``python -m tests.fuzz.run [--seconds N] [--keep] [TARGET ...]``.

It begins from the good examples and the kept corpus. ``--keep`` puts into ``corpus/`` the smallest inputs that reach
all that was reached. An input that raises what it should not, hangs or eats memory is written into ``found/`` (git
ignores it) and named; once its fault is mended it belongs into ``corpus/``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS

HERE = Path(__file__).parent
CORPUS, FOUND = HERE / "corpus", HERE / "found"
KEPT_BYTES = 40_000
"""What is kept of one target at most: all of them together are to stay below a megabyte."""


def fuzz(name: str, seconds: int, *, keep: bool = False, found: Path = FOUND) -> str | None:
    """Run one target; the end of libFuzzer's report if it found a fault, else None."""
    target, kept = TARGETS[name], CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="shulab-fuzz-", dir=memory if os.access(memory, os.W_OK) else None
    ) as folder:
        work, least = Path(folder, "work"), Path(folder, "least")
        work.mkdir()
        least.mkdir()
        for number, seed in enumerate(target.seeds()):
            (work / f"seed-{number}").write_bytes(seed)
        limits = [
            f"-max_len={target.longest}",
            "-timeout=20",
            "-rss_limit_mb=4096",
            f"-artifact_prefix={found}/{name}-",
        ]
        ended = _run(name, folder, [str(work), str(kept), f"-max_total_time={seconds}", *limits])
        if ended.returncode:
            lines = (ended.stdout + ended.stderr).splitlines()
            return "\n".join(line for line in lines if not line.startswith("INFO"))[-4000:]
        if keep:
            _run(name, folder, ["-merge=1", str(least), str(kept), str(work), *limits]).check_returncode()
            shutil.rmtree(kept)
            kept.mkdir()
            room = KEPT_BYTES
            for path in sorted(least.iterdir(), key=lambda path: path.stat().st_size):
                room -= path.stat().st_size
                if room >= 0:
                    (kept / path.name[:16]).write_bytes(path.read_bytes())
    return None


def _run(name: str, folder: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.one", name, *arguments]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "TMPDIR": folder}
    return subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)


def main() -> None:
    """Run the targets named, or all; end with 1 if a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    given = parser.parse_args()
    faults = 0
    for name in given.targets or TARGETS:
        report = fuzz(name, given.seconds, keep=given.keep)
        kept = list((CORPUS / name).iterdir())
        print(f"{name}: {'FAULT' if report else 'no fault'}; {len(kept)} inputs kept", flush=True)
        if report:
            faults += 1
            print(report, flush=True)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
