"""What the demo shows: the register's figures, the portfolio's results and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.table import Table

from lab.simulation.register_steps import CityFiles
from lab.simulation.trial.score_metrics import measure_discrimination
from lab.terms.progress import Progress
from lab.terms.text.bilingual import join_languages, read_warning

_PORTRAIT_QUANTILE = 0.2  # the shown enterprise is at this quantile of the scores: weak enough to have reasons


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


class StepAnnouncer:
    """Announces steps and measures their seconds."""

    def __init__(self, output: DemoOutput, total: int) -> None:
        self._audience = output
        self._total = total
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, zh: str, en: str) -> Iterator[None]:
        """Announce a step, and keep its seconds under ``name``."""
        begun = perf_counter()
        self._audience.say(f"[{len(self.seconds) + 1}/{self._total}] {zh} · {en}")
        yield
        self.seconds[name] = perf_counter() - begun


def show_warnings(said: Mapping[str, Mapping[str, Any]], output: DemoOutput) -> list[dict[str, str]]:
    """Say what each step's command warned of; returns it, in both languages."""
    found = [(step, *read_warning(one)) for step, facts in said.items() for one in facts.get("warnings", ())]
    for step, zh, en in found:
        output.say(f"注意 note ({step}): {join_languages(zh, en)}")
    return [{"step": step, "zh": zh, "en": en} for step, zh, en in found]


def portfolio_auc(outcomes: NDArray[np.int8], scores: pl.DataFrame) -> float | None:
    """AUC against the future outcomes of the made-up firms; None if nothing was scored."""
    rows = scores.filter(pl.col("status") == "scored").sort("row")
    if rows.is_empty():
        return None
    found = outcomes[rows["row"].to_numpy() - 2]  # the header is row 1
    return measure_discrimination(found, {"joint": rows["raw"].to_numpy().astype(np.float64)}).auc["joint"]


def choose_enterprise(scores: pl.DataFrame) -> str:
    """The code of the enterprise whose portrait is drawn."""
    scored = scores.filter(pl.col("status") == "scored").sort("score", "code")
    return str(scored["code"][int(_PORTRAIT_QUANTILE * (scored.height - 1))])


def count_grades(scores: pl.DataFrame) -> dict[str, int]:
    """How many enterprises have each grade."""
    order = ("AAA", "AA", "A", "BBB", "BB", "B", "CCC", "CC", "C")
    found = dict(scores.filter(pl.col("grade").is_not_null())["grade"].value_counts().iter_rows())
    return {grade: int(found.get(grade, 0)) for grade in order}


def draw_register(files: CityFiles, facts: Mapping[str, Any]) -> RenderableType:
    """The register's figures: files, records, what was set aside, quality, features."""
    table = _table("登记库 the register")
    for label, value in (
        ("源文件 source files", f"{files.truth['files']:,}"),
        ("导入行数 rows imported", f"{files.truth['rows']:,}"),
        ("搁置（有误） set aside", f"{facts['records_set_aside']:,}"),
        ("记录 records held", f"{facts['records']:,}"),
        ("质量得分 quality score", f"{facts['quality_score']:.2f}"),
        ("特征 features", f"{facts['features']:,}"),
        ("户数 enterprises", f"{facts['register_rows']:,}"),
    ):
        table.add_row(label, value)
    return table


def draw_summary(manifest: Mapping[str, Any], scores: pl.DataFrame, auc: float | None, best: float) -> RenderableType:
    """The portfolio's results in one table."""
    table = _table("组合结果 the portfolio's results")
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
        table.add_row("可达最优 best that anybody can reach", f"{best:.4f}")
    grades = count_grades(scores)
    most = max(grades.values()) or 1
    for grade, count in grades.items():
        table.add_row(f"{grade:<4}{'█' * round(28 * count / most)}", f"{count:,}")
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    return table
