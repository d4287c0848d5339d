"""The part of ``lab bureau`` that evaluates a register for matching."""

from __future__ import annotations

import resource
import time
from typing import Annotated

import typer

from lab.bureau.home import default_folder
from lab.bureau.ledger import LOCAL
from lab.bureau.office import Bureau
from lab.bureau.register import find_snapshot
from lab.cli.choices import AsJson, BureauFolder
from lab.cli.output import Output
from lab.terms.errors import InvalidInput
from protocols.matching.bureau import DEFAULT_ENGINE, ENGINES, path_of

Cluster = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="集群 Dask scheduler to work on, such as tcp://host:8786 (extra [cluster])."),
]
Processes = Annotated[int, typer.Option(min=0, max=1024, help="进程数 Processes to work with; 0: one a core.")]


def changes(processes: int, cluster: str) -> dict[str, object]:
    """The settings that the options change; 0 and "" leave them as they are."""
    given: dict[str, object] = {"processes": processes, "cluster": cluster}
    return {name: value for name, value in given.items() if value}


def evaluate(
    register: Annotated[str, typer.Option(metavar="NAME", help="登记库名 Name of the register.")] = "main",
    engine: Annotated[
        str, typer.Option(metavar="NAME", help=f"求交引擎 Matching engine: {', '.join(ENGINES)}.")
    ] = DEFAULT_ENGINE,
    processes: Processes = 0,
    cluster: Cluster = "",
    home: BureauFolder = None,
    as_json: AsJson = False,
) -> None:
    """登记求值 Evaluate the newest version of a register for matching, under the present keys.

    中断后再次执行即可继续。 Interrupted, it goes on after the last shard that was kept; what an earlier version of the
    register has evaluated is taken over. The service does this by itself when a bank first asks.
    """
    out = Output(as_json)
    if engine not in ENGINES:
        raise InvalidInput(
            f"Wanted one of the engines {', '.join(ENGINES)}; found another name.", next_step="check --engine"
        )
    begun = time.perf_counter()
    with Bureau.open(home or default_folder(), changes=changes(processes, cluster)) as bureau:
        with bureau.store.read() as session:
            snapshot = find_snapshot(session, register)
            epoch = bureau.epochs.current(session)
        done = bureau.evaluated.evaluate(snapshot, engine, epoch, out.progress, by=LOCAL)
    seconds = time.perf_counter() - begun
    if done is None:
        out.say(f"已求值 Evaluated already: {snapshot.name} v{snapshot.version}, {snapshot.rows} 行 rows")
    else:
        out.say(
            f"已求值 Evaluated {snapshot.name} v{snapshot.version}: {done.rows} 行 rows, "
            f"计算 computed {done.computed}, 沿用 taken over {done.carried}, "
            f"续作 resumed {done.resumed}, {seconds:.1f} s"
        )
    out.result(
        {
            "register": snapshot.name,
            "version": snapshot.version,
            "engine": engine,
            "epoch": epoch,
            "rows": snapshot.rows,
            "computed": done.computed if done else 0,
            "carried": done.carried if done else 0,
            "resumed": done.resumed if done else 0,
            "path": path_of(engine),
            "seconds": round(seconds, 3),
            "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "peak_rss_worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        }
    )
