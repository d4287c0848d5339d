"""Feature tables that are kept: named by the hash of everything they are computed from, computed once.

The database has the hash of each file, so another file in its place is found, whatever digest it carries. A table that
was lost is computed again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import duckdb
import polars as pl
import rfc8785

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.features.compilation import FeaturePlan, compile_features
from lab.bureau.data.features.computation import ComputedFeatures, compute_to_file
from lab.bureau.data.features.definition import FeatureSet
from lab.bureau.data.features.definition_files import default_features, read_features_folder
from lab.bureau.data.features.partitions import compute_on_pool
from lab.bureau.data.records import Manifest, QueryLimits, RecordStore, open_records
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.ledger.recorded_facts import all_facts
from lab.bureau.store import Database
from lab.bureau.store.tables import FeatureTableRow
from lab.disk.checked_files import DamagedFile
from lab.disk.locks import lock_folder
from lab.disk.private_files import move_private
from lab.tables.table_reader import hash_file
from lab.terms.progress import SILENT, Progress
from protocols.compute_pool import ComputePool

TABLE_FORMAT = "shulab-features/1"
"""Part of every table's name: changed when the same inputs give other bytes."""
_COMPUTED = "features.computed"
_AGAIN = "compute it again with `lab bureau feature compute --as-of DAY --again`"


@dataclass(frozen=True)
class FeatureInputs:
    """Everything that a feature table is computed from. ``left_out``: by domain, ids of records that no longer count
    on ``day`` (credit repair)."""

    manifest: Manifest
    catalogue: Catalogue
    features: FeatureSet
    day: date
    left_out: Mapping[str, pl.Series] = field(default_factory=dict)

    @cached_property
    def left_out_sha256(self) -> str:
        """The hash of the ids that are left out, by domain, in order."""
        return hash_left_out(self.left_out)

    @cached_property
    def sha256(self) -> str:
        """The hash of all inputs, which names the table."""
        named = {
            "format": TABLE_FORMAT,
            "manifest": self.manifest.sha256,
            "catalogue": self.catalogue.sha256,
            "features": self.features.sha256,
            "day": self.day.isoformat(),
            "left_out": self.left_out_sha256,
        }
        return hashlib.sha256(rfc8785.dumps(named)).hexdigest()

    @property
    def left_out_count(self) -> int:
        """How many records are left out."""
        return sum(len(ids) for ids in self.left_out.values())


def hash_left_out(left_out: Mapping[str, pl.Series]) -> str:
    """The hash of ids of records by domain, whatever their order."""
    listed = {domain: sorted(set(ids.to_list())) for domain, ids in sorted(left_out.items()) if len(ids)}
    return hashlib.sha256(rfc8785.dumps(listed)).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredFeatureTable:
    """A table that is there. ``computed_now``: False if it had been computed before."""

    path: Path
    sha256: str
    rows: int
    unregistered: Mapping[str, int]
    computed_now: bool


@dataclass(frozen=True, slots=True)
class _Computation:
    """Here, or over partitions on a pool."""

    pool: ComputePool | None
    progress: Progress

    def run(
        self, connection: duckdb.DuckDBPyConnection, plan: FeaturePlan, day: date, folder: Path
    ) -> ComputedFeatures:
        if self.pool is None:
            return compute_to_file(connection, plan, day, folder, self.progress)
        return compute_on_pool(connection, plan, day, folder, self.pool)


def current_features(home: BureauHome, catalogue: Catalogue) -> FeatureSet:
    """The bureau's own features if its folder has any, else those that come with the program."""
    folder = home.path("feature-files")
    if any(folder.glob("*.toml")):
        return read_features_folder(folder, catalogue)
    return default_features(catalogue)


class FeatureTables:
    """The feature tables of one bureau."""

    def __init__(self, home: BureauHome, store: Database, records: RecordStore) -> None:
        self._home, self._store, self._records = home, store, records

    def table(
        self,
        inputs: FeatureInputs,
        *,
        again: bool = False,
        limits: QueryLimits | None = None,
        pool: ComputePool | None = None,
        progress: Progress = SILENT,
    ) -> StoredFeatureTable:
        """The table of these inputs, computed if it is not there, or if ``again``; by ``pool`` if one is given.

        Raises ``DamagedFile`` if another file is in its place, ``InvalidInput`` if no enterprise is registered.
        """
        with lock_folder(self._home.path("features/.work")) as work:
            found = None if again else self._find(inputs)
            if found is not None:
                return found
            for left in work.glob("table-*"):  # of a computation that was killed
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=work, prefix="table-") as folder:
                return self._compute(inputs, Path(folder), limits or QueryLimits(), _Computation(pool, progress))

    def _find(self, inputs: FeatureInputs) -> StoredFeatureTable | None:
        with self._store.begin_read() as session:
            row = session.get(FeatureTableRow, inputs.sha256)
            if row is None:
                return None
            expected, rows, unregistered = row.sha256, row.rows, json.loads(row.unregistered)
            recorded = [one for _, one in all_facts(session, (_COMPUTED,), naming=inputs.sha256)]
        if [one["sha256"] for one in recorded if one.get("inputs") == inputs.sha256][-1:] != [expected]:
            raise DamagedFile(
                self._home.path(_file(inputs)),
                detail="The feature table in the database is not the one that the ledger names.",
                next_step=_AGAIN,
            )
        path = self._home.path(_file(inputs))
        if not path.is_file():
            return None
        if hash_file(path) != expected:
            raise DamagedFile(
                path,
                detail="The file of a feature table is not the one that was computed.",
                next_step=_AGAIN,
            )
        return StoredFeatureTable(path, expected, rows, unregistered, False)

    def _compute(
        self, inputs: FeatureInputs, folder: Path, limits: QueryLimits, how: _Computation
    ) -> StoredFeatureTable:
        plan: FeaturePlan = compile_features(inputs.features, inputs.catalogue)
        domains = sorted({plan.enterprises, *(one.domain for one in plan.domains)})
        with open_records(
            self._records,
            inputs.manifest,
            inputs.catalogue,
            day=inputs.day,
            domains=domains,
            excluded=inputs.left_out,
            limits=limits,
        ) as connection:
            computed = how.run(connection, plan, inputs.day, folder)
        sha256, file = hash_file(folder / "features"), _file(inputs)
        with self._store.begin() as session:
            session.merge(
                FeatureTableRow(
                    inputs_sha256=inputs.sha256,
                    day=inputs.day.isoformat(),
                    manifest_sha256=inputs.manifest.sha256,
                    catalogue_sha256=inputs.catalogue.sha256,
                    features_sha256=inputs.features.sha256,
                    left_out_sha256=inputs.left_out_sha256,
                    left_out=inputs.left_out_count,
                    features=len(inputs.features.definitions),
                    rows=computed.rows,
                    unregistered=json.dumps(dict(computed.unregistered)),
                    sha256=sha256,
                    computed_at=datetime.now(UTC),
                )
            )
            session.flush()
            move_private(folder / "features", self._home.path(file))
            facts: dict[str, Fact] = {
                "inputs": inputs.sha256,
                "day": inputs.day.isoformat(),
                "manifest": inputs.manifest.sha256,
                "features_sha256": inputs.features.sha256,
                "features": len(inputs.features.definitions),
                "left_out": inputs.left_out_count,
                "rows": computed.rows,
                "sha256": sha256,
            }
            record(session, _COMPUTED, None, facts, by=LOCAL_ACTOR)
        return StoredFeatureTable(self._home.path(file), sha256, computed.rows, computed.unregistered, True)


def _file(inputs: FeatureInputs) -> str:
    return f"features/{inputs.sha256}.parquet"
