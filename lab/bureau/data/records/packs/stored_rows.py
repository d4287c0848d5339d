"""Where the rows of a domain are read from: packs, and the segments that no pack holds, as one table of SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lab.bureau.data.records.manifest import Segment
from lab.bureau.data.records.packs.pack_list import PLACE, ROW, Pack, PackList

Files = Mapping[str, tuple[str, int]]
"""Names of files with SHA-256 and bytes."""


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The rows of the ``segments`` of one domain, oldest first; ``packs``: those that hold some of them."""

    segments: tuple[Segment, ...]
    packs: tuple[Pack, ...]

    @classmethod
    def find(cls, segments: Sequence[Segment], packs: PackList) -> StoredRows:
        """``segments``: the domain's list of a manifest, from its beginning."""
        listed = tuple(segments)
        domain = listed[0].domain if listed else ""
        return cls(listed, tuple(one for one in packs.of_domain(domain) if one.holds(listed)))

    @property
    def loose(self) -> tuple[tuple[int, Segment], ...]:
        """The segments that no pack holds, with their places."""
        packed = {place for one in self.packs for place in range(one.first, one.end)}
        return tuple((place, one) for place, one in enumerate(self.segments) if place not in packed)

    @property
    def files(self) -> Files:
        """The files that have the rows."""
        found = {one.name: (one.sha256, one.bytes) for one in self.packs}
        return found | {f"{one.sha256}.parquet": (one.sha256, one.bytes) for _, one in self.loose}

    def chosen(self, packs: Sequence[Pack], loose: Sequence[tuple[int, Segment]]) -> ChosenRows:
        """The rows of some of its packs and loose segments."""
        return ChosenRows(tuple(packs), tuple(loose), len(self.segments))

    @property
    def all_rows(self) -> ChosenRows:
        """All its rows."""
        return self.chosen(self.packs, self.loose)

    def changing(self) -> ChosenRows:
        """The rows of the files in which not all operations are additions; of packs, those of such segments alone."""
        places = [place for place, one in enumerate(self.segments) if one.operations != ("add",)]
        wanted = frozenset(places)
        packs = [one for one in self.packs if any(place in wanted for place in range(one.first, one.end))]
        loose = [pair for pair in self.loose if pair[0] in wanted]
        return ChosenRows(tuple(packs), tuple(loose), len(self.segments), tuple(places))


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """Rows of packs and of segments. ``limit``: places from it on are not known yet. ``places``: of packs, only these
    segments; empty for all."""

    packs: tuple[Pack, ...]
    loose: tuple[tuple[int, Segment], ...]
    limit: int
    places: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return not self.packs and not self.loose

    @property
    def files(self) -> list[tuple[str, str, int]]:
        """The files to read: name, SHA-256, bytes."""
        packed = [(one.name, one.sha256, one.bytes) for one in self.packs]
        return packed + [(f"{one.sha256}.parquet", one.sha256, one.bytes) for _, one in self.loose]

    def as_sql(self, paths: Mapping[str, Path]) -> str:
        """A table of SQL, in parentheses: all columns that any of the files has, ``_place`` and ``_row``. ``paths``:
        where the checked files are, by name. It has no bound values: paths are hashes in the bureau's folder."""
        parts = []
        if self.loose:
            listed = ", ".join(_quoted(paths[f"{one.sha256}.parquet"]) for _, one in self.loose)
            parts.append(
                f"SELECT *, {self._loose_place()} AS {PLACE}, file_row_number AS {ROW} "
                f"FROM read_parquet([{listed}]{_union([one.catalogue_sha256 for _, one in self.loose])})"
            )
        if self.packs:
            listed = ", ".join(_quoted(paths[one.name]) for one in self.packs)
            scan = f"FROM read_parquet([{listed}]{_union([one.catalogue_sha256 for one in self.packs])})"
            parts.append(f"SELECT * {scan}{self._pack_condition()}")
        return f"({' UNION ALL BY NAME '.join(parts)})"

    def columns(self, paths: Mapping[str, Path]) -> frozenset[str]:
        """The columns that any of the files has; one file for each catalogue is looked into."""
        by_catalogue = {one.catalogue_sha256: paths[f"{one.sha256}.parquet"] for _, one in self.loose}
        by_catalogue |= {one.catalogue_sha256: paths[one.name] for one in self.packs}
        return frozenset(name for path in by_catalogue.values() for name in pl.read_parquet_schema(path))

    def _loose_place(self) -> str:
        places = [place for place, _ in self.loose]
        if places == list(range(len(places))):
            return "CAST(file_index AS INTEGER)"
        return f"CAST({places}[CAST(file_index AS BIGINT) + 1] AS INTEGER)"

    def _pack_condition(self) -> str:
        conditions = []
        if any(one.end > self.limit for one in self.packs):
            conditions.append(f"{PLACE} < {self.limit}")
        if self.places and set(self.places) != {place for one in self.packs for place in range(one.first, one.end)}:
            conditions.append(f"{PLACE} IN ({', '.join(map(str, self.places))})")
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _union(catalogues: Sequence[str]) -> str:
    return ", union_by_name = true" if len(set(catalogues)) > 1 else ""


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
