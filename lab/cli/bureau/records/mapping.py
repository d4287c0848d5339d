"""``lab bureau mapping``: drafting a mapping from a file, and checking one before it is used."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue import Catalogue, current_catalogue
from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.ingestion.drafting.draft_text import write_draft
from lab.bureau.data.ingestion.drafting.suggestion import MappingDraft, required_without_column, suggest_mapping
from lab.bureau.data.ingestion.enterprises import LegacyCodes, current_legacy_codes
from lab.bureau.data.ingestion.mapping import MappingFile, check_header, check_mapping, read_mapping
from lab.bureau.data.ingestion.reasons import count_reasons, describe_reason
from lab.bureau.data.ingestion.row_reading import RowReader
from lab.bureau.data.ingestion.sources import FileSource
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.disk.output_files import write_output_file
from lab.terms.errors import Conflict, NotFound
from lab.terms.text.known_names import describe_unknown_names


def suggest(
    file: Annotated[Path, typer.Argument(help="部门数据 A department's table.")],
    domain: Annotated[str, typer.Option("--domain", metavar="DOMAIN", help="领域 The domain that its rows are of.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="TOML", help="写入文件 Write it here [default: print it].")
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """起草映射文件 Draft a mapping from the names of a table's columns and the cells of its first rows.

    每处猜测都有标注，请逐一核对。 Every guess is marked: check each before you use the draft.
    """
    out = CommandOutput(as_json)
    if out_file is not None and out_file.exists():
        raise Conflict(f"Expected to write {out_file.name}; it exists already.", next_step="give --out another name")
    catalogue, _ = _look(home)
    found = _find_domain(catalogue, domain)
    source = FileSource(file)
    source.open(None)
    chunk = next(source.chunks())
    draft = suggest_mapping(found, chunk.frame, catalogue.id_kind)
    text = write_draft(draft, file.name, source.encoding)
    if out_file is not None:
        write_output_file(out_file, text.encode())
        out.say(f"草稿 Draft: {out_file}")
        out.say_next_step(f"check every guess in it, then run `lab bureau mapping check {out_file.name} {file.name}`")
    elif not as_json:
        out.print_text(text)
    _show_draft(out, draft)
    out.print_result(_draft_facts(draft, text))


def check(
    mapping: Annotated[Path, typer.Argument(help="映射文件 The mapping file.")],
    file: Annotated[Path | None, typer.Argument(help="部门数据 A table to check it against: header and rows.")] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """检查映射文件 Check a mapping against the catalogue and, with a table, against its header and every row.

    不入库。 Nothing is stored; what is held is not compared.
    """
    out = CommandOutput(as_json)
    read = read_mapping(mapping)
    catalogue, legacy = _look(home)
    domain = check_mapping(read, catalogue)
    out.say(f"映射文件可用 The mapping fits the catalogue: {domain.code}, {len(read.items)} 项 items")
    facts: dict[str, object] = {"domain": domain.code, "items": sorted(read.items), "sha256": read.sha256}
    if file is not None:
        facts |= _check_rows(out, read, domain, file, legacy)
    out.print_result(facts)


def _check_rows(
    out: CommandOutput, mapping: MappingFile, domain: Domain, file: Path, legacy: LegacyCodes
) -> dict[str, object]:
    source = FileSource(file)
    source.open(mapping.document.encoding)
    warnings = check_header(mapping, domain, source.name, source.columns)
    reader = RowReader(domain, mapping, legacy, datetime.now().astimezone().date())
    rows = bad = 0
    reasons: Counter[str] = Counter()
    done = 0
    with out.progress.stage("check-rows", source.units) as stage:
        for chunk in source.chunks():
            found = reader.read(chunk)
            rows += found.records.height + found.broken.height
            bad += found.records.height - found.reasons.null_count() + found.broken.height
            reasons += count_reasons(found.reasons)
            stage.advance(chunk.bytes_read - done)
            done = chunk.bytes_read
    for warning in warnings:
        out.say(warning)
    out.say(f"行 Rows: {rows:,}; 将搁置 would be set aside: {bad:,}")
    for reason, count in reasons.most_common():
        zh, en = describe_reason(reason)
        out.say(f"  {count:,}: {zh} · {en}")
    return {"rows": rows, "set_aside": bad, "reasons": dict(reasons), "warnings": list(warnings)}


def _look(home: Path | None) -> tuple[Catalogue, LegacyCodes]:
    """The catalogue in force and the table of legacy codes."""
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        return current_catalogue(bureau.home, session), current_legacy_codes(bureau.home, session)


def _find_domain(catalogue: Catalogue, code: str) -> Domain:
    try:
        return catalogue.domain(code)
    except KeyError:
        words = describe_unknown_names([code], [one.code for one in catalogue.domains])
        raise NotFound(f"Expected a domain of the catalogue; found {words}.", next_step="correct --domain") from None


def _show_draft(out: CommandOutput, draft: MappingDraft) -> None:
    out.say_on_stderr(
        f"找到 Found: {len(draft.items)} / {len(draft.domain.items)} 项 items; "
        f"未用列 unused columns: {len(draft.unused)}"
    )
    missing = required_without_column(draft)
    if missing:
        out.say_on_stderr(f"必填而未找到 Required and not found: {', '.join(item.name for item in missing)}")


def _draft_facts(draft: MappingDraft, text: str) -> dict[str, object]:
    return {
        "domain": draft.domain.code,
        "enterprise": None
        if draft.enterprise is None
        else {"column": draft.enterprise.column, "kind": draft.enterprise.kind, "share": round(draft.share, 4)},
        "items": {
            one.item.name: {"column": one.column, "likeness": one.likeness, "unit": one.unit or None}
            for one in draft.items
        },
        "absent": [item.name for item in draft.absent],
        "unused": list(draft.unused),
        "mapping": text,
    }
