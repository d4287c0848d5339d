"""A curious bureau, or whoever reads its memory or the network, wants to know whom a bank asks about.

It knows every code there is, so any function of a code that it can compute itself is as good as the code: it tries
them all. And it looks through every byte for values that were planted in the bank's files. What stops it: the
blinding under a secret of the bank's; and records leave the bank encrypted only. (All files, outputs and messages of
a whole job: `tests/architecture/test_canaries.py`.)
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.bank.connection.client import BureauClient
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.scoring.job import score_portfolio
from lab.terms.errors import ShulabError
from protocols.matching.engines import bureau_engine
from protocols.matching.engines.x25519 import bank as x25519
from protocols.matching.engines.x25519 import hash_to_curve
from protocols.matching.messages import read_elements
from protocols.scoring.bank import KeyHolder
from protocols.wire.frame import FrameKind, is_frame
from tests.support.bank_homes import agree, at_home
from tests.support.bank_matching import ENGINE
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "List read by the bureau",
    who="the bureau",
    wants="to read whom a bank asks about, and what the bank's records say of them",
    stopped_by={
        "blinding": "Identifiers leave the bank blinded under a secret of the bank.",
        "encryption": "Records leave the bank encrypted only.",
    },
    code=["lab.bank.connection.client", "protocols.matching.bank"],
)

ASKED = 60
PLANTED = "7.123456789012345"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every body that leaves the bank."""
    bodies: list[bytes] = []
    send = BureauClient._send

    def listen(outlet: BureauClient, method: str, target: str, headers: dict[str, str], body: bytes, cap: int):
        bodies.append(target.encode() + b"\n" + body)
        return send(outlet, method, target, headers, body, cap)

    monkeypatch.setattr(BureauClient, "_send", listen)
    return bodies


def run_a_job(house: House, folder: Path) -> None:
    """A bank's whole job over a portfolio of sixty firms, with values planted in its records."""
    bank = at_home(house, folder)
    contract = house.scene.contract(signed=False)
    agree(house, bank, contract, fingerprint=house.bureau.party.fingerprint)
    records = house.scene.tables.bank[:ASKED].with_columns(pl.lit(PLANTED).alias("unused"))
    path = folder / "portfolio.csv"
    records.insert_column(0, pl.Series("id", house.scene.tables.codes[:ASKED])).write_csv(path)
    outlet = house.outlet(bank.opened)
    score_portfolio(bank.home, bank.opened, outlet, ScoringRequest(path, contract, folder / "scores.parquet"))


def tried(house: House, sent: list[bytes]) -> set[str]:
    """The codes that the bureau finds in matching requests by trying every one it knows."""
    codes = house.scene.tables.codes
    known = {bytes(row): code for row, code in zip(multiples(codes), codes, strict=True)}
    found = set()
    for body in (one.partition(b"\n")[2] for one in sent):
        if is_frame(body) and body[5] == FrameKind.MATCH_REQUEST:
            elements = read_elements(body, FrameKind.MATCH_REQUEST, ENGINE, 32)
            found |= {known[bytes(row)] for row in elements if bytes(row) in known}
    return found


def multiples(codes: list[str]) -> np.ndarray:
    """8·H(x), which no secret goes into."""
    return bureau_engine(ENGINE).evaluate_register((8).to_bytes(32, "little"), codes)


@pytest.mark.without_control("blinding")
def test_without_the_blinding_the_bureau_reads_the_list(
    house: House, sent: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash in the place of a blinded element: what many call anonymous. The job itself finds nobody then."""
    monkeypatch.setattr(x25519, "blind", lambda key, codes: multiples(list(codes)))
    with suppress(ShulabError):
        run_a_job(house, tmp_path)
    assert tried(house, sent) == set(house.scene.tables.codes[:ASKED])


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The answers of the bank's firms to the model's questions, as they are before they are encrypted."""
    found: list[bytes] = []
    encrypt = KeyHolder.encrypt

    def beside(holder: KeyHolder, tags: np.ndarray, columns: np.ndarray, *, contract: str, **more: object) -> bytes:
        found.append(np.packbits(np.asarray(columns, dtype=np.uint8)).tobytes())
        return encrypt(holder, tags, columns, contract=contract, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(KeyHolder, "encrypt", beside)
    return found


@pytest.mark.without_control("encryption")
def test_without_encryption_the_answers_are_read(
    house: House, sent: list[bytes], plain: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that carries the columns as they are."""
    put = BureauClient.put_batch

    def openly(outlet: BureauClient, contract: str, job: str, sha256: str, frame: bytes) -> None:
        sent.append(plain[-1])
        put(outlet, contract, job, sha256, frame)

    monkeypatch.setattr(BureauClient, "put_batch", openly)
    run_a_job(house, tmp_path)
    assert plain and all(one in b"".join(sent) for one in plain)


@pytest.mark.with_control("blinding", "encryption")
def test_trying_every_code_finds_nobody_and_no_planted_value_leaves(
    house: House, sent: list[bytes], plain: list[bytes], tmp_path: Path
) -> None:
    run_a_job(house, tmp_path)
    whole = b"".join(sent)
    assert tried(house, sent) == set() and len(sent) > 8
    elements = hash_to_curve.encode_to_curve(house.scene.tables.codes[:ASKED])
    assert not any(bytes(row) in whole for row in elements)
    assert not any(code.encode() in whole for code in house.scene.tables.codes)
    assert PLANTED.encode() not in whole and plain and not any(one in whole for one in plain)
