"""A finished run of a made-up portfolio, scored in clear: pages and commands do not depend on encryption."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lab.bank.home import BankHome
from lab.bank.portfolio import read_portfolio
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.results import output_names, score_table
from lab.bank.runs.run_files import DIGESTS, digest_result, write_run_facts
from lab.bank.runs.store import MANIFEST, OUTPUTS, FinishedRun, open_run, read_finished_run, run_key
from lab.terms.contract.document import (
    Ceilings,
    Contract,
    Operation,
    PinnedModel,
    Purpose,
    ResultDetail,
    SignedContract,
)
from lab.terms.keys.party import Party
from models.bureau.model import Model
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.features import FeatureDescription

ROWS = 600
HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture(scope="session")
def trained() -> tuple[Model, pl.DataFrame, pl.DataFrame]:
    """A model whose names contain markup, and the records it was trained on."""
    rng = np.random.default_rng(3)
    public = pl.DataFrame({"tax": rng.normal(size=ROWS), "suits": rng.poisson(1.0, ROWS).astype(float)})
    bank = pl.DataFrame({"flow": rng.normal(size=ROWS), "late": rng.poisson(1.0, ROWS).astype(float)})
    risk = -public["tax"].to_numpy() + bank["late"].to_numpy() - bank["flow"].to_numpy()
    label = (risk + rng.normal(size=ROWS) > 1.5).astype(int)
    public_descriptions = {
        "tax": FeatureDescription("TAX-1", "近12个月纳税额", "tax paid, 12 months", "tax"),
        "suits": FeatureDescription("LAW-1", "涉诉次数", "lawsuits", "legal"),
    }
    bank_descriptions = {
        "flow": FeatureDescription("", "账户流水" + HOSTILE, "turnover" + HOSTILE, "conduct"),
        "late": FeatureDescription("", "逾期次数", "overdue instalments", "conduct"),
    }
    model = train_model(
        public,
        bank,
        label,
        TrainingSettings(
            seed=1,
            public_descriptions=public_descriptions,
            bank_descriptions=bank_descriptions,
            name="credit",
            version=3,
        ),
    ).model
    return model, public, bank


@pytest.fixture
def home(tmp_path: Path) -> BankHome:
    return BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "bank.key")[0]


def make_run(
    home: BankHome,
    trained: tuple[Model, pl.DataFrame, pl.DataFrame],
    detail: ResultDetail,
    *,
    scored: int = 100,
    warnings: Sequence[str] = (),
) -> FinishedRun:
    """A run as a job leaves it: ``scored`` firms, then two unmatched ones, one with a malformed code, one repeated.

    ``warnings``: of the job.
    """
    model, public, bank = trained
    sheet = model.sheet(detail)
    codes = [f"firm-{n:03d}" for n in range(scored)]
    records = bank[: len(codes) + 2].insert_column(0, pl.Series("id", [*codes, "outside-1", HOSTILE]))
    path = home.folder / "portfolio.csv"
    records.write_csv(path, quote_style="always")
    with path.open("a") as file:
        file.write('"","1","1"\n"outside-1","2","2"\n')
    portfolio = read_portfolio(path, kind="opaque")
    indices = np.arange(scored)
    values = model.score_weights(public[:scored], detail).apply_to_indicators(sheet.compute_indicators(bank[:scored]))
    document = make_contract(home, sheet.sha256, detail)
    label = RunMetadata.for_contract(RunKind.SCORE, document, datetime.now(UTC))
    with open_run(home.runs, run_key(detail), label, now=datetime.now(UTC)) as run:
        run.finish(
            scores=score_table(portfolio, indices, indices, sheet, values),
            outputs=pl.DataFrame({"code": pl.Series(codes, dtype=pl.String)}).with_columns(
                pl.Series(name, values[row]) for row, name in enumerate(output_names(sheet))
            ),
            sheet=sheet.to_json(),
            contract=SignedContract(contract=document).model_dump_json(by_alias=True).encode(),
            manifest={
                "run": run.id,
                "kind": label.kind.value,
                "resumed": False,
                "bank": home.name,
                "bureau": "某数据局",
                "contract": document.id,
                "contract_sha256": document.sha256,
                "model": "credit@3",
                "register": "main-7",
                "register_days": {"main-7": "2026-06-30"},
                "version": 1,
                "recipient": "Credit department",
                "delete_after": label.delete_after.isoformat(),
                "detail": detail.value,
                "engine": "openmined",
                "parameters": "bgv-8192-a",
                "columns": len(sheet.columns),
                "portfolio": portfolio.name,
                "rows": portfolio.rows,
                "accepted": len(portfolio.codes),
                "set_aside": len(portfolio.set_aside),
                "set_aside_reasons": portfolio.set_aside_counts,
                "matched": scored,
                "scored": scored,
                "false_positive_rate": 1e-9,
                "warnings": list(warnings),
                "receipts": [_receipt(scored)],
                "seconds": dict.fromkeys(("match", "encrypt", "score", "decrypt", "total"), 1.0),
                "bytes_up": 10_000_000,
                "bytes_down": 1_000_000,
                "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
                "out": "scores.parquet",
            },
        )
        return read_finished_run(run.folder)


def replace_outputs(run: FinishedRun, batch_rows: pl.DataFrame) -> None:
    """Give a run other decrypted sums, as if it had been finished with them."""
    buffer = BytesIO()
    batch_rows.write_parquet(buffer)
    (run.folder / OUTPUTS).write_bytes(buffer.getvalue())
    run.manifest[DIGESTS][OUTPUTS] = digest_result(buffer.getvalue())
    write_run_facts(run.folder, MANIFEST, run.manifest)


def make_contract(home: BankHome, sheet_sha256: str, detail: ResultDetail) -> Contract:
    """An unsigned contract of one day that begins now."""
    now = datetime.now(UTC)
    return Contract(
        id="c-0001",
        bureau=Party(name="某数据局", public_key="ab" * 32),
        bank=home.card,
        purpose=Purpose.RESEARCH,
        recipients=("Credit department",),
        items=(),
        operations=(Operation.MATCH, Operation.SCORE, Operation.PORTRAIT),
        detail=detail,
        models=(PinnedModel(name="credit", version=3, sheet_sha256=sheet_sha256),),
        id_kind="opaque",
        engine="openmined",
        parameters="bgv-8192-a",
        ceilings=Ceilings(),
        starts=now,
        expires=now + timedelta(days=1),
    )


def _receipt(rows: int) -> dict[str, Any]:
    """A receipt in the right form, unsigned."""
    facts = {"job": "job-1", "batch_sha256": "ab" * 32, "reply_sha256": "cd" * 32, "rows": rows, "scored": rows}
    facts |= {"register": "main", "register_version": 1, "model": "credit", "model_version": 3}
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    body = {"schema": "shulab-entry/2", "seq": 41, "time": now, "kind": "score.answered", "contract": "c-0001"}
    head = {"schema": "shulab-head/1", "size": 41, "root": "ef" * 32, "time": now, "signature": "0" * 128}
    entry = body | {"by": "bank:b-0123456789ab", "facts": facts}
    return {"schema": "shulab-receipt/2", "entry": entry, "inclusion": {}, "head": head}
