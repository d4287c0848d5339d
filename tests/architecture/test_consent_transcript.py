"""An enterprise that did not consent looks exactly like one that is not in the register, in every byte a bank gets.

The same job runs against two real services, through a recorder of all bytes: one whose register holds firm X, which did
not consent, and one whose register never had X. The bank asks for X by its code, works X's tag out from the answer, as
a dishonest bank would, and sends it in to be scored; another contract only counts, and X is asked there too. Message by
message the two transcripts must agree in number, kind, status, header names, JSON members, refusals and lengths; only
what is random by its nature (keys, nonces, ciphertexts, hashes, times) may differ, and is masked by signs of the same
number. The two bureaus have the same matching keys, and the contracts the same ids, so that in matching nothing is
random at all: manifests, shards, deltas and answers must agree in every byte.

Why it is so, by construction: set-ups and the index of tags are made from the admitted rows alone, so nothing that is
computed for a request takes the others as an input, and the way through the code is the same; what is left of X is in
the evaluated register on the bureau's disk, which is made once for each version, whoever consents.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.connection.client import BureauClient, JobDescription, RetryPolicy
from lab.bank.scoring.batch_transfer import submit_batch
from lab.bureau.bureau import Bureau
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import ContractDraft, build_contract, find_contract_models, save_draft
from lab.bureau.data.register import RegisterLayout, import_register
from lab.bureau.model_registry.registry import publish_model, save_model
from lab.terms.consent import format_consent_time
from lab.terms.contract.document import ConsentClause, Operation, ResultDetail
from lab.terms.errors import NotAllowed, NotFound
from models.bureau.model import Model
from models.bureau.training.trainer import train_model
from models.shared.sheet import BankSheet
from protocols.matching import bank as matching
from protocols.matching.bureau import ENGINES, MIN_COUNT_IDENTIFIERS, generate_key
from protocols.wire.frame import FrameKind, is_frame, unpack_frame
from tests.support.bank_matching import count, places
from tests.support.bureau_scene import AUTHOR, RECIPIENT, Bank, Clock, Scene, Tables
from tests.support.http_recorder import Recorder, recording

ROWS, AGREED, GOING, SILENT = 200, range(10), 10, 11
"""Firms 0 to 9 consent, firm 10 does and withdraws, firm 11 (X) never did."""
STRANGER = "firm-9999"
CONSENT = ConsentClause(required=True, why="the enterprise is to decide")
PATIENCE = RetryPolicy(connect_timeout=10, read_timeout=120, tries=1, longest_wait=0.1)
MATCHING = (
    FrameKind.MATCH_SETUP,
    FrameKind.MATCH_SHARD,
    FrameKind.MATCH_DELTA,
    FrameKind.MATCH_REQUEST,
    FrameKind.MATCH_RESPONSE,
)
KEYS = {engine: generate_key(engine) for engine in ENGINES}
CONTRACT, COUNTING = "c-20260301-0000000a", "c-20260301-0000000b"
JOB, COUNT = "job-0001", "count-0001"
SEED = hashlib.sha256(b"the same blinding each time").digest()
STRANGERS = [f"stranger-{number:04d}" for number in range(MIN_COUNT_IDENTIFIERS)]


class SameSigner:
    """Makes one signing key for every bureau here."""

    _made = Ed25519PrivateKey.generate()
    from_private_bytes = staticmethod(Ed25519PrivateKey.from_private_bytes)

    @classmethod
    def generate(cls) -> Ed25519PrivateKey:
        return cls._made


class Signer:
    """The scene's bank as the outlet wants it."""

    def __init__(self, bank: Bank) -> None:
        self._key = bank.signing
        self.public_key_hex = bank.party.public_key

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


@dataclass
class Seen:
    """What a bank saw of one job: every message, and what it made of them."""

    messages: list[tuple[str, bytes]]
    matched: list[int] = field(default_factory=list)
    counted: int = 0
    found: list[str] = field(default_factory=list)
    """What came of each attempt to score one that is not to be scored."""


@pytest.fixture(scope="module")
def tables() -> Tables:
    rng = np.random.default_rng(11)
    a, b, u, v = rng.normal(size=(4, ROWS)).round(4)
    label = (a + 0.5 * b + u - 0.5 * v + rng.normal(size=ROWS) > 0).astype(int)
    codes = [f"firm-{number:04d}" for number in range(ROWS)]
    public, bank = (pl.DataFrame(pair).cast(pl.String) for pair in ({"a": a, "b": b}, {"u": u, "v": v}))
    return Tables(codes, public, bank, label)


