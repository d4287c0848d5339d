"""What each domain holds now, for its registration form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain
from lab.bureau.data.disclosure.registration_form import ResourceCounts
from lab.bureau.data.records import Manifest, RecordStore, open_records


def count_resources(
    records: RecordStore,
    manifest: Manifest,
    catalogue: Catalogue,
    domains: Iterable[Domain],
    quality: Mapping[str, str],
) -> Iterator[tuple[Domain, ResourceCounts]]:
    """The counts of the current records of each domain as of ``manifest``, one domain after the other.

    Raises ``DamagedFile`` for a file of records that is not the one stored.
    """
    for domain in domains:
        with open_records(records, manifest, catalogue, domains=[domain.code]) as connection:
            # The name is a checked slug of the catalogue.
            found = connection.execute(
                f'SELECT count(*), count(DISTINCT enterprise), max(known_on) FROM "{domain.code}"'
            ).fetchone()
        rows, enterprises, known_on = found if found is not None else (0, 0, None)
        yield (
            domain,
            ResourceCounts(
                int(rows), int(enterprises), known_on.isoformat() if known_on else "", quality.get(domain.code, "")
            ),
        )
