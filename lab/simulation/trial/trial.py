"""The trial: the whole job on two parties' files, before a bureau and a bank sign a contract.

Both files are on this machine, so the pilot sample (70 % of the joined rows) is joined in clear and the model is
trained in this process. The rest is scored as in use: the bank's whole file is matched, and a service in another
process scores the rows outside the pilot in encrypted form. Their scores are then compared with those in clear.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from lab.simulation.local_deployment import LocalDeployment
from lab.simulation.party_steps import (
    ContractTerms,
    PartyNames,
    ReadyParties,
    ScoringJob,
    conclude_contract,
    import_register,
    ready_parties,
    run_scoring_job,
    set_up_bureau,
)
from lab.simulation.trial.columns import TrialColumns
from lab.simulation.trial.dictionaries import (
    TrialDictionaries,
    read_dictionaries,
    require_trial_columns,
    write_dictionary,
)
from lab.simulation.trial.joined_files import JoinedFiles, JoinOptions, read_joined_files
from lab.simulation.trial.phases import TrialPhases
from lab.simulation.trial.settings import TrialSettings
from lab.tables.spreadsheet_csv import save_csv
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.names import ModelRef
from lab.terms.progress import SILENT, Progress
from models.bureau.training.label import validate_label

if TYPE_CHECKING:
    from lab.simulation.trial.report import TrialReport
    from models.bureau.training.trainer import TrainingResult

TRIAL_PARTIES = PartyNames(bureau="试算数据局 Trial bureau", bank="试算银行 Trial bank")
MODEL = "trial"


def run_trial(
    settings: TrialSettings, *, show: bool = False, progress: Progress = SILENT, phases: TrialPhases | None = None
) -> TrialReport:
    """Run the trial in ``settings.out``; its figures are ``report.facts``. ``show``: what the parties' commands say.

    Raises ``InvalidInput`` if the files cannot be used (nothing joins, too few rows, one label value, missing columns),
    ``Conflict`` if ``settings.out`` has an earlier run, and the error that a party's command reports.
    """
    phases = phases or TrialPhases()
    with phases.phase("read"):
        words, joined = _read_files(settings)
        deployment = LocalDeployment(settings.out, show_progress=show)
        deployment.prepare()
    with ExitStack() as running, deployment.run_beside() as beside:
        preparing = beside.submit(_prepare_parties, settings, deployment, joined, words, running)
        with phases.phase("train"):
            trained, columns = _train(settings, joined, words, progress)
            job = _prepare_job(settings, joined, trained)
        with phases.phase("set-up"):
            prepared = preparing.result()
        with phases.phase("contract"):
            contract = _conclude(settings, deployment, prepared.ready, job)
        with phases.phase("job"):
            scoring = beside.submit(run_scoring_job, deployment, prepared.ready.service, job.with_contract(contract))
            # Loaded here and not above: scikit-learn takes long to import, and the parties work meanwhile.
            from lab.simulation.trial.comparison import TrialResults, build_report, score_in_clear

            plain = score_in_clear(settings, joined, trained)
            manifest = scoring.result()
        with phases.phase("compare"):
            peak = prepared.ready.service.peak_rss
            beside.submit(running.close)
            results = TrialResults(
                settings, joined, trained, manifest, peak, words, prepared.imported, columns, plain=plain
            )
            steps = {step: float(manifest["seconds"][step]) for step in ("match", "encrypt", "score", "decrypt")}
            report = build_report(results, {"import": prepared.import_seconds} | steps, phases)
    return report


def _read_files(settings: TrialSettings) -> tuple[TrialDictionaries, JoinedFiles]:
    """Both dictionaries and both files, joined, with a label that can be learnt from."""
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
    return words, joined


@dataclass(frozen=True)
class _PreparedParties:
    """The parties before a contract, what the bureau's import said, and its seconds."""

    ready: ReadyParties
    imported: dict[str, Any]
    import_seconds: float


