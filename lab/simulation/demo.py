"""The demo: the whole job on made-up data, from an empty folder to one portrait."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from rich.console import RenderableType
from rich.table import Table

from lab.simulation.local_deployment import LocalDeployment, ServiceProcess
from lab.simulation.party_steps import (
    ContractTerms,
    PartyNames,
    ScoringJob,
    conclude_contract,
    import_register,
    ready_parties,
    run_scoring_job,
    set_up_bureau,
    train_model,
)
from lab.simulation.synthetic.consents import count_valid_consents, import_consents_as_steward, make_consents
from lab.simulation.synthetic.portfolio import LABEL, SyntheticPortfolio, make_synthetic_portfolio
from lab.simulation.synthetic.register import ID, SyntheticRegister, make_synthetic_register, write_synthetic_register
from lab.simulation.trial.score_metrics import measure_discrimination
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.progress import Progress
from lab.terms.text.bilingual import join_languages, read_warning

DEMO_PARTIES = PartyNames(bureau="示例市数据局 Sample City Data Bureau", bank="示例银行 Sample Bank")
MODEL = "credit"
PURPOSE = Purpose.CREDIT_APPROVAL
_PORTRAIT_QUANTILE = 0.2  # the shown enterprise is at this quantile of the scores: weak enough to have reasons
_STEPS = 7


class DemoOutput(Protocol):
    """Where the demo prints: the command line's output."""

    json: bool

    @property
    def progress(self) -> Progress:
        """Shows the progress of each step."""

    def say(self, line: str) -> None:
        """Show one line of text."""

    def show(self, renderable: RenderableType) -> None:
        """Show anything that rich can draw."""


@dataclass(frozen=True)
class DemoSettings:
    """Sizes, seed and folder of a demo; ``keep`` leaves both parties' homes and keys in ``out``."""

    rows: int
    portfolio: int
    seed: int
    out: Path
    keep: bool = False
    consent: bool = False
    """Whether the contract requires the enterprises' consent; most of the made-up enterprises then have given it."""


def run_demo(settings: DemoSettings, output: DemoOutput, *, verbose: bool = False) -> dict[str, Any]:
    """Run the whole job in ``settings.out``; returns its figures. ``verbose``: show what the parties' commands say.

    Raises the error that a party's command reports.
    """
    begun = time.perf_counter()
    deployment = LocalDeployment(settings.out, show_progress=verbose)
    deployment.prepare()
    steps = _StepAnnouncer(output, _STEPS + settings.consent)
    try:
        facts = _run_steps(settings, deployment, steps, output)
    finally:
        if not settings.keep:
            for home in (deployment.bureau_home, deployment.bank_home, deployment.sessions):
                shutil.rmtree(home, ignore_errors=True)
            for party in ("bureau", "bank"):
                deployment.key_file(party).unlink(missing_ok=True)
    facts["seconds"] |= {"total": round(time.perf_counter() - begun, 3)}
    output.say(f"用时 took {facts['seconds']['total']:.1f} s · 结果 results: {settings.out}")
    output.say(f"画像网页 portrait: {facts['portrait']}")
    return facts


def _run_steps(
    settings: DemoSettings, deployment: LocalDeployment, steps: _StepAnnouncer, output: DemoOutput
) -> dict[str, Any]:
    folder, out = settings.out / "made-up", settings.out / "scores.parquet"
    with ExitStack() as running, deployment.run_beside() as beside:
        setting_up = beside.submit(set_up_bureau, deployment, DEMO_PARTIES)
        with steps.step("generate", "生成虚构的登记库与银行客户", "Make up a register and a bank's portfolio"):
            synthetic, clients = _make_data(settings, output)
            register = write_synthetic_register(synthetic, folder)
            portfolio, pilot = clients.write(folder)
        with steps.step("import", "数据局：建库、导入登记数据", "Bureau: set up, import the register"):
            passwords = setting_up.result()
            starting = beside.submit(ready_parties, deployment, DEMO_PARTIES, passwords, running)
            words = folder / "register.toml"
            imported = import_register(deployment, register, id_column=ID, id_kind="uscc", dictionary=words)
        with steps.step("train", "数据局：以试点样本训练并发布模型", "Bureau: train on the pilot sample, publish"):
            options = ("--dictionary", folder / "portfolio.toml", "--seed", str(settings.seed))
            trained = train_model(deployment, pilot, *options, id_column=ID, label=LABEL, name=MODEL)
        with steps.step("serve", "双方就绪：服务、银行密钥、登录", "Both ready: service, bank's keys, sign-ins"):
            ready = starting.result()
        with steps.step(
            "contract", "合同：起草、他人批准、银行签署", "Contract: drafted, approved, signed by the bank"
        ):
            reason = "the enterprise is to decide about its own credit portrait" if settings.consent else ""
            terms = ContractTerms(f"{MODEL}@1", ResultDetail.FULL, "x25519", PURPOSE, settings.portfolio, reason)
            contract = conclude_contract(deployment, ready, terms)
        consents: dict[str, int] = {}
        if settings.consent:
            with steps.step("consent", "数据管理员：导入企业授权", "Steward: import the enterprises' consents"):
                consents = _import_consents(deployment, ready.service, synthetic, folder)
        with steps.step("score", "银行：求交、加密、评分、解密", "Bank: match, encrypt, score, decrypt"):
            manifest = run_scoring_job(deployment, ready.service, ScoringJob(portfolio, out, contract, ID))
        beside.submit(running.close)
        said = {"import": imported, "train": trained, "score": manifest}
        facts = _show_results(deployment, output, steps, (clients, out), said)
    return facts | {
        "rows": settings.rows,
        "portfolio": settings.portfolio,
        "seed": settings.seed,
        "consents": consents or None,
        "peak_rss_bureau": ready.service.peak_rss,
        "seconds": {f"step_{name}": round(value, 3) for name, value in steps.seconds.items()} | manifest["seconds"],
        "out": str(settings.out),
        "made_up": True,
    }


