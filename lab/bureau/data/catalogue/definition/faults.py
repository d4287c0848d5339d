"""What is wrong in a catalogue's file, as one error that names the file, each place, and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lab.bureau.data.catalogue.definition.forms import (
    CatalogueIndexTable,
    DomainTable,
    ItemDefaultsTable,
    ItemTable,
    NaturalPersonsTable,
    PersonalClassTable,
)
from lab.terms.errors import InvalidInput
from lab.terms.text.escaping import escape_hidden
from lab.terms.text.known_names import describe_unknown_name
from lab.terms.text.nearest_name import nearest_name

_MOST_NAMED = 20
_LONGEST_PLACE = 150
_NEXT_STEP = "correct the file; docs/formats/catalogue.md lists the names and words"
_FILE_FORM = TypeVar("_FILE_FORM", CatalogueIndexTable, DomainTable)


def parse_file(form: type[_FILE_FORM], file: str, values: dict[str, Any]) -> _FILE_FORM:
    """The values of a file, checked against its schema; raises ``InvalidInput`` naming everything that is wrong."""
    try:
        return form.model_validate(values)
    except ValidationError as error:
        faults = [_describe(form, fault) for fault in error.errors(include_url=False)]
        raise catalogue_fault(file, faults) from None


def catalogue_fault(file: str, faults: Sequence[str]) -> InvalidInput:
    """The error of a file with these faults."""
    named = list(dict.fromkeys(faults))
    more = len(named) - _MOST_NAMED
    words = "; ".join([*named[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
    return InvalidInput(
        f"Expected a catalogue that fits its schema; found in {escape_hidden(file[:_LONGEST_PLACE])}: {words}.",
        next_step=_NEXT_STEP,
    )


def _describe(form: type[CatalogueIndexTable | DomainTable], fault: ErrorDetails) -> str:
    *above, last = fault["loc"]
    place = _place(fault["loc"])
    match fault["type"]:
        case "extra_forbidden":
            known = _known_keys(form, above)
            words = describe_unknown_name(str(last), nearest_name(str(last), known))
            return f"{_place(above)}: unknown key {words}" if above else f"unknown key {words}"
        case "missing":
            return f"{place} is missing"
        case "enum" | "literal_error":
            known = re.findall(r"'([^']+)'", str(fault.get("ctx", {}).get("expected", "")))
            found = str(fault["input"])
            return f"{place}: unknown word {describe_unknown_name(found, nearest_name(found, known))}"
        case kind:
            return f"{place}: {_EXPECTED.get(kind, 'another value')} expected"


_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "string_pattern_mismatch": "lower-case letters, digits and _",
    "string_too_short": "a longer text",
    "string_too_long": "a shorter text",
    "too_short": "more entries",
    "too_long": "fewer entries",
    "value_error": "a text of visible characters",
    "greater_than_equal": "a number from 1 to 100",
    "less_than_equal": "a number from 1 to 100",
}


def _known_keys(form: type[CatalogueIndexTable | DomainTable], above: Sequence[int | str]) -> Sequence[str]:
    if form is CatalogueIndexTable:
        tables = (CatalogueIndexTable, NaturalPersonsTable, PersonalClassTable)
        return tuple(tables[0 if not above else 1 if len(above) == 1 else 2].model_fields)
    if not above:
        return tuple(DomainTable.model_fields)
    return tuple((ItemDefaultsTable if above[0] == "defaults" else ItemTable).model_fields)


def _place(loc: Sequence[int | str]) -> str:
    dotted = ".".join(str(part) for part in loc if part != "[key]")
    return str(escape_hidden(dotted[:_LONGEST_PLACE]))
