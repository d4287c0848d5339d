"""The trial: the whole job on two parties' files, before a bureau and a bank sign a contract.

Both files are on this machine, so the pilot sample (70 % of the joined rows) is joined in clear and the model is
trained in this process. The rest is scored as in use: the bank's whole file is matched, and a service in another
process scores the rows outside the pilot in encrypted form. Their scores are then compared with those in clear.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import polars as pl

from lab.simulation.local_deployment import LocalDeployment
from lab.simulation.party_steps import (
    ContractTerms,
    PartyNames,
    ScoringJob,
    conclude_contract,
    import_register,
    run_scoring_job,
    set_up_bureau,
)
from lab.simulation.trial.columns import TrialColumns
from lab.simulation.trial.comparison import TrialResults, build_report, finest_detail
from lab.simulation.trial.dictionaries import TrialDictionaries, read_dictionaries, require_trial_columns
from lab.simulation.trial.joined_files import JoinedFiles, JoinOptions, read_joined_files
from lab.simulation.trial.report import TrialReport
from lab.simulation.trial.settings import TrialSettings
from lab.tables.spreadsheet_csv import save_csv
from lab.terms.contract.document import Purpose
from lab.terms.names import ModelRef
from lab.terms.progress import SILENT, Progress
from models.bureau.serialization import save_model
from models.bureau.training.measurement import validate_label
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import TrainingResult, train_model
from models.shared.features import settle_descriptions

TRIAL_PARTIES = PartyNames(bureau="试算数据局 Trial bureau", bank="试算银行 Trial bank")
MODEL = "trial"


def run_trial(settings: TrialSettings, *, show: bool = True, progress: Progress = SILENT) -> TrialReport:
    """Run the trial in ``settings.out``; its figures are ``report.facts``.

    Raises ``InvalidInput`` if the files cannot be used (nothing joins, too few rows, one label value, missing columns),
    ``Conflict`` if ``settings.out`` has an earlier run, and the error that a party's command reports.
    """
    begun = time.perf_counter()
    words = read_dictionaries(settings)
    options = JoinOptions(
        settings.id_column,
        settings.label,
        settings.id_kind,
        settings.bureau_columns,
        settings.bank_columns,
        settings.seed,
    )
    joined = read_joined_files(settings.bureau, settings.bank, options)
    require_trial_columns(settings, words, joined.bureau, joined.bank)
    validate_label(
        joined.labels[joined.pilot], joined.bureau_features(joined.pilot), joined.bank_features(joined.pilot)
    )
    deployment = LocalDeployment(settings.out, show_progress=show)
    deployment.prepare()
    set_up_bureau(deployment, TRIAL_PARTIES)
    seconds: dict[str, float] = {}
    with _BlockTimer(seconds, "import"):
        all_columns = len(joined.bureau.columns) == joined.bureau.all_rows.width - 1
        columns = () if all_columns else joined.bureau.columns
        imported = import_register(
            deployment,
            settings.bureau,
            id_column=settings.id_column,
            id_kind=settings.id_kind,
            columns=columns,
            dictionary=settings.bureau_dictionary,
        )
    with _BlockTimer(seconds, "train"):
        columns_read = TrialColumns.read(joined, words)
        trained = _train(settings, joined, words, columns_read, progress)
    manifest, peak_bureau = _score(settings, deployment, joined, trained)
    seconds |= {step: float(manifest["seconds"][step]) for step in ("match", "encrypt", "score", "decrypt")}
    results = TrialResults(settings, joined, trained, manifest, peak_bureau, words, imported, columns_read)
    return build_report(results, seconds, begun)


def _train(
    settings: TrialSettings, joined: JoinedFiles, words: TrialDictionaries, columns: TrialColumns, progress: Progress
) -> TrainingResult:
    return train_model(
        joined.bureau_features(joined.pilot),
        joined.bank_features(joined.pilot),
        joined.labels[joined.pilot],
        TrainingSettings(
            family=settings.family,
            interactions=settings.interactions,
            seed=settings.seed,
            name=MODEL,
            purpose="试算 Trial",
            public_descriptions=settle_descriptions(words.bureau, columns.bureau),
            bank_descriptions=settle_descriptions(words.bank, columns.bank),
            sample_notes=joined.warnings,
        ),
        population=joined.bureau.features,
        progress=progress,
    )


def _score(
    settings: TrialSettings, deployment: LocalDeployment, joined: JoinedFiles, trained: TrainingResult
) -> tuple[dict[str, Any], int]:
    """Run both parties; returns the bank's manifest and the bureau's peak memory in bytes."""
    save_model(trained.model, settings.out / "model.json")
    deployment.run_command("model", "publish", "--file", settings.out / "model.json", "--home", deployment.bureau_home)
    portfolio, skip = _write_portfolio(settings, joined)
    detail = finest_detail(trained.model)
    with deployment.run_service() as service:
        name = str(ModelRef(trained.model.name, trained.model.version))
        terms = ContractTerms(name, detail, settings.engine, Purpose.RESEARCH, len(joined.bank.codes))
        contract = conclude_contract(deployment, service, TRIAL_PARTIES, terms)
        job = ScoringJob(portfolio, settings.out / "scores.parquet", contract, settings.id_column, skip)
        manifest = run_scoring_job(deployment, service, job)
    return manifest, service.peak_rss


def _write_portfolio(settings: TrialSettings, joined: JoinedFiles) -> tuple[Path, Path]:
    """Write the bank's whole file without its label, and the codes that are not to be scored."""
    portfolio, skip = settings.out / "portfolio.csv", settings.out / "not-to-score.csv"
    save_csv(joined.bank.all_rows.select(settings.id_column, *joined.bank.columns), portfolio)
    codes = [*joined.codes(joined.pilot), *joined.unlabelled]
    save_csv(pl.DataFrame({"code": pl.Series(codes, dtype=pl.String)}), skip)
    return portfolio, skip


class _BlockTimer:
    """Measures the seconds of a block."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name, self._begun = seconds, name, 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._seconds[self._name] = time.perf_counter() - self._begun
