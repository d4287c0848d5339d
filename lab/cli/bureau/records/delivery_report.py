"""What a person and a program are told of deliveries that were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lab.bureau.data.ingestion import DeliveryResult
from lab.bureau.data.ingestion.reasons import describe_reason
from lab.bureau.data.publication.record_usage import RecordUse
from lab.cli.terminal.output import CommandOutput

_FILES_NAMED = 10


def show_deliveries(out: CommandOutput, results: Sequence[DeliveryResult]) -> None:
    """Counts by domain and operation, why rows were set aside, and where they are."""
    out.table(
        "部门数据 Deliveries",
        ("领域 domain", "操作 op.", "份 files", "行 rows", "入库 stored", "未变 same", "重复 rep.", "搁置 aside"),
        _lines(results),
    )
    known = sum(one.known for one in results)
    if known:
        out.say(f"此前已读入 Read before, nothing done: {known} / {len(results)}")
    if legacy := sum(one.legacy for one in results):
        out.say(f"旧代码已对应 Rows whose legacy code was mapped: {legacy}")
    for one in results:
        show_use(out, one.use)
    _show_reasons(out, results)
    _show_warnings(out, results)
    _show_files(out, results)


def show_use(out: CommandOutput, use: RecordUse) -> None:
    """Which register versions counted the records of a correction or deletion, and whose jobs scored with them."""
    if not use.versions:
        return
    out.table(
        "计入过这些记录的登记版本 Register versions that counted these records",
        ("登记库 register", "版本 version", "日期 day", "记录 records"),
        [(one.register, one.version, one.day.isoformat(), f"{one.records:,}") for one in use.versions],
    )
    if use.runs:
        out.table(
            "用这些版本评过分的任务 Jobs that scored with these versions",
            ("合同 contract", "机构 bank", "任务 job", "登记库 register", "版本 version"),
            [(one.contract, one.bank, one.job, one.register, one.version) for one in use.runs],
        )
    out.say_next_step("publish the register anew, so that banks can score again: `lab bureau register publish`")


def delivery_facts(result: DeliveryResult) -> dict[str, Any]:
    """One delivery as JSON."""
    counts = result.counts
    return {
        "domain": result.identity.domain,
        "operation": result.identity.operation,
        "source": result.source,
        "source_sha256": result.identity.source_sha256,
        "mapping_sha256": result.identity.mapping_sha256,
        "known": result.known,
        "rows": counts.rows,
        "stored": counts.stored,
        "unchanged": counts.unchanged,
        "repeated": counts.repeated,
        "set_aside": counts.set_aside,
        "reasons": dict(counts.reasons),
        "legacy": result.legacy,
        "set_aside_file": str(result.rejected_file) if result.rejected_file else None,
        "unmapped_file": str(result.unmapped_file) if result.unmapped_file else None,
        "warnings": list(result.warnings),
        "use": result.use.as_dict(),
    }


def total_facts(results: Sequence[DeliveryResult]) -> dict[str, Any]:
    """All deliveries of one command as JSON."""
    reasons: Counter[str] = Counter()
    for one in results:
        reasons.update(one.counts.reasons)
    return {
        "deliveries": [delivery_facts(one) for one in results],
        "known": sum(one.known for one in results),
        "rows": sum(one.counts.rows for one in results),
        "stored": sum(one.counts.stored for one in results if not one.known),
        "unchanged": sum(one.counts.unchanged for one in results),
        "repeated": sum(one.counts.repeated for one in results),
        "set_aside": sum(one.counts.set_aside for one in results),
        "reasons": dict(sorted(reasons.items())),
    }


def _lines(results: Sequence[DeliveryResult]) -> list[tuple[object, ...]]:
    totals: dict[tuple[str, str], Counter[str]] = {}
    for one in results:
        found = totals.setdefault((one.identity.domain, one.identity.operation), Counter())
        counts = one.counts
        found.update(files=1, rows=counts.rows, unchanged=counts.unchanged, set_aside=counts.set_aside)
        found.update(repeated=counts.repeated, stored=counts.stored)
    columns = ("files", "rows", "stored", "unchanged", "repeated", "set_aside")
    return [(*key, *(f"{found[name]:,}" for name in columns)) for key, found in sorted(totals.items())]


def _show_reasons(out: CommandOutput, results: Sequence[DeliveryResult]) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for one in results:
        for reason, count in one.counts.reasons.items():
            found[one.identity.domain, reason] += count
    if not found:
        return
    rows = []
    for (domain, reason), count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])):
        zh, en = describe_reason(reason)
        rows.append((domain, f"{count:,}", f"{zh} · {en}"))
    out.table("搁置原因 Why rows were set aside", ("领域 domain", "行 rows", "原因 reason"), rows)


def _show_warnings(out: CommandOutput, results: Sequence[DeliveryResult]) -> None:
    """Each warning once, with the first file that it is about and how many others."""
    sources: dict[str, list[str]] = {}
    for one in results:
        for text in one.warnings:
            sources.setdefault(text, []).append(one.source)
    for text, names in sources.items():
        others = f" (+{len(names) - 1} 个文件 files)" if len(names) > 1 else ""
        out.say(f"{names[0]}{others}: {text}")


def _show_files(out: CommandOutput, results: Sequence[DeliveryResult]) -> None:
    files = [one.rejected_file for one in results if one.rejected_file is not None]
    for path in files[:_FILES_NAMED]:
        out.say(f"搁置的行 Rows set aside: {path}")
    if len(files) > _FILES_NAMED:
        out.say(f"… 共 {len(files)} 个文件 files in {files[0].parent}")
    if files:
        out.say_next_step("correct the rows in these files and import each alone with the same mapping")
    unmapped = [one.unmapped_file for one in results if one.unmapped_file is not None]
    if unmapped:
        out.say(f"未对应的旧代码 Legacy codes that nothing maps: {unmapped[0]}" + (" …" if unmapped[1:] else ""))
        out.say_next_step("complete the column `enterprise` and run `lab bureau legacy-codes import FILE`")
