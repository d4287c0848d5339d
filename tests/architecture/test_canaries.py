"""Canary values planted at each party are looked for in all that the other party sees, keeps, prints and logs.

The real job runs: commands in processes of their own, HTTP between them through a recorder. What may cross is written
down in SECURITY.md: codes of the pilot sample and its values are the bureau's by agreement; cut points and text
categories of the bank's own features come back to the bank in the sheet.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lab.bank.home import BankHome
from lab.simulation.synthetic.credit_codes import make_codes
from lab.terms.keys.sealing import SealKey, open_sealed
from tests.support.canaries import (
    Canary,
    files_below,
    number_canary,
    secret_canary,
    sightings,
    text_canary,
)
from tests.support.http_recorder import Recorder, recording

ENTERPRISES, PILOT, CLIENTS, STRANGERS = 500, 240, 150, 40
# Column names: the ones with words reach the other side as words at most; the rest belong to one party alone.
PUBLIC_USED, PUBLIC_TEXT = "zz_public_growth_kept_inside", "zz_public_sector_kept_inside"
BANK_USED, BANK_UNUSED, BANK_LABEL = "zb_deposit", "zb_manager_note_kept_inside", "zb_default_kept_inside"
DICTIONARY = f"""
[items.{PUBLIC_USED}]
code = "T-01"
zh = "增长"
en = "growth"
dimension = "tax"
domain = "tax"
grade = "2"
[items.{PUBLIC_TEXT}]
code = "T-02"
zh = "行业"
en = "sector"
dimension = "operations"
domain = "business-registration"
grade = "1"
"""


@dataclass
class Party:
    """What one party holds: its folder, what its processes said, and what is planted with it."""

    home: Path
    said: list[tuple[str, bytes]] = field(default_factory=list)
    planted: list[Canary] = field(default_factory=list)
    people: list[Canary] = field(default_factory=list)
    """Passwords of its people, which only they hold."""
    tokens: list[bytes] = field(default_factory=list)
    """Tokens of their sign-ins; the bureau holds a hash of each."""

    @property
    def kept(self) -> list[tuple[str, bytes]]:
        return files_below(self.home) + self.said


@dataclass
class Job:
    """One whole job after it ran."""

    bureau: Party
    bank: Party
    wire: Recorder
    manifest: dict[str, Any]
    own_bureau_files: list[tuple[str, bytes]]
    own_bank_files: list[tuple[str, bytes]]


def _lab(
    party: Party, *words: str | Path, fails: bool = False, at_home: bool = True, **passwords: str
) -> dict[str, Any]:
    """Run a command of a party; ``at_home``: one that works on the party's folder, and not through the service."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SHULAB_")} | passwords
    home = ["--home", str(party.home)] if at_home else []
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", *map(str, words), *home, "--json"],
        capture_output=True,
        env=variables,
        timeout=300,
        check=False,
    )
    name = f"output of lab {' '.join(map(str, words[:2]))}"
    party.said += [(f"{name} (stdout)", done.stdout), (f"{name} (stderr)", done.stderr)]
    assert fails or done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


def _officer(bureau: Party, name: str, department: str, url: str, folder: Path) -> Callable[..., dict[str, Any]]:
    """An officer who has signed in; gives the officer's commands."""
    made = _lab(bureau, "bureau", "account", name, "--role", "officer", "--department", department)
    session, password = folder / f"{name}.json", secrets.token_urlsafe(18)
    signing_in = ("account", "sign-in", name, "--service", url, "--session", session)
    _lab(bureau, *signing_in, at_home=False, SHULAB_PASSWORD=str(made["password"]), SHULAB_NEW_PASSWORD=password)
    bureau.people.append(text_canary("an officer's password", password))
    bureau.tokens.append(str(json.loads(session.read_text())["token"]).encode())
    return lambda *words: _lab(bureau, "officer", *words, "--session", session, at_home=False)


