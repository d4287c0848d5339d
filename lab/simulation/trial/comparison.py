"""Builds the trial's report: compares encrypted scores with plain ones, and collects figures and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.trial.columns import TrialColumns
from lab.simulation.trial.dictionaries import TrialDictionaries, dictionary_warnings, list_dimension_inputs
from lab.simulation.trial.joined_files import JoinedFiles
from lab.simulation.trial.phases import TrialPhases
from lab.simulation.trial.report import TrialReport
from lab.simulation.trial.score_metrics import (
    DiscriminationMetrics,
    Floats,
    max_abs_difference,
    measure_discrimination,
)
from lab.simulation.trial.settings import TrialSettings
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import ShulabError
from lab.terms.text.bilingual import BilingualText, read_warning
from models.bureau.model import Model
from models.bureau.training.trainer import TrainingResult, fit_baseline
from models.bureau.training.verdict.auc_comparison import compare_models
from models.bureau.training_verdict import ComparedModel, TrainingVerdict
from models.bureau.verdict_words import verdict_lines, verdict_summary
from models.shared.features import encode_features


@dataclass(frozen=True)
class TrialResults:
    """What a trial produced.

    ``plain``: raw scores of the test rows in clear, by model. ``manifest``: the bank's run. ``peak_bureau``: the
    bureau's peak memory in bytes. ``imported``: what the bureau's import said.
    """

    settings: TrialSettings
    joined: JoinedFiles
    trained: TrainingResult
    manifest: Mapping[str, Any]
    peak_bureau: int
    words: TrialDictionaries = field(default_factory=TrialDictionaries)
    imported: Mapping[str, Any] = field(default_factory=dict)
    columns: TrialColumns = field(default_factory=TrialColumns)
    plain: Mapping[str, Floats] = field(default_factory=dict)


def build_report(results: TrialResults, seconds: Mapping[str, float], phases: TrialPhases) -> TrialReport:
    """Compare encrypted with plain scores; ``seconds``: of the parties' steps, ``phases``: of the trial so far.

    Raises ``ShulabError`` if the bank's result lacks a score.
    """
    joined, trained, manifest = results.joined, results.trained, results.manifest
    raw, points = _read_scores(results.settings.out / "scores.parquet", joined.codes(joined.test))
    scores = {"encrypted": raw} | dict(results.plain)
    labels: NDArray[np.int8] = joined.labels[joined.test]
    metrics = measure_discrimination(labels, scores)
    difference = max_abs_difference(raw, scores["plain"])
    verdict = _verdict(trained.model, labels.astype(np.int64), scores, results.settings.seed)
    facts = _figures(results, metrics, difference) | {
        "verdict": verdict_summary(verdict),
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
        "phases": phases.totals(),
    }
    return TrialReport(
        facts=facts,
        metrics=metrics,
        scores=points,
        labels=labels,
        row_outcomes=[
            ("密文评分 encrypted scores", manifest["scored"]),
            ("试点样本，用于训练 pilot, trained on", len(joined.pilot)),
            ("登记库中没有 not in the register", len(joined.bank.codes) - manifest["matched"]),
            ("标签缺失 without a label", len(joined.unlabelled)),
            ("搁置 set aside", sum(joined.bank.set_aside.values())),
        ],
        set_aside=[
            (side, reason.zh, reason.en, count)
            for side, reasons in (("数据局 bureau", joined.bureau.set_aside), ("银行 bank", joined.bank.set_aside))
            for reason, count in reasons.items()
        ],
        dimensions=list_dimension_inputs(trained.model.sheet(ResultDetail(manifest["detail"]))),
        columns=results.columns,
        warnings=_warnings(results, metrics.auc["encrypted"], difference),
        verdict=verdict_lines(verdict),
    )


def _verdict(model: Model, labels: NDArray[np.int64], scores: Mapping[str, Floats], seed: int) -> TrainingVerdict:
    """The verdict of the training, with the encrypted scores of the test rows in place of its own comparison."""
    names: list[ComparedModel] = ["bank_only", "bureau_only"]
    if model.interactions == "one":  # otherwise the unconstrained model is of the same kind as the joint one
        names.append("free")
    compared = compare_models(labels, scores["encrypted"], {name: scores[name] for name in names}, seed=seed)
    return replace(
        model.card.verdict,
        rows=len(labels),
        positives=int(labels.sum()),
        cross_fitted=False,
        comparisons=compared,
    )


def _figures(results: TrialResults, metrics: DiscriminationMetrics, difference: float | None) -> dict[str, Any]:
    settings, joined, trained, manifest = results.settings, results.joined, results.trained, results.manifest
    return {
        "bureau_file": joined.bureau.name,
        "bank_file": joined.bank.name,
        "rows_bureau": joined.bureau.rows,
        "rows_bank": joined.bank.rows,
        "joined": len(joined.labels),
        "matched": manifest["matched"],
        "pilot": len(joined.pilot),
        "unlabelled": len(joined.unlabelled),
        "scored": manifest["scored"],
        "set_aside_bureau": sum(joined.bureau.set_aside.values()),
        "set_aside_bank": sum(joined.bank.set_aside.values()),
        "auc_encrypted": metrics.auc["encrypted"],
        "auc_plain": metrics.auc["plain"],
        "auc_bank_only": metrics.auc["bank_only"],
        "auc_bureau_only": metrics.auc["bureau_only"],
        "auc_plain_free": metrics.auc["free"],
        "ks_encrypted": metrics.ks["encrypted"],
        "ks_plain": metrics.ks["plain"],
        "max_abs_score_error": difference,
        "error_bound": trained.model.error_bound,
        "columns": manifest["columns"],
        "bytes_up": manifest["bytes_up"],
        "bytes_down": manifest["bytes_down"],
        "peak_rss_bureau": results.peak_bureau,
        "peak_rss_bank": manifest["peak_rss"],
        "engine": manifest["engine"],
        "model": settings.family,
        "interactions": trained.model.interactions,
        "parameters": manifest["parameters"],
        "seed": settings.seed,
        "contract": manifest["contract"],
    }


def _read_scores(path: Path, codes: list[str]) -> tuple[Floats, Floats]:
    """Raw and 300 to 900 scores of ``codes``, [rows] each, from the bank's result."""
    scored = pl.read_parquet(path).filter(pl.col("status") == "scored")
    wanted = pl.DataFrame({"code": pl.Series(codes, dtype=pl.String)})
    found = wanted.join(scored, on="code", how="left", maintain_order="left")
    if found["raw"].null_count() or scored.height != len(codes):
        raise ShulabError(
            f"Expected scores for {len(codes):,} enterprises; the bank's result has {scored.height:,}, of which "
            f"{len(codes) - found['raw'].null_count():,} are expected.",
            next_step="report this as a fault, with the logs folder",
        )
    return found["raw"].to_numpy().astype(np.float64), found["score"].to_numpy().astype(np.float64)


