"""The bureau's folder: its files, and the settings in it. Folders have mode 0700 and files 0600.

====================  =================================================================
``bureau.toml``       settings (``SHULAB_BUREAU_<NAME>`` in the environment overrides)
``bureau.db``         the database, unless ``database_url`` names another
``keys/``             sealed secrets, and the default seal key
``registers/``        Parquet snapshots, and rows set aside by each import
``features/``         feature tables, named by the hash of what they are computed from; made again from the rest
``feature-files/``    feature definitions of the bureau's own, instead of those that come with the program
``records/``          records of enterprises: segments and manifests, named by their hashes
``evaluated/``        evaluated registers and set-ups, by key epoch, engine and contract
``models/``           models and their sheets
``contexts/``         public contexts of banks, named by their hashes
``batches/``          batches of banks, named by contract and hash
``replies/``          replies to batches, named by contract and batch
``executors/``        services that run jobs now: a locked file each
``jobs.db``           workflows of jobs, unless ``database_url`` names a database
``consents/``         signatures of enterprises, and rows set aside by each import
``deliveries/``       mappings, legacy codes, and rows set aside of what departments delivered
``quality/``          assessments of the records, and the bureau's own rules and limits for them
``catalogues/``       files of the bureau's own catalogue, a version each
``spool/``            bodies of incoming requests; files without a name
====================  =================================================================
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from lab.bureau.configuration.settings import FileSettings, WitnessSetting
from lab.disk.private_files import replace_private
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.text.visible_line import VisibleLine, check_visible_line
from models.shared.catalogue_words import SensitivityGrade

SETTINGS_FILE = "bureau.toml"
FOLDERS = (
    "keys",
    "registers",
    "records",
    "features",
    "feature-files",
    "evaluated",
    "models",
    "contexts",
    "batches",
    "replies",
    "executors",
    "consents",
    "catalogues",
    "quality",
    "logs",
    "deliveries",
    "spool",
)
HOME_VARIABLE = "SHULAB_BUREAU_HOME"


class BureauSettings(FileSettings):
    """Settings of a bureau. None is a secret, except that ``database_url`` may hold a password."""

    model_config = SettingsConfigDict(env_prefix="SHULAB_BUREAU_", extra="forbid", frozen=True)

    name: Annotated[VisibleLine, Field(min_length=1, max_length=200)]
    """The bureau's name, as contracts show it."""
    database_url: Annotated[str, Field(repr=False)] = ""
    """A PostgreSQL URL (``postgresql+psycopg://USER@HOST/NAME``), which may hold a password; empty: SQLite in the
    folder."""
    seal: str = "file"
    """What seals the secrets: ``file``, ``environment`` or ``pkcs11:...`` (``lab.bureau.key_management.seal_keys``)."""
    key_file: str = ""
    """The seal key's file; empty: ``keys/seal.key``."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Processes that run native code on bytes from banks."""
    job_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    """The longest time that one job may take in a worker."""
    waiting_batches: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Batches that may wait to be evaluated at once, over all contracts; the next one is refused with 503."""
    waiting_batches_per_contract: Annotated[int, Field(ge=1, le=100_000)] = 16
    """``waiting_batches`` for one contract, so that no bank takes all of them."""
    two_officers_above: SensitivityGrade = SensitivityGrade.INTERNAL
    """Contracts over items graded above this level need two officers, of different departments."""
    watch_limits: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(default_factory=dict)]
    """Changed limits of the watch's rules: ``[watch_limits]``, then for example ``refused = 500``."""
    witnesses: Annotated[tuple[WitnessSetting, ...], Field(max_length=16)] = ()
    """The witnesses that cosign the ledger's heads: ``[[witnesses]]`` with ``key`` and ``url`` (docs/witnesses.md)."""
    processes: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processes that evaluate registers; 0: one a core."""
    disk_alarm_mib: Annotated[int, Field(ge=0, le=2**30)] = 2048
    """Free room on the folder's disk below which there is an alarm, in MiB; 0: no alarm."""
    disk_reserve_mib: Annotated[int, Field(ge=0, le=2**30)] = 256
    """Free room below which the bureau accepts nothing new, so that what is charged can be answered; 0: no reserve."""
    records_url: Annotated[str, Field(pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,62}(/[A-Za-z0-9._-]+)*)?$")] = ""
    """Where records of enterprises are kept: ``s3://BUCKET/PREFIX`` (extra [s3]; endpoint and credentials from the
    environment, as ``AWS_ENDPOINT_URL_S3`` and ``AWS_ACCESS_KEY_ID``); empty: in the folder."""
    cluster: str = ""
    """A Dask scheduler's address; then registers and blinded identifiers are evaluated there."""
    worker_memory_mib: Annotated[int, Field(ge=512)] = 8192
    """Address space of a worker; several times what a batch of 4,096 columns needs."""
    worker_confinement: Literal["required", "best"] = "required"
    """``required``: no native code reads bytes from banks without Landlock and a filter of system calls; ``best``: with
    those of the two that the machine has."""