def _draw_tables(bureau: Party, bank: Party, folder: Path) -> tuple[Path, Path, Path, Path]:
    """Write register, dictionary, pilot and portfolio, with canaries planted in them."""
    rng = np.random.default_rng(20)
    codes = make_codes(ENTERPRISES, seed=20)
    strangers = make_codes(STRANGERS, start=10**8, seed=20)
    growth, sectors = rng.normal(size=ENTERPRISES), [f"sector-{i % 5}" for i in range(ENTERPRISES)]
    # Public values that the pilot did not train on and so can be in no model: distinct digits, distinct text.
    clients = np.arange(PILOT, PILOT + CLIENTS)
    growth[clients] = np.round(growth[clients], 3) + rng.integers(10**5, 10**6, CLIENTS) / 1e10
    for place, row in enumerate(clients[:20]):
        sectors[row] = f"Canary-Sector-{place:02d}-kept-inside"
    register = pl.DataFrame({"uscc": codes, PUBLIC_USED: growth, PUBLIC_TEXT: sectors})
    bureau.planted += [number_canary("a public value", float(growth[row])) for row in clients]
    bureau.planted += [text_canary("a public text", sectors[row]) for row in clients[:20]]
    bureau.planted += [text_canary("a register code nobody asked about", code) for code in codes[PILOT + CLIENTS :]]
    bureau.planted += [text_canary("a public column's name", name) for name in (PUBLIC_USED, PUBLIC_TEXT)]

    def bank_table(ids: list[str], deposit: np.ndarray) -> pl.DataFrame:
        return pl.DataFrame({"uscc": ids, BANK_USED: deposit})

    deposits = rng.normal(size=PILOT)
    label = (growth[:PILOT] + deposits + rng.normal(size=PILOT) > 0.5).astype(int)
    pilot = bank_table(codes[:PILOT], deposits).with_columns(pl.Series("y", label))
    owned = np.round(rng.normal(size=CLIENTS + STRANGERS), 3) + rng.integers(10**5, 10**6, CLIENTS + STRANGERS) / 1e10
    notes = [f"Canary-Note-{i:03d}-kept-inside" for i in range(CLIENTS + STRANGERS)]
    portfolio = bank_table([codes[row] for row in clients] + strangers, owned).with_columns(
        pl.Series(BANK_UNUSED, notes), pl.Series(BANK_LABEL, rng.integers(10**8, 10**9, CLIENTS + STRANGERS))
    )
    # A client whose text code is unusable must not leave in any form either.
    spoilt = strangers[-1][:-1] + ("1" if strangers[-1][-1] != "1" else "2")
    portfolio[-1, "uscc"] = spoilt
    bank.planted += [number_canary("a bank value", float(value)) for value in owned]
    bank.planted += [text_canary("a client outside the register", code) for code in [*strangers[:-1], spoilt]]
    bank.planted += [text_canary("a bank note", note) for note in notes]
    bank.planted += [text_canary("a bank label", str(value)) for value in portfolio[BANK_LABEL]]
    bank.planted += [text_canary("a bank column's name", name) for name in (BANK_UNUSED, BANK_LABEL)]

    paths = (folder / "register.csv", folder / "words.toml", folder / "pilot.csv", folder / "portfolio.csv")
    register.write_csv(paths[0])
    paths[1].write_text(DICTIONARY, "utf-8")
    pilot.write_csv(paths[2])
    portfolio.write_csv(paths[3])
    return paths


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("canaries")
    bureau, bank = Party(folder / "bureau"), Party(folder / "bank")
    outside = folder / "outside"
    outside.mkdir()
    (bank_files := folder / "bank-results").mkdir()
    register, words, pilot, portfolio = _draw_tables(bureau, bank, outside)
    bureau_key, bank_key = outside / "bureau.key", outside / "bank.key"

    _lab(bureau, "bureau", "init", "--name", "Canary bureau", "--key-file", bureau_key)
    _lab(bureau, "bureau", "import", register, "--id", "uscc", "--dictionary", words)
    _lab(bureau, "model", "train", "--sample", pilot, "--id", "uscc", "--label", "y")
    _lab(bureau, "model", "publish", "credit")
    _lab(bank, "bank", "init", "--name", "Canary bank", "--key-file", bank_key)

    port_file, log = folder / "port", folder / "service.log"
    with log.open("wb") as sink:
        service = subprocess.Popen(
            [
                *(sys.executable, "-m", "lab.cli", "bureau", "serve", "--home", str(bureau.home)),
                *("--port", "0", "--port-file", str(port_file)),
            ],
            stdout=sink,
            stderr=sink,
        )
        try:
            while not port_file.exists() and service.poll() is None:
                time.sleep(0.1)
            assert service.poll() is None, log.read_text()
            address = f"http://127.0.0.1:{port_file.read_text().strip()}"
            author, first, second = (
                _officer(bureau, name, department, address, outside)
                for name, department in (("lin", "Data"), ("wang", "Data"), ("zhao", "Legal"))
            )
            told = ("--fingerprint", BankHome.open(bank.home).card.fingerprint)
            draft = author("draft", "--bank-card", bank.home / "card.json", "--model", "credit", "--submit", *told)
            contract = str(draft["contract"])
            with recording(int(port_file.read_text())) as wire:
                out = bank_files / "scores.parquet"
                _lab(bank, "bank", "sign", contract, "--bureau", wire.url, "--fingerprint", str(draft["fingerprint"]))
                for officer in (first, second)[: int(draft["officers_needed"])]:
                    officer("approve", contract)
                scoring = ("bank", "score", portfolio, "--contract", contract, "--bureau", wire.url)
                manifest = _lab(bank, *scoring, "--out", out)
                _lab(bank, "bank", "portrait", "--html", bank_files / "portrait.html")
                # Errors and empty results must not talk either: no such contract; a column of notes in place of codes.
                other = bank_files / "other.parquet"
                absent = ("bank", "score", portfolio, "--contract", "c-none", "--bureau", wire.url, "--out", other)
                _lab(bank, *absent, fails=True)
                _lab(bank, *scoring, "--out", other, "--id", BANK_UNUSED, fails=True)
            held = files_below(bureau.home)  # while it runs: the database's write-ahead log is still there
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)
    bureau.said += [("service output", log.read_bytes()), *((f"{name} (while running)", data) for name, data in held)]
    bank.said += files_below(bank_files)

    secret = open_sealed(
        (bank.home / "keys" / "signing.sealed").read_bytes(),
        SealKey.from_file_bytes(bank_key.read_bytes()),
        b"shulab bank signing key v1",
    )
    bank.planted += [
        secret_canary("the bank's signing key", secret),
        secret_canary("the bank's seal key", bank_key.read_bytes()),
    ]
    joined = open_sealed(
        (bank.home / "keys" / "scoring-bgv-8192-a.sealed").read_bytes(),
        SealKey.from_file_bytes(bank_key.read_bytes()),
        b"shulab bank scoring key v1 bgv-8192-a",
    )
    length = int.from_bytes(joined[:4], "big")
    bank.planted.append(secret_canary("the bank's decryption key", joined[4 : 4 + length]))
    secret = open_sealed(
        (bank.home / "keys" / "matching.sealed").read_bytes(),
        SealKey.from_file_bytes(bank_key.read_bytes()),
        b"shulab bank matching secret v1",
    )
    bank.planted.append(secret_canary("the bank's matching secret", secret))
    seal_key = SealKey.from_file_bytes(bureau_key.read_bytes())
    for name, label in (
        ("signing", b"shulab bureau signing"),
        ("matching-x25519-1", b"shulab bureau matching x25519 1"),
        ("matching-openmined-1", b"shulab bureau matching openmined 1"),
        ("pseudonym", b"shulab bureau pseudonym"),
    ):
        secret = open_sealed((bureau.home / "keys" / f"{name}.sealed").read_bytes(), seal_key, label)
        bureau.planted.append(secret_canary(f"the bureau's {name} key", secret))
    bureau.planted += _evaluated(bureau)
    own_bureau, own_bank = [(register.name, register.read_bytes())], [(portfolio.name, portfolio.read_bytes())]
    return Job(bureau, bank, wire, manifest, own_bureau, own_bank)


