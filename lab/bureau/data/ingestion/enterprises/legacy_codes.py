"""The table of legacy codes: which unified code an enterprise with an old code has now.

Kept as Parquet files in ``deliveries/legacy-codes``, named by their hash; the newest row of the database says which one
counts. An import adds to the table. What contradicts it is set aside, since an old code means one enterprise for ever.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.ingestion.enterprises.legacy_forms import check_digit_fits, compact_codes, legacy_kind
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.ledger.recorded_facts import newest_facts
from lab.bureau.store import Database
from lab.bureau.store.tables import LegacyCodeTableRow
from lab.disk.checked_files import RESTORE_HINT, DamagedFile
from lab.disk.private_files import replace_private
from lab.tables.spreadsheet_csv import write_csv
from lab.tables.table_reader import hash_file, read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers
from lab.terms.text.nearest_name import nearest_name

FOLDER: Final = "deliveries/legacy-codes"
_LEGACY_NAMES: Final = ("legacy", "legacy_code", "old_code", "旧代码", "注册号", "工商注册号", "组织机构代码", "code")
_UNIFIED_NAMES: Final = ("enterprise", "uscc", "unified_code", "统一社会信用代码", "社会信用代码")
_SCHEMA: Final = {"legacy": pl.String, "enterprise": pl.String}


@dataclass(frozen=True, slots=True)
class LegacyCodes:
    """The table: ``table`` has ``legacy`` and ``enterprise``, both String; ``sha256``: of its file, empty for none."""

    table: pl.DataFrame
    sha256: str = ""

    @classmethod
    def empty(cls) -> LegacyCodes:
        """A table without rows."""
        return cls(pl.DataFrame(schema=_SCHEMA))

    def look_up(self, codes: pl.Series) -> pl.Series:
        """The unified codes of compact legacy codes, null for those that the table lacks; String [rows]."""
        rows = codes.to_frame("legacy").join(self.table, on="legacy", how="left", maintain_order="left")
        return rows["enterprise"].alias("code")


@dataclass(frozen=True, slots=True)
class LegacyImport:
    """The result of an import. ``misfits``: registration numbers with a wrong check digit, which are kept all the same:
    old numbers had none. ``rejected_file`` lists the rows set aside."""

    added: int
    known: int
    set_aside: int
    reasons: Mapping[str, int]
    misfits: int
    total: int
    sha256: str
    rejected_file: Path | None


def current_legacy_codes(home: BureauHome, session: Session) -> LegacyCodes:
    """The table that counts now; raises ``DamagedFile`` if its file is not as it was written."""
    row = session.scalar(select(LegacyCodeTableRow).order_by(LegacyCodeTableRow.id.desc()).limit(1))
    recorded = newest_facts(session, ("legacy-codes.imported",)).get("sha256", "")
    if recorded != ("" if row is None else row.sha256):
        raise DamagedFile(
            home.path(FOLDER),
            detail="The table of legacy codes is not the one that the newest ledger entry names.",
            next_step=RESTORE_HINT,
        )
    if row is None:
        return LegacyCodes.empty()
    path = home.path(f"{FOLDER}/{row.sha256}.parquet")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DamagedFile(path) from None
    if sha256(content).hexdigest() != row.sha256:
        raise DamagedFile(path)
    return LegacyCodes(pl.read_parquet(io.BytesIO(content)), row.sha256)


def import_legacy_codes(
    store: Database, home: BureauHome, source: Path, *, legacy_column: str = "", unified_column: str = ""
) -> LegacyImport:
    """Add the rows of a file to the table; what contradicts it or itself is set aside.

    The file, the database's row and the ledger's entry become visible in one transaction. Raises ``InvalidInput`` if a
    column is not found or no row is good.
    """
    table = read_table(source)
    legacy_name = _choose(table.frame.columns, legacy_column, _LEGACY_NAMES, source.name, "legacy")
    unified_name = _choose(table.frame.columns, unified_column, _UNIFIED_NAMES, source.name, "enterprise")
    rows = table.frame.select(
        row=pl.Series(table.row_numbers), legacy=pl.col(legacy_name), enterprise=pl.col(unified_name)
    )
    with store.begin() as session:
        held = current_legacy_codes(home, session)
        judged = _judge(rows, held)
        good = judged.filter(pl.col("reason").is_null()).select("legacy_code", "unified_code").unique()
        new = good.rename({"legacy_code": "legacy", "unified_code": "enterprise"}).join(
            held.table, on="legacy", how="anti"
        )
        bad = judged.filter(pl.col("reason").is_not_null())
        if good.is_empty():
            raise InvalidInput(
                f"Expected legacy codes with their unified codes in {source.name}; no row of {rows.height:,} has both "
                "in the right form.",
                next_step="check the columns; legacy codes have 15 digits or 9 characters",
            )
        total = pl.concat([held.table, new]).sort("legacy")
        digest = _save(home, total)
        if digest != held.sha256:
            session.add(
                LegacyCodeTableRow(
                    sha256=digest,
                    codes=total.height,
                    source_sha256=hash_file(source),
                    imported_at=datetime.now(UTC),
                )
            )
        rejected = _save_rejected(home, source, bad)
        numbers = good["legacy_code"].filter(legacy_kind(good["legacy_code"]) == "registration-15")
        facts: dict[str, Fact] = {"codes": total.height, "added": new.height, "set_aside": bad.height, "sha256": digest}
        record(session, "legacy-codes.imported", None, facts, by=LOCAL_ACTOR)
    return LegacyImport(
        added=new.height,
        known=good.height - new.height,
        set_aside=bad.height,
        reasons=Counter(bad["reason"].to_list()),
        misfits=int((~check_digit_fits(numbers)).sum()),
        total=total.height,
        sha256=digest,
        rejected_file=rejected,
    )


def _choose(columns: list[str], stated: str, usual: tuple[str, ...], file: str, what: str) -> str:
    """The column that holds legacy or unified codes: the stated one, or the only one with a usual name."""
    if stated:
        if stated in columns:
            return stated
        near = nearest_name(stated, columns)
        raise InvalidInput(
            f"Expected the column that was named for {what} in {file}; the header does not have it"
            + (f" (did you mean {near}?)." if near else "."),
            next_step="check --legacy-column and --code-column against the header",
        )
    found = [name for name in columns if name.lower() in usual]
    if not found:
        raise InvalidInput(
            f"Expected a column of {what} codes in {file}; no column has a usual name for it ({', '.join(usual)}).",
            next_step="name it with --legacy-column or --code-column",
        )
    return min(found, key=lambda name: usual.index(name.lower()))


def _judge(rows: pl.DataFrame, held: LegacyCodes) -> pl.DataFrame:
    """The rows with ``legacy_code`` and ``unified_code`` in their written form, and ``reason`` for those set aside."""
    legacy = compact_codes(rows["legacy"])
    unified = pl.Series(normalise_identifiers(rows["enterprise"].to_list(), "uscc").codes, dtype=pl.String)
    table = rows.with_columns(
        legacy_code=legacy.set(legacy_kind(legacy).is_null(), None), unified_code=unified, before=held.look_up(legacy)
    )
    several = pl.col("unified_code").n_unique().over("legacy_code") > 1
    reason = (
        pl.when(pl.col("legacy_code").is_null())
        .then(pl.lit("legacy-form"))
        .when(pl.col("unified_code").is_null())
        .then(pl.lit("unified-form"))
        .when(several)
        .then(pl.lit("two-enterprises"))
        .when(pl.col("before").is_not_null() & (pl.col("before") != pl.col("unified_code")))
        .then(pl.lit("held-otherwise"))
    )
    return table.with_columns(reason=reason.cast(pl.String))


def _save(home: BureauHome, table: pl.DataFrame) -> str:
    target = io.BytesIO()
    table.write_parquet(target, compression="zstd")
    digest = sha256(target.getvalue()).hexdigest()
    folder = home.path(FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / f"{digest}.parquet").exists():
        replace_private(folder / f"{digest}.parquet", target.getvalue())
    return digest


def _save_rejected(home: BureauHome, source: Path, bad: pl.DataFrame) -> Path | None:
    if bad.is_empty():
        return None
    path = home.path(f"{FOLDER}/{hash_file(source)[:16]}.set-aside.csv")
    target = io.BytesIO()
    write_csv(bad.select("legacy", "enterprise", "row", "reason"), target)
    replace_private(path, target.getvalue())
    return path
