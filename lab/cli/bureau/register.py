"""``lab bureau evaluate``: preparing a register for matching."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.register import Snapshot, find_snapshot
from lab.bureau.exchange.matching.evaluated_register import EvaluationSummary
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.ledger import LOCAL_ACTOR
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from protocols.matching.bureau import arithmetic_library

_Evaluation = tuple[MatchingKeyScope, RowSelection, EvaluationSummary | None]
"""Of one contract and operation: its key, its rows, and what was computed now; None if it was evaluated before."""

ClusterOption = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="集群 Dask scheduler to work on, such as tcp://host:8786 (extra [cluster])."),
]
WorkerProcessesOption = Annotated[
    int, typer.Option(min=0, max=1024, help="进程数 Processes to work with; 0: one a core.")
]


def worker_settings_overrides(processes: int, cluster: str) -> dict[str, object]:
    """The settings that the options change; 0 and "" leave them as they are."""
    overrides: dict[str, object] = {"processes": processes, "cluster": cluster}
    return {name: value for name, value in overrides.items() if value}


def evaluate(
    register: Annotated[str, typer.Option(metavar="NAME", help="登记库名 Name of the register.")] = "main",
    contract: Annotated[
        str, typer.Option(metavar="ID", help="仅此合同 For this contract alone [default: each in use].")
    ] = "",
    processes: WorkerProcessesOption = 0,
    cluster: ClusterOption = "",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记求值 Evaluate the newest version of a register for matching, for each contract in use.

    每份合同、每种操作各有密钥,故各求值一次。 Each contract and operation has its own key, so each needs an evaluation.
    中断后再次执行即可继续。 If interrupted, run it again: it continues after the last shard that it kept, and
    reuses what was evaluated for the contract before. The service does this by itself when a bank first asks.
    """
    out = CommandOutput(as_json)
    begun = time.perf_counter()
    with Bureau.open(home or default_folder(), changes=worker_settings_overrides(processes, cluster)) as bureau:
        with bureau.store.begin_read() as session:
            snapshot = find_snapshot(session, register)
            epoch = bureau.epochs.current_epoch(session)
        made = bureau.evaluation_planner.prepare(
            epoch, out.progress, register=register, contract=contract or None, by=LOCAL_ACTOR
        )
    seconds = time.perf_counter() - begun
    _show_evaluations(out, snapshot, made)
    out.print_result(
        {
            "register": snapshot.name,
            "version": snapshot.version,
            "epoch": epoch,
            **_evaluation_counts(made),
            "seconds": round(seconds, 3),
            "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "peak_rss_worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        }
    )


def _show_evaluations(out: CommandOutput, snapshot: Snapshot, made: Sequence[_Evaluation]) -> None:
    if not made:
        out.say(f"无合同需要 No contract in use reads {snapshot.name}; it is evaluated once a contract does")
    for use, extent, done in made:
        what = f"{snapshot.name} v{snapshot.version}, {use.contract} ({use.operation}): {extent.count} 行 rows"
        if done is None:
            out.say(f"此前已求值 Evaluated before: {what}")
        else:
            out.say(
                f"已求值 Evaluated {what}, 计算 computed {done.computed}, 沿用 reused {done.reused}, "
                f"续作 resumed {done.resumed}"
            )


def _evaluation_counts(made: Sequence[_Evaluation]) -> dict[str, object]:
    new = [done for _, _, done in made if done is not None]
    return {
        "contracts": len({use.contract for use, _, _ in made}),
        "evaluations": len(made),
        "rows": sum(extent.count for _, extent, _ in made),
        "computed": sum(done.computed for done in new),
        "carried": sum(done.reused for done in new),
        "resumed": sum(done.resumed for done in new),
        "arithmetic_seconds": round(sum(done.arithmetic_seconds for done in new), 3),
        "path": {engine: arithmetic_library(engine) for engine in sorted({use.engine for use, _, _ in made})},
    }
