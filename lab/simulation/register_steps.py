"""The bureau's steps from source files of a made-up city to a version of its register, each an ordinary command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.simulation.local_deployment import LocalDeployment
from lab.simulation.process_monitor import MemoryMonitor


@dataclass(frozen=True)
class CityFiles:
    """The files of a made-up city in ``folder``, and what its ``truth.json`` says."""

    folder: Path
    truth: Mapping[str, Any]

    @property
    def pilot(self) -> Path:
        """The bank's pilot sample, with outcomes."""
        return self.folder / "bank.csv"

    @property
    def portfolio(self) -> Path:
        """The bank's clients."""
        return self.folder / "portfolio.csv"

    @property
    def dictionary(self) -> Path:
        """Words for the bank's columns."""
        return self.folder / "portfolio.toml"

    @property
    def as_of(self) -> str:
        """The day, YYYY-MM-DD, by which all regular files have come."""
        return str(self.truth["as_of"])

    @property
    def best_auc(self) -> float:
        """What no model can exceed but by luck."""
        return float(self.truth["outcomes"]["best_auc"])

    def outcomes(self) -> NDArray[np.int8]:
        """The outcome of each row of the portfolio, which the job never sees, [rows]."""
        return pl.read_csv(self.folder / "portfolio-outcomes.csv")["outcome"].to_numpy().astype(np.int8)

    def enterprises(self) -> list[str]:
        """The codes of the enterprises that lived at the end."""
        return pl.read_csv(self.folder / "labels.csv", columns=["enterprise"])["enterprise"].to_list()


@dataclass(frozen=True)
class CitySize:
    """How large a made-up city is; ``clients``: rows of the bank's portfolio, 0 for as many as it is large for."""

    enterprises: int
    months: int
    seed: int
    clients: int = 0


def generate_city_files(
    deployment: LocalDeployment, folder: Path, size: CitySize, *, memory: MemoryMonitor | None = None
) -> CityFiles:
    """Write a made-up city's files to ``folder``."""
    words = ("--enterprises", str(size.enterprises), "--months", str(size.months), "--seed", str(size.seed))
    more = ("--clients", str(size.clients), "--out", folder)
    deployment.run_command("bureau", "generate", *words, *more, memory=memory)
    return CityFiles(folder, json.loads((folder / "truth.json").read_text(encoding="utf-8")))


def import_city(
    deployment: LocalDeployment, files: CityFiles, *, memory: MemoryMonitor | None = None
) -> dict[str, Any]:
    """Import the table of legacy codes, then all deliveries by their mappings; returns what the latter said."""
    home = ("--home", deployment.bureau_home)
    deployment.run_command("bureau", "legacy-codes", "import", files.folder / "legacy-codes.csv", *home, memory=memory)
    deliveries = files.folder / "deliveries.toml"
    return deployment.run_command("bureau", "records", "import", "--deliveries", deliveries, *home, memory=memory)


def assess_quality(deployment: LocalDeployment, *, memory: MemoryMonitor | None = None) -> dict[str, Any]:
    """Assess the quality of the records; without it no register is published."""
    return deployment.run_command("bureau", "quality", "assess", "--home", deployment.bureau_home, memory=memory)


def publish_register(
    deployment: LocalDeployment, files: CityFiles, *more: str, memory: MemoryMonitor | None = None
) -> dict[str, Any]:
    """Compute the features of all enterprises and publish them as a version of the register ``main``."""
    words = ("bureau", "register", "publish", "--as-of", files.as_of, *more)
    return deployment.run_command(*words, "--home", deployment.bureau_home, memory=memory)
