"""``lab bureau register list``, ``compare`` and ``remove``: the versions of registers."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.publication.origins import RegisterOrigin, find_origin
from lab.bureau.data.register import find_snapshot
from lab.bureau.data.register.version_comparison import VersionComparison, compare_versions
from lab.bureau.exchange.matching.register_versions import (
    RegisterVersion,
    list_register_versions,
    remove_register_version,
)
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import NotAllowed

RegisterOption = Annotated[str, typer.Option("--register", metavar="NAME", help="登记库名 Name of the register.")]
_MOST_COLUMNS = 40


def list_versions(
    register: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="登记库名 Only this register [default: all].", show_default=False),
    ] = None,
    scored_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="评分日 Only versions that scores of this day (UTC) could come from."),
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出版本 List the versions of the registers, newest first: day, records, and what may still need each."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        found = list_register_versions(session, bureau.now(), register)
        origins = {(one.register, one.version): find_origin(session, one.register, one.version) for one in found}
    if scored_on is not None:
        found = [one for one in found if one.was_in_use(scored_on.date())]
    if found:
        out.table(
            "登记库版本 Register versions",
            ("版本 version", "截至 as of", "记录 manifest", "存入 stored", "行 rows", "仍需要 needed by"),
            [_version_row(one, origins[one.register, one.version]) for one in found],
        )
    elif scored_on is not None:
        out.say(f"当日没有可用的版本 No version that is kept was in use on {scored_on:%Y-%m-%d}")
    else:
        out.say("还没有登记库 No register yet. 下一步 Next: lab bureau import REGISTER.csv --id COLUMN")
    out.print_result({"versions": [_version_facts(one, origins[one.register, one.version]) for one in found]})


def compare(
    older: Annotated[int, typer.Argument(min=1, help="较早版本 The older version.")],
    newer: Annotated[int | None, typer.Argument(min=1, help="较新版本 The newer version [default: newest].")] = None,
    register: RegisterOption = "main",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """比较版本 Compare two versions of a register: enterprises, columns, changed values (counted, never shown)."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            first, second = find_snapshot(session, register, older), find_snapshot(session, register, newer)
            origins = [find_origin(session, one.name, one.version) for one in (first, second)]
        found = compare_versions(bureau.snapshots, first, second)
    out.table(
        f"登记库 Register {register}",
        ("项 what", f"v{first.version}", f"v{second.version}"),
        [("行 rows", f"{first.rows:,}", f"{second.rows:,}"), *_origin_rows(*origins)],
    )
    _show_comparison(out, found)
    out.print_result(
        {"register": register, "older": first.version, "newer": second.version, **asdict(found)}
        | {"days": [one.day if one else None for one in origins]}
    )


def remove(
    version: Annotated[int, typer.Argument(min=1, help="版本 The version to remove.")],
    register: RegisterOption = "main",
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 Remove it without asking.")] = False,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """删除版本 Remove a register version that nothing needs: rows, column report, rows set aside, evaluations.

    最新版本不可删除。 The newest version stays, and so does one that an open job or an unanswered batch may need. The
    ledger records the removal.
    """
    out = CommandOutput(as_json)
    if not yes and not (
        sys.stdin.isatty() and out.confirm(f"删除 {register} 第 {version} 版? Remove version {version} of {register}?")
    ):
        raise NotAllowed("Nobody confirmed the removal.", next_step="confirm it at a terminal, or say --yes")
    with Bureau.open(home or default_folder()) as bureau:
        removed = remove_register_version(
            bureau.store, bureau.home, bureau.evaluated_registers, register, version, bureau.now()
        )
    out.say(f"已删除 Removed {register} v{version}: {removed.rows} 行 rows")
    out.print_result({"register": register, "version": version, "rows": removed.rows, "sha256": removed.sha256})


def _version_row(one: RegisterVersion, origin: RegisterOrigin | None) -> tuple[object, ...]:
    return (
        f"{one.register} v{one.version}",
        origin.day if origin else "文件 file",
        origin.manifest_sha256[:12] if origin else "—",
        f"{one.imported_at:%Y-%m-%d %H:%M}",
        f"{one.rows:,}" + (f" (+{one.set_aside:,} 搁置 set aside)" if one.set_aside else ""),
        _needed(one),
    )


def _needed(one: RegisterVersion) -> str:
    if one.newest:
        return "最新版本：合同与模型 newest: contracts and models"
    parts = [f"{one.open_jobs} 个作业 jobs" if one.open_jobs else ""]
    parts += [f"{one.waiting_batches} 批 batches" if one.waiting_batches else ""]
    return ", ".join(part for part in parts if part) or "—"


def _version_facts(one: RegisterVersion, origin: RegisterOrigin | None) -> dict[str, object]:
    return {
        "register": one.register,
        "version": one.version,
        "as_of": origin.day if origin else None,
        "manifest_sha256": origin.manifest_sha256 if origin else None,
        "imported_at": one.imported_at.isoformat(timespec="seconds"),
        "replaced_at": one.replaced_at.isoformat(timespec="seconds") if one.replaced_at else None,
        "rows": one.rows,
        "set_aside": one.set_aside,
        "sha256": one.sha256,
        "newest": one.newest,
        "open_jobs": one.open_jobs,
        "waiting_batches": one.waiting_batches,
        "removable": not one.is_needed,
    }


def _origin_rows(first: RegisterOrigin | None, second: RegisterOrigin | None) -> list[tuple[str, str, str]]:
    parts = (
        ("截至日 as of", "day"),
        ("记录清单 manifest", "manifest_sha256"),
        ("目录 catalogue", "catalogue_sha256"),
        ("特征 features", "features_sha256"),
    )
    return [(words, _short(first, name), _short(second, name)) for words, name in parts]


def _short(origin: RegisterOrigin | None, name: str) -> str:
    return str(getattr(origin, name))[:12] if origin else "文件 file"


def _show_comparison(out: CommandOutput, found: VersionComparison) -> None:
    out.say(
        f"共有企业 In both {found.common:,}, 新增 entered {found.entered:,}, 退出 left {found.left:,}; "
        f"新增列 columns added: {', '.join(found.added) or '—'}; 删除列 removed: {', '.join(found.removed) or '—'}"
    )
    changed = sorted((one for one in found.changes if one.total), key=lambda one: -one.total)
    if not changed:
        out.say("共有企业的各列取值相同 No value of an enterprise in both differs")
        return
    out.table(
        "取值有变的列 Columns with other values",
        ("列 column", "变化 changed", "新有值 appeared", "不再有值 vanished"),
        [(one.column, f"{one.changed:,}", f"{one.appeared:,}", f"{one.vanished:,}") for one in changed[:_MOST_COLUMNS]],
    )
    if len(changed) > _MOST_COLUMNS:
        out.say(f"另有 {len(changed) - _MOST_COLUMNS} 列 And {len(changed) - _MOST_COLUMNS} more columns: --json")
