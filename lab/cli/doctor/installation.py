"""What is installed: the libraries, the extras, and the X25519 backend.

Each library is loaded in its own process: a library that was built for another processor ends the process that loads
it.
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
from lab.process.optional_extras import extra_command
from lab.terms.text.bilingual import BilingualText

REINSTALL: BilingualText = ("重新安装：sh setup run", "install again: sh setup run")
_PROBE = "import importlib, sys; importlib.import_module(sys.argv[1])"
_LOAD_TIMEOUT_SECONDS = 120
_CPUS = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class LibraryCheck:
    """A package, the module that is loaded to test it, and its use. ``extra``: the optional extra that brings it."""

    check: str
    package: str
    module: str
    label: BilingualText
    extra: str = ""
    next_step: BilingualText = REINSTALL
    """What to do when it is installed but does not load."""

    @property
    def installation_step(self) -> BilingualText:
        """How to install it."""
        if not self.extra:
            return REINSTALL
        command = extra_command(self.extra)
        return f"需要时：{command}", f"if it is needed: {command}"


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
    """All lines about what is installed."""
    with ThreadPoolExecutor(2) as pool:
        return [*pool.map(check_library, LIBRARIES), check_x25519_path()]


def check_library(one: LibraryCheck) -> DoctorFinding:
    """Whether a library is installed and loads. A library of an extra may be absent."""
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
    """Why a module does not load, tried in its own process; None if it loads."""
    try:
        done = subprocess.run(
            # -P: a file in the current folder must not be taken for the library.
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
        return f"{name}; the processor may lack instructions that it was built for" if name == "SIGILL" else name
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit code {done.returncode}"


def check_x25519_path() -> DoctorFinding:
    """The backend of the matching engine x25519, and why it is not the faster one."""
    label = ("X25519 匹配计算方式", "X25519 backend of matching")
    try:
        from protocols.matching.engines.x25519 import backend
    except ImportError as error:
        fault = f"does not load: {error.name or 'a module'}"
        return DoctorFinding("x25519", label, DoctorVerdict.WRONG, (f"无法加载：{error.name or ''}", fault), REINSTALL)
    selected = backend.select_backend()
    if selected.name == "accelerated":
        found = (f"加速 accelerated：{selected.reason}", f"accelerated: {selected.reason}")
        return DoctorFinding("x25519", label, DoctorVerdict.OK, found, value=selected.name)
    able = has_avx512_ifma()
    zh = {True: "有", False: "没有", None: "未说明是否有"}[able]
    en = {True: "has", False: "does not have", None: "does not say whether it has"}[able]
    found = (
        f"通用 portable：{selected.reason}; 处理器{zh} AVX-512 IFMA",
        f"portable: {selected.reason}; the processor {en} AVX-512 IFMA",
    )
    if able is False and "IFMA" in selected.reason:  # the reason says it
        found = ("通用 portable：处理器没有 AVX-512 IFMA", f"portable: {selected.reason}")
    return DoctorFinding(
        "x25519",
        label,
        DoctorVerdict.NOTE,
        found,
        _acceleration_hint(backend.BACKEND_VARIABLE, able),
        value=selected.name,
    )


def _acceleration_hint(variable: str, able: bool | None) -> BilingualText:
    """How to get the accelerated backend."""
    if os.environ.get(variable) == "portable":
        return f"取消环境变量 {variable}", f"unset {variable} in the environment"
    command = extra_command("fast")
    if able is False:
        return (
            f"结果相同，只是较慢；换用支持 AVX-512 IFMA 的处理器，并 {command}",
            f"same results, only slower; on a processor with AVX-512 IFMA: {command}",
        )
    return f"结果相同，只是较慢；加速：{command}", f"same results, only slower; for the faster one: {command}"


def has_avx512_ifma(cpus: Path = _CPUS) -> bool | None:
    """Whether the processor has AVX-512 IFMA; None if the system does not list its features."""
    try:
        lines = cpus.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    return None if flags is None else "avx512ifma" in flags
