"""Many deliveries in order: a file that lists them, read until its end or until one cannot be read.

What was read before is known by its hash and its mapping's, and passed over. So after a kill or an error the same
command goes on where it stopped.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lab.bureau.data.catalogue import Catalogue
from lab.bureau.data.ingestion.deliveries.delivery import DeliveryReader
from lab.bureau.data.ingestion.deliveries.department_delivery import DeliveryResult, DepartmentDelivery, check_reason
from lab.bureau.data.ingestion.delivery_history import Operation
from lab.bureau.data.ingestion.mapping import MappingFile, check_mapping, read_mapping
from lab.bureau.data.records import ADD
from lab.bureau.ledger import LOCAL_ACTOR
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.progress import SILENT, Progress, ProgressStage
from lab.terms.text.known_names import describe_unknown_names

MOST_DELIVERIES: Final = 100_000
_MOST_NAMED: Final = 5
_Path = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=1_000)]


class ListedDelivery(BaseModel):
    """One entry of the file: paths relative to the file's folder. Without ``file``, the mapping's [source] is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    mapping: _Path
    file: _Path | None = None
    received: datetime.date | None = None
    operation: Operation = "add"
    reason: Annotated[str, StringConstraints(strict=True, max_length=500)] = ""
    although_used: bool = False
    accept_amounts: bool = False


class DeliveryDocument(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    deliveries: Annotated[list[ListedDelivery], Field(min_length=1, max_length=MOST_DELIVERIES)]


def read_delivery_list(path: Path, today: datetime.date, *, by: str = LOCAL_ACTOR) -> tuple[DepartmentDelivery, ...]:
    """The deliveries that a file lists, with their mappings.

    Raises ``NotFound`` for a missing file, ``InvalidInput`` for one that does not fit, names a file that is not there,
    or is not in the order of receipt: all before anything is read.
    """
    document = _parse(path)
    mappings: dict[str, MappingFile] = {}
    found, missing = list[DepartmentDelivery](), list[str]()
    for number, one in enumerate(document.deliveries, start=1):
        if one.mapping not in mappings:
            mappings[one.mapping] = read_mapping(path.parent / one.mapping)
        file = path.parent / one.file if one.file is not None else None
        if file is not None and not file.is_file():
            missing.append(f"{number} ({file.name})")
        delivery = DepartmentDelivery(
            file,
            mappings[one.mapping],
            one.received or today,
            one.operation,
            one.reason,
            by,
            although_used=one.although_used,
            accept_amounts=one.accept_amounts,
        )
        check_reason(delivery)
        if found and delivery.received < found[-1].received:
            raise InvalidInput(
                f"Expected the deliveries of {path.name} in the order of receipt; number {number} was received before "
                "the one above it.",
                next_step="sort them by `received`: what the bureau knew on a day depends on the order",
            )
        found.append(delivery)
    if missing:
        raise NotFound(
            f"Expected the files that {path.name} lists; {len(missing)} are not there: number "
            f"{', '.join(missing[:_MOST_NAMED])}.",
            next_step=f"correct {path.name}; its paths begin at its own folder",
        )
    return tuple(found)


def check_mappings(deliveries: Sequence[DepartmentDelivery], catalogue: Catalogue) -> None:
    """Check each mapping against the catalogue before the first delivery is read; raises ``InvalidInput``."""
    for mapping, partial in {(one.mapping.sha256, one.operation != ADD): one for one in deliveries}.items():
        check_mapping(partial.mapping, catalogue, partial=mapping[1])


def read_deliveries(
    reader: DeliveryReader,
    deliveries: Sequence[DepartmentDelivery],
    progress: Progress = SILENT,
    report: Callable[[DeliveryResult], None] | None = None,
) -> list[DeliveryResult]:
    """Read them in order, with one bar for all; raises what ``DeliveryReader.read`` raises, with those before kept."""
    sizes = [one.file.stat().st_size if one.file is not None else 0 for one in deliveries]
    results = []
    with progress.stage("read-records", sum(sizes)) as stage:
        for delivery, size in zip(deliveries, sizes, strict=True):
            shared = _SharedStage(stage)
            results.append(reader.read(delivery, shared))
            stage.advance(max(0, size - shared.done))
            if report is not None:
                report(results[-1])
    return results


class _SharedStage:
    """Progress of one delivery as a part of the bar of all."""

    def __init__(self, stage: ProgressStage) -> None:
        self._stage, self.done = stage, 0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[ProgressStage]:
        """A part of the shared bar; a database's rows, whose bytes nobody knows, do not count."""
        yield self if name == "read-records" else _Uncounted()

    def advance(self, units: int = 1) -> None:
        """Advance the shared bar."""
        self._stage.advance(units)
        self.done += units


class _Uncounted:
    def advance(self, units: int = 1) -> None:
        return None


def _parse(path: Path) -> DeliveryDocument:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(
            f"Expected the list of deliveries {path.name}; there is none.", next_step="check --deliveries"
        ) from None
    except ValueError:  # TOMLDecodeError and UnicodeDecodeError are
        raise InvalidInput(f"Expected {path.name} to be TOML; it is not.", next_step=f"correct {path}") from None
    try:
        return DeliveryDocument.model_validate(values)
    except ValidationError as error:
        words = []
        for fault in error.errors(include_url=False, include_input=False)[:_MOST_NAMED]:
            place = [part + 1 if isinstance(part, int) else part for part in fault["loc"]]
            key = ".".join(map(str, place))
            if fault["type"] == "extra_forbidden":
                known = ListedDelivery.model_fields if len(place) > 1 else DeliveryDocument.model_fields
                *above, last = (str(part) for part in place)
                key = ".".join([*above, describe_unknown_names([last], known)])
            words.append(f"{key}: {'is missing' if fault['type'] == 'missing' else 'does not fit'}")
        raise InvalidInput(
            f"Expected a list of deliveries; {path.name} does not fit: {'; '.join(words)}.",
            next_step=f"correct {path.name}; docs/formats/deliveries.md shows one",
        ) from None
