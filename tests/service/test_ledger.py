"""The ledger over HTTP and by ``lab audit``, on both databases: what anyone, an auditor and a bank get of it."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
from sqlalchemy import select

from lab.bank.contract.ledger_witness import BatchExchange, LedgerWitness
from lab.bank.home import BankHome
from lab.bank.scoring.batch_transfer import submit_batch
from lab.bureau.bureau import Bureau
from lab.bureau.people import NewAccount, Role
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.errors import NotAuthentic, NotFound
from lab.terms.ledger.receipt import ScoreReceipt, verify_receipt
from lab.terms.ledger.tree import SignedTreeHead, verify_consistency
from protocols.scoring.messages import frame_sha256
from tests.service.conftest import JOB, RECIPIENT, Service
from tests.support.people_front import GOOD, Front, close_front, open_front


@pytest.fixture(scope="module")
def front(service: Service) -> Front:
    """The people's side of the running service."""
    return Front(service.bureau, service.process)


@pytest.fixture(scope="module")
def auditor(front: Front, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session file of an auditor who has signed in."""
    session = tmp_path_factory.mktemp("auditor") / "session.json"
    first = front.account("audit.one", Role.AUDITOR, department="audit")
    words = ("account", "sign-in", "audit.one", "--service", front.url)
    front.ok(*words, session=session, SHULAB_PASSWORD=first, SHULAB_NEW_PASSWORD=GOOD)
    return session


@pytest.fixture(scope="module")
def scored(service: Service) -> tuple[str, bytes, bytes, dict]:
    """A contract, a batch that was scored under it, its reply and receipt."""
    contract = service.contract()
    codes = service.pilot.codes()[:20]
    tags = service.tags(contract, codes)
    batch = service.batch(contract, tags, service.pilot.bank[:20])
    reply, receipt = submit_batch(service.outlet(), contract, JOB, batch)
    return contract, batch, reply, receipt


def key_of(service: Service) -> str:
    return service.bureau.party.public_key


def test_a_reply_comes_with_a_receipt_that_proves_itself(
    service: Service, scored: tuple[str, bytes, bytes, dict], tmp_path: Path
) -> None:
    contract, batch, reply, receipt = scored
    found = ScoreReceipt.read(receipt)
    verify_receipt(found, key_of(service))
    assert (found.contract, found.job, found.rows) == (contract, JOB, 20)
    home, _ = BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "key")
    outlet = service.outlet()
    witness = LedgerWitness(home, service.bureau.party, outlet.ledger_consistency)
    exchange = BatchExchange(contract, JOB, "credit@1", 20, frame_sha256(batch), reply)
    witness.check_receipt(receipt, exchange)
    reply_again, receipt_again = submit_batch(outlet, contract, JOB, batch)
    assert reply_again == reply
    assert witness.check_receipt(receipt_again, exchange).entry_number == found.entry_number
    size = service.bureau.ledger.sign_head().size
    if size > found.head.size:
        witness.advance_head(service.bureau.ledger.head())
    with pytest.raises(NotFound):
        outlet.ledger_consistency(1, size + 1000)


def test_anyone_may_hold_the_bureau_to_its_heads(service: Service) -> None:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:
        old = SignedTreeHead.read(client.get("/v1/ledger/head").json())
        old.verify(key_of(service))
        service.contract()
        service.bureau.ledger.sign_head()
        new = SignedTreeHead.read(client.get("/v1/ledger/head").json())
        new.verify(key_of(service))
        assert new.size > old.size
        proof = client.get("/v1/ledger/consistency", params={"from": old.size, "to": new.size}).json()
        assert (proof["from"], proof["to"]) == (old.size, new.size)
        verify_consistency(old, new, proof["proof"])
        assert client.get("/v1/ledger/head", params={"size": old.size}).json() == old.as_dict()
        for query in ({"from": new.size, "to": new.size + 10_000}, {"from": new.size, "to": 1}):
            assert client.get("/v1/ledger/consistency", params=query).status_code == 404
        for query in ({"from": 0, "to": 1}, {"from": 1, "to": 2**60}, {}):
            assert client.get("/v1/ledger/consistency", params=query).status_code == 422
        assert client.get("/v1/ledger/head", params={"size": 10**9}).status_code == 404


def test_the_service_signs_heads_by_itself(front: Front, tmp_path: Path) -> None:
    """A service told to sign at each entry does so within a few looks, with nobody asking for a receipt."""
    own = open_front(tmp_path / "bureau", head_entries=1)
    try:
        with own.client() as client:
            client.post("/v1/sign-in", json={"name": "nobody", "password": "x" * 12})
            size, end = own.bureau.ledger.size(), monotonic() + 30
            while client.get("/v1/ledger/head").json()["size"] < size and monotonic() < end:
                sleep(0.2)
            assert client.get("/v1/ledger/head").json()["size"] >= size
    finally:
        close_front(own)
    kinds = [row["of"] for row in (entry["facts"] for entry in own.entries("configuration.changed"))]
    assert kinds[:2] == ["bureau", "service"]


def test_only_auditors_read_entries(service: Service, front: Front) -> None:
    officer = front.settle("officer.curious", Role.OFFICER)
    before = len(front.entries("refused"))
    paths = ("/v1/audit/entries", "/v1/audit/export", "/v1/audit/inclusion?entry=1")
    for token, status in (("", 401), (officer, 403)):
        with front.client(token) as client:
            for path in paths:
                assert client.get(path).status_code == status
            assert client.post("/v1/audit/inquiries", json={"code": "firm-0001"}).status_code == status
    refused = front.entries("refused")[before:]
    assert len(refused) == 4 and all(entry["by"] == "person:officer.curious" for entry in refused)


def test_lab_audit_reads_exports_and_verifies(
    service: Service, front: Front, auditor: Path, scored: tuple[str, bytes, bytes, dict], tmp_path: Path
) -> None:
    contract, _, _, receipt = scored
    key = key_of(service)
    found = front.ok("audit", "entries", "--contract", contract, "--kind", "score.answered", session=auditor)
    assert [entry["facts"]["rows"] for entry in found["entries"]] == [20]
    head = tmp_path / "head.json"
    front.ok("audit", "head", "--service", front.url, "--key", key, "--out", head, session=tmp_path / "none")

    export = tmp_path / "export.jsonl"
    told = front.ok("audit", "export", export, session=auditor)
    assert stat.S_IMODE(export.stat().st_mode) == 0o600 and told["bytes"] == export.stat().st_size
    assert front.entries("ledger.exported")[-1]["by"] == "person:audit.one"
    front.fails(8, "audit", "export", export, session=auditor)
    kept = tmp_path / "receipt.json"
    kept.write_text(json.dumps(receipt))
    card = tmp_path / "bureau.json"
    card.write_text(httpx.get(f"{front.url}/v1/bureau", timeout=60).text)
    offline = tmp_path / "nobody" / "session.json"
    offline.parent.mkdir()
    checked = front.ok("audit", "verify", export, "--card", card, "--head", head, "--head", kept, session=offline)
    with service.bureau.store.begin_read() as session:
        kinds = list(session.scalars(select(LedgerEntryRow.kind).where(LedgerEntryRow.seq <= checked["entries"])))
    assert checked["entries"] == len(kinds) and sum(checked["kinds"].values()) == len(kinds)
    assert checked["kinds"]["score.answered"] == kinds.count("score.answered")
    told = front.ok("audit", "receipt", kept, "--key", key, session=offline)
    assert (told["verified"], told["receipts"][0]["contract"]) == (1, contract)
    front.ok("audit", "head", "--held", head, "--card", card, session=auditor)

    lines = export.read_bytes().splitlines(keepends=True)
    place = found["entries"][0]["seq"]
    lines[place] = lines[place].replace(b'"rows":20', b'"rows":21')
    export.write_bytes(b"".join(lines))
    failed = front.fails(6, "audit", "verify", export, "--key", key, session=offline)
    assert (failed["how"], failed["entry"]) == ("altered", place)
    receipt["entry"]["facts"]["rows"] = 21
    kept.write_text(json.dumps(receipt))
    front.fails(6, "audit", "receipt", kept, "--key", key, session=offline)
    front.fails(3, "audit", "verify", export, session=offline)


def test_an_enterprise_learns_who_asked_about_it(
    service: Service, front: Front, auditor: Path, scored: tuple[str, bytes, bytes, dict]
) -> None:
    contract = scored[0]
    found = front.ok("audit", "inquiries", "firm-0003", session=auditor)["inquiries"]
    mine = [one for one in found if one["contract"] == contract]
    assert len(mine) == 1
    assert (mine[0]["bank"], mine[0]["purpose"], mine[0]["recipient"]) == (service.name, "credit-approval", RECIPIENT)
    assert (mine[0]["model"], mine[0]["version"], mine[0]["answered"]) == ("credit@1", 1, True)
    assert mine[0]["entry"] == ScoreReceipt.read(scored[3]).entry_number
    assert not front.ok("audit", "inquiries", "firm-9999", session=auditor)["inquiries"]
    read = front.entries("inquiries.read")[-2:]
    assert [entry["facts"]["inquiries"] for entry in read] == [len(found), 0]
    with service.bureau.store.begin_read() as session:
        bodies = " ".join(session.scalars(select(LedgerEntryRow.body)))
    assert "firm-0" not in bodies and "firm-9" not in bodies
    assert service.bureau.keys.pseudonyms(["firm-0003"], 1)[0] not in bodies
    log = (service.bureau.home.folder / "logs" / "service.jsonl").read_text()
    assert "firm-0" not in log and "firm-9" not in log


def test_a_database_put_back_to_an_earlier_state_is_found_out_by_the_bank(tmp_path: Path) -> None:
    """The bureau itself can't tell: its own tree heads went back with the database. Who kept a head can."""
    folder, copy = tmp_path / "bureau", tmp_path / "copy.db"
    Bureau.create(folder, name="某征信").close()
    shutil.copy(folder / "bureau.db", copy)
    home, _ = BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "key")

    def work(*names: str) -> SignedTreeHead:
        """The bureau goes on: accounts are added, a head is signed, and the bank is shown it."""
        with Bureau.open(folder) as bureau:
            for name in names:
                bureau.accounts.add(NewAccount(name, "credit", frozenset({Role.STEWARD}), "", None), by="local")
            head = bureau.ledger.sign_head()
            LedgerWitness(home, bureau.party, bureau.ledger.prove_consistency).advance_head(head)
            return head

    first = work("a.one")
    second = work("a.two", "a.three")
    assert second.size == first.size + 2
    for file in folder.glob("bureau.db*"):
        file.unlink()
    shutil.copy(copy, folder / "bureau.db")
    for names in (("b.one",), ("b.two", "b.three", "b.four")):  # shorter than what was shown, then longer
        with pytest.raises(NotAuthentic, match="rewritten"):
            work(*names)
