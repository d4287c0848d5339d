"""The trial: the whole job on two parties' files, for a bureau and a bank who want to know before signing.

Both files lie on this machine, so the pilot sample (70 % of the joined rows) is joined in clear and the model is
trained in this process. The rest is scored as in earnest: the bank's whole file goes through matching, and the rows
outside the pilot through encrypted scoring by a service in another process. Then they are compared with plain scores.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.local_deployment import LocalDeployment
from lab.simulation.party_steps import (
    FamilyName,
    Interactions,
    PartyNames,
    conclude_contract,
    import_register,
    run_scoring_job,
    set_up_bureau,
)
from lab.simulation.trial.joined_files import JoinedFiles, read_joined_files
from lab.simulation.trial.report import TrialReport
from lab.simulation.trial.score_metrics import Floats, max_abs_difference, measure_discrimination
from lab.tables.spreadsheet_csv import save_csv
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.errors import ShulabError
from lab.terms.identifiers import IdKind
from lab.terms.progress import SILENT, Progress
from models.bureau.serialization import save_model
from models.bureau.training.measurement import validate_label
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import TrainingResult, fit_baseline, train_model
from models.shared.features import encode_features

TRIAL_PARTIES = PartyNames(bureau="试算数据局 Trial bureau", bank="试算银行 Trial bank")
MODEL = "trial"


@dataclass(frozen=True)
class TrialSettings:
    """What is asked for. ``columns`` restrict a side to those features; empty means all."""

    bureau: Path
    bank: Path
    out: Path
    id_column: str
    label: str
    id_kind: IdKind = "uscc"
    family: FamilyName = "boosted"
    interactions: Interactions = "one"
    engine: str = "x25519"
    bureau_columns: Sequence[str] = ()
    bank_columns: Sequence[str] = ()
    seed: int = 1


def run_trial(plan: TrialSettings, *, show: bool = True, progress: Progress = SILENT) -> TrialReport:
    """Run the trial in ``plan.out``; its figures are ``report.facts``.

    Raises ``InvalidInput`` when the files cannot be used (nothing joins, too few rows, one class, columns missing),
    ``Conflict`` when ``plan.out`` holds an earlier run, and whatever a party's command reports.
    """
    begun = time.perf_counter()
    pair = read_joined_files(
        plan.bureau,
        plan.bank,
        id_column=plan.id_column,
        label=plan.label,
        id_kind=plan.id_kind,
        bureau_columns=plan.bureau_columns,
        bank_columns=plan.bank_columns,
        seed=plan.seed,
    )
    validate_label(pair.labels[pair.pilot], pair.bureau_features(pair.pilot), pair.bank_features(pair.pilot))
    stage = LocalDeployment(plan.out, show_progress=show)
    stage.prepare()
    set_up_bureau(stage, TRIAL_PARTIES)
    seconds: dict[str, float] = {}
    with _BlockTimer(seconds, "import"):
        everything = len(pair.bureau.columns) == pair.bureau.all_rows.width - 1
        columns = () if everything else pair.bureau.columns
        import_register(stage, plan.bureau, id_column=plan.id_column, id_kind=plan.id_kind, columns=columns)
    with _BlockTimer(seconds, "train"):
        trained = _train(plan, pair, progress)
    manifest, peak_bureau = _score(plan, stage, pair, trained)
    seconds |= {step: float(manifest["seconds"][step]) for step in ("match", "encrypt", "score", "decrypt")}
    return _build_report(plan, pair, trained, manifest, peak_bureau, seconds, begun)


def _train(plan: TrialSettings, pair: JoinedFiles, progress: Progress) -> TrainingResult:
    return train_model(
        pair.bureau_features(pair.pilot),
        pair.bank_features(pair.pilot),
        pair.labels[pair.pilot],
        TrainingSettings(
            family=plan.family, interactions=plan.interactions, seed=plan.seed, name=MODEL, purpose="试算 Trial"
        ),
        progress=progress,
    )


def _score(
    plan: TrialSettings, stage: LocalDeployment, pair: JoinedFiles, trained: TrainingResult
) -> tuple[dict[str, Any], int]:
    """Everything between the two processes; the bank's manifest and the bureau's peak memory in bytes."""
    save_model(trained.model, plan.out / "model.json")
    stage.run_command("model", "publish", "--file", plan.out / "model.json", "--home", stage.bureau_home)
    portfolio, skip = _write_portfolio(plan, pair)
    detail = ResultDetail.DIMENSIONS if trained.model.interactions == "free" else ResultDetail.FULL
    with stage.run_service() as service:
        contract = conclude_contract(
            stage,
            service,
            TRIAL_PARTIES,
            model=f"{trained.model.name}@{trained.model.version}",
            detail=detail,
            engine=plan.engine,
            purpose=Purpose.RESEARCH,
            identifiers=len(pair.bank.codes),
        )
        manifest = run_scoring_job(
            stage,
            service,
            portfolio,
            plan.out / "scores.parquet",
            contract=contract,
            id_column=plan.id_column,
            skip=skip,
        )
    return manifest, service.peak_rss


def _write_portfolio(plan: TrialSettings, pair: JoinedFiles) -> tuple[Path, Path]:
    """The bank's whole file without its label, identifiers as written; and the codes that are not to be scored."""
    portfolio, skip = plan.out / "portfolio.csv", plan.out / "not-to-score.csv"
    save_csv(pair.bank.all_rows.select(plan.id_column, *pair.bank.columns), portfolio)
    codes = [*pair.codes(pair.pilot), *pair.unlabelled]
    save_csv(pl.DataFrame({"code": pl.Series(codes, dtype=pl.String)}), skip)
    return portfolio, skip


