"""``lab bureau jobs``: what the banks' jobs do now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from lab.bureau.configuration.home import BureauHome, default_folder
from lab.bureau.exchange.scoring.job_overview import BatchOverview, JobOverview, list_jobs
from lab.bureau.store import open_database
from lab.bureau.store.migrate import check_schema
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import InvalidInput

_STATES = {"open": "进行中 open", "stopped": "已停止 stopped", "ended": "已结束 ended"}
_BATCH_STATES = {"charged": "等待 waiting", "answered": "已答复 answered", "returned": "已退回 returned"}


@dataclass(frozen=True, kw_only=True)
class JobListOptions:
    """Options of ``lab bureau jobs``."""

    waiting: Annotated[bool, typer.Option("--waiting", help="仅等待 Only jobs with a batch that waits.")] = False
    batches: Annotated[bool, typer.Option("--batches", help="列出批次 List each batch, with the reason.")] = False
    limit: Annotated[int, typer.Option(min=1, max=1000, help="每页条数 Jobs of a page.")] = 50
    after: Annotated[
        str, typer.Option(metavar="CONTRACT/JOB", help="续页 Jobs after this one, as the page before says.")
    ] = ""
    home: BureauHomeOption = None
    as_json: JsonOption = False


@take_options(JobListOptions)
def jobs(options: JobListOptions) -> None:
    """作业 List jobs and their batches: states, ages, and why a batch waits. Newest first; works without a service."""
    out = CommandOutput(options.as_json)
    home = BureauHome.open(options.home or default_folder())
    store = open_database(home.database_url, existing=True)
    try:
        check_schema(store.engine)
        with store.begin_read() as session:
            found = list_jobs(
                session,
                home,
                datetime.now(UTC),
                after=_parse_job(options.after),
                limit=options.limit + 1,
                waiting_only=options.waiting,
            )
    finally:
        store.close()
    page = found[: options.limit]
    following = f"{page[-1].contract}/{page[-1].job}" if len(found) > options.limit else None
    _show(out, page, batches=options.batches)
    if following:
        out.say(f"下一页 Next page: lab bureau jobs --after {following}")
    out.print_result({"jobs": [one.as_dict() for one in page], "next": following})


def _parse_job(text: str) -> tuple[str, str] | None:
    contract, _, job = text.partition("/")
    if not text:
        return None
    if not contract or not job:
        raise InvalidInput("Expected --after as CONTRACT/JOB; found something else.", next_step="copy it from the page")
    return contract, job


def _show(out: CommandOutput, page: Sequence[JobOverview], *, batches: bool) -> None:
    if not page:
        out.say("没有作业 No jobs")
        return
    if batches:
        out.table(
            "批次 Batches",
            ("作业 job", "批次 batch", "状态 state", "户数 rows", "已过 age", "原因 why"),
            [_batch_row(one.job, batch) for one in page for batch in one.batches],
            whole="作业 job",
        )
        return
    out.table(
        "作业 Jobs",
        ("合同 contract", "作业 job", "银行 bank", "状态 state", "户数 rows", "已过 age", "批次 batches"),
        [_job_row(one) for one in page],
        whole="作业 job",
    )
    for job in page:
        if job.waiting:
            oldest = max(job.waiting, key=lambda one: one.seconds)
            out.say(f"{job.job}: 最久等待 longest wait {_format_age(oldest.seconds)}: {oldest.why}")


def _job_row(one: JobOverview) -> tuple[str, ...]:
    state, rows = _STATES.get(one.state, one.state), f"{one.rows_used}/{one.rows}"
    return one.contract, one.job, one.bank, state, rows, _format_age(one.seconds), _count_batches(one)


def _batch_row(job: str, one: BatchOverview) -> tuple[str, ...]:
    state = _BATCH_STATES.get(one.state, one.state)
    return job, one.sha256[:12], state, str(one.rows), _format_age(one.seconds), one.why


def _count_batches(job: JobOverview) -> str:
    counts = Counter(one.state for one in job.batches)
    return ", ".join(f"{_BATCH_STATES[state]} {counts[state]}" for state in _BATCH_STATES if counts[state])


def _format_age(seconds: float) -> str:
    """The two largest units of an age, in few letters: ``2d 3h``."""
    left = max(int(seconds), 0)
    counts = {"d": left // 86_400, "h": left // 3600 % 24, "m": left // 60 % 60, "s": left % 60}
    shown = [f"{count}{unit}" for unit, count in counts.items() if count]
    return " ".join(shown[:2]) or "0s"