@pytest.fixture(scope="module")
def model(tables: Tables) -> Model:
    return train_model(tables.public, tables.bank, tables.label, family="scorecard", name="credit", version=1).model


@contextmanager
def bureau_of(folder: Path, tables: Tables, model: Model, rows: list[int]) -> Iterator[Scene]:
    """A bureau whose register has ``rows``, with the matching keys of every bureau here."""
    clock = Clock(datetime.now(UTC).replace(microsecond=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.bureau.key_management.keys.generate_key", KEYS.__getitem__)
        # Set-ups carry a signature; like the matching keys, the signing key is the same everywhere here.
        patch.setattr("lab.bureau.key_management.keys.Ed25519PrivateKey", SameSigner)
        Bureau.create(folder / "bureau", name="Test bureau").close()
    with Bureau.open(folder / "bureau", clock=clock) as bureau:
        scene = Scene(bureau, folder / "bureau", Bank(), clock, tables, model)
        source = folder / "register.csv"
        tables.public[rows].insert_column(0, pl.Series("id", [tables.codes[row] for row in rows])).write_csv(source)
        import_register(bureau.store, bureau.home, source, RegisterLayout("id", "opaque"))
        save_model(bureau.store, bureau.home, model, "main")
        publish_model(bureau.store, bureau.home, "credit", 1)
        yield scene


@contextmanager
def serving(home: Path) -> Iterator[int]:
    """The service of a bureau as a process of its own; its port."""
    port_file = home / "port"
    command = [sys.executable, "-m", "lab.cli", "bureau", "serve", "--port", "0", "--port-file", str(port_file)]
    with (home / "logs" / "said").open("wb") as said:
        process = subprocess.Popen(
            [*command, "--home", str(home)], stdout=said, stderr=said, env=os.environ | {"SHULAB_BUREAU_WORKERS": "1"}
        )
    try:
        while not port_file.exists():
            if process.poll() is not None:
                raise RuntimeError((home / "logs" / "said").read_text())
            time.sleep(0.02)
        yield int(port_file.read_text())
    finally:
        process.terminate()
        process.wait(60)


def contract_of(scene: Scene, contract: str, engine: str, *operations: Operation) -> None:
    """A contract of that id that requires consent, approved and not yet signed."""
    detail = ResultDetail.TOTAL if operations else ResultDetail.FULL
    choices = ContractOptions(
        detail=detail, operations=operations, engine=engine, recipients=(RECIPIENT,), consent=CONSENT
    )
    with scene.bureau.store.begin() as session:
        works = find_contract_models(session, scene.bureau.models, [("credit", 1)])
        made = build_contract(
            session, ContractDraft(scene.bureau.party, scene.bank.party, works, choices), scene.clock.now
        )
        document = made.model_copy(update={"id": contract})
        above = scene.bureau.home.settings.two_officers_above
        save_draft(session, document, author=AUTHOR, above=above, now=scene.clock.now, fingerprint=scene.bank.told)
    scene.file(document, signed=False)


def run(
    folder: Path, tables: Tables, model: Model, engine: str, *, without: int | None = None, agreed: list[int]
) -> Seen:
    """One job of a bank from its first look at the bureau to the last, X's tag and a withdrawal included."""
    folder.mkdir()
    with bureau_of(folder, tables, model, [row for row in range(ROWS) if row != without]) as scene:
        contract_of(scene, CONTRACT, engine)
        contract_of(scene, COUNTING, engine, Operation.COUNT)
        begin, end = (format_consent_time(scene.clock.now + timedelta(days=days)) for days in (-1, 20))
        lines = [f"{tables.codes[row]},Test bank,credit-approval,{begin},{end},sheet" for row in agreed]
        (folder / "consents.csv").write_text("\n".join(["code,bank,purpose,starts,expires,evidence", *lines]) + "\n")
        scene.bureau.consents.import_file(folder / "consents.csv", by="person:steward", id_kind="opaque")
        with serving(scene.home) as port, recording(port) as recorder:
            return _job(scene, recorder, engine)


def _match(outlet: BureauClient, engine: str, asked: list[str]) -> tuple[matching.SetupManifest, list[int], np.ndarray]:
    """The set-up, who of those asked is in it, and the tags of all asked, also of those who are not."""
    setup, held = places(outlet, CONTRACT, JOB)
    blinding = matching.Blinding(engine, SEED)
    response = outlet.match(CONTRACT, JOB, blinding.build_request(asked))[0]
    assert outlet.match(CONTRACT, JOB, blinding.build_request(asked))[0] == response
    digests = matching.derive_tags_and_marks(
        CONTRACT, asked, blinding.finalize(response, len(asked), setup.signed_key.public_key)
    )
    found = zip(*matching.locate_marks(setup.geometry, digests[:, matching.TAG_BYTES :]), strict=True)
    matched = [row for row, (bucket, place) in enumerate(found) if int(place) in held[bucket]]
    return setup, matched, digests[:, : matching.TAG_BYTES]


def _job(scene: Scene, recorder: Recorder, engine: str) -> Seen:
    bank, codes = scene.bank, scene.tables.codes
    asked = [*(codes[row] for row in AGREED), codes[GOING], codes[SILENT], STRANGER]
    seen = Seen([])

    def attempt(tags: np.ndarray, rows: list[int]) -> None:
        batch = bank.batch(sheet, tags, scene.tables.bank[rows], CONTRACT)
        try:
            submit_batch(outlet, CONTRACT, JOB, batch)
            seen.found.append("scored")
        except NotAllowed as error:
            seen.found.append(str(error))

    with BureauClient(recorder.url, Signer(bank), retry_policy=PATIENCE) as outlet:
        outlet.bureau_card()
        for contract in (CONTRACT, COUNTING):
            document, _ = outlet.contract(contract)
            outlet.contract_versions(contract)
            outlet.sign_contract(contract, bank.sign(document.contract))
        outlet.model_offer("credit")
        outlet.allowance(CONTRACT)
        sheet = BankSheet.from_json(outlet.sheet(CONTRACT))
        outlet.open_job(CONTRACT, JOB, JobDescription(RECIPIENT, "credit", 1, 50))
        setup, seen.matched, tags = _match(outlet, engine, asked)
        # What an honest bank has no use for: the tag of an identifier that did not match.
        forged = tags[[SILENT]]
        outlet.open_job(COUNTING, COUNT, JobDescription(RECIPIENT, "credit", 1, 200))
        seen.counted = count(outlet, COUNTING, COUNT, [*asked, *STRANGERS], engine, SEED)
        frame = bank.keys.public_context()
        name = hashlib.sha256(frame).hexdigest()
        outlet.has_context(CONTRACT, JOB, name)
        outlet.put_context(CONTRACT, JOB, name, frame)
        outlet.has_context(CONTRACT, JOB, name)
        known = tags[: len(AGREED)]
        batch = bank.batch(sheet, known, scene.tables.bank[list(AGREED)], CONTRACT)
        submit_batch(outlet, CONTRACT, JOB, batch)
        attempt(np.vstack([known[:5], forged]), [*range(5), SILENT])
        attempt(forged, [SILENT])
        withdrawn = [codes[GOING]]
        scene.bureau.consents.withdraw(withdrawn, reason="by letter", by="person:steward", id_kind="opaque")
        attempt(np.vstack([known[:5], tags[[GOING]]]), [*range(5), GOING])
        later = matching.read_setup(outlet.matching_setup(CONTRACT, JOB))
        outlet.matching_delta(CONTRACT, JOB, later.sha256, setup.sha256)
        with pytest.raises(NotFound):
            outlet.matching_shard(CONTRACT, JOB, setup.sha256, 0, 1)
        outlet.allowance(CONTRACT)
        outlet.job(CONTRACT, JOB)
        outlet.end_job(CONTRACT, JOB)
        head = httpx.get(f"{recorder.url}/v1/ledger/head").json()
        outlet.ledger_consistency(1, head["size"])
    for sent, answered in zip(
        zip(recorder.to_bureau[::2], recorder.to_bureau[1::2], strict=True),
        zip(recorder.to_bank[::2], recorder.to_bank[1::2], strict=True),
        strict=True,
    ):
        seen.messages += [*sent, *answered]
    return seen


# --- the form of a message --------------------------------------------------------------------------------------------

_RANDOM = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])",  # a request's id
        r"(?<![0-9a-zA-Z])[0-9a-f]{8,}(?![0-9a-zA-Z])",  # hashes, keys, signatures, parts of ids
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?",
        r"(?<=:)[A-Za-z0-9+/]{40,}=*(?=:)",  # digests and signatures of RFC 9421
        r'(?<=nonce=")[^"]+',
        r"(?<=created=)[0-9]+",
        r"(?im)(?<=^date: ).+$",
        r"(?<=127\.0\.0\.1:)[0-9]+",
        r'(?<="bytes":)[0-9]+',  # of a reply, in its receipt
    )
)
_RECEIPT = re.compile(r"(?im)(?<=^shulab-receipt: )\S+$")