def score_in_clear(settings: TrialSettings, joined: JoinedFiles, trained: TrainingResult) -> dict[str, Floats]:
    """Raw scores of the test rows in clear, by model."""
    labels, pilot, rest = joined.labels[joined.pilot], joined.pilot, joined.test
    pilot_data = joined.bureau_features(pilot), joined.bank_features(pilot), labels
    test_data = joined.bureau_features(rest), joined.bank_features(rest)
    model, family, seed = trained.model, settings.family, settings.seed
    features = model.features
    baselines = {
        "bank_only": fit_baseline(*pilot_data, parties=("bank",), family=family, features=features, seed=seed),
        "bureau_only": fit_baseline(*pilot_data, parties=("bureau",), family=family, features=features, seed=seed),
        "free": fit_baseline(*pilot_data, features=features, seed=seed),
    }
    if trained.booster is None:
        plain = model.raw_scores(*test_data)
    else:  # LightGBM itself, which also checks how the model reads its trees
        inputs = np.hstack(
            [encode_features(test_data[0], model.public_features), encode_features(test_data[1], model.bank_features)]
        )
        plain = (
            np.asarray(trained.booster.predict(inputs, raw_score=True), dtype=np.float64) if len(rest) else np.zeros(0)
        )
    return {"plain": plain} | {name: baseline.raw_scores(*test_data) for name, baseline in baselines.items()}


def _warnings(results: TrialResults, auc: float | None, difference: float | None) -> list[tuple[str, str]]:
    joined, manifest, bound = results.joined, results.manifest, results.trained.model.error_bound
    warnings = list(joined.warnings)
    if auc is None:
        warnings.append(
            (
                "检验样本只有一种标签，无法计算 AUC 与 KS",
                "the test rows have only one label value, so AUC and KS cannot be computed",
            )
        )
    if joined.unlabelled:
        count = len(joined.unlabelled)
        warnings.append(
            (
                f"{count:,} 户已合并但没有标签，未用于训练与检验",
                f"{count:,} joined rows have no label; they were used neither for training nor for testing",
            )
        )
    if manifest["matched"] != len(joined.labels):
        warnings.append(
            (
                f"求交命中 {manifest['matched']:,}，明文合并 {len(joined.labels):,}，两者不同",
                f"matching found {manifest['matched']:,} enterprises, the join in clear {len(joined.labels):,}",
            )
        )
    if difference is not None and difference > bound:
        warnings.append(
            (
                f"原始分最大差 {difference:.2e} 超出误差界 {bound:.2e}",
                f"the largest difference {difference:.2e} exceeds the bound {bound:.2e}",
            )
        )
    card = [(warning.zh, warning.en) for warning in results.trained.model.card.warnings]
    warnings += [warning for warning in card if warning not in warnings]
    warnings += dictionary_warnings(results.settings, results.words, joined.bureau, joined.bank)
    return list(dict.fromkeys(warnings + _command_warnings(results)))


def _command_warnings(results: TrialResults) -> list[BilingualText]:
    """What the reader and the parties' commands warned of, with the party's name."""
    joined = results.joined
    said = (
        ("数据局文件", "bureau's file", joined.bureau.warnings),
        ("数据局文件", "bureau's file", results.imported.get("warnings", ())),
        ("银行文件", "bank's file", joined.bank.warnings),
        ("银行作业", "bank's job", results.manifest.get("warnings", ())),
    )
    warnings = []
    for side_zh, side_en, found in said:
        for zh, en in map(read_warning, found):
            warnings.append((f"{side_zh}：{zh}", f"{side_en}: {en}"))
    return warnings
