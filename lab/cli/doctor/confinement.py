"""Whether the bureau's workers can be confined here: tried by a process that confines itself and then does what it must
not be able to do. Needed where a bureau serves; a note elsewhere.
"""

from __future__ import annotations

from lab.cli.doctor.findings import DoctorFinding, DoctorVerdict
from lab.terms.text.bilingual import BilingualText
from protocols.confinement.probe import ProtectionStatus, probe_protections

PROTECTION_LABELS: dict[str, BilingualText] = {
    "landlock": ("工作进程：文件（Landlock）", "workers: files (Landlock)"),
    "seccomp": ("工作进程：系统调用（seccomp）", "workers: system calls (seccomp)"),
    "network": ("工作进程：网络", "workers: network"),
    "dumps": ("工作进程：内存转储", "workers: memory dumps"),
}
_NEXT_STEPS: dict[str, BilingualText] = {
    "landlock": (
        "用 Linux 5.13 以上且启用 Landlock 的内核（启动参数 lsm=landlock,...），容器须放行 landlock 系统调用",
        "a kernel of Linux 5.13 or later with Landlock switched on (boot parameter lsm=landlock,...); a container has "
        "to let its system calls through",
    ),
    "seccomp": ("apt-get install libseccomp2", "apt-get install libseccomp2"),
    "network": ("apt-get install libseccomp2", "apt-get install libseccomp2; sockets are refused by the filter"),
    "dumps": ("检查容器是否允许 prctl", "look whether the container lets prctl(2) through"),
}
_BEST_EFFORT_HINT: BilingualText = (
    "；确实没有的机器可设 worker_confinement = best",
    "; on a machine that cannot, worker_confinement = best in bureau.toml serves without",
)


def check_confinement(*, serves: bool) -> list[DoctorFinding]:
    """A line for each protection; ``serves``: whether a bureau lives on this machine."""
    return [assess_protection(found, serves=serves) for found in probe_protections()]


def assess_protection(found: ProtectionStatus, *, serves: bool) -> DoctorFinding:
    """The line of one protection."""
    told = ("已尝试，被拒绝", "tried, and refused") if found.works else ("已尝试，未被拒绝", f"tried: {found.observed}")
    line = DoctorFinding(f"confined_{found.name}", PROTECTION_LABELS[found.name], DoctorVerdict.OK, told)
    if found.works:
        return line
    step = _NEXT_STEPS[found.name]
    return line.with_verdict(
        DoctorVerdict.WRONG if serves else DoctorVerdict.NOTE,
        (step[0] + _BEST_EFFORT_HINT[0], step[1] + _BEST_EFFORT_HINT[1]),
    )
