"""``lab model``: train, inspect and publish scoring models at the bureau."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue import CatalogueItem, load_items, read_dictionary
from lab.bureau.data.quality import ColumnReport, DriftFinding, load_column_reports
from lab.bureau.data.quality.column_report import SAMPLE_ROWS
from lab.bureau.data.register import find_snapshot
from lab.bureau.model_registry.feature_choice import choose_features, feature_origins, split_names
from lab.bureau.model_registry.pilot_training import PilotDataset, join_pilot
from lab.bureau.model_registry.registry import (
    ModelVersion,
    check_model_name,
    find_model,
    next_version,
    publish_model,
    save_model,
)
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, InteractionMode, JsonOption, ModelFamily
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.tables.column_table import show_columns, summary_lines
from lab.terms.errors import InvalidInput
from lab.terms.names import ModelRef
from lab.terms.text.bilingual import BilingualText
from models.bureau.training.settings import TrainingSettings
from models.shared.features import FeatureDescription, settle_descriptions
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="模型 Train, inspect and publish scoring models at the bureau."
)


@app.callback()
def group() -> None:
    """模型 Train, inspect and publish scoring models at the bureau."""


AcceptDriftOption = Annotated[
    bool,
    typer.Option("--accept-drift", help="接受漂移 Go on although the register is far from the training's; recorded."),
]


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of ``lab model train``."""

    sample: Annotated[Path, typer.Option(help="试点样本 The bank's labelled pilot sample: CSV, workbook or Parquet.")]
    id_column: Annotated[str, typer.Option("--id", help="标识列 Column of the identifier.")]
    label: Annotated[str, typer.Option(help="标签列 Column of the label: 1 defaulted, 0 did not.")]
    register: Annotated[str, typer.Option(metavar="NAME", help="登记库名 Register to join to.")] = "main"
    family: Annotated[ModelFamily, typer.Option(help="模型族 Boosted trees or a scorecard.")] = ModelFamily.boosted
    interactions: Annotated[
        InteractionMode,
        typer.Option(help="一条路径一个银行特征(列少),或不限 One bank feature a path (few columns), or free."),
    ] = InteractionMode.one
    name: Annotated[str, typer.Option(help="模型名 Name of the model.")] = "credit"
    columns: Annotated[str, typer.Option(help="银行列(逗号分隔) Bank columns, with commas [default: all].")] = ""
    dictionary: Annotated[
        Path | None, typer.Option(help="银行数据项词典 Words for the bank's columns (TOML, [items.COLUMN]).")
    ] = None
    features: Annotated[
        str, typer.Option(help="特征(逗号分隔) Features of the register, with commas [default: all].")
    ] = ""
    monotonic: Annotated[
        bool,
        typer.Option("--monotonic", help="单调约束 Keep the directions that the features' definitions state."),
    ] = False
    seed: Annotated[int, typer.Option(min=0, help="随机种子 Seed.")] = 0
    publish: Annotated[
        bool, typer.Option("--publish", help="随即发布 Publish it at once, as `lab model publish` does.")
    ] = False
    home: BureauHomeOption = None
    as_json: JsonOption = False


