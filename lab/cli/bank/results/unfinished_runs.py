"""Runs that are not finished: what was paid for and answered, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.bank.runs.metadata import RunKind, read_run_metadata
from lab.cli.terminal.output import CommandOutput

RUN_KIND_LABELS = {
    RunKind.SCORE: "评分 score",
    RunKind.RESCORE: "重新评分 rescore",
    RunKind.MATCH: "隐私求交 match",
    RunKind.COUNT: "隐私计数 count",
}
_FORMER_VERSION_NOTE = (
    "由旧版本开始，无法继续；重新执行即为新作业，另行计费 "
    "begun by a former version and cannot be resumed: the same command starts a new job, which is charged again"
)


def show_unfinished(output: CommandOutput, folder: Path) -> dict[str, Any]:
    """Say that a run is unfinished, what was paid for and answered, and what to do; returns its facts."""
    from lab.bank.runs.partial_results import read_progress

    metadata, progress = read_run_metadata(folder), read_progress(folder)
    can_resume = metadata is None or metadata.can_resume
    words = f"{RUN_KIND_LABELS[metadata.kind]} · {metadata.contract} · " if metadata else ""
    how = "重新执行同一命令即可继续 the same command resumes it" if can_resume else _FORMER_VERSION_NOTE
    output.say(f"未完成 unfinished: {words}{folder.name} ({how})")
    output.say(
        f"— 已计费标识（含校验元素）identifiers charged, canaries included: {progress.identifiers:,}; "
        f"已答复 answered: {progress.scores:,} 户 enterprises, {progress.batches} 批 batches"
    )
    facts = {
        "run": folder.name,
        "kind": metadata and metadata.kind.value,
        "contract": metadata and metadata.contract,
        "identifiers_charged": progress.identifiers,
        "batches_answered": progress.batches,
        "scores_answered": progress.scores,
        "batches_waiting": progress.waiting,
    }
    return facts if can_resume else facts | {"goes_on": False}
