"""Whether the bureau's workers can be confined on this machine.

A process confines itself and then tries what it must not be able to do. A failure is wrong where a bureau serves, and a
note elsewhere.
"""

from __future__ import annotations

from lab.cli.doctor.findings import DoctorFinding, DoctorVerdict
from lab.process.confinement.probe import ProtectionStatus, probe_protections
from lab.terms.text.bilingual import BilingualText

PROTECTION_LABELS: dict[str, BilingualText] = {
    "landlock": ("工作进程：文件（Landlock）", "workers: files (Landlock)"),
    "seccomp": ("工作进程：系统调用（seccomp）", "workers: system calls (seccomp)"),
    "network": ("工作进程：网络", "workers: network"),
    "dumps": ("工作进程：内存转储", "workers: memory dumps"),
}
_NEXT_STEPS: dict[str, BilingualText] = {
    "landlock": (
        "用 Linux 5.13 以上且启用 Landlock 的内核（启动参数 lsm=landlock,...），容器须放行 landlock 系统调用",
        "a kernel of Linux 5.13 or later with Landlock switched on (boot parameter lsm=landlock,...); a container "
        "must allow its system calls",
    ),
    "seccomp": ("apt-get install libseccomp2", "apt-get install libseccomp2"),
    "network": ("apt-get install libseccomp2", "apt-get install libseccomp2; sockets are refused by the filter"),
    "dumps": ("检查容器是否允许 prctl", "check whether the container allows prctl(2)"),
}
_BEST_EFFORT_HINT: BilingualText = (
    "；机器确实不支持时，可在 bureau.toml 中设 worker_confinement = best",
    "; if the machine cannot, set worker_confinement = best in bureau.toml to serve without it",
)


def check_confinement(*, serves: bool) -> list[DoctorFinding]:
    """One line for each protection. ``serves``: whether this machine has a bureau's home."""
    return [assess_protection(found, serves=serves) for found in probe_protections()]


def assess_protection(found: ProtectionStatus, *, serves: bool) -> DoctorFinding:
    """The line of one protection."""
    found_text = (
        ("已尝试，被拒绝", "tried, and refused") if found.works else ("已尝试，未被拒绝", f"tried: {found.observed}")
    )
    line = DoctorFinding(f"confined_{found.name}", PROTECTION_LABELS[found.name], DoctorVerdict.OK, found_text)
    if found.works:
        return line
    step = _NEXT_STEPS[found.name]
    return line.with_verdict(
        DoctorVerdict.WRONG if serves else DoctorVerdict.NOTE,
        (step[0] + _BEST_EFFORT_HINT[0], step[1] + _BEST_EFFORT_HINT[1]),
    )
