"""What is installed: the libraries that compute, the extras, and which way X25519 is multiplied.

Each library is loaded in a process of its own: one that was built for another processor ends its process, and the
doctor has to live to tell.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lab.cli.doctor.findings import DoctorFinding, DoctorVerdict
from lab.terms.text.bilingual import BilingualText

REINSTALL: BilingualText = ("重新安装：sh setup run", "install again: sh setup run")
_PROBE = "import importlib, sys; importlib.import_module(sys.argv[1])"
_LOAD_TIMEOUT_SECONDS = 120
_CPUS = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class LibraryCheck:
    """A package, the module that shows that it loads, and what it is for. ``extra``: it can be done without."""

    check: str
    package: str
    module: str
    label: BilingualText
    extra: str = ""
    next_step: BilingualText = REINSTALL
    """What to do when it is there and does not load."""

    @property
    def installation_step(self) -> BilingualText:
        """How to get it."""
        if not self.extra:
            return REINSTALL
        command = f"pip install 'shulab[{self.extra}]'"
        return f"需要时：{command}", f"if it is wanted: {command}"


LIBRARIES = (
    LibraryCheck("seal", "tenseal", "tenseal.sealapi", ("同态加密 SEAL（TenSEAL）", "SEAL by TenSEAL (scoring)")),
    LibraryCheck(
        "lightgbm",
        "lightgbm",
        "lightgbm",
        ("LightGBM（训练）", "LightGBM (training)"),
        next_step=("安装 OpenMP：sudo apt-get install libgomp1", "install OpenMP: sudo apt-get install libgomp1"),
    ),
    LibraryCheck(
        "openmined_psi",
        "openmined-psi",
        "private_set_intersection.python",
        ("openmined-psi（匹配引擎 openmined）", "openmined-psi (matching engine openmined)"),
    ),
    LibraryCheck("gmpy2", "gmpy2", "gmpy2", ("gmpy2（匹配引擎 x25519）", "gmpy2 (matching engine x25519)")),
    LibraryCheck("dask", "distributed", "distributed", ("Dask（多机）", "Dask (several machines)"), extra="cluster"),
    LibraryCheck("pkcs11", "python-pkcs11", "pkcs11", ("PKCS#11（加密机）", "PKCS#11 (hardware modules)"), extra="hsm"),
)


def check_installation() -> list[DoctorFinding]:
    """Every line about what is installed."""
    with ThreadPoolExecutor(2) as pool:
        return [*pool.map(check_library, LIBRARIES), check_x25519_path()]


def check_library(one: LibraryCheck) -> DoctorFinding:
    """Whether a library is there and loads; one of an extra may be absent."""
    line = DoctorFinding(one.check, one.label, DoctorVerdict.OK, ("未安装", "not installed"))
    try:
        number = version(one.package)
    except PackageNotFoundError:
        return line.with_verdict(DoctorVerdict.NOTE if one.extra else DoctorVerdict.WRONG, one.installation_step)
    fault = find_load_error(one.module)
    if fault is None:
        return DoctorFinding(one.check, one.label, DoctorVerdict.OK, (number, number), value=number)
    found = (f"{number}，无法加载：{fault}", f"{number}, does not load: {fault}")
    return DoctorFinding(one.check, one.label, DoctorVerdict.WRONG, found, one.next_step, value=number)


def find_load_error(module: str) -> str | None:
    """Why a module does not load in a process of its own, or None."""
    try:
        done = subprocess.run(
            # -P: what lies in the present folder is not the library.
            [sys.executable, "-P", "-c", _PROBE, module],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_LOAD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not loaded within {_LOAD_TIMEOUT_SECONDS} s"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"{name}; the processor may lack what it was built for" if name == "SIGILL" else name
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit code {done.returncode}"


def check_x25519_path() -> DoctorFinding:
    """Which way the matching engine x25519 multiplies, and why not the faster one."""
    label = ("X25519 匹配路径", "X25519 path of matching")
    try:
        from protocols.matching.engines.x25519 import backend
    except ImportError as error:
        fault = f"does not load: {error.name or 'a module'}"
        return DoctorFinding("x25519", label, DoctorVerdict.WRONG, (f"无法加载：{error.name or ''}", fault), REINSTALL)
    way = backend.select_backend()
    if way.name == "accelerated":
        found = (f"加速 accelerated：{way.reason}", f"accelerated: {way.reason}")
        return DoctorFinding("x25519", label, DoctorVerdict.OK, found, value=way.name)
    able = has_avx512_ifma()
    zh = {True: "有", False: "没有", None: "未说明是否有"}[able]
    en = {True: "has", False: "does not have", None: "does not say whether it has"}[able]
    found = (
        f"通用 portable：{way.reason}；处理器{zh} AVX-512 IFMA",
        f"portable: {way.reason}; the processor {en} AVX-512 IFMA",
    )
    return DoctorFinding(
        "x25519", label, DoctorVerdict.NOTE, found, _acceleration_hint(backend.BACKEND_VARIABLE, able), value=way.name
    )


def _acceleration_hint(variable: str, able: bool | None) -> BilingualText:
    """What would make it the accelerated path."""
    if os.environ.get(variable) == "portable":
        return f"取消环境变量 {variable}", f"unset {variable} in the environment"
    command = "pip install 'shulab[fast]'"
    if able is False:
        return (
            f"结果相同，只是较慢；换用支持 AVX-512 IFMA 的处理器，并 {command}",
            f"same results, only slower; on a processor with AVX-512 IFMA: {command}",
        )
    return f"结果相同，只是较慢；加速：{command}", f"same results, only slower; to be faster: {command}"


def has_avx512_ifma(cpus: Path = _CPUS) -> bool | None:
    """Whether the processor says that it has AVX-512 IFMA; None where it says nothing of its features."""
    try:
        lines = cpus.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    return None if flags is None else "avx512ifma" in flags