def _evaluated(bureau: Party) -> list[Canary]:
    """The values F(x) of enterprises that nobody asked about: who has one can look for its enterprise everywhere."""
    (register,) = (bureau.home / "registers").rglob("*.parquet")
    (path,) = (bureau.home / "evaluated").rglob("values")
    values = np.fromfile(path, dtype=np.uint8).reshape(ENTERPRISES, 32)
    unasked = set(make_codes(ENTERPRISES, seed=20)[PILOT + CLIENTS :])
    chosen = np.flatnonzero(pl.read_parquet(register)["uscc"].is_in(list(unasked)).to_numpy())
    assert len(chosen) == ENTERPRISES - PILOT - CLIENTS
    return [secret_canary("an evaluated enterprise nobody asked about", value.tobytes()) for value in values[chosen]]


def test_the_job_was_a_real_one(job: Job) -> None:
    assert job.manifest["scored"] == CLIENTS
    assert job.manifest["rows"] == CLIENTS + STRANGERS
    paths = {name.split()[2].rsplit("/", 1)[-1].split("?")[0] for name, _ in job.wire.to_bureau}
    assert {"setup", "matching", "reply", "sheet", "signature", "allowance"} <= paths
    assert any("/jobs/" in name for name, _ in job.wire.to_bureau)
    assert sum(len(data) for _, data in job.wire.to_bureau) > 1_000_000


