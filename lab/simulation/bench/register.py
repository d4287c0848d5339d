"""Benchmark of a bureau's register: a made-up city generated, imported, assessed, its features computed, one firm seen.

Each step is an ordinary command in its own process, and its seconds include the start of that process; the look at one
firm is timed by the command itself as well, since a start takes longer than the look. Beside each step stands a floor:
DuckDB reads and writes the same bytes without any of our rules (``lab.simulation.bench.register_floor``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.simulation.bench.register_floor import RegisterFloor
from lab.simulation.local_deployment import LocalDeployment
from lab.simulation.party_steps import BENCHMARK_PARTIES, set_up_bureau
from lab.simulation.process_monitor import MemoryMonitor
from lab.simulation.register_steps import CityFiles, CitySize, assess_quality, generate_city_files, import_city
from lab.terms.progress import Progress

_LOOKS = 7  # the median of so many looks at different firms
_STEPS = 6


@dataclass(frozen=True)
class RegisterWorkload:
    """What is measured; ``folder`` is created and holds the city's files and the bureau's home."""

    enterprises: int
    months: int
    folder: Path
    seed: int = 1
    show: bool = True


@dataclass
class _Stopwatch:
    """Seconds and peak memory of each step."""

    seconds: dict[str, float]
    memory: dict[str, MemoryMonitor]

    def run(self, name: str, step: Callable[[MemoryMonitor], Any]) -> Any:
        self.memory[name] = MemoryMonitor()
        begun = time.perf_counter()
        done = step(self.memory[name])
        self.seconds[name] = time.perf_counter() - begun
        return done


def measure(workload: RegisterWorkload, progress: Progress) -> dict[str, Any]:
    """Run it; returns the figures. Raises the error that a command reports."""
    deployment = LocalDeployment(workload.folder, show_progress=workload.show)
    deployment.prepare()
    watch = _Stopwatch({}, {})
    size = CitySize(workload.enterprises, workload.months, workload.seed)
    with progress.stage("measure", _STEPS) as bar:
        set_up_bureau(deployment, BENCHMARK_PARTIES)
        folder = workload.folder / "city"
        files = watch.run("generate", lambda memory: generate_city_files(deployment, folder, size, memory=memory))
        bar.advance()
        imported = watch.run("import", lambda memory: import_city(deployment, files, memory=memory))
        bar.advance()
        assessed = watch.run("quality", lambda memory: assess_quality(deployment, memory=memory))
        bar.advance()
        computed = watch.run("features", lambda memory: _compute_features(deployment, files, memory))
        bar.advance()
        looks = watch.run("as_of", lambda memory: _look_at_firms(deployment, files, memory))
        bar.advance()
        floor = RegisterFloor(deployment.bureau_home, files, Path(computed["file"]), workload.folder / "floor")
        floors = floor.measure()
        bar.advance()
    seconds = {**watch.seconds, "features": float(computed["seconds"]), "as_of": looks["lookup"]}
    return {
        "enterprises": workload.enterprises,
        "months": workload.months,
        "domains": len(files.truth["domains"]),
        "rows": files.truth["rows"],
        "records": files.truth["records"],
        "files": files.truth["files"],
        "rows_set_aside": imported["set_aside"],
        "checks": assessed["checks"],
        "quality_verdict": assessed["verdict"],
        "features": computed["features"],
        **{f"seconds_{name}": round(value, 4) for name, value in seconds.items()},
        "seconds_as_of_command": round(looks["command"], 4),
        **{f"floor_seconds_{name}": round(value, 4) for name, value in floors.items()},
        **{f"{name}_over_floor": round(seconds[name] / floors[name], 2) for name in floors},
        "bytes_source": _bytes_below(folder),
        "bytes_on_disk": _bytes_below(deployment.bureau_home),
        "peak_rss": max(one.peak_bytes for one in watch.memory.values()),
        "peak_rss_by_step": {name: one.peak_bytes for name, one in watch.memory.items()},
    }


def _compute_features(deployment: LocalDeployment, files: CityFiles, memory: MemoryMonitor) -> dict[str, Any]:
    words = ("bureau", "feature", "compute", "--as-of", files.as_of, "--again")
    return deployment.run_command(*words, "--home", deployment.bureau_home, memory=memory)


def _look_at_firms(deployment: LocalDeployment, files: CityFiles, memory: MemoryMonitor) -> dict[str, float]:
    """Median seconds of a look at one firm as of the last day: in the command, and of the whole command."""
    codes = files.enterprises()
    commands, lookups = [], []
    for code in codes[:: max(1, len(codes) // _LOOKS)][:_LOOKS]:
        begun = time.perf_counter()
        words = ("bureau", "enterprise", code, "--as-of", files.as_of)
        said = deployment.run_command(*words, "--home", deployment.bureau_home, memory=memory)
        commands.append(time.perf_counter() - begun)
        lookups.append(float(said["seconds"]))
    middle = len(commands) // 2
    return {"command": sorted(commands)[middle], "lookup": sorted(lookups)[middle]}


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
