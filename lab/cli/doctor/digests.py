"""``lab doctor --deep``: every file of both homes that carries a digest is read, and each damaged one gets a next step.

The parties' own modules are not used: the layouts below say what the homes contain.
"""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath

from lab.cli.doctor.findings import DoctorFinding, DoctorVerdict
from lab.cli.doctor.homes import BANK_HOME, BUREAU_HOME, HomeLayout
from lab.disk.digest_survey import HomeDigests, survey_digests
from lab.terms.progress import SILENT, Progress
from lab.terms.text.bilingual import BilingualText

_EVALUATED = "evaluated/by-contract/*/*/*/*/*/*"
BANK_DIGESTS = HomeDigests(
    checked=tuple(
        f"{runs}/*/{name}"
        for runs in ("runs", "matches")
        for name in ("match.npz", "match-*.receipt.json", "batch-*", "plan.parquet", "plan.npz")
    ),
    sealed=(
        *(
            "runs/*/manifest.json",
            "runs/*/label.json",
            "runs/*/plan.json",
            "matches/*/manifest.json",
            "matches/*/label.json",
        ),
        *(
            "contracts/*.json",
            "bureaus/*.json",
            "bureaus/*.restorations",
            "matching-keys/*key.json",
            "superseded/*.json",
        ),
    ),
    stores=("evaluations/*.sqlite",),
    named=("setups/*/*.setup",),
)
BUREAU_DIGESTS = HomeDigests(
    checked=(
        *(f"{_EVALUATED}/rows", f"{_EVALUATED}/sets/*/manifest", f"{_EVALUATED}/sets/*/delta-*"),
        "catalogues/*.json",
    ),
    blocks=(
        *("registers/*.parquet", "registers/*.columns.json", "models/*.json"),
        *(f"{_EVALUATED}/values", f"{_EVALUATED}/sets/*/tags", f"{_EVALUATED}/sets/*/buckets"),
    ),
    stores=("bureau.db", "jobs.db"),
    named=("contexts/*.frame", "replies/*.frame", "records/segments/*.*", "records/manifests/*.json"),
    named_first=("batches/*.frame",),
    references=tuple(
        ("bureau.db", table, column)
        for table, column in (
            *(("registers", "file"), ("models", "file"), ("contexts", "file")),
            *(("batches", "file"), ("batches", "reply_file"), ("catalogue_versions", "file")),
        )
    ),
)
_REPAIRS: dict[str, BilingualText] = {
    "evaluated": ("下次请求时自动重建", "made again by itself at the next request"),
    "setups": ("下次求交时自动重新下载", "fetched again by itself at the next match"),
    "contexts": ("银行下次作业时自动重发", "sent again by the bank's next job by itself"),
    "batches": (
        "银行重新运行同一命令时自动重发，不另计费；已完成的作业无需处理",
        "sent again at no charge when the bank runs its command again; a finished job needs it for rescoring alone",
    ),
    "replies": (
        "银行重新运行同一命令时免费重算；已完成的作业无需处理",
        "made again at no charge when the bank runs its command again; a job that is finished does not need it",
    ),
    "registers": ("从备份恢复，或重新导入登记表", "restore it from a backup, or import the register again"),
    "catalogues": ("从备份恢复，或重新导入目录", "restore it from a backup, or import the catalogue again"),
    "records": (
        "从备份恢复；设有 records_url 时，删除该文件即可重新取回",
        "restore it from a backup; with records_url delete it, and it is fetched again",
    ),
    "models": ("从备份恢复，或重新训练并发布", "restore it from a backup, or train and publish the model again"),
    "evaluations": (
        "从备份恢复；没有备份则移走该文件，其中的标识下次求交时重新计费",
        "restore it from a backup; without one move it away: its identifiers are charged again at the next match",
    ),
    "runs": (
        "从备份恢复该运行的目录；没有备份则移走它，重新评分会重新计费",
        "restore the run's folder from a backup; without one move it away, and scoring again is charged again",
    ),
    "bureaus": ("从备份恢复，或删除后重新核对指纹", "restore it from a backup, or delete it and pin the bureau again"),
    "contracts": ("从备份恢复，或重新运行 lab bank sign", "restore it from a backup, or run `lab bank sign` again"),
}
_REPAIRS["matches"] = _REPAIRS["runs"]
_RESTORE: BilingualText = ("从备份恢复", "restore it from a backup")
_MOST_LISTED = 50


def check_digests(homes: dict[str, Path], progress: Progress = SILENT) -> list[DoctorFinding]:
    """One line for each home that exists: how much was read; then one line for each damaged or lost file."""
    findings: list[DoctorFinding] = []
    for party, layout in ((BANK_HOME, BANK_DIGESTS), (BUREAU_HOME, BUREAU_DIGESTS)):
        if (homes[party.check] / party.settings_file).is_file():
            findings += _check_party(party, homes[party.check], layout, progress)
    return findings


def _check_party(party: HomeLayout, home: Path, layout: HomeDigests, progress: Progress) -> list[DoctorFinding]:
    label = (f"{party.label[0]}：摘要", f"{party.label[1]}: digests")
    name = f"digests_{party.check}"
    if party is BANK_HOME and _has_former_format(home / party.settings_file):
        step = ("运行 lab bank upgrade", "run `lab bank upgrade`")
        former = ("较早版本的目录，文件尚无摘要", "a folder of an earlier version, whose files have no digests yet")
        return [DoctorFinding(name, label, DoctorVerdict.WRONG, former, step)]
    try:
        found = survey_digests(home, layout, progress)
    except OSError:
        step = ("用其所有者运行", "run it as the user who owns the home")
        return [DoctorFinding(name, label, DoctorVerdict.WRONG, ("本用户打不开", "this user cannot open it"), step)]
    faults = [(path, False) for path in found.damaged] + [(path, True) for path in found.lost]
    megabytes = found.size_bytes // 1_000_000
    words = (
        f"读了 {found.files} 个文件（{megabytes} MB），{len(faults)} 个损坏或丢失",
        f"read {found.files} files ({megabytes} MB); {len(faults)} are damaged or lost",
    )
    verdict = DoctorVerdict.WRONG if faults else DoctorVerdict.OK
    line = DoctorFinding(name, label, verdict, words, value=len(faults))
    return [line, *(_describe(name, label, path, lost) for path, lost in faults[:_MOST_LISTED])]


def _has_former_format(settings: Path) -> bool:
    """Whether a bank's settings name no format, as those of the version before digests; damaged ones do not say so."""
    try:
        return "format" not in tomllib.loads(settings.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _describe(name: str, label: BilingualText, path: PurePosixPath, lost: bool) -> DoctorFinding:
    words = ("丢失", "is lost") if lost else ("损坏", "is damaged")
    step = _REPAIRS.get(path.parts[0], _RESTORE)
    found = (f"{path} {words[0]}", f"{path} {words[1]}")
    return DoctorFinding(name, label, DoctorVerdict.WRONG, found, step, value=str(path))
