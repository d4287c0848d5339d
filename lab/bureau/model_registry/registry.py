"""The model registry: storing trained versions, publishing them with the sheets for banks, and loading them.

A published version never changes. Publishing computes the sheet of every detail that the model allows and stores its
bytes, because a contract pins their hash.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import ModelRow
from lab.disk.checked_blocks import write_digests
from lab.disk.checked_files import DamagedFile
from lab.disk.private_files import replace_private
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.names import ModelRef, is_slug
from models.bureau.model import Model
from models.bureau.serialization import load_model, serialize_model
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS

TRAINED, PUBLISHED = "trained", "published"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model version in the database; ``sheets``: detail -> SHA-256 of its sheet."""

    name: str
    version: int
    register: str
    state: str
    file: str
    sha256: str
    sheets: dict[str, str]

    @property
    def ref(self) -> ModelRef:
        """Name and version."""
        return ModelRef(self.name, self.version)

    def __str__(self) -> str:
        return str(self.ref)


def check_model_name(name: str) -> None:
    """Raise ``InvalidInput`` unless ``name`` can name a model: it is part of contracts and file names."""
    if not is_slug(name):
        raise InvalidInput(
            "Expected a model name of lower-case letters, digits, dots and hyphens (at most 64).",
            next_step="write it as credit or credit@1",
        )


def next_version(session: Session, name: str) -> int:
    """The version number for a newly trained model of this name."""
    return (session.scalar(select(func.max(ModelRow.version)).where(ModelRow.name == name)) or 0) + 1


def find_model(session: Session, name: str, version: int | None = None, *, published: bool = False) -> ModelVersion:
    """That version of a model, or the newest (``published``: the newest published one); raises ``NotFound``."""
    query = select(ModelRow).where(ModelRow.name == name)
    if version is not None:
        query = query.where(ModelRow.version == version)
    if published:
        query = query.where(ModelRow.state == PUBLISHED)
    row = session.scalars(query.order_by(ModelRow.version.desc()).limit(1)).first()
    if row is None:
        which = ("published " if published else "") + f"model {ModelRef(name, version)}"
        step = (
            f"publish it with `lab model publish {name}@VERSION`" if published else "train one with `lab model train`"
        )
        raise NotFound(f"There is no {which} here.", next_step=step)
    return _read_row(row)


def save_model(store: Database, home: BureauHome, model: Model, register: str) -> ModelVersion:
    """Store a model as ``trained``; the same file again changes nothing. Raises ``Conflict`` for another file."""
    check_model_name(model.name)
    content = serialize_model(model)
    with store.begin() as session:
        found = session.scalars(
            select(ModelRow).where(ModelRow.name == model.name, ModelRow.version == model.version)
        ).first()
        if found is not None:
            if found.sha256 == hashlib.sha256(content).hexdigest():
                return _read_row(found)
            raise Conflict(
                f"Another model {ModelRef(model.name, model.version)} exists here already.",
                next_step="give it a new version",
            )
        row = ModelRow(
            name=model.name,
            version=model.version,
            register=register,
            file=f"models/{model.name}-{model.version}.json",
            sha256=hashlib.sha256(content).hexdigest(),
            state=TRAINED,
            sheets="{}",
            created_at=datetime.now(UTC),
        )
        session.add(row)
        session.flush()
        replace_private(home.path(row.file), content)
        write_digests(home.path(row.file), identity=row.file)
        facts: dict[str, Fact] = {"model": row.name, "version": row.version, "register": register, "sha256": row.sha256}
        record(session, "model.kept", None, facts, by=LOCAL_ACTOR)
    return _read_row(row)


def publish_model(store: Database, home: BureauHome, name: str, version: int | None) -> ModelVersion:
    """Publish a stored model; publishing again changes nothing.

    Raises ``InvalidInput`` if its values do not fit the parameter set, ``NotFound`` if there is no such model.
    """
    with store.begin_read() as session:
        found = find_model(session, name, version)
    model = read_model(home, found)
    params = PARAMETERS[DEFAULT_PARAMETERS]
    sheets: dict[str, bytes] = {}
    for detail in ResultDetail:
        try:
            sheet = model.sheet(detail)
        except InvalidInput:
            continue  # a model without per-feature weights has no feature subtotals
        if model.value_bound(detail) > params.value_limit:
            raise InvalidInput(
                f"Expected values within {params.value_limit} quanta (parameters {params.name}); "
                f"model {name} can reach {model.value_bound(detail)}.",
                next_step="train it again",
            )
        sheets[detail.value] = sheet.to_json()
    hashes = {detail: hashlib.sha256(content).hexdigest() for detail, content in sheets.items()}
    with store.begin() as session:
        row = session.scalars(
            select(ModelRow).where(ModelRow.name == found.name, ModelRow.version == found.version).with_for_update()
        ).one()
        if row.state == PUBLISHED:
            return _read_row(row)
        row.state, row.sheets, row.published_at = PUBLISHED, json.dumps(hashes), datetime.now(UTC)
        session.flush()
        for name_of, content in sheets.items():
            file = _sheet_file(found, name_of)
            replace_private(home.path(file), content)
            write_digests(home.path(file), identity=file)
        facts: dict[str, Fact] = {"model": row.name, "version": row.version, "sha256": row.sha256}
        facts |= {f"sheet.{detail}": sha for detail, sha in hashes.items()}
        record(session, "model.published", None, facts, by=LOCAL_ACTOR)
    return _read_row(row)


def read_model(home: BureauHome, version: ModelVersion) -> Model:
    """The model, checked by hash; raises ``DamagedFile`` if its file was altered."""
    return load_model(_checked(home, version.file, version.sha256, f"model {version}"))


def read_sheet(home: BureauHome, version: ModelVersion, detail: ResultDetail) -> bytes:
    """The sheet's bytes, checked by hash; raises ``NotFound`` if the model has none for this detail."""
    sha256 = version.sheets.get(detail.value)
    if sha256 is None:
        raise NotFound(
            f"Model {version} has no published sheet for detail {detail.value}.",
            next_step=f"choose one of: {', '.join(version.sheets) or 'none; publish the model first'}",
        )
    return _checked(home, _sheet_file(version, detail.value), sha256, f"the sheet of {version}")


class ModelCache:
    """Loaded models. Safe to use from several threads."""

    def __init__(self, home: BureauHome) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._models: dict[str, Model] = {}

    def load(self, version: ModelVersion) -> Model:
        """The model of a version, loaded once."""
        with self._lock:
            if version.sha256 not in self._models:
                model = read_model(self._home, version)
                _ = model.column_weights  # computed once here, and not in every thread
                self._models[version.sha256] = model
            return self._models[version.sha256]


def _checked(home: BureauHome, file: str, sha256: str, what: str) -> bytes:
    path = home.path(file)
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DamagedFile(
            path, detail=f"The file of {what} is missing or is not the one kept.", next_step="restore it from a backup"
        )
    return content


def _sheet_file(version: ModelVersion, detail: str) -> str:
    return f"models/{version.name}-{version.version}.{detail}.sheet.json"


def _read_row(row: ModelRow) -> ModelVersion:
    return ModelVersion(row.name, row.version, row.register, row.state, row.file, row.sha256, json.loads(row.sheets))
