"""How a terminal shows a catalogue: the same for those at the bureau's machine and those who ask its service."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.cli.terminal.output import CommandOutput
from lab.disk.output_files import translate_output_errors, write_output_file
from lab.terms.errors import Conflict, InvalidInput, NotFound

_FILE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}(\.[a-z0-9]{1,10}){1,2}")
Facts = Mapping[str, Any]


def show_overview(out: CommandOutput, found: Facts) -> None:
    """Domains of a catalogue, a line each."""
    version = _version_words(found["version"])
    out.table(
        f"{found['title_zh']} {found['title_en']}: {version}",
        ("领域 domain", "名称 name", "部门 owner", "频率", "项 items"),
        [
            (one["code"], f"{one['zh']} {one['en']}", one["owner_zh"], one["frequency"], one["items"])
            for one in found["domains"]
        ],
        whole="领域 domain",
    )
    out.say(f"共 {len(found['domains'])} 个领域 domains, {sum(one['items'] for one in found['domains'])} 项 items")


def show_versions(out: CommandOutput, versions: Sequence[Facts]) -> None:
    """Versions of a catalogue, newest first."""
    out.table(
        "目录版本 Versions of the catalogue",
        ("版本 version", "领域 domains", "项 items", "导入 imported", "由 by", "原因 reason"),
        [
            (
                _version_words(one["version"]),
                one["domains"],
                one["items"],
                (one["imported_at"] or "—")[:10],
                one["imported_by"] or "—",
                one["reason"] or "—",
            )
            for one in versions
        ],
    )


def show_matches(out: CommandOutput, found: Facts) -> None:
    """What a search found."""
    if not found["matches"]:
        out.say("没有找到 Nothing was found; every word must be in one domain or item.")
        return
    out.table(
        f"目录检索 Search: {found['query']}",
        ("代码 code", "名称 name", "部门 owner", "分级 grade"),
        [(one["code"], f"{one['zh']} {one['en']}", one["owner_zh"], one["grade"] or "—") for one in found["matches"]],
        whole="代码 code",
    )


def show_entry(out: CommandOutput, found: Facts) -> None:
    """A domain with its items as a table, or one item with all that the catalogue says of it."""
    domain, items = found["domain"], found["items"]
    if len(items) == 1:
        _show_item(out, domain, items[0])
        return
    out.say(f"{domain['zh']} {domain['en']}: {domain['owner_zh']} {domain['owner_en']}")
    out.say(f"频率 frequency {domain['frequency']}; 粒度 grain {domain['grain']}; 主键 key {', '.join(domain['key'])}")
    out.table(
        f"{domain['code']}: {len(items)} 项 items",
        ("数据项 item", "名称 name", "类型 type", "分级 grade", "共享 sharing"),
        [
            (
                one["code"].partition(".")[2] + ("*" if one["required"] else ""),
                f"{one['zh']} {one['en']}" + ("（个人 personal）" if one["personal"] else ""),
                one["type"] + (f" ({one['unit']})" if one["unit"] else ""),
                one["grade"],
                one["sharing"],
            )
            for one in items
        ],
        whole="数据项 item",
    )
    out.say("* 必填 required")


def _show_item(out: CommandOutput, domain: Facts, item: Facts) -> None:
    rows = [
        ("领域 domain", f"{domain['zh']} {domain['en']}"),
        ("部门 owner", f"{domain['owner_zh']} {domain['owner_en']}"),
        ("定义 definition", f"{item['definition_zh']} {item['definition_en']}"),
        ("类型 type", item["type"] + (f" ({item['unit']})" if item["unit"] else "")),
        ("必填 required", _yes_no(item["required"])),
        ("频率 frequency", domain["frequency"]),
        ("分级 grade", item["grade"]),
        ("个人信息 personal", _yes_no(item["personal"])),
        ("征信使用 credit use", item["credit_use"]),
        ("共享 sharing", item["sharing"]),
        ("开放 opening", item["opening"]),
        ("形式 forms", ", ".join(item["release_forms"]) or "—"),
        ("依据 legal basis", item["legal_basis"]),
        ("保存 retention", f"{item['retention_years']} 年 years"),
    ]
    rows += [("来源 derived from", ", ".join(item["derived_from"]))] if item["derived_from"] else []
    rows += [("降级理由 lowered", item["lowered_reason"])] if item["lowered_reason"] else []
    out.table(f"{item['code']}: {item['zh']} {item['en']}", ("项 field", "内容 value"), rows, whole="项 field")
    if item["codes"]:
        codes = [(one["code"], one["zh"], one["en"]) for one in item["codes"]]
        out.table("代码表 Code list", ("代码 code", "中文", "English"), codes)


def show_comparison(out: CommandOutput, found: Facts) -> None:
    """What two versions say differently."""
    changed = found["changed"]
    if not (found["added"] or found["removed"] or changed):
        out.say("两个版本相同 The two versions say the same.")
        return
    for words, codes in (("新增 added", found["added"]), ("删除 removed", found["removed"])):
        if codes:
            out.say(f"{words} ({len(codes)}): {', '.join(codes)}")
    if changed:
        rows = [(one["code"] or "—", one["field"], one["before"] or "—", one["after"] or "—") for one in changed]
        out.table("变更 Changed", ("代码 code", "字段 field", "原 before", "现 after"), rows)


def write_export(out: CommandOutput, found: Facts, folder: Path) -> list[str]:
    """Write the files of an export into a folder, which is made; returns their names.

    Raises ``InvalidInput`` for a name that leads out of the folder, or content that is not base64 (a service may be
    hostile), ``Conflict`` for a file in the folder's place, and ``MachineFault`` where the system refuses.
    """
    contents = {str(one["name"]): _decode(one) for one in found["files"]}
    if not folder.parent.is_dir():
        raise NotFound(f"The folder for {folder.name} does not exist.", next_step="create it, or give another one")
    if folder.exists() and not folder.is_dir():
        raise Conflict(f"Expected a folder as {folder.name}; found a file.", next_step="name another folder with --out")
    with translate_output_errors(folder):
        folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        write_output_file(folder / name, content)
    out.say(f"已写出 Written to {folder}: {', '.join(contents)}")
    return list(contents)


def _decode(file: Facts) -> bytes:
    if not _FILE_NAME.fullmatch(str(file["name"])):
        raise InvalidInput("Expected plain names of the export's files; found another.", next_step="ask the bureau")
    try:
        return base64.b64decode(str(file["base64"]), validate=True)
    except binascii.Error:
        raise InvalidInput(
            "Expected the export's files in base64; found otherwise.", next_step="ask the bureau"
        ) from None


def _version_words(version: int) -> str:
    return f"v{version}" if version else "内置 embedded"


def _yes_no(value: bool) -> str:
    return "是 yes" if value else "否 no"
