"""What demo and trial have in common: the steps of both parties from setting up to scores, each an ordinary command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.rehearsal.stage import Service, Stage
from lab.terms.contract import Detail, Purpose
from lab.terms.identifiers import IdKind


@dataclass(frozen=True)
class Cast:
    """Who plays: the parties' names."""

    bureau: str
    bank: str


def set_up_bureau(stage: Stage, cast: Cast) -> None:
    """The bureau's home, keys and store."""
    key_file = stage.key_file("bureau")
    stage.command("bureau", "init", "--name", cast.bureau, "--home", stage.bureau, "--key-file", key_file)


def import_register(
    stage: Stage,
    file: Path,
    *,
    id_column: str,
    id_kind: IdKind,
    columns: tuple[str, ...] = (),
    dictionary: Path | None = None,
) -> dict[str, Any]:
    """Import the register; with ``columns`` only those."""
    words: list[str | Path] = ["bureau", "import", file, "--id", id_column, "--id-kind", id_kind]
    if columns:
        words += ["--columns", ",".join(columns)]
    if dictionary:
        words += ["--dictionary", dictionary]
    return stage.command(*words, "--home", stage.bureau)


def agree(
    stage: Stage,
    service: Service,
    cast: Cast,
    *,
    model: str,
    detail: Detail,
    engine: str,
    purpose: Purpose,
    identifiers: int,
) -> str:
    """Bank's keys and card, draft, the bank's signature, the bureau's approval; the contract's id.

    ``identifiers`` is how many the bank will ask about: the ceiling of the contract.
    """
    stage.command("bank", "init", "--name", cast.bank, "--home", stage.bank, "--key-file", stage.key_file("bank"))
    card = stage.bank / "card.json"
    draft = stage.command(
        *("officer", "draft", "--home", stage.bureau, "--bank-card", card, "--model", model),
        *("--detail", detail.value, "--engine", engine, "--purpose", purpose.value),
        *("--ceiling-identifiers", str(max(1, identifiers))),
    )
    contract = str(draft["contract"])
    stage.command("bank", "sign", contract, "--bureau", service.url, "--yes", "--home", stage.bank)
    stage.command("officer", "approve", contract, "--home", stage.bureau)
    return contract


def score(
    stage: Stage,
    service: Service,
    portfolio: Path,
    out: Path,
    *,
    contract: str,
    id_column: str,
    skip: Path | None = None,
) -> dict[str, Any]:
    """The bank's job: match, encrypt, score, decrypt; its manifest."""
    words: list[str | Path] = ["bank", "score", portfolio, "--contract", contract, "--bureau", service.url]
    words += ["--out", out, "--id", id_column, "--home", stage.bank]
    if skip is not None:
        words += ["--skip", skip]
    return stage.command(*words)


FamilyName = Literal["boosted", "scorecard"]
Interactions = Literal["one", "free"]