@dataclass(frozen=True, slots=True)
class BureauHome:
    """An existing bureau folder and its settings."""

    folder: Path
    settings: BureauSettings

    @classmethod
    def create(
        cls, folder: Path, *, name: str, database_url: str = "", key_file: Path | None = None, seal: str = ""
    ) -> BureauHome:
        """Make the folder and its settings; raises ``Conflict`` if there is a bureau already, and ``InvalidInput``
        for a name that is not a visible line (``lab.terms.text.visible_line``)."""
        folder = folder.expanduser().absolute()
        if (folder / SETTINGS_FILE).exists():
            raise Conflict(f"A bureau lives in {folder} already.", next_step="name another folder with --home")
        check_visible_line(name, "a bureau's name")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for part in FOLDERS:
            (folder / part).mkdir(mode=0o700, exist_ok=True)
        written: dict[str, str] = {"name": name}
        if database_url:
            written["database_url"] = database_url
        if seal:
            written["seal"] = seal
        if key_file is not None:
            written["key_file"] = str(key_file.expanduser().absolute())
        BureauSettings.from_values(written, folder / SETTINGS_FILE)
        lines = ["# 数据局设置 Settings of this bureau; SHULAB_BUREAU_<NAME> in the environment goes first."]
        lines += [f"{key} = {_toml_string(value)}" for key, value in written.items()]
        replace_private(folder / SETTINGS_FILE, ("\n".join(lines) + "\n").encode())
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> BureauHome:
        """The bureau in ``folder``; raises ``NotFound`` or ``InvalidInput`` naming the settings that do not fit."""
        folder = folder.expanduser().absolute()
        if not (folder / SETTINGS_FILE).is_file():
            raise NotFound(f"No bureau lives in {folder}.", next_step="make one with `lab bureau init --name NAME`")
        home = cls(folder, BureauSettings.read(folder / SETTINGS_FILE))
        for part in FOLDERS:
            (folder / part).mkdir(mode=0o700, exist_ok=True)
        return home

    @property
    def database_url(self) -> str:
        """The database's URL, as set or the default in this folder."""
        return self.settings.database_url or f"sqlite:///{self.folder / 'bureau.db'}"

    @property
    def key_file(self) -> Path:
        """The seal key's file."""
        return Path(self.settings.key_file) if self.settings.key_file else self.folder / "keys" / "seal.key"

    def path(self, relative: str) -> Path:
        """A file in this folder, by its relative path; raises ``InvalidInput`` for a path that leads out of it."""
        found = (self.folder / relative).resolve()
        if not found.is_relative_to(self.folder.resolve()):
            raise InvalidInput("Expected a path inside the bureau's folder.", next_step="check the database")
        return found


def change_settings(folder: Path, changes: dict[str, str]) -> None:
    """Replace these settings in the bureau's file, all at once, and leave the rest of the file as it is."""
    file = folder / SETTINGS_FILE
    kept = [
        line
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.partition("=")[0].strip() not in changes or "=" not in line
    ]
    # At the top, because the file may contain a table.
    lines = [f"{key} = {_toml_string(value)}" for key, value in changes.items()] + kept
    replace_private(file, ("\n".join(lines) + "\n").encode())


def default_folder() -> Path:
    """``SHULAB_BUREAU_HOME``, or ``~/.shulab/bureau``."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named) if named else Path.home() / ".shulab" / "bureau"


def _toml_string(value: str) -> str:
    escaped = "".join(f"\\u{ord(c):04X}" if ord(c) < 32 or ord(c) == 127 or c in '"\\' else c for c in value)
    return f'"{escaped}"'
