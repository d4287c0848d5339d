"""How the bank's commands show a run."""

from __future__ import annotations

from typing import Any

from lab.cli.output import Output


def show_run(output: Output, manifest: dict[str, Any]) -> None:
    """A finished run as a table, and its warnings."""
    seconds = manifest["seconds"]
    output.table(
        f"运行 Run {manifest['run']}",
        ("项目 item", "结果 result"),
        [
            ("合同、模型 contract, model", f"{manifest['contract']} · {manifest['model']}"),
            ("接收方 recipient", manifest["recipient"]),
            ("清单行数 rows", f"{manifest['rows']:,}"),
            ("已接受 accepted", f"{manifest['accepted']:,}"),
            ("搁置 set aside", f"{manifest['set_aside']:,} {_counts(manifest['set_aside_reasons'])}".strip()),
            ("匹配 matched", f"{manifest['matched']:,}"),
            ("已评分 scored", f"{manifest['scored']:,}"),
            ("用时 seconds", ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())),
            ("上行、下行 up, down", f"{manifest['bytes_up'] / 1e6:.1f} MB, {manifest['bytes_down'] / 1e6:.1f} MB"),
            ("结果文件 out", manifest["out"]),
            ("保存至 keep until", manifest["delete_after"]),
        ],
    )
    for warning in manifest["warnings"]:
        output.say(f"注意 note: {warning}")


def _counts(reasons: dict[str, int]) -> str:
    return "(" + ", ".join(f"{reason} {count}" for reason, count in reasons.items()) + ")" if reasons else ""


def brief(manifest: dict[str, Any]) -> dict[str, Any]:
    """A run's manifest without what is long."""
    return {name: value for name, value in manifest.items() if name not in ("receipts", "schema", "warnings")}
