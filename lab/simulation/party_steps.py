"""The steps of both parties from set-up to scores, each an ordinary command; shared by demo, trial and benchmarks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.simulation.local_deployment import LocalDeployment, ServiceProcess
from lab.simulation.process_monitor import MemoryMonitor
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.names import IdKind


@dataclass(frozen=True)
class PartyNames:
    """The parties' names."""

    bureau: str
    bank: str


@dataclass(frozen=True)
class StaffMember:
    """A member of the bureau's staff: account, department and role."""

    name: str
    department: str
    role: str = "officer"


BENCHMARK_PARTIES = PartyNames(bureau="基准数据局 Benchmark bureau", bank="基准银行 Benchmark bank")
DRAFTING_OFFICER = StaffMember("officer-a", "数据部 Data")
APPROVING_OFFICERS = (StaffMember("officer-b", "数据部 Data"), StaffMember("officer-c", "法务部 Legal"))
"""The drafter may not approve. Items above a set grade, or without a grade, need two officers of two departments."""


def set_up_bureau(deployment: LocalDeployment, parties: PartyNames) -> dict[str, str]:
    """Make the bureau's home, keys, database and officers' accounts; returns the one-time passwords by account."""
    officers = (DRAFTING_OFFICER, *APPROVING_OFFICERS)
    accounts: list[str | Path] = [
        word for one in officers for word in ("--account", f"{one.name}:{one.role}:{one.department}")
    ]
    made = deployment.run_command(
        *("bureau", "init", "--name", parties.bureau, "--home", deployment.bureau_home),
        *("--key-file", deployment.key_file("bureau")),
        *accounts,
    )
    return {str(one["account"]): str(one["password"]) for one in made["accounts"]}


@dataclass(frozen=True)
class ReadyParties:
    """Both parties before a contract: the service runs, the bank has keys, the officers have signed in.

    ``sessions``: the files of the officers' sign-ins, by account.
    """

    service: ServiceProcess
    bank_card: Path
    bank_fingerprint: str
    sessions: Mapping[str, Path]


def ready_parties(
    deployment: LocalDeployment, parties: PartyNames, passwords: Mapping[str, str], running: ExitStack
) -> ReadyParties:
    """Start the service, which ``running`` ends, set up the bank, and sign the officers in.

    ``passwords``: from ``set_up_bureau``.
    """
    # The service checks two passwords at once (sign_in_places), and refuses whoever waits long for a place.
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(2) as pool:
        bank_set_up = beside.submit(_set_up_bank, deployment, parties)
        service = running.enter_context(deployment.run_service())
        signed_in = pool.map(lambda one: sign_in(deployment, service, *one), passwords.items())
        sessions = dict(zip(passwords, signed_in, strict=True))
        bank = bank_set_up.result()
    return ReadyParties(service, Path(str(bank["card"])), str(bank["fingerprint"]), sessions)


def import_register(
    deployment: LocalDeployment,
    file: Path,
    *,
    id_column: str,
    id_kind: IdKind,
    columns: tuple[str, ...] = (),
    dictionary: Path | None = None,
) -> dict[str, Any]:
    """Import the register; only ``columns`` if they are given."""
    words: list[str | Path] = ["bureau", "import", file, "--id", id_column, "--id-kind", id_kind]
    if columns:
        words += ["--columns", ",".join(columns)]
    if dictionary:
        words += ["--dictionary", dictionary]
    return deployment.run_command(*words, "--home", deployment.bureau_home)


def train_model(
    deployment: LocalDeployment, sample: Path, *more: str | Path, id_column: str, label: str, name: str
) -> dict[str, Any]:
    """Train a model on a pilot sample at the bureau and publish it as ``name@1``; returns what the training said.

    ``more``: further options.
    """
    home = ("--home", deployment.bureau_home)
    words = ("--sample", sample, "--id", id_column, "--label", label, "--name", name)
    return deployment.run_command("model", "train", "--publish", *words, *more, *home)


_CANARIES = 64


