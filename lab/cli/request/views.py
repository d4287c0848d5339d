"""Requests for data on a terminal, the same for who asks and who answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from lab.cli.terminal.output import CommandOutput
from lab.terms.text.escaping import VisibleText, escape_hidden

STATE_WORDS = {
    "asked": "待答复 asked",
    "granted": "同意 granted",
    "partly-granted": "部分同意 partly granted",
    "refused": "不同意 refused",
    "withdrawn": "已撤回 withdrawn",
    "contracted": "已立合同 contracted",
}
FATE_WORDS = {"asked": "待答复 asked", "granted": "同意 granted", "refused": "不同意 refused"}
SHARING_WORDS = {
    "unconditional": "无条件共享 unconditional",
    "conditional": "有条件共享 conditional",
    "not-shared": "不予共享 not shared",
}


def request_url_path(request: str) -> str:
    """The path of a request in the service."""
    return f"/v1/requests/{quote(request, safe='')}"


def show_requests(out: CommandOutput, requests: list[dict[str, Any]]) -> None:
    """A list of requests."""
    out.table(
        "需求申请 Requests for data",
        ("编号 id", "单位 organisation", "状态 state", "项 items", "同意 granted", "提出 asked", "合同 contract"),
        [
            (
                one["request"],
                one["organisation"],
                STATE_WORDS.get(one["state"], one["state"]),
                one["asked"],
                one["granted"],
                one["asked_at"][:10],
                one["contract"] or "",
            )
            for one in requests
        ],
    )


def show_request(out: CommandOutput, one: dict[str, Any]) -> None:
    """One request, with what the bureau says of each item."""
    state = STATE_WORDS.get(one["state"], one["state"])
    out.say(f"需求申请 Request {one['request']}: {one['organisation']}, {state}")
    out.say(f"用途 Purpose: {one['purpose']}")
    out.table(
        f"数据项 Items ({one['granted']}/{one['asked']} 同意 granted)",
        ("数据项 item", "名称 name", "答复 answer", "共享 sharing", "形式 forms", "质量 quality"),
        [_item_row(item) for item in one["items"]],
    )
    if one["reason"]:
        out.say(f"理由 Reason: {one['reason']}")
    if one["contract"]:
        out.say(f"合同 Contract: {one['contract']}")


def _item_row(item: dict[str, Any]) -> tuple[object, ...]:
    name = VisibleText("\n".join(escape_hidden(word) for word in (item["zh"], item["en"]) if word))
    held = name if item["known"] else "未持有 not held"
    sharing = SHARING_WORDS.get(item["sharing"] or "", item["sharing"] or "")
    return (
        item["code"],
        held,
        FATE_WORDS.get(item["fate"], item["fate"]),
        sharing,
        ", ".join(item["forms"]),
        item["quality"] or "未评估 not assessed",
    )