def masked(text: str) -> str:
    """The text with what is random by its nature replaced by as many signs."""
    for pattern in _RANDOM:
        text = pattern.sub(lambda found: "#" * len(found.group()), text)
    return text


def form_of_head(head: bytes) -> Any:
    """First line and header fields. A receipt is opened."""
    text = head.decode()
    receipt = _RECEIPT.search(text)
    opened: tuple[Any, ...] = ()
    if receipt:
        opened = (len(receipt.group()), masked(base64.b64decode(receipt.group()).decode()))
        text = _RECEIPT.sub("receipt", text)
    return masked(text), opened


def form_of_body(body: bytes) -> Any:
    """A frame by its header and the length of each part; anything else as text."""
    if not is_frame(body):
        return masked(body.decode())
    frame = unpack_frame(body, FrameKind(body[5]))
    return frame.kind, masked(json.dumps(frame.meta)), [len(part) for part in frame.parts]


def forms(seen: Seen) -> list[tuple[str, Any]]:
    """The whole transcript: requests and answers in order, each by its name and form."""
    told: list[tuple[str, Any]] = []
    for (name, head), (_, body) in zip(seen.messages[::2], seen.messages[1::2], strict=True):
        told += [(masked(name), form_of_head(head)), (masked(name), form_of_body(body))]
    return told