@dataclass(frozen=True)
class ContractTerms:
    """What a contract should say.

    ``identifiers``: how many the bank will ask about; the contract's ceiling adds the canaries that go with them
    (``protocols/matching``: 64 a request, or one in a hundred elements). ``consent``: the reason why enterprises must
    have agreed; empty if they need not.
    """

    model: str
    detail: ResultDetail
    engine: str
    purpose: Purpose
    identifiers: int
    consent: str = ""

    def as_options(self) -> list[str]:
        """The clauses as options of ``lab officer draft``."""
        ceiling = self.identifiers + max(self.identifiers // 50, _CANARIES) + _CANARIES
        options = ["--model", self.model, "--detail", self.detail.value, "--engine", self.engine]
        options += ["--purpose", self.purpose.value, "--ceiling-identifiers", str(ceiling)]
        return options + (["--consent", "--consent-why", self.consent] if self.consent else [])


def conclude_contract(deployment: LocalDeployment, ready: ReadyParties, terms: ContractTerms) -> str:
    """Draft, approve and sign a contract; returns its id. The bank signs while the officers approve."""
    sessions = ready.sessions
    # Each side reads its fingerprint out to the other: the bank its own, the officer the bureau's.
    draft = deployment.run_command(
        *("officer", "draft", "--bank-card", ready.bank_card, "--submit"),
        *("--session", sessions[DRAFTING_OFFICER.name], "--fingerprint", ready.bank_fingerprint),
        *terms.as_options(),
    )
    contract = str(draft["contract"])
    signing = ("bank", "sign", contract, "--bureau", ready.service.url, "--fingerprint", str(draft["fingerprint"]))
    approvers = APPROVING_OFFICERS[: int(draft["officers_needed"])]
    with ThreadPoolExecutor(3) as pool:
        steps = [pool.submit(deployment.run_command, *signing, "--home", deployment.bank_home)]
        for officer in approvers:
            words = ("officer", "approve", contract, "--session", sessions[officer.name])
            steps.append(pool.submit(deployment.run_command, *words))
        for step in steps:
            step.result()
    return contract


def create_account_session(deployment: LocalDeployment, service: ServiceProcess, person: StaffMember) -> Path:
    """Make an account for the person, sign in and change the one-time password; returns the file of the sign-in."""
    made = deployment.run_command(
        *("bureau", "account", person.name, "--role", person.role, "--department", person.department),
        *("--home", deployment.bureau_home),
    )
    return sign_in(deployment, service, person.name, str(made["password"]))


def sign_in(deployment: LocalDeployment, service: ServiceProcess, account: str, password: str) -> Path:
    """Sign in with a one-time password, and change it; returns the file of the sign-in."""
    session = deployment.sessions / f"{account}.json"
    deployment.run_command(
        *("account", "sign-in", account, "--service", service.url, "--session", session),
        secrets={"SHULAB_PASSWORD": password, "SHULAB_NEW_PASSWORD": secrets.token_urlsafe(18)},
    )
    return session


def _set_up_bank(deployment: LocalDeployment, parties: PartyNames) -> dict[str, Any]:
    """Make the bank's folder and keys; returns its card and fingerprint."""
    words = (
        "bank",
        "init",
        "--name",
        parties.bank,
        "--home",
        deployment.bank_home,
        "--key-file",
        deployment.key_file("bank"),
    )
    return deployment.run_command(*words)


@dataclass(frozen=True)
class ScoringJob:
    """A bank's job: the portfolio's file, the file for the results, and the contract. ``skip``: codes not to score."""

    portfolio: Path
    out: Path
    contract: str
    id_column: str
    skip: Path | None = None


def run_scoring_job(
    deployment: LocalDeployment, service: ServiceProcess, job: ScoringJob, *, memory: MemoryMonitor | None = None
) -> dict[str, Any]:
    """Match, encrypt, score and decrypt at the bank; returns the run's manifest. ``memory`` measures the command."""
    words: list[str | Path] = ["bank", "score", job.portfolio, "--contract", job.contract, "--bureau", service.url]
    words += ["--out", job.out, "--id", job.id_column, "--home", deployment.bank_home]
    if job.skip is not None:
        words += ["--skip", job.skip]
    return deployment.run_command(*words, memory=memory)


FamilyName = Literal["boosted", "scorecard"]
Interactions = Literal["one", "free"]
