"""Checks of the machine: system, Python, cores, memory, free disk space, and the clock."""

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
from lab.cli.doctor.findings import DoctorFinding, DoctorVerdict
from lab.terms.text.bilingual import BilingualText, same_in_both
from protocols.wire.http_signatures import MAX_AGE

SUPPORTED_PYTHONS = ((3, 11), (3, 13))
"""The first and the last version of Python for which every dependency has wheels."""
MINIMUM_GLIBC = (2, 35)
GIB = 1 << 30
MEMORY_NEEDED, MEMORY_ENOUGH = 1 * GIB, 4 * GIB
DISK_NEEDED, DISK_ENOUGH = 1 * GIB, 10 * GIB
_TIME_ERROR = 5  # TIME_ERROR of adjtimex(2)
_CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")


def check_machine(homes: dict[str, Path]) -> list[DoctorFinding]:
    """All lines about the machine. ``homes``: the folder whose disk is checked, by party."""
    disks = [check_disk(party, folder) for party, folder in homes.items()]
    return [
        check_python(),
        check_system(),
        check_cores(),
        check_memory(memory_limit()),
        *disks,
        check_clock(datetime.now(UTC), is_clock_synchronised()),
    ]


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> DoctorFinding:
    """The version of Python."""
    found = platform.python_version() if version == sys.version_info[:2] else ".".join(map(str, version))
    line = DoctorFinding("python", ("Python 版本", "Python"), DoctorVerdict.OK, same_in_both(found), value=found)
    if SUPPORTED_PYTHONS[0] <= version <= SUPPORTED_PYTHONS[1]:
        return line
    return line.with_verdict(
        DoctorVerdict.WRONG,
        ("用 Python 3.11 至 3.13 重新安装", "install again with Python 3.11, 3.12 or 3.13 (PYTHON=...)"),
    )


def check_system() -> DoctorFinding:
    """Kernel, processor and C library."""
    libc, number = platform.libc_ver()
    found = same_in_both(f"{platform.system()} {platform.machine()}, {libc or 'libc ?'} {number}".rstrip())
    line = DoctorFinding("system", ("系统", "system"), DoctorVerdict.OK, found)
    new_enough = libc == "glibc" and tuple(int(part) for part in number.split(".")[:2]) >= MINIMUM_GLIBC
    if (platform.system(), platform.machine()) == ("Linux", "x86_64") and new_enough:
        return line
    return line.with_verdict(
        DoctorVerdict.NOTE,
        (
            "本软件在 Linux x86-64、glibc 2.35 及以上测试过",
            "tested on Linux on x86-64 with glibc 2.35 or later; elsewhere a dependency may have no wheel",
        ),
    )


def check_cores() -> DoctorFinding:
    """The number of cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    line = DoctorFinding("cores", ("可用核数", "cores"), DoctorVerdict.OK, same_in_both(str(count)), value=count)
    if count > 1:
        return line
    return line.with_verdict(
        DoctorVerdict.NOTE, ("两核以上求值与匹配更快", "evaluation and matching are faster on two or more")
    )


def memory_limit() -> int:
    """Memory in bytes: the machine's, or the limit of its container."""
    total = int(psutil.virtual_memory().total)
    try:
        text = _CGROUP_MEMORY.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return total
    return min(total, int(text)) if text.isdecimal() else total


def check_memory(limit: int) -> DoctorFinding:
    """Whether ``limit`` bytes are enough."""
    free = min(limit, int(psutil.virtual_memory().available))
    found = (f"{_gib(limit)}，其中空闲 {_gib(free)}", f"{_gib(limit)}, of which {_gib(free)} are free")
    line = DoctorFinding("memory", ("内存", "memory"), DoctorVerdict.OK, found, value=limit)
    if limit < MEMORY_NEEDED:
        return line.with_verdict(DoctorVerdict.WRONG, ("至少需要 1 GiB", "give it at least 1 GiB"))
    if limit < MEMORY_ENOUGH:
        return line.with_verdict(
            DoctorVerdict.NOTE, ("大型登记与模型训练建议 4 GiB", "large registers and training need 4 GiB or more")
        )
    return line


def check_disk(party: str, folder: Path) -> DoctorFinding:
    """Free space on the disk of a home, or on the one where it would be created."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    label = {"bank": ("磁盘（银行目录）", "disk, bank's home"), "bureau": ("磁盘（数据局目录）", "disk, bureau's home")}
    line = DoctorFinding(f"disk_{party}", label[party], DoctorVerdict.OK, same_in_both("?"))
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return line.with_verdict(
            DoctorVerdict.WRONG, ("检查该文件夹，其磁盘无响应", "check the folder; its disk does not answer")
        )
    return assess_free_space(line, free, place)


def assess_free_space(line: DoctorFinding, free: int, place: Path) -> DoctorFinding:
    """The line of a disk that has ``free`` bytes left."""
    found: BilingualText = (f"{place} 空闲 {_gib(free)}", f"{_gib(free)} free at {place}")
    line = DoctorFinding(line.check, line.label, DoctorVerdict.OK, found, value=free)
    if free < DISK_NEEDED:
        return line.with_verdict(DoctorVerdict.WRONG, ("至少腾出 1 GiB", "free 1 GiB at least"))
    if free < DISK_ENOUGH:
        return line.with_verdict(
            DoctorVerdict.NOTE,
            ("登记、结果与台账会增长，建议 10 GiB", "registers, results and the ledger grow; have 10 GiB"),
        )
    return line


def is_clock_synchronised() -> bool | None:
    """Whether the kernel reports a synchronised clock; None if it does not report."""
    try:
        # All zero: read the state, set nothing.
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (AttributeError, OSError, TypeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def check_clock(now: datetime, synchronised: bool | None) -> DoctorFinding:
    """The clock: signatures carry the time, and contracts end by it."""
    shown = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    how = {
        True: ("已与时间源同步", "synchronised"),
        False: ("未与时间源同步", "not synchronised"),
        None: ("系统未说明是否同步", "the system does not say whether it is synchronised"),
    }[synchronised]
    found = (f"{shown}，{how[0]}", f"{shown}, {how[1]}")
    line = DoctorFinding("clock", ("时钟", "clock"), DoctorVerdict.OK, found)
    if now < installation_time():
        return line.with_verdict(
            DoctorVerdict.WRONG,
            ("时钟早于安装时间，请校准", "the clock is earlier than the installation; correct it"),
        )
    if synchronised:
        return line
    seconds = int(MAX_AGE.total_seconds())
    return line.with_verdict(
        DoctorVerdict.NOTE,
        (
            f"启用时间同步（timedatectl set-ntp true）；与对方相差超过 {seconds} 秒的请求会被拒绝",
            f"synchronise it (timedatectl set-ntp true); requests more than {seconds} seconds off are refused",
        ),
    )


def installation_time() -> datetime:
    """When this package was installed; the present cannot be earlier."""
    return datetime.fromtimestamp(Path(lab.__file__).stat().st_mtime, UTC)


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f} GiB"
