"""``lab bureau legacy-codes``: the table that leads from old codes to unified ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.ingestion.enterprises import current_legacy_codes, import_legacy_codes
from lab.bureau.data.ingestion.enterprises.legacy_forms import legacy_kind
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput

_REASONS = {
    "legacy-form": "不是 15 位注册号或 9 位组织机构代码 is no legacy code of 15 digits or 9 characters",
    "unified-form": "不是有效的统一社会信用代码 is no valid unified code",
    "two-enterprises": "同一旧代码对应多家企业 the file maps the legacy code to several enterprises",
    "held-otherwise": "与已有对照不同 the table maps the legacy code to another enterprise",
}


def import_codes(
    file: Annotated[Path, typer.Argument(help="对照表 Table of legacy codes with their unified codes.")],
    legacy_column: Annotated[str, typer.Option(metavar="NAME", help="旧代码列 Column of the legacy codes.")] = "",
    code_column: Annotated[str, typer.Option(metavar="NAME", help="统一代码列 Column of the unified codes.")] = "",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """导入旧代码对照表 Add to the table of legacy codes: 15-digit registration numbers, 9-digit organisation codes.

    与已有对照矛盾的行搁置。 A row that contradicts the table or another row is set aside. Deliveries that had unmapped
    codes are read again when they are imported again.
    """
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        done = import_legacy_codes(
            bureau.store, bureau.home, file, legacy_column=legacy_column, unified_column=code_column
        )
    out.say(
        f"旧代码 Legacy codes: 新增 added {done.added:,}, 已有 known {done.known:,}, "
        f"搁置 set aside {done.set_aside:,}; 共 in all {done.total:,}"
    )
    for reason, rows in done.reasons.items():
        out.say(f"  {rows:,}: {_REASONS[reason]}")
    if done.misfits:
        out.say(f"校验位不符的注册号(照收) Registration numbers with a wrong check digit, taken: {done.misfits:,}")
    if done.rejected_file is not None:
        out.say(f"搁置的行 Rows set aside: {done.rejected_file}")
    out.print_result(
        {
            "added": done.added,
            "known": done.known,
            "set_aside": done.set_aside,
            "reasons": dict(done.reasons),
            "misfits": done.misfits,
            "total": done.total,
            "sha256": done.sha256,
            "set_aside_file": str(done.rejected_file) if done.rejected_file else None,
        }
    )


def list_codes(home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """旧代码概况 How many legacy codes of each kind the table has, and its hash."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        found = current_legacy_codes(bureau.home, session)
    kinds = legacy_kind(found.table["legacy"])
    counts = {kind: int((kinds == kind).sum()) for kind in ("registration-15", "organisation-9")}
    if found.table.is_empty():
        out.say("还没有 None yet. 下一步 Next: lab bureau legacy-codes import FILE")
    else:
        out.say(f"15 位注册号 registration numbers: {counts['registration-15']:,}")
        out.say(f"9 位组织机构代码 organisation codes: {counts['organisation-9']:,}")
        out.say(f"企业 enterprises: {found.table['enterprise'].n_unique():,}")
    out.print_result(
        {
            "total": found.table.height,
            "kinds": counts,
            "enterprises": found.table["enterprise"].n_unique(),
            "sha256": found.sha256,
        }
    )