def _show_results(
    deployment: LocalDeployment,
    output: DemoOutput,
    steps: _StepAnnouncer,
    scored: tuple[SyntheticPortfolio, Path],
    said: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Show the portfolio's results, what was warned of, and one enterprise's portrait; returns the figures.

    ``scored``: the bank's clients, and the file of their scores. ``said``: what each step's command said.
    """
    clients, out = scored
    manifest, scores = said["score"], pl.read_parquet(out)
    auc = _portfolio_auc(clients, scores)
    output.show(_summary(manifest, scores, auc))
    warnings = _show_warnings(said, output)
    page = out.with_name("portrait.html")
    with steps.step("portrait", "银行：一户企业的信用画像", "Bank: one enterprise's credit portrait"):
        command = ("bank", "portrait", _choose_enterprise(scores), "--html", page, "--home", deployment.bank_home)
        deployment.run_for_display(*command, to_stderr=output.json)
    return {
        **{key: manifest[key] for key in ("contract", "accepted", "set_aside", "matched", "scored", "columns")},
        **{key: manifest[key] for key in ("engine", "parameters", "model", "bytes_up", "bytes_down")},
        "auc": auc,
        "grades": _grades(scores),
        "peak_rss_bank": manifest["peak_rss"],
        "warnings": warnings,
        "scores": str(out),
        "portrait": str(page),
    }


def _make_data(settings: DemoSettings, output: DemoOutput) -> tuple[SyntheticRegister, SyntheticPortfolio]:
    with output.progress.stage("generate", 2) as bar:
        synthetic = make_synthetic_register(settings.rows, settings.seed)
        bar.advance()
        clients = make_synthetic_portfolio(synthetic, settings.portfolio, settings.seed)
        bar.advance()
    return synthetic, clients


def _show_warnings(said: Mapping[str, Mapping[str, Any]], output: DemoOutput) -> list[dict[str, str]]:
    """Say what each step's command warned of; returns it, in both languages."""
    found = [(step, *read_warning(one)) for step, facts in said.items() for one in facts.get("warnings", ())]
    for step, zh, en in found:
        output.say(f"注意 note ({step}): {join_languages(zh, en)}")
    return [{"step": step, "zh": zh, "en": en} for step, zh, en in found]


def _import_consents(
    deployment: LocalDeployment, service: ServiceProcess, synthetic: SyntheticRegister, folder: Path
) -> dict[str, int]:
    consents = make_consents(synthetic, DEMO_PARTIES.bank, PURPOSE)
    imported = import_consents_as_steward(deployment, service, consents, folder)["imported"]
    return {"imported": int(imported), "count_now": count_valid_consents(consents, PURPOSE)}


def _portfolio_auc(clients: SyntheticPortfolio, scores: pl.DataFrame) -> float | None:
    """AUC against the future outcomes of the made-up firms; None if nothing was scored."""
    rows = scores.filter(pl.col("status") == "scored").sort("row")
    if rows.is_empty():
        return None
    outcomes = clients.outcomes[rows["row"].to_numpy() - 2]  # the header is row 1
    return measure_discrimination(outcomes, {"joint": rows["raw"].to_numpy().astype(np.float64)}).auc["joint"]


def _choose_enterprise(scores: pl.DataFrame) -> str:
    """The code of the enterprise whose portrait is drawn."""
    scored = scores.filter(pl.col("status") == "scored").sort("score", "code")
    return str(scored["code"][int(_PORTRAIT_QUANTILE * (scored.height - 1))])


def _grades(scores: pl.DataFrame) -> dict[str, int]:
    order = ("AAA", "AA", "A", "BBB", "BB", "B", "CCC", "CC", "C")
    found = dict(scores.filter(pl.col("grade").is_not_null())["grade"].value_counts().iter_rows())
    return {grade: int(found.get(grade, 0)) for grade in order}


def _summary(manifest: Mapping[str, Any], scores: pl.DataFrame, auc: float | None) -> RenderableType:
    table = Table(title="组合结果 the portfolio's results", title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    for label, value in (
        ("客户行数 rows", manifest["rows"]),
        ("搁置（代码有误或重复） set aside", manifest["set_aside"]),
        ("求交命中 matched", manifest["matched"]),
        ("密文评分 encrypted scores", manifest["scored"]),
        ("密文列数 ciphertext columns", manifest["columns"]),
    ):
        table.add_row(label, f"{value:,}")
    table.add_row("上行 / 下行 up / down", f"{manifest['bytes_up'] / 1e6:.1f} / {manifest['bytes_down'] / 1e6:.1f} MB")
    if auc is not None:
        table.add_row("对虚构结局的 AUC for the made-up outcomes", f"{auc:.4f}")
    grades = _grades(scores)
    most = max(grades.values()) or 1
    for grade, count in grades.items():
        table.add_row(f"{grade:<4}{'█' * round(28 * count / most)}", f"{count:,}")
    return table


class _StepAnnouncer:
    """Announces steps and measures their seconds."""

    def __init__(self, output: DemoOutput, total: int) -> None:
        self._audience = output
        self._total = total
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, zh: str, en: str) -> Iterator[None]:
        begun = time.perf_counter()
        self._audience.say(f"[{len(self.seconds) + 1}/{self._total}] {zh} · {en}")
        yield
        self.seconds[name] = time.perf_counter() - begun
