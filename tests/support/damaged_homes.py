"""Both parties' homes after real jobs, in the state of a moment, to be damaged file by file and worked with again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lab.bank.home import BankHome
from lab.bank.portraits.scored_run import ScoredRun
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.runs.store import finished_run_folders, read_finished_run
from lab.bank.scoring.job import score_portfolio
from lab.bureau.bureau import Bureau
from lab.bureau.data.register import RegisterLayout, import_register
from lab.disk.checked_blocks import TABLE_SUFFIX
from lab.terms.contract.document import Ceilings
from lab.terms.errors import ShulabError
from lab.terms.progress import SILENT, Progress, ProgressStage
from tests.support.bank_homes import HomeBank, agree, at_home
from tests.support.bureau_scene import Clock, Scene
from tests.support.served_bureau import House, serving

_ROWS_PER_BATCH, _MATCHED, _OUTSIDE = 20, 50, 5
_FIGURES = ("row", "code", "status", "score", "grade")
_CHANGING = re.compile(r"[0-9a-f]{8,}|\d+")


class StopAfter:
    """Stops a job, as a power cut would, when a stage has advanced so often."""

    def __init__(self, stage: str, after: int) -> None:
        self._wanted, self._left = stage, after
        self._watched = False

    @contextmanager
    def stage(self, name: str, _: int) -> Iterator[ProgressStage]:
        counted, stage = name == self._wanted, self

        class Stage:
            def advance(self, units: int = 1) -> None:
                if counted:
                    stage._left -= units
                    if stage._left <= 0:
                        raise KeyboardInterrupt

        yield Stage()


@dataclass
class DamagedHomes:
    """The homes of a scene's bureau and bank, and a copy of both as they were when ``save`` was called."""

    scene: Scene
    bank: HomeBank
    folder: Path
    contracts: list[str] = field(default_factory=list)

    @property
    def homes(self) -> dict[str, Path]:
        """Both homes, by party."""
        return {"bureau": self.scene.home, "bank": self.bank.home.folder}

    @property
    def portfolio(self) -> Path:
        """The bank's records: firms of the register, and some that are outside it."""
        return self.folder / "portfolio.csv"

    def write_portfolio(self) -> None:
        """Write the bank's records."""
        tables, every = self.scene.tables, _MATCHED + _OUTSIDE
        codes = [*tables.codes[:_MATCHED], *(f"outside-{number}" for number in range(_OUTSIDE))]
        tables.bank[:every].insert_column(0, pl.Series("id", codes)).write_csv(self.portfolio)

    def score(self, house: House, contract: str, *, progress: Progress = SILENT, again: bool = False) -> pl.DataFrame:
        """Score the portfolio under a contract; the figures of each row."""
        home = BankHome.open(self.bank.home.folder)
        request = ScoringRequest(self.portfolio, contract, self.folder / f"{contract}.parquet", again=again)
        manifest = score_portfolio(home, home.open_keys(), house.outlet(self.bank.opened), request, progress=progress)
        return figures(pl.read_parquet(manifest["out"]))

    def read_runs(self) -> Iterator[Callable[[], pl.DataFrame]]:
        """For each finished run, what reads its table, once its portraits could be drawn."""
        for folder in finished_run_folders(self.bank.home.runs):

            def read(folder: Path = folder) -> pl.DataFrame:
                opened = ScoredRun.open(read_finished_run(folder))
                opened.portrait()
                return figures(opened.scores)

            yield read

    def save(self) -> None:
        """Keep both homes as they are now."""
        for party, home in self.homes.items():
            shutil.copytree(home, self.folder / f"saved-{party}")

    def restore(self) -> None:
        """Put both homes back to what was saved."""
        for party, home in self.homes.items():
            shutil.rmtree(home)
            shutil.copytree(self.folder / f"saved-{party}", home)

    @contextmanager
    def served(self) -> Iterator[House]:
        """The bureau, opened anew as after a restart, and its service."""
        self.scene.bureau = Bureau.open(self.scene.home, clock=Clock(datetime.now(UTC)))
        try:
            with serving(self.scene) as house:
                yield house
        finally:
            self.scene.bureau.close()

    def files(self, party: str) -> list[Path]:
        """Relative paths of the party's files, as saved."""
        saved = self.folder / f"saved-{party}"
        return sorted(path.relative_to(saved) for path in saved.rglob("*") if path.is_file())


def figures(table: pl.DataFrame) -> pl.DataFrame:
    """What a person reads off a table of results."""
    return table.select(name for name in _FIGURES if name in table.columns).sort("row")


def kind_of(path: Path) -> str:
    """What sort of file this is: its path without ids and numbers."""
    return _CHANGING.sub("*", path.as_posix())


def prepare_homes(scene: Scene, folder: Path) -> DamagedHomes:
    """Two contracts with a finished job each, a register of two versions, and a job that was stopped in its midst."""
    scene.clock.now = datetime.now(UTC)
    with serving(scene) as house:
        homes = DamagedHomes(scene, at_home(house, folder), folder)
        homes.write_portfolio()
        for _ in range(2):
            ceilings = Ceilings(rows_per_batch=_ROWS_PER_BATCH, scores_per_enterprise=9)
            contract = scene.contract(signed=False, ceilings=ceilings)
            agree(house, homes.bank, contract, fingerprint=house.bureau.party.fingerprint)
            homes.score(house, contract)
            homes.contracts.append(contract)
        _import_next_version(scene, folder)
        with suppress(KeyboardInterrupt):
            homes.score(house, homes.contracts[0], again=True, progress=StopAfter("decrypt", 2))
    scene.bureau.close()
    homes.save()
    return homes


def _import_next_version(scene: Scene, folder: Path) -> None:
    changed = scene.tables.public.with_columns(pl.col("a").reverse())
    path = folder / "next.csv"
    changed.select(pl.Series("id", scene.tables.codes), pl.all()).write_csv(path)
    import_register(scene.bureau.store, scene.bureau.home, path, RegisterLayout("id", "opaque"))


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    """Cut a file short, as a full disk does."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def swap(path: Path) -> None:
    """Put another file of the same kind in its place, with its digests: another contract's, version's or run's."""
    others = [other for other in sorted(_root(path).rglob("*")) if other != path and kind_of(other) == kind_of(path)]
    for other in others:
        if other.read_bytes() != path.read_bytes():
            for suffix in ("", TABLE_SUFFIX):
                source, target = (Path(f"{one}{suffix}") for one in (other, path))
                if source.is_file() and target.is_file():
                    shutil.copyfile(source, target)
            return
    flip(path)


def remove(path: Path) -> None:
    """Remove a file."""
    path.unlink()


def _root(path: Path) -> Path:
    return next(parent for parent in path.parents if any(parent.glob("b*.toml")))


def refusals(work: Callable[[], pl.DataFrame], expected: pl.DataFrame) -> str:
    """Do work whose result is ``expected``; returns the refusal, or an empty text. Another result is an error."""
    try:
        found = work()
    except ShulabError as error:
        return str(error)
    assert found.equals(expected), "a damaged file changed a result in silence"
    return ""
