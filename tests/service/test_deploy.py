"""What ``deploy`` offers works: the service behind a real nginx with TLS, and under the filter of its systemd unit."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from lab.bureau.bureau import Bureau

ROOT = Path(__file__).parents[2]
NGINX = os.environ.get("NGINX_BIN") or shutil.which("nginx")
UNIT = ROOT / "deploy" / "systemd" / "shulab-bureau.service"


@pytest.mark.skipif(
    NGINX is None, reason="nginx is absent: `deploy/try` was not run (sudo apt-get install nginx-light)"
)
def test_the_service_with_the_example_settings_behind_nginx() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHULAB_")}
    done = subprocess.run(
        ["sh", ROOT / "deploy" / "try"],
        env=kept | {"NGINX_BIN": str(NGINX), "LAB": str(Path(sys.executable).with_name("lab"))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("all is well")


_RUN = """
import os, sys
import pyseccomp as seccomp
calls = set(sys.stdin.read().split())
kernel = seccomp.SyscallFilter(seccomp.ERRNO(1))
for name in sorted(calls):
    try:
        kernel.add_rule(seccomp.ALLOW, name)
    except (ValueError, OSError, RuntimeError):
        pass  # of another architecture, or unknown to this library
kernel.load()
os.execv(sys.executable, [sys.executable, "-m", "lab.cli", *sys.argv[1:]])
"""


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is absent: the unit's filter of system calls was not tried",
)
def test_the_service_and_its_workers_live_under_the_units_filter_of_system_calls(tmp_path: Path) -> None:
    """The kernel gets the filter that systemd would install. Without the calls for Landlock no worker is confined, and
    the service does not start."""
    calls = _filter_of(UNIT)
    assert {"landlock_restrict_self", "seccomp", "memfd_create"} <= calls and "reboot" not in calls
    Bureau.create(tmp_path / "bureau", name="某数据局").close()
    code, health = _serve_under(calls, tmp_path)
    assert (code, health) == (0, 200)
    code, health = _serve_under({name for name in calls if not name.startswith("landlock")}, tmp_path)
    assert code != 0 and health == 0


def _serve_under(calls: set[str], folder: Path) -> tuple[int, int]:
    """The exit code of the service, and the status of its readiness, 0 if it ended before it listened."""
    port_file, health = folder / "port", 0
    port_file.unlink(missing_ok=True)
    arguments = ["bureau", "serve", "--port", "0", "--port-file", str(port_file), "--home", str(folder / "bureau")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHULAB_")}
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, *arguments],
        stdin=subprocess.PIPE,
        env=kept | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    with process:
        process.stdin.write(" ".join(calls))
        process.stdin.close()
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until and health != 200:
            time.sleep(0.2)
            if port_file.exists():
                url = f"http://127.0.0.1:{port_file.read_text().strip()}/v1/ready"
                health = httpx.get(url, trust_env=False, timeout=10).status_code
        process.send_signal(signal.SIGTERM)
        return process.wait(60), health


def _filter_of(unit: Path) -> set[str]:
    """The system calls that the unit allows, with systemd's groups resolved."""
    listing = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    groups: dict[str, list[str]] = {}
    for line in listing.splitlines():
        if line.startswith("@"):
            groups[line.strip()] = current = []
        elif re.fullmatch(r"    [@a-z0-9_-]+", line):
            current.append(line.strip())
    named = re.findall(r"^SystemCallFilter=(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    found: set[str] = set()
    waiting = [*" ".join(named).split(), "@default"]
    while waiting:
        name = waiting.pop()
        if name.startswith("@"):
            waiting += groups.pop(name, [])
        else:
            found.add(name)
    return found