def matching_frames(seen: Seen) -> list[tuple[str, bytes]]:
    """Every frame of matching and counting, in order, with the masked name of its message."""
    return [
        (masked(name), body) for name, body in seen.messages[1::2] if is_frame(body) and FrameKind(body[5]) in MATCHING
    ]


@pytest.fixture(scope="module", params=[ENGINES[0], pytest.param(ENGINES[1], marks=pytest.mark.soak)])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory, tables: Tables, model: Model, engine: str) -> Seen:
    """X is in the register and did not consent."""
    return run(tmp_path_factory.mktemp("silent") / "run", tables, model, engine, agreed=[*AGREED, GOING])


@pytest.fixture(scope="module")
def absent(tmp_path_factory: pytest.TempPathFactory, tables: Tables, model: Model, engine: str) -> Seen:
    """X is not in the register."""
    folder = tmp_path_factory.mktemp("absent") / "run"
    return run(folder, tables, model, engine, without=SILENT, agreed=[*AGREED, GOING])


@pytest.mark.property(
    "Same transcript",
    claim=(
        "No byte of the transcript distinguishes an enterprise without consent from one that is not in the register."
    ),
    topic="contracts and consent",
    code=["lab.bureau.data.consents"],
)
def test_no_byte_of_the_transcript_differs_in_length_or_form(silent: Seen, absent: Seen) -> None:
    one, other = forms(silent), forms(absent)
    assert len(one) == len(other) > 60
    for left, right in zip(one, other, strict=True):
        assert left == right
    kinds = {form[0] for _, form in one if isinstance(form, tuple) and isinstance(form[0], FrameKind)}
    assert kinds == set(FrameKind), "every kind of frame is in the transcript"
    assert sum("403" in str(form) for _, form in one) >= 3, "so are refusals"


def test_no_byte_of_matching_and_counting_differs_at_all(silent: Seen, absent: Seen) -> None:
    one, other = matching_frames(silent), matching_frames(absent)
    assert {FrameKind(body[5]) for _, body in one} == set(MATCHING)
    assert len(one) >= 12 and one == other


def test_the_bank_finds_out_the_same(silent: Seen, absent: Seen) -> None:
    assert silent.matched == absent.matched == [*AGREED, GOING]
    assert silent.counted == absent.counted == len(AGREED) + 1
    assert silent.found == absent.found
    mixed, alone, withdrawn = silent.found
    assert mixed == withdrawn, "a firm that withdrew after it matched is refused in the words for an unknown one"
    assert mixed.startswith("1 of 6 enterprises") and alone.startswith("1 of 1 enterprises")


@pytest.mark.soak
def test_a_transcript_of_one_that_consented_is_told_apart(
    silent: Seen, tmp_path: Path, tables: Tables, model: Model, engine: str
) -> None:
    """That the comparison sees anything at all: let X consent, and it must."""
    open_ = run(tmp_path / "run", tables, model, engine, agreed=[*AGREED, GOING, SILENT])
    assert open_.counted == silent.counted + 1
    assert matching_frames(open_) != matching_frames(silent)
    assert open_.matched == [*AGREED, GOING, SILENT] and open_.found[:2] == ["scored", "scored"]
    different = [name for (name, left), (_, right) in zip(forms(open_), forms(silent), strict=True) if left != right]
    assert any("setup" in name for name in different) and any("batches" in name for name in different)
