"""A witness at work: the published exchanges of other witnesses, its files, its key, and requests side by side."""

from __future__ import annotations

import copy
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.testclient import TestClient

from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.keys.party import Party
from lab.terms.ledger.tree import MerkleTree, hash_leaf
from lab.terms.witnessing.checkpoint import SignedCheckpoint, ledger_origin, sign_checkpoint
from lab.terms.witnessing.consistency_proof import MAX_REQUEST_BYTES, AddCheckpointRequest, build_consistency_proof
from lab.terms.witnessing.cosignature import read_cosignature
from lab.terms.witnessing.signed_note import SIGNATURE_ED25519, NoteKey, NoteSignature
from lab.witness.cosigning import CheckpointCosigner
from lab.witness.home import WitnessHome, hash_origin
from lab.witness.service import create_app
from tests.unit.lab.terms.test_witnessing import FIRST, MONKEYS, NEXT, PROOF, SUMDB, SUMDB_VKEY

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Log:
    """A bureau's ledger, of which a test makes as many forks as it likes."""

    def __init__(self, salt: str = "", key: Ed25519PrivateKey | None = None) -> None:
        self.key = key or Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw().hex()
        self.tree = MerkleTree()
        self.salt = salt

    def grow(self, entries: int) -> None:
        self.tree.extend(hash_leaf(f"{self.salt} {len(self.tree) + n}".encode()) for n in range(entries))

    def fork(self, salt: str) -> Log:
        """Another ledger under the same key, the same so far."""
        other = Log(salt, self.key)
        other.tree.extend(self.tree._get_leaf(place) for place in range(1, len(self.tree) + 1))
        return other

    def checkpoint(self, size: int | None = None) -> SignedCheckpoint:
        size = len(self.tree) if size is None else size
        return sign_checkpoint(self.public, self.key.sign, size, self.tree.get_root(size).hex())

    def request(self, old: int, size: int | None = None) -> bytes:
        size = len(self.tree) if size is None else size
        return AddCheckpointRequest(
            old, build_consistency_proof(self.tree.range_root, old, size), self.checkpoint(size)
        ).to_bytes()

    @property
    def bureau(self) -> Party:
        return Party(name="某数据局", public_key=self.public)


def make(folder: Path, *logs: Log) -> CheckpointCosigner:
    home = WitnessHome.create(folder, name="audit.example/witness")
    for log in logs:
        home.watch_bureau(log.bureau)
    return CheckpointCosigner(home, home.open_key(), lambda: NOW)


@dataclass(frozen=True)
class Elsewhere(WitnessHome):
    """A witness of logs that are no bureau's: of those that others publish exchanges of."""

    known: tuple[tuple[str, NoteKey], ...] = ()

    def find_log_key(self, origin: str) -> NoteKey | None:
        return dict(self.known).get(origin)

    def log_folder(self, origin: str) -> Path:
        found = self.folder / "logs" / hash_origin(origin)
        found.mkdir(exist_ok=True)
        return found


def elsewhere(folder: Path, *known: tuple[str, NoteKey]) -> TestClient:
    home = WitnessHome.create(folder, name="example.com/witness")
    made = Elsewhere(home.folder, home.name, home.public_key, home.is_passphrase_sealed, known)
    return TestClient(create_app(CheckpointCosigner(made, home.open_key())), raise_server_exceptions=False)


SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY = "ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"
LEAF = "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
TO_FIVE = (LEAF[0], "+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=", "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
FROM_THREE = (
    LEAF[1],
    "KgMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "wgiIFdZfYNv6WU1OllBKsWnLYIS/DBMqt8Uh/S4OukE=",
    "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
)
ONE = (
    "1\nKgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=",
)
THREE = (
    "3\nRcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=",
    "UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=",
)
FIVE = (
    "5\nQrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=",
    "UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww=",
)


def sigsum(old: int, head: tuple[str, str], *proof: str, origin: str = SIGSUM) -> bytes:
    lines = "".join(f"{line}\n" for line in proof)
    return f"old {old}\n{lines}\n{origin}\n{head[0]}\n\n— {origin} {head[1]}\n".encode()


def test_the_exchange_that_litewitness_publishes(tmp_path: Path) -> None:
    """cmd/litewitness/testdata/litewitness.txt of FiloSottile/torchwood; for an unknown log the specification has since
    said 404 instead of 403."""
    client = elsewhere(tmp_path / "w", (SIGSUM, NoteKey(SIGSUM, SIGSUM_KEY, SIGNATURE_ED25519)))

    def post(body: bytes) -> tuple[int, str]:
        answer = client.post("/add-checkpoint", content=body)
        if answer.status_code == 409:
            assert answer.headers["content-type"] == "text/x.tlog.size"
        return answer.status_code, answer.text

    spoilt = THREE[0], THREE[1].replace("6go=", "6gx=")
    bent = THREE[0], THREE[1].replace("6go=", "6gs=")
    unknown = SIGSUM.replace("e562", "e563")
    wrong = LEAF[1].replace("AAA=", "BAA=")
    assert post(sigsum(0, ONE))[0] == 200
    assert post(sigsum(1, spoilt, *LEAF))[0] == 400  # its base64 has bits that nobody reads, which is not canonical
    assert post(sigsum(1, bent, *LEAF))[0] == 403
    assert post(sigsum(1, THREE, *LEAF, origin=unknown))[0] == 404
    assert post(sigsum(1, THREE))[0] == 422
    assert post(sigsum(1, THREE, LEAF[0], wrong))[0] == 422
    status, text = post(sigsum(1, THREE, *LEAF))
    assert status == 200 and text.startswith("— example.com/witness ") and text.endswith("\n")
    assert post(sigsum(1, FIVE, *TO_FIVE)) == (409, "3\n")
    assert post(sigsum(3, FIVE, *FROM_THREE))[0] == 200
    assert post(sigsum(0, FIVE)) == (409, "5\n")
    assert post(sigsum(6, FIVE))[0] == 400
    assert post(sigsum(5, FIVE))[0] == 200  # the same again: another time
    kept = client.get(f"/{hash_origin(SIGSUM)}/checkpoint")
    assert kept.status_code == 200 and f"\n{FIVE[0]}\n" in kept.text and kept.text.count("—") == 2
    assert client.get(f"/{hash_origin(unknown)}/checkpoint").status_code == 404
    assert client.get("/etc/checkpoint").status_code == 404


def test_heads_of_the_go_checksum_database_and_of_transparency_dev(tmp_path: Path) -> None:
    monkeys, sumdb = (NoteKey.parse(vkey, kind=SIGNATURE_ED25519) for vkey in (MONKEYS, SUMDB_VKEY))
    client = elsewhere(tmp_path / "w", ("monkeys", monkeys), ("go.sum database tree", sumdb))
    assert client.post("/add-checkpoint", content=b"old 0\n\n" + SUMDB.encode()).status_code == 200
    assert client.post("/add-checkpoint", content=b"old 0\n\n" + FIRST.encode()).status_code == 200
    following = SignedCheckpoint.parse(NEXT.encode())
    bad = AddCheckpointRequest(5, PROOF[:-1], following).to_bytes()
    assert client.post("/add-checkpoint", content=bad).status_code == 422
    assert (
        client.post("/add-checkpoint", content=AddCheckpointRequest(5, PROOF, following).to_bytes()).status_code == 200
    )


def test_what_it_answers_is_its_cosignature(tmp_path: Path) -> None:
    log = Log()
    log.grow(7)
    watching = make(tmp_path / "w", log)
    answer = watching.add_checkpoint(log.request(0))
    home = WitnessHome.open(tmp_path / "w")
    line = NoteSignature.parse(answer.body.removesuffix("\n"))
    found = read_cosignature(home.note_key, line, log.checkpoint().note.text)
    assert (answer.status, found.time, found.name) == (200, NOW, "audit.example/witness")
    kept = SignedCheckpoint.parse(
        (watching.last_checkpoint_text(hash_origin(ledger_origin(log.public))) or "").encode()
    )
    kept.verify(log.public)
    assert kept.note.signatures[1:] == (line,)


def test_the_empty_tree_has_one_root(tmp_path: Path) -> None:
    log = Log()
    watching = make(tmp_path / "w", log)
    false = AddCheckpointRequest(0, (), sign_checkpoint(log.public, log.key.sign, 0, "ab" * 32)).to_bytes()
    assert watching.add_checkpoint(false).status == 422
    assert watching.add_checkpoint(log.request(0)).status == 200
    log.grow(3)
    assert watching.add_checkpoint(log.request(0)).status == 200


def test_of_many_requests_at_once_the_record_never_goes_back(tmp_path: Path) -> None:
    """The race that the specification describes: N and N + K, both from the same old size."""
    log = Log()
    log.grow(40)
    watching = make(tmp_path / "w", log)
    assert watching.add_checkpoint(log.request(0, 1)).status == 200
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda size: watching.add_checkpoint(log.request(1, size)), range(2, 41)))
    assert [one.status for one in answers].count(200) == 1
    assert {one.status for one in answers} == {200, 409}
    home = WitnessHome.open(tmp_path / "w")
    last = watching.last_checkpoint(home.log_folder(ledger_origin(log.public)))
    assert last is not None and {one.body for one in answers if one.status == 409} == {f"{last.size}\n"}