@app.command()
@take_options(TrainOptions)
def train(options: TrainOptions) -> None:
    """训练模型 Train a model on a pilot sample, joined to the register IN CLEAR at the bureau.

    试点样本为明文,双方须就此约定;日后评分不需要明文。 Both parties must have agreed to this for the firms of the pilot.
    Scoring later never needs the bank's records in clear.
    """
    from models.bureau.training.trainer import train_model  # LightGBM and scikit-learn are slow to import

    out = CommandOutput(options.as_json)
    check_model_name(options.name)
    words = read_dictionary(options.dictionary) if options.dictionary else {}
    out.say(
        "注意：试点样本与登记库在数据局以明文连接 Note: the sample and the register are joined in clear at the bureau."
    )
    with Bureau.open(options.home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            snapshot = find_snapshot(session, options.register)
            items = load_items(session, snapshot.name, snapshot.version)
            reports = load_column_reports(session, bureau.home, snapshot.name, snapshot.version)
            version = next_version(session, options.name)
            origins = feature_origins(session, snapshot, monotonic=options.monotonic)
        snapshot = choose_features(snapshot, split_names(options.features))
        described = _described_columns(items, reports)
        pilot = join_pilot(
            bureau.snapshots.frame(snapshot, (snapshot.id_column, *snapshot.columns)),
            snapshot,
            options.sample,
            id_column=options.id_column,
            label_column=options.label,
            columns=split_names(options.columns),
            descriptions=words,
        )
        trained = train_model(
            pilot.public,
            pilot.bank,
            pilot.label,
            replace(_training_settings(options, version, described, words, pilot.notes()), origins=origins),
            row_numbers=pilot.row_numbers,
            population=bureau.snapshots.sample(snapshot, snapshot.columns, SAMPLE_ROWS),
            progress=out.progress,
        )
        saved = save_model(bureau.store, bureau.home, trained.model, options.register)
        saved, findings = _publish(bureau, saved, accept=False) if options.publish else (saved, ())
    summary = trained.model.summary()
    _show_pilot(out, pilot)
    show_columns(out, "列 Columns", summary_lines(trained.summaries))
    _show_model(out, saved, summary)
    _show_drift(out, findings)
    _show_next_step(out, saved)
    out.print_result(
        {
            **summary,
            "state": saved.state,
            "register": f"{snapshot.name}@{snapshot.version}",
            "sha256": saved.sha256,
            **_pilot_figures(pilot),
            "column_report": [one.as_dict() for one in trained.summaries],
        }
    )


def _described_columns(
    items: Mapping[str, CatalogueItem], reports: Mapping[str, ColumnReport]
) -> dict[str, FeatureDescription]:
    """The words of a register's columns, read as when they were imported or published."""
    return settle_descriptions(
        {column: item.as_feature_words for column, item in items.items()},
        (report.feature for report in reports.values() if not report.without_inputs),
    )


def _training_settings(
    options: TrainOptions,
    version: int,
    descriptions: Mapping[str, FeatureDescription],
    words: Mapping[str, FeatureDescription],
    notes: Sequence[BilingualText],
) -> TrainingSettings:
    return TrainingSettings(
        family=options.family.value,
        interactions=options.interactions.value,
        seed=options.seed,
        name=options.name,
        version=version,
        public_descriptions=descriptions,
        bank_descriptions=words,
        value_limit=PARAMETERS[DEFAULT_PARAMETERS].value_limit,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        sample_notes=tuple(notes),
    )


@app.command()
def show(
    model: Annotated[str, typer.Argument(metavar="NAME[@V]", help="模型 Model [default version: newest].")],
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """查看模型 Show a model's card: its training data, how well it ranks, and what it needs from the bank."""
    out = CommandOutput(as_json)
    name, version = ModelRef.parse(model)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            found = find_model(session, name, version)
        summary = bureau.models.load(found).summary()
    _show_model(out, found, summary)
    out.print_result(
        {
            **summary,
            "state": found.state,
            "register": found.register,
            "sha256": found.sha256,
            "sheets": found.sheets,
        }
    )


@app.command()
def publish(
    model: Annotated[
        str | None, typer.Argument(metavar="[NAME[@V]]", help="模型 Trained model [default version: newest].")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="模型文件 Publish a model file that was trained elsewhere.")] = None,
    register: Annotated[
        str, typer.Option(metavar="NAME", help="登记库名 Register that a model from a file reads.")
    ] = "main",
    accept_drift: AcceptDriftOption = False,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """发布模型 Publish a model, so that contracts can name it; a published version never changes."""
    out = CommandOutput(as_json)
    if (model is None) == (file is None):
        raise InvalidInput("Expected either a model's name or --file; found both or neither.", next_step="give one")
    with Bureau.open(home or default_folder()) as bureau:
        if file is not None:
            saved = _save_model_file(bureau, file, register)
        else:
            name, named = ModelRef.parse(model or "")
            saved = _find(bureau, name, named)
        published, findings = _publish(bureau, saved, accept=accept_drift)
    _show_drift(out, findings)
    _show_next_step(out, published)
    out.print_result(
        {
            "name": published.name,
            "version": published.version,
            "state": published.state,
            "sha256": published.sha256,
            "sheets": published.sheets,
            "drift": [asdict(finding) for finding in findings],
        }
    )


@app.command()
def compare(
    model: Annotated[str, typer.Argument(metavar="NAME[@V]", help="模型 Model [default version: newest].")],
    accept_drift: AcceptDriftOption = False,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """比较登记库 Compare a model's register, as it is now, with the one the model was trained on.

    偏离过大时评分被拒绝,除非在此接受。 If it is too far, the model does not score with it unless that is accepted here.
    """
    out = CommandOutput(as_json)
    name, named = ModelRef.parse(model)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            version = find_model(session, name, named).version
        findings = _compare(bureau, name, version, accept=accept_drift)
    out.say(f"已比较 Compared {ModelRef(name, version)}: {len(findings)} 项变化 differences")
    _show_drift(out, findings)
    out.print_result(
        {"model": str(ModelRef(name, version)), "drift": [asdict(one) for one in findings], "accepted": accept_drift}
    )


def _publish(bureau: Bureau, saved: ModelVersion, *, accept: bool) -> tuple[ModelVersion, Sequence[DriftFinding]]:
    """Compare a model with its register as it is now, and publish it; returns it with the differences."""
    findings = _compare(bureau, saved.name, saved.version, accept=accept)
    return publish_model(bureau.store, bureau.home, saved.name, saved.version), findings


def _find(bureau: Bureau, name: str, version: int | None) -> ModelVersion:
    with bureau.store.begin_read() as session:
        return find_model(session, name, version)


def _show_next_step(out: CommandOutput, model: ModelVersion) -> None:
    if not model.sheets:
        out.say(f"下一步 Next: lab model publish {model}")
        return
    out.say(f"已发布 Published {model}; 可选细度 details: {', '.join(model.sheets)}")
    out.say(f"下一步 Next: lab officer draft --bank-card CARD.json --model {model}")


def _compare(bureau: Bureau, name: str, version: int, *, accept: bool) -> Sequence[DriftFinding]:
    with bureau.store.begin_read() as session:
        found = find_model(session, name, version)
        snapshot = find_snapshot(session, found.register)
    return bureau.drift.compare(found, snapshot, accept=accept)


def _show_drift(out: CommandOutput, findings: Sequence[DriftFinding]) -> None:
    for one in findings:
        out.say(f"注意 Note: {one.column or '登记库 register'}: {one.zh} {one.en}")


def _save_model_file(bureau: Bureau, file: Path, register: str) -> ModelVersion:
    from models.bureau.serialization import load_model

    model = load_model(file)
    with bureau.store.begin_read() as session:
        snapshot = find_snapshot(session, register)
    absent = [one.name for one in model.public_features if one.name not in snapshot.columns]
    if absent:
        raise InvalidInput(
            f"The model reads columns that register {register} does not have: {', '.join(absent[:20])}.",
            next_step="import them, or name another --register",
        )
    return save_model(bureau.store, bureau.home, model, register)


def _pilot_figures(pilot: PilotDataset) -> dict[str, Any]:
    return {
        "sample_rows": pilot.sample_rows,
        "set_aside": sum(pilot.set_aside.values()),
        "set_aside_reasons": {reason.value: rows for reason, rows in pilot.set_aside.items()},
        "repeated_firms": pilot.firms.repeated_firms,
        "differing_firms": pilot.firms.differing_firms,
        "unused_rows": pilot.firms.unused_rows,
        "unmatched": pilot.unmatched,
        "unlabelled": pilot.unlabelled,
        "label_words": {"default": pilot.labels.pair[1], "no_default": pilot.labels.pair[0]},
        "reader_warnings": list(pilot.warnings),
    }


def _show_pilot(out: CommandOutput, pilot: PilotDataset) -> None:
    out.say(
        f"样本 Sample: {pilot.sample_rows} 行 rows; 连接 joined {len(pilot.label)} 户 enterprises; "
        f"搁置 set aside {sum(pilot.set_aside.values())} 行 rows; 同户其余行 other rows of an enterprise "
        f"{pilot.firms.unused_rows}; 不在登记库 not in the register {pilot.unmatched}; "
        f"无标签 without label {pilot.unlabelled}"
    )
    for warning in pilot.warnings:
        out.say(f"注意 Note: {warning}")


def _show_model(out: CommandOutput, version: ModelVersion, summary: dict[str, Any]) -> None:
    rows = [
        ("状态 state", version.state),
        ("模型族 family", f"{summary['family']}, {summary['interactions']}"),
        ("样本 pilot", f"{summary['rows']} ({summary['positives']} 违约 defaults)"),
        ("密文列 ciphertext columns", summary["columns"]),
        ("公共数据项 public items", len(summary["items"])),
        ("误差界 error bound (raw)", f"{summary['error_bound']:.2e}"),
        *((fact, f"{value:.4f}") for fact, value in summary["facts"].items()),
    ]
    out.table(f"模型 Model {version}", ("项 figure", "值 value"), rows)
    verdict = summary["verdict"]["lines"]
    for warning in summary["warnings"]:
        if warning not in verdict:
            out.say(f"注意 Note: {warning['zh']} {warning['en']}")
    for line in verdict:
        # A column that may give away the outcome is among the warnings too, and must not be overlooked.
        speak = out.alert if line in summary["warnings"] else out.say
        speak(f"结论 Verdict: {line['zh']} {line['en']}")