def _prepare_parties(
    settings: TrialSettings,
    deployment: LocalDeployment,
    joined: JoinedFiles,
    words: TrialDictionaries,
    running: ExitStack,
) -> _PreparedParties:
    """Set up the bureau, import its file and start both parties."""
    passwords = set_up_bureau(deployment, TRIAL_PARTIES)
    all_columns = len(joined.bureau.columns) == joined.bureau.all_rows.width - 1
    dictionary = None
    if settings.bureau_dictionary is not None:  # it may describe the bank's columns too, which an import refuses
        dictionary = write_dictionary(settings.out / "bureau-words.toml", words.bureau, joined.bureau.all_rows.columns)
    begun = time.perf_counter()
    with deployment.run_beside() as beside:
        starting = beside.submit(ready_parties, deployment, TRIAL_PARTIES, passwords, running)
        imported = import_register(
            deployment,
            settings.bureau,
            id_column=settings.id_column,
            id_kind=settings.id_kind,
            columns=() if all_columns else joined.bureau.columns,
            dictionary=dictionary,
        )
        seconds = time.perf_counter() - begun
        return _PreparedParties(starting.result(), imported, seconds)


def _train(
    settings: TrialSettings, joined: JoinedFiles, words: TrialDictionaries, progress: Progress
) -> tuple[TrainingResult, TrialColumns]:
    """The model of the pilot's rows, and how the columns were read. Its comparison is that of the report."""
    from models.bureau.training.settings import TrainingSettings
    from models.bureau.training.trainer import train_model  # loads LightGBM and scikit-learn
    from models.shared.features import settle_descriptions

    columns = TrialColumns.read(joined, words)
    trained = train_model(
        joined.bureau_features(joined.pilot),
        joined.bank_features(joined.pilot),
        joined.labels[joined.pilot],
        TrainingSettings(
            family=settings.family,
            interactions=settings.interactions,
            seed=settings.seed,
            compared=False,
            name=MODEL,
            purpose="试算 Trial",
            public_descriptions=settle_descriptions(words.bureau, columns.bureau),
            bank_descriptions=settle_descriptions(words.bank, columns.bank),
            sample_notes=joined.warnings,
        ),
        population=joined.bureau.features,
        progress=progress,
    )
    return trained, columns


@dataclass(frozen=True)
class _TrialJob:
    """The files of the job, and the model's name and finest detail."""

    model_file: Path
    portfolio: Path
    skip: Path
    out: Path
    id_column: str
    model: str
    detail: ResultDetail
    identifiers: int

    def with_contract(self, contract: str) -> ScoringJob:
        """The bank's job under a contract."""
        return ScoringJob(self.portfolio, self.out, contract, self.id_column, self.skip)


def _prepare_job(settings: TrialSettings, joined: JoinedFiles, trained: TrainingResult) -> _TrialJob:
    """Write the model and the bank's files."""
    from models.bureau.serialization import save_model

    model = trained.model
    model_file = settings.out / "model.json"
    save_model(model, model_file)
    portfolio, skip = _write_portfolio(settings, joined)
    # Subtotals by feature need a model without free interactions.
    detail = ResultDetail.DIMENSIONS if model.interactions == "free" else ResultDetail.FULL
    name = str(ModelRef(model.name, model.version))
    out = settings.out / "scores.parquet"
    return _TrialJob(model_file, portfolio, skip, out, settings.id_column, name, detail, len(joined.bank.codes))


def _conclude(settings: TrialSettings, deployment: LocalDeployment, ready: ReadyParties, job: _TrialJob) -> str:
    """Publish the model and conclude a contract over it; returns the contract's id."""
    deployment.run_command("model", "publish", "--file", job.model_file, "--home", deployment.bureau_home)
    terms = ContractTerms(job.model, job.detail, settings.engine, Purpose.RESEARCH, job.identifiers)
    return conclude_contract(deployment, ready, terms)


def _write_portfolio(settings: TrialSettings, joined: JoinedFiles) -> tuple[Path, Path]:
    """Write the bank's whole file without its label, and the codes that are not to be scored."""
    portfolio, skip = settings.out / "portfolio.csv", settings.out / "not-to-score.csv"
    save_csv(joined.bank.all_rows.select(settings.id_column, *joined.bank.columns), portfolio)
    codes = [*joined.codes(joined.pilot), *joined.unlabelled]
    save_csv(pl.DataFrame({"code": pl.Series(codes, dtype=pl.String)}), skip)
    return portfolio, skip