def test_evidence_of_a_fork_is_kept_and_bounded(tmp_path: Path) -> None:
    log = Log()
    log.grow(5)
    watching = make(tmp_path / "w", log)
    watching.add_checkpoint(log.request(0))
    for number in range(20):
        other = Log(f"fork {number}", log.key)
        other.grow(5)
        body = AddCheckpointRequest(5, (), other.checkpoint()).to_bytes()
        assert watching.add_checkpoint(body).status == 422
        assert watching.add_checkpoint(body).status == 422
    kept = watching.conflicting_checkpoints(ledger_origin(log.public))
    assert len(kept) == 16
    SignedCheckpoint.parse(kept[0].read_bytes()).verify(log.public)


def test_bodies_are_bounded(tmp_path: Path) -> None:
    client = TestClient(create_app(make(tmp_path / "w")))
    assert client.post("/add-checkpoint", content=b"x" * (MAX_REQUEST_BYTES + 1)).status_code == 413
    assert client.post("/add-checkpoint", content=b"").status_code == 400
    assert client.get("/add-checkpoint").status_code == 405


def test_a_damaged_record_stops_the_witness_rather_than_begin_anew(tmp_path: Path) -> None:
    log = Log()
    log.grow(5)
    watching = make(tmp_path / "w", log)
    watching.add_checkpoint(log.request(0))
    record = WitnessHome.open(tmp_path / "w").log_folder(ledger_origin(log.public)) / "cosigned"
    record.write_bytes(record.read_bytes()[:-20])
    client = TestClient(create_app(watching), raise_server_exceptions=False)
    for body in (log.request(0), log.request(5)):
        assert client.post("/add-checkpoint", content=body).status_code == 500


def test_the_key_is_never_shown_and_opens_by_its_seal_alone(tmp_path: Path) -> None:
    home = WitnessHome.create(tmp_path / "w", name="w.example", passphrase="correct horse")
    key = home.open_key("correct horse")
    assert repr(key) == "WitnessKey(hidden)"
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(key)
    with pytest.raises(NotAuthentic):
        home.open_key("staple battery")
    with pytest.raises(Conflict):
        WitnessHome.create(tmp_path / "w", name="w.example")
    for file in (tmp_path / "w").rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0
    (tmp_path / "w").chmod(0o755)
    with pytest.raises(NotAllowed):
        WitnessHome.open(tmp_path / "w")
    with pytest.raises(NotFound):
        WitnessHome.open(tmp_path / "none")
    with pytest.raises(InvalidInput):
        WitnessHome.create(tmp_path / "v", name="two words")


def test_another_key_under_a_known_bureaus_name_is_not_watched(tmp_path: Path) -> None:
    log = Log()
    home = WitnessHome.create(tmp_path / "w", name="w.example")
    home.watch_bureau(log.bureau)
    home.watch_bureau(log.bureau)
    with pytest.raises(Conflict):
        home.watch_bureau(Log().bureau)
    assert home.watched_bureaus() == (log.bureau,)
