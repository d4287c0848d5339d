"""A drafted mapping as a TOML file with comments, in which every guess is marked."""

from __future__ import annotations

from collections.abc import Iterator

from lab.bureau.data.catalogue.item_definition import Item, ItemType
from lab.bureau.data.ingestion.drafting.suggestion import GuessedItem, MappingDraft
from lab.bureau.data.ingestion.mapping.checking import needed_items
from lab.terms.text.escaping import escape_hidden


def write_draft(draft: MappingDraft, file: str, encoding: str) -> str:
    """The text of the mapping; ``file``, ``encoding``: of the table that it was drafted from."""
    domain = draft.domain
    lines = [
        f"# 映射草稿：每处“猜测”都请核对 A draft from {_comment(file)}: check every guess, then remove its comment.",
        f"# {domain.code}: {domain.zh} {domain.en}",
        f"domain = {quote_toml(domain.code)}",
        f"# encoding = {quote_toml(encoding)}  # 该文件的编码 that of this file; state it if it never changes",
    ]
    if draft.unused:
        lines += ["# 下列列未用 Columns that no item was found for:"]
        lines += [f"ignored = [{', '.join(quote_toml(name) for name in draft.unused)}]"]
    lines += ["", *_enterprise(draft)]
    for guess in draft.items:
        lines += ["", *_item(guess)]
    needed = needed_items(domain)
    for item in draft.absent:
        word = "必填，未找到列 required; no column found" if item.name in needed else "未找到列 no column found"
        lines += ["", f"# [items.{item.name}]  # {_comment(item.zh)} {_comment(item.en)}: {word}", '# column = "?"']
    return "\n".join(lines) + "\n"


def quote_toml(text: str) -> str:
    """A TOML string."""
    shown = "".join(f"\\u{ord(c):04X}" if ord(c) < 32 or ord(c) == 127 or c in '"\\' else c for c in text)
    return f'"{shown}"'


def _enterprise(draft: MappingDraft) -> Iterator[str]:
    yield "[enterprise]"
    if draft.enterprise is None:
        yield 'column = "?"  # 未找到代码列 no column looks like codes of enterprises'
        yield 'kind = "uscc"'
        return
    yield f"column = {quote_toml(draft.enterprise.column)}  # 猜测 guess: {draft.share:.2f} of the cells fit"
    yield f"kind = {quote_toml(draft.enterprise.kind)}  # 猜测 guess"


def _item(guess: GuessedItem) -> Iterator[str]:
    item = guess.item
    yield f"[items.{item.name}]  # {_comment(item.zh)} {_comment(item.en)}"
    yield f"column = {quote_toml(guess.column)}  # 猜测 guess: {guess.likeness:.2f}"
    if item.type is ItemType.AMOUNT:
        why = (
            "列名写明 the column's name says so" if guess.sure else "猜测：列名未写单位 guess: nothing states the unit"
        )
        yield f"unit = {quote_toml(guess.unit)}  # {why}"
    if guess.date_order is not None:
        yield f"date_order = {quote_toml(guess.date_order)}  # 猜测 guess: the days above 12 show it"
    if guess.unknown:
        codes = ", ".join(f'{quote_toml(word)} = "?"' for word in guess.unknown)
        yield f"codes = {{ {codes} }}  # 请写代码 write for each: {', '.join(_codes(item))}"


def _codes(item: Item) -> Iterator[str]:
    for code, words in item.codes.items():
        yield f"{code} ({_comment(words[0])})"


def _comment(text: str) -> str:
    """Text on one line of a comment."""
    return str(escape_hidden(text)).replace("\n", " ")