def test_the_search_finds_what_is_there(job: Job) -> None:
    """The check of the check: each planted value is found where its owner keeps it, also inside compressed tables."""
    owners = {found.split(" @ ")[0] for found in sightings(job.bank.planted, job.own_bank_files)}
    assert {
        "a bank value",
        "a client outside the register",
        "a bank note",
        "a bank label",
        "a bank column's name",
    } <= owners
    found = {sighting.split(" @ ")[0] for sighting in sightings(job.bureau.planted, job.bureau.kept)}
    assert {"a public value", "a public text", "a register code nobody asked about", "a public column's name"} <= found
    assert "an evaluated enterprise nobody asked about" in found
    assert any("parquet" in s for s in sightings(job.bureau.planted[:1], job.bureau.kept))


@pytest.mark.parametrize("dress", ["plain", "hex", "base64", "base64+1", "utf-16", "double", "sha256"])
def test_the_search_sees_through(dress: str) -> None:
    text, number = text_canary("text", "Canary-7781"), number_canary("number", 123.4567891)
    raw = b"xx" + b"Canary-7781" + b"yy"
    worn = {
        "plain": raw,
        "hex": raw.hex().encode(),
        "base64": base64.b64encode(raw),
        "base64+1": base64.b64encode(b"z" + raw),
        "utf-16": "xCanary-7781y".encode("utf-16-le"),
        "double": b"abc" + struct.pack("<d", 123.4567891),
        "sha256": hashlib.sha256(b"Canary-7781").digest(),
    }[dress]
    assert sightings([text, number], [("here", worn)])


@pytest.mark.property(
    "Bank data stays at the bank",
    claim=(
        "No code, value, label, unused column or key of the bank reaches the wire, or the bureau's folder, "
        "database, output or log."
    ),
    topic="what leaves a party",
    code=["lab.bank.connection.client", "lab.bank.scoring.job"],
)
def test_nothing_of_the_bank_crosses_the_wire(job: Job) -> None:
    matched = [
        text_canary("a matched client's code", code)
        for code in make_codes(ENTERPRISES, seed=20)[PILOT : PILOT + CLIENTS]
    ]
    assert sightings([*job.bank.planted, *matched], job.wire.to_bureau) == []


