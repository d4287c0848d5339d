"""What demo and trial have in common: the steps of both parties from setting up to scores, each an ordinary command."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.simulation.local_deployment import LocalDeployment, MemoryMonitor, ServiceProcess
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.names import IdKind


@dataclass(frozen=True)
class PartyNames:
    """Who plays: the parties' names."""

    bureau: str
    bank: str


@dataclass(frozen=True)
class StaffMember:
    """Somebody at the bureau: the account's name, its department and its role."""

    name: str
    department: str
    role: str = "officer"


BENCHMARK_PARTIES = PartyNames(bureau="基准数据局 Benchmark bureau", bank="基准银行 Benchmark bank")
DRAFTING_OFFICER = StaffMember("officer-a", "数据部 Data")
APPROVING_OFFICERS = (StaffMember("officer-b", "数据部 Data"), StaffMember("officer-c", "法务部 Legal"))
"""Who drafts may not approve; items above a set grade, or of none, need two officers of two departments."""


def set_up_bureau(stage: LocalDeployment, cast: PartyNames) -> None:
    """The bureau's home, keys and store."""
    key_file = stage.key_file("bureau")
    stage.run_command("bureau", "init", "--name", cast.bureau, "--home", stage.bureau_home, "--key-file", key_file)


def import_register(
    stage: LocalDeployment,
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
    return stage.run_command(*words, "--home", stage.bureau_home)


def train_model(stage: LocalDeployment, sample: Path, *more: str | Path, id_column: str, label: str, name: str) -> None:
    """Train a model on a pilot sample at the bureau and publish it as ``name@1``; ``more``: other words."""
    home = ("--home", stage.bureau_home)
    words = ("--sample", sample, "--id", id_column, "--label", label, "--name", name)
    stage.run_command("model", "train", *words, *more, *home)
    stage.run_command("model", "publish", f"{name}@1", *home)


_CANARIES = 64


def conclude_contract(
    stage: LocalDeployment,
    service: ServiceProcess,
    cast: PartyNames,
    *,
    model: str,
    detail: ResultDetail,
    engine: str,
    purpose: Purpose,
    identifiers: int,
    consent: str = "",
) -> str:
    """Bank's keys and card, officers' accounts, draft, approvals, the bank's signature; the contract's id.

    ``identifiers`` is how many the bank will ask about: with the canaries that go with them (``protocols/matching``:
    64 a request, or one in a hundred elements) the ceiling of the contract. ``consent`` says why enterprises
    must have agreed; without it they need not.
    """
    with ThreadPoolExecutor(3) as hands:
        at_bank = hands.submit(_set_up_bank, stage, cast)
        author, first = hands.map(
            lambda officer: create_account_session(stage, service, officer), (DRAFTING_OFFICER, APPROVING_OFFICERS[0])
        )
        bank = at_bank.result()
    # What each side reads out to the other: the bank its fingerprint, the officer that of the bureau.
    draft = stage.run_command(
        *("officer", "draft", "--bank-card", str(bank["card"]), "--model", model, "--submit", "--session", author),
        *("--fingerprint", str(bank["fingerprint"])),
        *("--detail", detail.value, "--engine", engine, "--purpose", purpose.value),
        *("--ceiling-identifiers", str(identifiers + max(identifiers // 50, _CANARIES) + _CANARIES)),
        *(("--consent", "--consent-why", consent) if consent else ()),
    )
    contract = str(draft["contract"])
    stage.run_command("officer", "approve", contract, "--session", first)
    if int(draft["officers_needed"]) > 1:
        stage.run_command(
            "officer", "approve", contract, "--session", create_account_session(stage, service, APPROVING_OFFICERS[1])
        )
    told = ("--fingerprint", str(draft["fingerprint"]))
    stage.run_command("bank", "sign", contract, "--bureau", service.url, *told, "--home", stage.bank_home)
    return contract


def create_account_session(stage: LocalDeployment, service: ServiceProcess, person: StaffMember) -> Path:
    """An account for the person, whose one-time password is changed at the first sign-in; the file of the sign-in."""
    made = stage.run_command(
        *("bureau", "account", person.name, "--role", person.role, "--department", person.department),
        *("--home", stage.bureau_home),
    )
    session = stage.sessions / f"{person.name}.json"
    stage.run_command(
        *("account", "sign-in", person.name, "--service", service.url, "--session", session),
        secrets={"SHULAB_PASSWORD": str(made["password"]), "SHULAB_NEW_PASSWORD": secrets.token_urlsafe(18)},
    )
    return session


def _set_up_bank(stage: LocalDeployment, cast: PartyNames) -> dict[str, Any]:
    """The bank's folder and keys; its card and fingerprint."""
    words = ("bank", "init", "--name", cast.bank, "--home", stage.bank_home, "--key-file", stage.key_file("bank"))
    return stage.run_command(*words)


def run_scoring_job(
    stage: LocalDeployment,
    service: ServiceProcess,
    portfolio: Path,
    out: Path,
    *,
    contract: str,
    id_column: str,
    skip: Path | None = None,
    memory: MemoryMonitor | None = None,
) -> dict[str, Any]:
    """The bank's job: match, encrypt, score, decrypt; its manifest. ``memory`` watches it."""
    words: list[str | Path] = ["bank", "score", portfolio, "--contract", contract, "--bureau", service.url]
    words += ["--out", out, "--id", id_column, "--home", stage.bank_home]
    if skip is not None:
        words += ["--skip", skip]
    return stage.run_command(*words, memory=memory)


FamilyName = Literal["boosted", "scorecard"]
Interactions = Literal["one", "free"]
