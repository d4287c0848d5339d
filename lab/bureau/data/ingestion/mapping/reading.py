"""Reads a mapping file: strict, and every fault with the file, the key and the nearest known word."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lab.bureau.data.ingestion.mapping.document import (
    CodeKind,
    DateOrder,
    Encoding,
    EnterpriseColumn,
    ItemColumn,
    MappingDocument,
    MappingFile,
    Period,
    SourceTable,
)
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.text.escaping import escape_hidden
from lab.terms.text.known_names import describe_unknown_names

MAX_BYTES: Final = 1 << 20
_MOST_FAULTS: Final = 12
_TABLES: Final[dict[str, type[BaseModel]]] = {"enterprise": EnterpriseColumn, "source": SourceTable}
_CHOICES: Final[dict[str, Sequence[str]]] = {
    "kind": get_args(CodeKind),
    "date_order": get_args(DateOrder),
    "period": get_args(Period),
    "encoding": get_args(Encoding),
}


def read_mapping(path: Path) -> MappingFile:
    """The mapping in ``path``; raises ``NotFound``, or ``InvalidInput`` that names every fault's key."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(
            f"Expected the mapping file {path.name}; there is none.",
            next_step="check --mapping, or draft one with `lab bureau mapping suggest FILE --domain DOMAIN`",
        ) from None
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"Expected a mapping file of at most 1 MiB; {path.name} is larger.", next_step="shorten it")
    return parse_mapping(content, path.name)


def parse_mapping(content: bytes, name: str) -> MappingFile:
    """The mapping in the bytes of the file ``name``; raises ``InvalidInput``."""
    try:
        values = tomllib.loads(content.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(
            f"Expected the mapping file {name} to be TOML; it is not, {_place(error)}.",
            next_step=f"correct {name}; docs/formats/mapping.md shows one",
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput(
            f"Expected the mapping file {name} in UTF-8; it is in another encoding.", next_step="save it as UTF-8"
        ) from None
    try:
        document = MappingDocument.model_validate(values)
    except ValidationError as error:
        faults = [_describe(fault) for fault in error.errors(include_url=False, include_input=False)]
        raise mapping_fault(name, faults) from None
    return MappingFile(name, hashlib.sha256(content).hexdigest(), content, document)


def mapping_fault(name: str, faults: Iterable[str]) -> InvalidInput:
    """The error for the faults of a mapping file, each of the form ``KEY: what is wrong``."""
    found = list(faults)
    words = "; ".join(found[:_MOST_FAULTS]) + (
        f"; and {len(found) - _MOST_FAULTS} more" if found[_MOST_FAULTS:] else ""
    )
    return InvalidInput(
        f"Expected a mapping that fits; {name} does not: {words}.",
        next_step=f"correct these keys of {name}; docs/formats/mapping.md explains each",
    )


def _place(error: tomllib.TOMLDecodeError) -> str:
    """``at line 3, column 5``: the parser's message without what it quotes from the file."""
    _, found, place = str(error).rpartition("(at ")
    return f"at {place.rstrip(')')}" if found else "as its end shows"


def _describe(fault: ErrorDetails) -> str:
    *table, last = [part for part in fault["loc"] if part != "[key]"] or ["(file)"]
    key = ".".join(str(escape_hidden(str(part)[:80])) for part in (*table, last))
    match fault["type"]:
        case "extra_forbidden":
            return (
                f"{'.'.join([*map(str, table), ''])}{describe_unknown_names([str(last)], _known(table))}: unknown key"
            )
        case "missing":
            return f"{key}: is missing"
        case "literal_error":
            return f"{key}: is none of {', '.join(_CHOICES.get(str(last), ()))}"
        case "string_pattern_mismatch" | "string_too_short" | "string_too_long" | "string_type":
            return f"{key}: is no text of the right form"
        case "bool_type":
            return f"{key}: is neither true nor false"
        case "list_type" | "dict_type" | "model_type" | "too_short" | "too_long":
            return f"{key}: is no list or table of the right form"
        case _:
            return f"{key}: does not fit"


def _known(table: Sequence[Any]) -> Sequence[str]:
    if not table:
        return tuple(MappingDocument.model_fields)
    model = ItemColumn if table[0] == "items" else _TABLES.get(str(table[0]), MappingDocument)
    return tuple(model.model_fields)
