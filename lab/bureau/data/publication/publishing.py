"""Publishing features as the next version of a register: what scoring, training and portraits then read.

The quality of the records must allow it, and records that no longer count (credit repair) are left out. The version,
what it comes from, and the ledger entry become visible in one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import Catalogue, current_catalogue, describe_columns
from lab.bureau.data.credit_repair.exclusion import excluded_records
from lab.bureau.data.features.definition import FeatureDefinition, FeatureType
from lab.bureau.data.features.lineage import dump_lineage, highest_grade, trace_columns
from lab.bureau.data.features.stored_tables import FeatureInputs, FeatureTables, StoredFeatureTable, current_features
from lab.bureau.data.publication.definition_history import (
    DefinitionHistory,
    RulesInUse,
    definition_history,
    find_rules_in_use,
)
from lab.bureau.data.publication.past_days import (
    PutRightSince,
    mark_superseded,
    records_put_right_since,
    refuse_put_right,
)
from lab.bureau.data.quality import DriftFinding
from lab.bureau.data.quality.publication_gate import check_publication_gate
from lab.bureau.data.records import RecordStore
from lab.bureau.data.records.confined_connection import refused_by_disk
from lab.bureau.data.register.comparison import DriftPolicy, compare_register
from lab.bureau.data.register.preparation import PreparedRegister, RegisterLayout
from lab.bureau.data.register.snapshot import ROW_GROUP
from lab.bureau.data.register.version_storage import VersionOrigin, store_version, version_folder
from lab.bureau.ledger import Fact
from lab.bureau.store import Database
from lab.bureau.store.tables import RegisterOriginRow, RegisterRow
from lab.tables.cells.column_kinds import ColumnSummary, hint_words, summarise_tally
from lab.tables.cells.column_tally import ColumnTally
from lab.terms.errors import InvalidInput
from lab.terms.names import is_slug
from lab.terms.progress import SILENT, Progress
from models.shared.features import FeatureDescription

ENTERPRISE = "enterprise"
_KINDS = {FeatureType.YES_NO: "boolean", FeatureType.CODE: "categorical"}


@dataclass(frozen=True, slots=True)
class PublishedRegister:
    """A version that was published. ``left_out``: records that did not count; ``unregistered``: by domain, records of
    enterprises that are not registered; ``drift``: what changed, by the name of what it was compared with.
    ``put_right``, ``history``: for a day that is over, which records count that do not today, and whether definitions
    changed since."""

    register: str
    version: int
    rows: int
    columns: tuple[str, ...]
    sha256: str
    table: StoredFeatureTable
    left_out: int
    summaries: tuple[ColumnSummary, ...]
    drift: Mapping[str, Sequence[DriftFinding]]
    put_right: PutRightSince
    history: Sequence[DefinitionHistory]


def feature_inputs(
    session: Session, home: BureauHome, records: RecordStore, day: date, *, gate: bool = False
) -> FeatureInputs:
    """What the features of ``day`` are computed from: what was known at its end, without the records that no longer
    count on it. ``gate``: raise ``NotAllowed`` unless the quality of these records allows publication.

    Raises ``InvalidInput`` if nothing was known on that day.
    """
    manifest, catalogue = records.manifest_as_of(session, day), current_catalogue(home, session)
    if not manifest.segments:
        raise InvalidInput(
            "Expected records that were known on this day; found none.",
            next_step="import records with `lab bureau records import`, or name a later day",
        )
    if gate:
        check_publication_gate(session, home, manifest, catalogue)
    left_out = excluded_records(session, records, catalogue, manifest, day)
    return FeatureInputs(manifest, catalogue, current_features(home, catalogue), day, left_out)


def publish_features(
    store: Database,
    home: BureauHome,
    records: RecordStore,
    day: date,
    *,
    name: str = "main",
    policy: DriftPolicy | None = None,
    progress: Progress = SILENT,
) -> PublishedRegister:
    """Compute the features of ``day`` (or take the kept table) and make them the next version of register ``name``.

    Raises ``NotAllowed`` if the quality of the records does not allow it, or if published models read the register and
    records that counted on ``day`` were put right since; ``InvalidInput`` if the version is too far from the one before
    or from a model of ``policy``; ``Conflict`` if another version is stored, or a case decided, at the same time.
    """
    if not is_slug(name):
        raise InvalidInput(
            "Expected a register name of lower-case letters, digits, dots, hyphens.", next_step="check --register"
        )
    with store.begin_read() as session:
        inputs = feature_inputs(session, home, records, day, gate=True)
        put_right = records_put_right_since(session, records, inputs, date.today())
        refuse_put_right(session, name, day, put_right)
        history = definition_history(session, home, inputs, date.today())
        rules = find_rules_in_use(session, home, day)
    table = FeatureTables(home, store, records).table(inputs, progress=progress)
    definitions = inputs.features.definitions
    descriptions = {one.name: describe_feature(one, inputs.catalogue) for one in definitions}
    layout = RegisterLayout(ENTERPRISE, inputs.catalogue.id_kind, tuple(descriptions), descriptions)
    items = describe_columns(name, list(descriptions), descriptions)
    with version_folder(home, name) as folder:
        try:
            found = _prepare(table, definitions, folder, layout, progress)
        except (OSError, PolarsError):  # the table's hash was compared before, so it is the disk
            raise refused_by_disk() from None
        comparison = compare_register(store, home, name, found, items, policy or DriftPolicy())
        origin = VersionOrigin(table.sha256, "register.published", _OriginWriter(inputs, put_right, rules))
        row, _ = store_version(store, home, name, layout, found, comparison, origin)
    return PublishedRegister(
        register=name,
        version=row.version,
        rows=row.rows,
        columns=tuple(descriptions),
        sha256=row.sha256,
        table=table,
        left_out=inputs.left_out_count,
        summaries=found.summaries,
        drift=comparison.findings,
        put_right=put_right,
        history=history,
    )


def describe_feature(definition: FeatureDefinition, catalogue: Catalogue) -> FeatureDescription:
    """The words of a register's column that has this feature; its grade is the highest of its items'."""
    zh, en = definition.label
    return FeatureDescription(
        item=f"feature.{definition.name}",
        zh=zh,
        en=en,
        dimension=definition.dimension,
        domain=definition.domains[0],
        grade=highest_grade(definition, catalogue).value,
        kind=_KINDS.get(definition.type, "numeric"),
    )


@dataclass(frozen=True, slots=True)
class _OriginWriter:
    """Stores what a version comes from, in its transaction."""

    inputs: FeatureInputs
    put_right: PutRightSince
    rules: RulesInUse

    def __call__(self, session: Session, row: RegisterRow) -> Mapping[str, Fact]:
        inputs, rules = self.inputs, self.rules
        refuse_put_right(session, row.name, inputs.day, self.put_right)
        columns = trace_columns(inputs.features.definitions, inputs.catalogue, inputs.manifest)
        session.add(
            RegisterOriginRow(
                register=row.name,
                version=row.version,
                day=inputs.day.isoformat(),
                manifest_sha256=inputs.manifest.sha256,
                catalogue_sha256=inputs.catalogue.sha256,
                features_sha256=inputs.features.sha256,
                left_out_sha256=inputs.left_out_sha256,
                inputs_sha256=inputs.sha256,
                repair_rules_sha256=rules.repair_rules_sha256,
                quality_rules_sha256=rules.quality_rules_sha256,
                lineage=dump_lineage(columns),
            )
        )
        session.flush()
        mark_superseded(session, row.name, row.version, self.put_right)
        return {
            "day": inputs.day.isoformat(),
            "manifest": inputs.manifest.sha256,
            "catalogue": inputs.catalogue.sha256,
            "features_sha256": inputs.features.sha256,
            "repair_rules": rules.repair_rules_sha256,
            "quality_rules": rules.quality_rules_sha256,
            "left_out": inputs.left_out_count,
            "put_right_since": self.put_right.count,
        }


def _prepare(
    table: StoredFeatureTable,
    definitions: Sequence[FeatureDefinition],
    folder: Path,
    layout: RegisterLayout,
    progress: Progress,
) -> PreparedRegister:
    """The table as a register's file: all text, the identifier first, in its order; cells are counted on the way."""
    scan = pl.scan_parquet(table.path)
    tallies = {one.name: ColumnTally(hint_words(layout.hint(one.name))) for one in definitions}
    parts: list[Path] = []
    with progress.stage("publish", table.rows) as stage:
        for first in range(0, table.rows, 2 * ROW_GROUP):
            rows = scan.slice(first, 2 * ROW_GROUP).with_columns(_as_text(one) for one in definitions).collect()
            for name, tally in tallies.items():
                tally.add(rows[name], first)
            parts.append(folder / f"part.{len(parts):05d}")
            rows.write_parquet(parts[-1], statistics=False)
            stage.advance(rows.height)
        pl.scan_parquet(parts).sink_parquet(
            folder / "register", compression="zstd", statistics=False, row_group_size=ROW_GROUP, maintain_order=True
        )
    summaries = tuple(summarise_tally(name, tally, layout.hint(name)) for name, tally in tallies.items())
    return PreparedRegister(folder / "register", table.rows, None, Counter(), 0, Counter(), summaries)


def _as_text(definition: FeatureDefinition) -> pl.Expr:
    column = pl.col(definition.name)
    if definition.type is FeatureType.YES_NO:
        return pl.when(column).then(pl.lit("yes")).when(~column).then(pl.lit("no")).alias(definition.name)
    return column.cast(pl.String)
