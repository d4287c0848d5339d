"""How ``lab bureau quality`` shows an assessment: tables for people, facts for programs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from lab.bureau.data.quality.assessment import Assessment
from lab.bureau.data.quality.kept_assessments import KeptAssessment
from lab.bureau.data.quality.pages.quality_page import VERDICTS, describe_share
from lab.bureau.data.quality.quality_service import AssessmentOutcome
from lab.cli.terminal.output import CommandOutput
from lab.tables.spreadsheet_csv import write_csv
from lab.tables.workbook.writing import workbook_bytes
from lab.terms.errors import InvalidInput

_MOST_SHOWN = 40


def show_outcome(out: CommandOutput, done: AssessmentOutcome) -> None:
    """What an assessment found, in a few lines."""
    kept = done.kept
    was = "已评估并记入台账 Assessed and recorded" if done.new else "此前已评估 Assessed before"
    out.say(f"{was}: {kept.records:,} 条记录 records, {kept.checks} 项检查 checks, {kept.sha256[:12]}")
    out.say(f"得分 Score {plain_score(kept.score)}, 告警 warnings {kept.warnings}, 阻断 blocking {kept.blocks}")
    verdict = " ".join(VERDICTS[kept.verdict])
    if kept.verdict == "block":
        out.alert(f"结论 Verdict: {verdict}")
        for name in done.assessment.blocking[:_MOST_SHOWN]:
            out.say(f"  {name}")
    else:
        out.say(f"结论 Verdict: {verdict}")
    out.say_next_step("lab bureau quality report")


def show_assessment(out: CommandOutput, kept: KeptAssessment, found: Assessment) -> None:
    """The domains, and the checks that warn or block."""
    out.table(
        f"数据质量 Quality, {found.day}: {plain_score(found.score)}, {' '.join(VERDICTS[found.verdict])}",
        ("领域 domain", "记录 records", "得分 score", "迟送天数 days late", "缺期 missing", "结论 verdict"),
        [
            (
                f"{one.zh} {one.code}",
                f"{one.records:,}",
                plain_score(one.score),
                one.late_days,
                len(one.missing_periods),
                one.level,
            )
            for one in found.domains
        ],
    )
    told = sorted(
        (check for check in found.checks if check.level in ("warn", "block", "failed")),
        key=lambda check: (check.level == "warn", -(check.faults / max(check.checked, 1))),
    )
    if told:
        out.table(
            "阻断与告警 What blocks and what warns",
            ("检查 check", "说明 what it is", "发现 found", "结论 verdict"),
            [(one.name, f"{one.zh} {one.en}", describe_share(one), one.level) for one in told[:_MOST_SHOWN]],
        )
    if len(told) > _MOST_SHOWN:
        out.say(f"另有 {len(told) - _MOST_SHOWN} 项 And {len(told) - _MOST_SHOWN} more: --json, --html")
    out.say(f"评估 Assessment {kept.sha256}")
    out.say(
        "计分方法见网页与 docs/formats/quality.md How it is reckoned: the page (--html) and docs/formats/quality.md"
    )


def show_history(out: CommandOutput, found: Sequence[KeptAssessment]) -> None:
    """The assessments, the oldest first."""
    if not found:
        out.say("还没有评估 No assessment yet. 下一步 Next: lab bureau quality assess")
        return
    out.table(
        "历次评估 Assessments",
        ("评估日 day", "得分 score", "记录 records", "告警 warn", "阻断 block", "结论 verdict", "评估 assessment"),
        [
            (
                one.day,
                plain_score(one.score),
                f"{one.records:,}",
                one.warnings,
                one.blocks,
                one.verdict,
                one.sha256[:12],
            )
            for one in found
        ],
    )


def plain_score(score: float | None) -> str:
    """A score for people; a dash for none."""
    return "-" if score is None else f"{score:.2f}"


def kept_facts(kept: KeptAssessment) -> dict[str, Any]:
    """A row of the history as JSON has it."""
    return asdict(kept) | {"assessed_at": kept.assessed_at.isoformat(), "failed": kept.failed}


def assessment_facts(kept: KeptAssessment, found: Assessment) -> dict[str, Any]:
    """A whole assessment as JSON has it."""
    return {"sha256": kept.sha256, "blocking": list(found.blocking), "warnings": list(found.warnings)} | asdict(found)


def table_bytes(table: pl.DataFrame, path: Path, sheet: str) -> bytes:
    """A table as the bytes of ``path``'s kind: ``.csv`` or ``.xlsx``; raises ``InvalidInput`` for another."""
    match path.suffix.lower():
        case ".csv":
            buffer = io.BytesIO()
            write_csv(table, buffer)
            return buffer.getvalue()
        case ".xlsx":
            return workbook_bytes(table, path.absolute().parent, sheet=sheet)
        case _:
            raise InvalidInput("Expected a file that ends in .csv or .xlsx; found another.", next_step="check --out")
