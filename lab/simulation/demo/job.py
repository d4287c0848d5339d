"""The demo's job: a made-up city's files, imported, assessed, published, trained on; a contract; scores; a portrait."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lab.simulation.demo.results import (
    DemoOutput,
    StepAnnouncer,
    choose_enterprise,
    count_grades,
    draw_register,
    draw_summary,
    portfolio_auc,
    show_warnings,
)
from lab.simulation.local_deployment import LocalDeployment, ServiceProcess
from lab.simulation.party_steps import (
    ContractTerms,
    PartyNames,
    ScoringJob,
    conclude_contract,
    ready_parties,
    run_scoring_job,
    set_up_bureau,
    train_model,
)
from lab.simulation.register_steps import (
    CityFiles,
    CitySize,
    assess_quality,
    generate_city_files,
    import_city,
    publish_register,
)
from lab.simulation.synthetic.consents import count_valid_consents, import_consents_as_steward, make_consents
from lab.simulation.synthetic.portfolio import LABEL
from lab.simulation.synthetic.register import ID
from lab.terms.contract.document import Purpose, ResultDetail

DEMO_PARTIES = PartyNames(bureau="示例市数据局 Sample City Data Bureau", bank="示例银行 Sample Bank")
MODEL = "credit"
PURPOSE = Purpose.CREDIT_APPROVAL
FEATURES = (
    *(
        "firm_age_days",
        "paid_in_share",
        "annual_report_missing",
        "status_changes_36m",
        "industry_section",
        "size_class",
    ),
    *("tax_sales_12m", "tax_sales_trend", "tax_arrears_now", "tax_arrears_months_12m", "tax_late_filings_12m"),
    *("tax_rating", "tax_idle_months_12m", "tax_vat_burden_12m", "insured_staff_now", "insurance_arrears_now"),
    *("insurance_overdue_max_12m", "insurance_paid_share_12m", "insurance_late_months_12m", "fund_arrears_now"),
    *("fund_account_not_normal", "electricity_trend", "utility_arrears_now", "utility_cut_off_12m"),
    *("suits_defendant_24m", "enforcements_36m", "unfulfilled_now", "penalties_24m", "penalties_serious_36m"),
    *("penalties_uncorrected_36m", "adverse_lists_now", "adverse_listings_36m", "red_listed_now", "permits_valid_now"),
    *("procurement_late_36m", "emissions_exceeded_36m", "real_estate_seized", "mortgaged_share_now", "exports_12m"),
    *("patents_now", "honours_now", "size_class"),
)
"""Features of the register that the model is trained on: of every domain."""
_STEPS = 9


@dataclass(frozen=True)
class DemoSettings:
    """Sizes, seed and folder of a demo; ``keep`` leaves both parties' homes and keys in ``out``."""

    rows: int
    portfolio: int
    months: int
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
    steps = StepAnnouncer(output, _STEPS + settings.consent)
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
    settings: DemoSettings, deployment: LocalDeployment, steps: StepAnnouncer, output: DemoOutput
) -> dict[str, Any]:
    with ExitStack() as running, deployment.run_beside() as beside:
        setting_up = beside.submit(set_up_bureau, deployment, DEMO_PARTIES)
        with steps.step("generate", "生成虚构城市：15 个部门的源文件", "Make up a city: source files of 15 domains"):
            size = CitySize(settings.rows, settings.months, settings.seed, settings.portfolio)
            files = generate_city_files(deployment, settings.out / "made-up", size)
            passwords = setting_up.result()
        register, said = _build_register(deployment, files, steps, output)
        starting = beside.submit(ready_parties, deployment, DEMO_PARTIES, passwords, running)
        with steps.step("train", "数据局：以试点样本训练并发布模型", "Bureau: train on the pilot sample, publish"):
            chosen = ("--features", ",".join(FEATURES), "--monotonic")
            options = ("--dictionary", files.dictionary, "--seed", str(settings.seed), *chosen)
            said["train"] = train_model(deployment, files.pilot, *options, id_column=ID, label=LABEL, name=MODEL)
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
                consents = _import_consents(deployment, ready.service, files, settings.seed)
        out = settings.out / "scores.parquet"
        with steps.step("score", "银行：求交、加密、评分、解密", "Bank: match, encrypt, score, decrypt"):
            job = ScoringJob(files.portfolio, out, contract, ID)
            manifest = said["score"] = run_scoring_job(deployment, ready.service, job)
        beside.submit(running.close)
        facts = _show_results(deployment, output, steps, files, said)
    return (
        facts
        | register
        | {
            "rows": settings.rows,
            "portfolio": settings.portfolio,
            "months": settings.months,
            "seed": settings.seed,
            "consents": consents or None,
            "peak_rss_bureau": ready.service.peak_rss,
            "seconds": {f"step_{name}": round(value, 3) for name, value in steps.seconds.items()} | manifest["seconds"],
            "out": str(settings.out),
            "made_up": True,
        }
    )