def _read_scores(path: Path, codes: list[str]) -> tuple[Floats, Floats]:
    """Raw and 300 to 900 scores of ``codes``, [rows] each, from the bank's result."""
    scored = pl.read_parquet(path).filter(pl.col("status") == "scored")
    wanted = pl.DataFrame({"code": pl.Series(codes, dtype=pl.String)})
    found = wanted.join(scored, on="code", how="left", maintain_order="left")
    if found["raw"].null_count() or scored.height != len(codes):
        raise ShulabError(
            f"Wanted scores for {len(codes):,} enterprises; the bank's result has {scored.height:,}, of which "
            f"{len(codes) - found['raw'].null_count():,} are among them.",
            next_step="report this as a fault, with the logs folder",
        )
    return found["raw"].to_numpy().astype(np.float64), found["score"].to_numpy().astype(np.float64)


def _plain_scores(plan: TrialSettings, pair: JoinedFiles, trained: TrainingResult) -> dict[str, Floats]:
    """Raw scores in clear of the test rows, by model."""
    labels, pilot, rest = pair.labels[pair.pilot], pair.pilot, pair.test
    taught = pair.bureau_features(pilot), pair.bank_features(pilot), labels
    asked = pair.bureau_features(rest), pair.bank_features(rest)
    rivals = {
        "bank_only": fit_baseline(*taught, parties=("bank",), family=plan.family, seed=plan.seed),
        "bureau_only": fit_baseline(*taught, parties=("bureau",), family=plan.family, seed=plan.seed),
        "free": fit_baseline(*taught, seed=plan.seed),
    }
    model = trained.model
    if trained.booster is None:
        plain = model.raw_scores(*asked)
    else:  # LightGBM itself, so that our own reading of its trees is checked too
        inputs = np.hstack(
            [encode_features(asked[0], model.public_features), encode_features(asked[1], model.bank_features)]
        )
        plain = (
            np.asarray(trained.booster.predict(inputs, raw_score=True), dtype=np.float64) if len(rest) else np.zeros(0)
        )
    return {"plain": plain} | {name: rival.raw_scores(*asked) for name, rival in rivals.items()}


