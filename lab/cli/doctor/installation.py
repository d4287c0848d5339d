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

from lab.cli.doctor.findings import Finding, Verdict, Words

AGAIN: Words = ("重新安装：sh setup run", "install again: sh setup run")
_PROBE = "import importlib, sys; importlib.import_module(sys.argv[1])"
_SECONDS = 120
_CPUS = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Library:
    """A package, the module that shows that it loads, and what it is for. ``extra``: it can be done without."""

    check: str
    package: str
    module: str
    label: Words
    extra: str = ""
    step: Words = AGAIN
    """What to do when it is there and does not load."""

    @property
    def install(self) -> Words:
        """How to get it."""
        if not self.extra:
            return AGAIN
        command = f"pip install 'shulab[{self.extra}]'"
        return f"需要时：{command}", f"if it is wanted: {command}"


LIBRARIES = (
    Library("seal", "tenseal", "tenseal.sealapi", ("同态加密 SEAL（TenSEAL）", "SEAL by TenSEAL (scoring)")),
    Library(
        "lightgbm",
        "lightgbm",
        "lightgbm",
        ("LightGBM（训练）", "LightGBM (training)"),
        step=("安装 OpenMP：sudo apt-get install libgomp1", "install OpenMP: sudo apt-get install libgomp1"),
    ),
    Library(
        "openmined_psi",
        "openmined-psi",
        "private_set_intersection.python",
        ("openmined-psi（匹配引擎 openmined）", "openmined-psi (matching engine openmined)"),
    ),
    Library("gmpy2", "gmpy2", "gmpy2", ("gmpy2（匹配引擎 x25519）", "gmpy2 (matching engine x25519)")),
    Library("dask", "distributed", "distributed", ("Dask（多机）", "Dask (several machines)"), extra="cluster"),
    Library("pkcs11", "python-pkcs11", "pkcs11", ("PKCS#11（加密机）", "PKCS#11 (hardware modules)"), extra="hsm"),
)


def look_at_installation() -> list[Finding]:
    """Every line about what is installed."""
    with ThreadPoolExecutor(2) as pool:
        return [*pool.map(library, LIBRARIES), x25519()]


def library(one: Library) -> Finding:
    """Whether a library is there and loads; one of an extra may be absent."""
    line = Finding(one.check, one.label, Verdict.OK, ("未安装", "not installed"))
    try:
        number = version(one.package)
    except PackageNotFoundError:
        return line.but(Verdict.NOTE if one.extra else Verdict.WRONG, one.install)
    fault = try_to_load(one.module)
    if fault is None:
        return Finding(one.check, one.label, Verdict.OK, (number, number), value=number)
    found = (f"{number}，无法加载：{fault}", f"{number}, does not load: {fault}")
    return Finding(one.check, one.label, Verdict.WRONG, found, one.step, value=number)


def try_to_load(module: str) -> str | None:
    """Why a module does not load in a process of its own, or None."""
    try:
        done = subprocess.run(
            # -P: what lies in the present folder is not the library.
            [sys.executable, "-P", "-c", _PROBE, module],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not loaded within {_SECONDS} s"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"{name}; the processor may lack what it was built for" if name == "SIGILL" else name
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit code {done.returncode}"


def x25519() -> Finding:
    """Which way the matching engine x25519 multiplies, and why not the faster one."""
    label = ("X25519 匹配路径", "X25519 path of matching")
    try:
        from protocols.matching.engines.x25519 import backend
    except ImportError as error:
        fault = f"does not load: {error.name or 'a module'}"
        return Finding("x25519", label, Verdict.WRONG, (f"无法加载：{error.name or ''}", fault), AGAIN)
    way = backend.chosen()
    if way.name == "accelerated":
        found = (f"加速 accelerated：{way.why}", f"accelerated: {way.why}")
        return Finding("x25519", label, Verdict.OK, found, value=way.name)
    able = has_ifma()
    zh = {True: "有", False: "没有", None: "未说明是否有"}[able]
    en = {True: "has", False: "does not have", None: "does not say whether it has"}[able]
    found = (
        f"通用 portable：{way.why}；处理器{zh} AVX-512 IFMA",
        f"portable: {way.why}; the processor {en} AVX-512 IFMA",
    )
    return Finding("x25519", label, Verdict.NOTE, found, _faster(backend.VARIABLE, able), value=way.name)


def _faster(variable: str, able: bool | None) -> Words:
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


def has_ifma(cpus: Path = _CPUS) -> bool | None:
    """Whether the processor says that it has AVX-512 IFMA; None where it says nothing of its features."""
    try:
        lines = cpus.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    return None if flags is None else "avx512ifma" in flags