def _build_register(
    deployment: LocalDeployment, files: CityFiles, steps: StepAnnouncer, output: DemoOutput
) -> tuple[dict[str, Any], dict[str, Any]]:
    """From source files to a version of the register; returns its figures, and what each step's command said."""
    with steps.step("import", "数据局：按映射文件导入各部门的数据", "Bureau: import the offices' files by mapping"):
        imported = import_city(deployment, files)
    with steps.step("quality", "数据局：评估数据质量", "Bureau: assess the quality of the records"):
        assessed = assess_quality(deployment)
    with steps.step("publish", "数据局：计算特征并发布登记库", "Bureau: compute features, publish the register"):
        published = publish_register(deployment, files)
    facts = {
        "source_files": files.truth["files"],
        "records": assessed["records"],
        "records_set_aside": imported["set_aside"],
        "quality_score": assessed["score"],
        "quality_verdict": assessed["verdict"],
        "features": len(published["columns"]),
        "register_rows": published["rows"],
        "as_of": published["as_of"],
    }
    output.show(draw_register(files, facts))
    return facts, {"publish": published}


def _show_results(
    deployment: LocalDeployment,
    output: DemoOutput,
    steps: StepAnnouncer,
    files: CityFiles,
    said: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Show the portfolio's results, what was warned of, and one enterprise's portrait; returns the figures.

    ``said``: what each step's command said.
    """
    out = deployment.folder / "scores.parquet"
    manifest, scores = said["score"], pl.read_parquet(out)
    auc = portfolio_auc(files.outcomes(), scores)
    output.show(draw_summary(manifest, scores, auc, files.best_auc))
    warnings = show_warnings(said, output)
    page = out.with_name("portrait.html")
    with steps.step("portrait", "银行：一户企业的信用画像", "Bank: one enterprise's credit portrait"):
        command = ("bank", "portrait", choose_enterprise(scores), "--html", page, "--home", deployment.bank_home)
        deployment.run_for_display(*command, to_stderr=output.json)
    return {
        **{key: manifest[key] for key in ("contract", "accepted", "set_aside", "matched", "scored", "columns")},
        **{key: manifest[key] for key in ("engine", "parameters", "model", "bytes_up", "bytes_down")},
        "auc": auc,
        "best_auc": files.best_auc,
        "grades": count_grades(scores),
        "peak_rss_bank": manifest["peak_rss"],
        "warnings": warnings,
        "scores": str(out),
        "portrait": str(page),
    }


def _import_consents(
    deployment: LocalDeployment, service: ServiceProcess, files: CityFiles, seed: int
) -> dict[str, int]:
    consents = make_consents(files.enterprises(), DEMO_PARTIES.bank, PURPOSE, seed=seed)
    imported = import_consents_as_steward(deployment, service, consents, files.folder)["imported"]
    return {"imported": int(imported), "count_now": count_valid_consents(consents, PURPOSE)}