def _build_report(
    plan: TrialSettings,
    pair: JoinedFiles,
    trained: TrainingResult,
    manifest: dict[str, Any],
    peak_bureau: int,
    seconds: dict[str, float],
    begun: float,
) -> TrialReport:
    raw, points = _read_scores(plan.out / "scores.parquet", pair.codes(pair.test))
    scores = {"encrypted": raw} | _plain_scores(plan, pair, trained)
    labels: NDArray[np.int8] = pair.labels[pair.test]
    verdict = measure_discrimination(labels, scores)
    gap, bound = max_abs_difference(raw, scores["plain"]), trained.model.error_bound
    facts: dict[str, Any] = {
        "bureau_file": pair.bureau.name,
        "bank_file": pair.bank.name,
        "rows_bureau": pair.bureau.rows,
        "rows_bank": pair.bank.rows,
        "joined": len(pair.labels),
        "matched": manifest["matched"],
        "pilot": len(pair.pilot),
        "unlabelled": len(pair.unlabelled),
        "scored": manifest["scored"],
        "set_aside_bureau": sum(pair.bureau.set_aside.values()),
        "set_aside_bank": sum(pair.bank.set_aside.values()),
        "auc_encrypted": verdict.auc["encrypted"],
        "auc_plain": verdict.auc["plain"],
        "auc_bank_only": verdict.auc["bank_only"],
        "auc_bureau_only": verdict.auc["bureau_only"],
        "auc_plain_free": verdict.auc["free"],
        "ks_encrypted": verdict.ks["encrypted"],
        "ks_plain": verdict.ks["plain"],
        "max_abs_score_error": gap,
        "error_bound": bound,
        "columns": manifest["columns"],
        "seconds": {step: round(value, 3) for step, value in seconds.items()}
        | {"total": round(time.perf_counter() - begun, 3)},
        "bytes_up": manifest["bytes_up"],
        "bytes_down": manifest["bytes_down"],
        "peak_rss_bureau": peak_bureau,
        "peak_rss_bank": manifest["peak_rss"],
        "engine": manifest["engine"],
        "model": plan.family,
        "interactions": trained.model.interactions,
        "parameters": manifest["parameters"],
        "seed": plan.seed,
        "contract": manifest["contract"],
    }
    aside = sum(pair.bank.set_aside.values())
    return TrialReport(
        facts=facts,
        metrics=verdict,
        scores=points,
        labels=labels,
        row_outcomes=[
            ("密文评分 scored encrypted", manifest["scored"]),
            ("试点样本，用于训练 pilot, trained on", len(pair.pilot)),
            ("登记库中没有 not in the register", len(pair.bank.codes) - manifest["matched"]),
            ("标签缺失 without a label", len(pair.unlabelled)),
            ("搁置 set aside", aside),
        ],
        set_aside=[
            (side, reason.zh, reason.en, count)
            for side, reasons in (("数据局 bureau", pair.bureau.set_aside), ("银行 bank", pair.bank.set_aside))
            for reason, count in reasons.items()
        ],
        warnings=_warnings(pair, trained, verdict.auc["encrypted"], gap, bound, manifest),
    )


def _warnings(
    pair: JoinedFiles,
    trained: TrainingResult,
    auc: float | None,
    gap: float | None,
    bound: float,
    manifest: dict[str, Any],
) -> list[tuple[str, str]]:
    warnings = list(pair.warnings)
    if auc is None:
        warnings.append(
            (
                "检验样本只有一种标签，无法计算 AUC 与 KS",
                "the test rows hold one label value, so AUC and KS cannot be given",
            )
        )
    if pair.unlabelled:
        count = len(pair.unlabelled)
        warnings.append(
            (
                f"{count:,} 户已合并但没有标签，未用于训练与检验",
                f"{count:,} joined rows have no label; neither trained on nor tested",
            )
        )
    if manifest["matched"] != len(pair.labels):
        warnings.append(
            (
                f"求交命中 {manifest['matched']:,}，明文合并 {len(pair.labels):,}，两者不同",
                f"matching found {manifest['matched']:,} enterprises, the join in clear {len(pair.labels):,}",
            )
        )
    if gap is not None and gap > bound:
        warnings.append(
            (
                f"原始分最大差 {gap:.2e} 超出误差界 {bound:.2e}",
                f"the largest gap {gap:.2e} exceeds the bound {bound:.2e}",
            )
        )
    warnings += [(warning.zh, warning.en) for warning in trained.model.card.warnings]
    return warnings


class _BlockTimer:
    """Adds the seconds of a block under a name."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name, self._begun = seconds, name, 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._seconds[self._name] = time.perf_counter() - self._begun
