"""What the machine has: system, Python, cores, memory, room on its disks, a clock that can be trusted."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil

import lab
from lab.cli.doctor.findings import Finding, Verdict, Words, both
from protocols.wire.http_signatures import MAX_AGE

PYTHONS = ((3, 11), (3, 13))
"""The first and the last version of Python that every dependency has wheels for."""
GLIBC = (2, 35)
GIB = 1 << 30
MEMORY_NEEDED, MEMORY_ENOUGH = 1 * GIB, 4 * GIB
DISK_NEEDED, DISK_ENOUGH = 1 * GIB, 10 * GIB
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")


def look_at_machine(homes: dict[str, Path]) -> list[Finding]:
    """Every line about the machine; ``homes`` are the folders whose disks are looked at, by the name of the party."""
    disks = [disk(party, folder) for party, folder in homes.items()]
    return [python(), system(), cores(), memory(memory_limit()), *disks, clock(datetime.now(UTC), synchronised())]


def python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """The interpreter."""
    found = platform.python_version() if version == sys.version_info[:2] else ".".join(map(str, version))
    line = Finding("python", ("Python 版本", "Python"), Verdict.OK, both(found), value=found)
    if PYTHONS[0] <= version <= PYTHONS[1]:
        return line
    return line.but(
        Verdict.WRONG, ("用 Python 3.11 至 3.13 重新安装", "install again with Python 3.11, 3.12 or 3.13 (PYTHON=...)")
    )


def system() -> Finding:
    """Kernel, processor and C library."""
    libc, number = platform.libc_ver()
    found = both(f"{platform.system()} {platform.machine()}, {libc or 'libc ?'} {number}".rstrip())
    line = Finding("system", ("系统", "system"), Verdict.OK, found)
    new_enough = libc == "glibc" and tuple(int(part) for part in number.split(".")[:2]) >= GLIBC
    if (platform.system(), platform.machine()) == ("Linux", "x86_64") and new_enough:
        return line
    return line.but(
        Verdict.NOTE,
        (
            "本软件在 Linux x86-64、glibc 2.35 及以上测试过",
            "tested on Linux on x86-64 with glibc 2.35 or later; elsewhere a dependency may have no wheel",
        ),
    )


def cores() -> Finding:
    """Cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    line = Finding("cores", ("可用核数", "cores"), Verdict.OK, both(str(count)), value=count)
    if count > 1:
        return line
    return line.but(Verdict.NOTE, ("两核以上求值与匹配更快", "two or more share the work of evaluating and matching"))


def memory_limit() -> int:
    """Bytes of memory: the machine's, or what its container is given of them."""
    total = int(psutil.virtual_memory().total)
    try:
        text = _CGROUP_MEMORY.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return total
    return min(total, int(text)) if text.isdecimal() else total


def memory(limit: int) -> Finding:
    """Whether ``limit`` bytes are enough."""
    free = min(limit, int(psutil.virtual_memory().available))
    found = (f"{_gib(limit)}，其中空闲 {_gib(free)}", f"{_gib(limit)}, of which {_gib(free)} are free")
    line = Finding("memory", ("内存", "memory"), Verdict.OK, found, value=limit)
    if limit < MEMORY_NEEDED:
        return line.but(Verdict.WRONG, ("至少需要 1 GiB", "give it 1 GiB at least"))
    if limit < MEMORY_ENOUGH:
        return line.but(
            Verdict.NOTE, ("大型登记与模型训练建议 4 GiB", "large registers and training want 4 GiB or more")
        )
    return line


def disk(party: str, folder: Path) -> Finding:
    """Room where a home lies, or would lie."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    label = {"bank": ("磁盘（银行目录）", "disk, bank's home"), "bureau": ("磁盘（数据局目录）", "disk, bureau's home")}
    line = Finding(f"disk_{party}", label[party], Verdict.OK, both("?"))
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return line.but(Verdict.WRONG, ("检查该文件夹", "check the folder; its disk does not answer"))
    return room(line, free, place)


def room(line: Finding, free: int, place: Path) -> Finding:
    """The line of a disk that has ``free`` bytes left."""
    found: Words = (f"{place} 空闲 {_gib(free)}", f"{_gib(free)} free at {place}")
    line = Finding(line.check, line.label, Verdict.OK, found, value=free)
    if free < DISK_NEEDED:
        return line.but(Verdict.WRONG, ("至少腾出 1 GiB", "free 1 GiB at least"))
    if free < DISK_ENOUGH:
        return line.but(
            Verdict.NOTE,
            ("登记、结果与台账会增长，建议 10 GiB", "registers, results and the ledger grow; 10 GiB are advised"),
        )
    return line


def synchronised() -> bool | None:
    """Whether the kernel says that its clock follows another; None where it does not say."""
    try:
        # Nothing is set: all zero means "only tell".
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (AttributeError, OSError, TypeError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED


def clock(now: datetime, follows: bool | None) -> Finding:
    """The clock: signatures bear the time, and a contract its term."""
    shown = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    how = {
        True: ("已与时间源同步", "synchronised"),
        False: ("未与时间源同步", "not synchronised"),
        None: ("系统未说明是否同步", "the system does not say whether it is synchronised"),
    }[follows]
    found = (f"{shown}，{how[0]}", f"{shown}, {how[1]}")
    line = Finding("clock", ("时钟", "clock"), Verdict.OK, found)
    if now < installed():
        return line.but(
            Verdict.WRONG, ("时钟早于安装时间，请校准", "the clock is behind the installation itself; set it right")
        )
    if follows:
        return line
    seconds = int(MAX_AGE.total_seconds())
    return line.but(
        Verdict.NOTE,
        (
            f"启用时间同步（timedatectl set-ntp true）；与对方相差超过 {seconds} 秒的请求会被拒绝",
            f"let it follow a time source (timedatectl set-ntp true); requests {seconds} seconds off are refused",
        ),
    )


def installed() -> datetime:
    """When this package came to this machine: time cannot be before it."""
    return datetime.fromtimestamp(Path(lab.__file__).stat().st_mtime, UTC)


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f} GiB"
