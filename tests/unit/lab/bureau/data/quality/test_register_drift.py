"""A register version that is unlike the one before it, or unlike what a model was trained on, is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.quality import (
    ColumnReport,
    DriftFinding,
    compare_with_model,
    compare_with_version,
    load_column_reports,
    measure_columns,
    worst_level,
)
from lab.bureau.data.quality.drift_records import refuse_drift
from lab.bureau.data.register import DriftPolicy, RegisterLayout, import_register
from lab.bureau.data.register.snapshot import ROW_GROUP, spread_rows
from lab.bureau.store import Database
from lab.terms.errors import InvalidInput
from models.bureau.model import Model
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.features import describe_columns, settle_descriptions

ROWS = 2_000


def register(seed: int, rows: int = ROWS) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    tax = random.lognormal(8, 1, rows)
    return pl.DataFrame(
        {
            "tax": [f"{value:.2f}" for value in tax],
            "staff": [str(value) for value in random.poisson(8, rows)],
            "trade": random.choice(["A类", "B类", "C类"], rows).tolist(),
            "empty": [None if value < 0.3 else "1" for value in random.random(rows)],
        },
        schema_overrides={"empty": pl.String},
    )


def reports(frame: pl.DataFrame) -> dict[str, ColumnReport]:
    return measure_columns(frame, describe_columns(frame), {})


def levels(findings: Sequence[DriftFinding]) -> dict[str, str]:
    return {finding.column: finding.level for finding in findings}


@pytest.fixture(scope="module")
def model() -> Model:
    public, random = register(1), np.random.default_rng(2)
    tax = public["tax"].cast(pl.Float64).log().to_numpy()
    bank = pl.DataFrame({"overdue": [str(value) for value in random.poisson(1, ROWS)]})
    label = (random.random(ROWS) < 1 / (1 + np.exp(tax - 7))).astype(int)
    return train_model(public, bank, label, TrainingSettings(trees=20)).model


def test_another_draw_of_the_same_register_is_no_drift(model: Model) -> None:
    for seed in range(3, 23):
        assert not compare_with_version(register(seed), ROWS, reports(register(1)), ROWS)
        assert not compare_with_model(register(seed), model)


@pytest.mark.parametrize(
    "change",
    [
        pl.col("tax").cast(pl.Float64) / 10_000,
        pl.col("tax").cast(pl.Float64) * 30,
        pl.lit(None, dtype=pl.String).alias("tax"),
        (pl.col("tax") + " x").alias("tax"),
        pl.col("trade").replace(["A类", "B类", "C类"], ["1", "2", "3"]),
        pl.col("trade").replace(["A类", "B类", "C类"], ["甲", "乙", "丙"]),
    ],
    ids=["other unit", "thirty times", "blank", "unreadable", "recoded as numbers", "recoded"],
)
def test_a_column_that_changed_stops_the_version(model: Model, change: pl.Expr) -> None:
    changed = register(5).with_columns(change.cast(pl.String))
    for findings in (
        compare_with_version(changed, ROWS, reports(register(1)), ROWS),
        compare_with_model(changed, model),
    ):
        assert worst_level(findings) == "stop"
        assert len(findings) == 1
        with pytest.raises(InvalidInput, match="differences too large to be chance"):
            refuse_drift(findings, "the previous version", accepted=False)
        refuse_drift(findings, "the previous version", accepted=True)


def test_the_same_values_in_another_spelling_are_no_drift(model: Model) -> None:
    written = register(5).with_columns(
        pl.col("tax").cast(pl.Float64).map_elements(lambda value: f"{value:,.2f}", return_dtype=pl.String),
        pl.col("trade").str.replace("A", "Ａ"),
        pl.col("staff") + ".0",
    )
    assert not compare_with_version(written, ROWS, reports(register(1)), ROWS)
    assert not compare_with_model(written, model)


def test_fewer_rows_and_columns_are_told() -> None:
    before = reports(register(1))
    assert levels(compare_with_version(register(5), 1_700, before, ROWS)) == {"": "watch"}
    assert levels(compare_with_version(register(5), 100, before, ROWS)) == {"": "stop"}
    assert levels(compare_with_version(register(5).drop("staff"), ROWS, before, ROWS)) == {"staff": "watch"}


def test_a_column_that_a_model_needs_may_not_be_gone(model: Model) -> None:
    assert levels(compare_with_model(register(5).drop("tax"), model)) == {"tax": "stop"}


def test_a_finding_shows_no_value() -> None:
    changed = register(5).with_columns(pl.lit("secret-value").alias("trade"))
    findings = compare_with_version(changed, ROWS, reports(register(1)), ROWS)
    assert findings and not any("secret" in finding.zh + finding.en for finding in findings)


def test_reports_are_read_back_as_they_were_written_and_not_if_altered(tmp_path: Path, store: Database) -> None:
    home = BureauHome.create(tmp_path / "bureau", name="Test bureau")
    source = tmp_path / "register.csv"
    register(1).with_columns(id=pl.Series(range(ROWS)).cast(pl.String)).write_csv(source)
    import_register(store, home, source, RegisterLayout("id", "opaque"))
    with store.begin_read() as session:
        found = load_column_reports(session, home, "main")
        assert {name: report.feature.kind for name, report in found.items()} == {
            "tax": "numeric",
            "staff": "numeric",
            "trade": "categorical",
            "empty": "numeric",
        }
        file = home.path("registers/main-1.columns.json")
        file.write_bytes(file.read_bytes().replace(b"numeric", b"boolean", 1))
        with pytest.raises(InvalidInput, match="missing or was altered"):
            load_column_reports(session, home, "main", 1)
    source.write_bytes(source.read_bytes().replace(b"\n0,", b"\nzero,", 1))
    with pytest.raises(InvalidInput, match="lost or altered"):
        import_register(store, home, source, RegisterLayout("id", "opaque"))
    done = import_register(store, home, source, RegisterLayout("id", "opaque"), policy=DriftPolicy(accept=True))
    assert done.version == 2


def test_a_sample_is_spread_over_all_row_groups(tmp_path: Path) -> None:
    rows = 3 * ROW_GROUP + 17
    frame = pl.DataFrame({"a": [str(number) for number in range(rows)], "b": ["x"] * rows})
    frame.write_parquet(tmp_path / "register", row_group_size=ROW_GROUP)
    for wanted in (1, 1_000, 100_000, rows, 2 * rows):
        found = spread_rows(tmp_path / "register", ["a"], wanted)
        assert found["a"].to_list() == frame["a"].gather_every(max(1, -(-rows // wanted))).to_list()


def test_training_reads_a_column_of_names_as_the_import_did() -> None:
    public = register(1).with_columns(name=pl.Series([f"第{number}公司" for number in range(ROWS)]))
    found = reports(public)
    assert [name for name, report in found.items() if report.without_inputs] == ["name"]
    described = settle_descriptions({}, (one.feature for one in found.values() if not one.without_inputs))
    bank = pl.DataFrame({"overdue": [str(number % 7) for number in range(ROWS)]})
    label = np.arange(ROWS) % 7 > 4
    model = train_model(public, bank, label.astype(int), TrainingSettings(trees=5, public_descriptions=described)).model
    assert "name" in {feature.name for feature in model.public_features}