@pytest.mark.property(
    "Bureau data stays at the bureau",
    claim=(
        "No public value, unmatched code, public column or key of the bureau reaches the wire, or the bank's "
        "folder, output or results."
    ),
    topic="what leaves a party",
    code=["lab.bureau.exchange", "models.shared.sheet"],
)
def test_nothing_of_the_bureau_crosses_the_wire(job: Job) -> None:
    codes = [text_canary("a code of the register", code) for code in make_codes(ENTERPRISES, seed=20)]
    assert sightings([*job.bureau.planted, *codes], job.wire.to_bank) == []


@pytest.mark.property("Bank data stays at the bank")
def test_nothing_of_the_bank_is_with_the_bureau(job: Job) -> None:
    assert sightings(job.bank.planted, job.bureau.kept) == []


@pytest.mark.property("Bureau data stays at the bureau")
def test_nothing_of_the_bureau_is_with_the_bank(job: Job) -> None:
    assert sightings(job.bureau.planted, job.bank.kept) == []


@pytest.mark.property(
    "Passwords cross nowhere",
    claim="No person's password or token reaches another party.",
    topic="keys and people",
    code=["sandbox.auth.person"],
)
def test_no_password_or_token_of_people_is_with_anybody(job: Job) -> None:
    everything = [*job.bureau.kept, *job.bank.kept, *job.wire.to_bank]
    assert len(job.bureau.people) == len(job.bureau.tokens) == 3
    assert sightings(job.bureau.people, everything) == []
    assert [name for name, data in everything for token in job.bureau.tokens if token in data] == []


@pytest.mark.property(
    "No weights at the bank",
    claim="Neither the sheet nor any response holds a weight or a public cut point.",
    topic="what leaves a party",
    code=["models.shared.sheet"],
)
def test_no_weight_or_public_cut_point_is_with_the_bank(job: Job) -> None:
    """Numbers of the model that are not in the sheet stand nowhere at the bank and in no answer."""
    texts = [path.read_bytes() for path in (job.bureau.home / "models").rglob("*.json")]
    model = next(text for text in texts if b'"forest"' in text)
    sheet = next(data for name, data in job.wire.to_bank if "/sheet?" in name and not name.endswith("(head)"))

    def numbers(text: bytes) -> set[bytes]:
        return {n for n in re.findall(rb"-?\d+\.\d+(?:[eE]-?\d+)?", text) if len(n) >= 14}

    hidden = numbers(model) - numbers(sheet)
    assert len(hidden) > 100
    canaries = [number_canary("a number of the model", float(number)) for number in sorted(hidden)]
    assert sightings(canaries, [*job.wire.to_bank, *job.bank.kept]) == []


@pytest.mark.property(
    "Scores at the bank alone",
    claim="The wire carries no score in clear; only the bank decrypts scores.",
    topic="what leaves a party",
    code=["protocols.scoring"],
)
def test_the_wire_tells_no_score(job: Job) -> None:
    """Scores and probabilities exist at the bank alone (an enterprise may score as a quantile of the pilot does)."""
    table = pl.read_parquet(job.manifest["out"]).filter(pl.col("status") == "scored")
    sheet = json.loads(
        next(data for name, data in job.wire.to_bank if "/sheet?" in name and not name.endswith("(head)"))
    )
    quantiles = {value for reference in sheet["references"] for value in reference["quantiles"]}
    raw = [number_canary("a raw score", value) for value in set(table["raw"].to_list()) - quantiles]
    chances = [number_canary("a probability", value) for value in set(table["pd"].to_list())]
    assert len(raw) > CLIENTS / 2
    assert sightings([*raw, *chances], [*job.wire.to_bureau, *job.wire.to_bank, *job.bureau.kept]) == []
    assert sightings(raw[:1], job.bank.kept)
