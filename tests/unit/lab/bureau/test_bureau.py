"""The whole job through the office, with a real bank's side: matching, scoring, counting, refusing, restarting."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.data.register import RegisterLayout, import_register
from lab.bureau.exchange import (
    ContextStore,
    JobParameters,
    JobService,
    MatchingService,
    ScoringService,
    access,
    job_requests,
)
from lab.bureau.exchange.scoring.evaluation import BatchEvaluator
from lab.bureau.store.tables import ContractVersionRow, LedgerEntryRow
from lab.terms.contract.document import Ceilings, ResultDetail
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.ledger.receipt import verify_receipt
from models.shared.sheet import BankSheet
from protocols.matching.bureau import MIN_CANARIES, MIN_COUNT_IDENTIFIERS
from protocols.scoring.bank import KeyHolder, generate_secret_key
from protocols.wire.frame import Frame, FrameKind
from tests.support.bureau_scene import PARAMS, RECIPIENT, Bank, Scene
from tests.support.insider import rubbish

JOB = "job-1"
COUNTS = {"ceiling": 100, "used": 0, "left": 100, "period_days": 365, "total": 0, "enterprises": 0}


@pytest.fixture
def contract_with_job(scene: Scene) -> str:
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract)
    return contract


def matched(scene: Scene, contract: str, codes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    found = scene.bank.match(scene.bureau, contract, codes)
    return found.indices, found.tags


def test_the_job_end_to_end_on_both_databases(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    codes = ["stranger-1", *scene.tables.codes[10:60], "stranger-2"]
    indices, tags = matched(scene, contract, codes)
    assert indices.tolist() == list(range(1, 51))

    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    assert sheet.sha256 == scene.bureau.bank_contracts.find(contract)[0].contract.models[0].sheet_sha256
    context = scene.bank.put_context(scene.bureau, contract)
    assert scene.bureau.contexts.has(contract, JOB, context)
    records, public = scene.tables.bank[10:60], scene.tables.public[10:60]
    batch = scene.bank.batch(sheet, tags, records, contract)
    reply, receipt = scene.bureau.scoring.score(contract, JOB, batch)
    values = scene.bank.keys.decrypt(reply, rows=50, batch=batch)
    expected = scene.model.score_weights(public, ResultDetail.FULL).apply_to_indicators(
        sheet.compute_indicators(records)
    )
    assert np.array_equal(values, expected)

    verify_receipt(receipt, scene.bureau.keys.public_key_hex)
    assert receipt.batch_sha256 == hashlib.sha256(batch).hexdigest()
    assert receipt.reply_sha256 == hashlib.sha256(reply).hexdigest()
    assert (receipt.rows, receipt.register, receipt.register_version) == (50, "main", 1)
    assert (receipt.contract, receipt.job, receipt.model) == (contract, JOB, "credit")
    allowance = scene.bureau.bank_contracts.allowance(contract)
    assert allowance["identifiers"]["used"] == 52 + MIN_CANARIES
    assert allowance["scores"] == COUNTS | {"used": 1, "left": 99, "total": 50, "enterprises": 50}
    assert allowance["jobs"] == {"ceiling": 100, "used": 1, "left": 99}
    job = scene.bureau.jobs.find(contract, JOB)
    assert (job.state, job.rows_used, job.parameters.rows, job.epoch) == ("open", 50, 1000, 1)
    assert scene.bureau.jobs.end(contract, JOB).state == "ended"
    with pytest.raises(NotAllowed, match="ended"):
        scene.bureau.scoring.score(contract, JOB, batch)


def scored_once(scene: Scene, contract: str, rows: int = 6) -> tuple[bytes, bytes]:
    _, tags = matched(scene, contract, scene.tables.codes[:rows])
    scene.bank.put_context(scene.bureau, contract)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    batch = scene.bank.batch(sheet, tags, scene.tables.bank[:rows], contract)
    return batch, scene.bureau.scoring.score(contract, JOB, batch)[0]


@pytest.mark.property(
    "Batches charged once",
    claim="A batch is charged once, however often it is sent, also after a restart.",
    topic="limits and interruptions",
    code=["lab.bureau.exchange"],
)
def test_the_same_batch_gets_the_same_reply_and_no_charge_also_after_a_restart(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    batch, reply = scored_once(scene, contract)
    used = scene.bureau.bank_contracts.allowance(contract)
    assert scene.bureau.scoring.score(contract, JOB, batch)[0] == reply
    scene.reopen()
    assert scene.bureau.scoring.score(contract, JOB, batch)[0] == reply
    assert scene.bureau.bank_contracts.allowance(contract) == used
    assert scene.ledger().count("score.charged") == 1


def test_parallel_requests_with_one_batch_get_one_reply_and_one_charge(scene: Scene) -> None:
    contract = scene.contract()
    _, tags = matched(scene, contract, scene.tables.codes[:4])
    scene.bank.put_context(scene.bureau, contract)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    batch = scene.bank.batch(sheet, tags, scene.tables.bank[:4], contract)
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: scene.bureau.scoring.score(contract, JOB, batch)[0], range(6)))
    assert len(set(replies)) == 1
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 4


def test_a_lost_reply_is_made_again_at_no_charge_and_the_ledger_says_so(scene: Scene) -> None:
    contract = scene.contract()
    batch, reply = scored_once(scene, contract)
    used = scene.bureau.bank_contracts.allowance(contract)
    for file in (scene.home / "replies").iterdir():
        file.unlink()
    again, receipt = scene.bureau.scoring.score(contract, JOB, batch)
    assert receipt.reply_sha256 == hashlib.sha256(again).hexdigest()
    first, second = (scene.bank.keys.decrypt(one, rows=6, batch=batch) for one in (reply, again))
    assert np.array_equal(first, second)
    assert scene.bureau.bank_contracts.allowance(contract) == used
    assert scene.ledger().count("score.reply-lost") == 1


def test_a_batch_that_was_charged_before_the_service_died_is_answered_without_a_second_charge(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = scene.contract()
    _, tags = matched(scene, contract, scene.tables.codes[:4])
    scene.bank.put_context(scene.bureau, contract)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    batch = scene.bank.batch(sheet, tags, scene.tables.bank[:4], contract)
    with monkeypatch.context() as patch:
        patch.setattr(BatchEvaluator, "evaluate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            scene.bureau.scoring.score(contract, JOB, batch)
    scene.reopen()
    source = scene.tables.register_csv(scene.home.parent / "second.csv")
    import_register(
        scene.bureau.store,
        scene.bureau.home,
        source,
        RegisterLayout("id", "opaque", columns=["a", "b"]),
    )
    _, receipt = scene.bureau.scoring.score(contract, JOB, batch)
    assert receipt.register_version == 1  # what it was charged for, though version 2 stands here now
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 4
    assert scene.ledger().count("score.charged") == 1


def test_a_failed_evaluation_gives_the_charge_back(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    _, tags = matched(scene, contract, scene.tables.codes[:4])
    context = scene.bank.put_context(scene.bureau, contract)
    columns = scene.model.column_count
    meta = {"parameters": PARAMS.name, "form": 2, "contract": contract, "context": context, "rows": 4}
    parts = [rubbish(number, PARAMS) for number in range(columns)]  # of a column's length
    batch = Frame(FrameKind.BATCH, meta, (tags.tobytes(), *parts)).pack()
    with pytest.raises(InvalidInput):
        scene.bureau.scoring.score(contract, JOB, batch)
    assert scene.bureau.bank_contracts.allowance(contract)["scores"] == COUNTS
    assert scene.bureau.jobs.find(contract, JOB).rows_used == 0
    assert scene.ledger()[-2:] == ["score.charged", "score.returned"]
    with pytest.raises(InvalidInput):
        scene.bureau.scoring.score(contract, JOB, batch)  # charged and given back a second time
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 0


def test_scores_of_an_enterprise_have_a_ceiling(scene: Scene) -> None:
    contract = scene.contract(ceilings=Ceilings(scores_per_enterprise=1))
    scored_once(scene, contract, rows=4)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    _, tags = matched(scene, contract, scene.tables.codes[3:8])
    batch = scene.bank.batch(sheet, tags, scene.tables.bank[3:8], contract)
    with pytest.raises(NotAllowed, match=r"scores_per_enterprise\); 1 of 5 enterprises"):
        scene.bureau.scoring.score(contract, JOB, batch)
    assert (
        scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 4
    )  # nothing of the refused batch was charged
    assert scene.ledger()[-1] == "refused"


def test_identifiers_have_ceilings(scene: Scene) -> None:
    contract = scene.contract(
        ceilings=Ceilings(identifiers=10 + 2 * MIN_CANARIES, identifiers_per_match=6 + MIN_CANARIES)
    )
    matched(scene, contract, scene.tables.codes[:6])
    with pytest.raises(NotAllowed, match=r"identifiers_per_match"):
        matched(scene, contract, scene.tables.codes[:7])
    with pytest.raises(NotAllowed, match=r"68 are left, 69 were asked"):
        matched(scene, contract, scene.tables.codes[:5])
    matched(scene, contract, scene.tables.codes[:4])
    assert scene.bureau.bank_contracts.allowance(contract)["identifiers"] == {"ceiling": 138, "used": 138, "left": 0}


def test_a_malformed_request_costs_nothing(scene: Scene, contract_with_job: str) -> None:
    contract = contract_with_job
    elements = Frame(FrameKind.MATCH_REQUEST, {"engine": "openmined", "count": 3}, (b"\x02" + b"\xff" * 98,)).pack()
    for request in (b"", b"rubbish", elements):
        with pytest.raises(InvalidInput):
            scene.bureau.matching.match(contract, JOB, request)
    assert scene.bureau.bank_contracts.allowance(contract)["identifiers"]["used"] == 0


def test_unknown_tags_are_refused_with_their_number(scene: Scene) -> None:
    contract = scene.contract()
    _, tags = matched(scene, contract, scene.tables.codes[:3])
    tags = np.vstack([tags, np.zeros((2, 16), dtype=np.uint8)])
    tags[-1, 0] = 1
    scene.bank.put_context(scene.bureau, contract)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    batch = scene.bank.batch(sheet, tags, scene.tables.bank[:5], contract)
    with pytest.raises(NotAllowed, match="2 of 5"):
        scene.bureau.scoring.score(contract, JOB, batch)


def test_tags_of_one_contract_mean_nothing_under_another(scene: Scene) -> None:
    first, second = scene.contract(), scene.contract()
    _, tags = matched(scene, first, scene.tables.codes[:3])
    scene.bank.open_job(scene.bureau, second)
    scene.bank.put_context(scene.bureau, second)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(second))
    batch = scene.bank.batch(sheet, tags, scene.tables.bank[:3], second)
    with pytest.raises(NotAllowed, match="3 of 3"):
        scene.bureau.scoring.score(second, JOB, batch)


def test_a_batch_needs_its_context_and_its_columns(scene: Scene) -> None:
    contract = scene.contract()
    _, tags = matched(scene, contract, scene.tables.codes[:3])
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    batch = scene.bank.batch(sheet, tags, scene.tables.bank[:3], contract)
    with pytest.raises(NotFound, match="context"):
        scene.bureau.scoring.score(contract, JOB, batch)
    scene.bank.put_context(scene.bureau, contract)
    short = scene.bank.keys.encrypt(tags, sheet.compute_indicators(scene.tables.bank[:3])[:-1], contract=contract)
    with pytest.raises(InvalidInput, match="columns"):
        scene.bureau.scoring.score(contract, JOB, short)
    with pytest.raises(InvalidInput):
        scene.bureau.scoring.score(contract, JOB, batch[:-1])


def test_a_secret_key_is_refused_and_not_kept(scene: Scene, contract_with_job: str) -> None:
    contract = contract_with_job
    secret = Frame(FrameKind.CONTEXT, {"parameters": PARAMS.name}, (generate_secret_key(PARAMS),)).pack()
    sha256 = hashlib.sha256(secret).hexdigest()
    with pytest.raises(NotAllowed, match="SECRET"):
        scene.bureau.contexts.put(contract, JOB, sha256, secret)
    assert not scene.bureau.contexts.has(contract, JOB, sha256)
    assert list((scene.home / "contexts").iterdir()) == []


def test_a_context_goes_under_its_own_hash_once(scene: Scene, contract_with_job: str) -> None:
    contract = contract_with_job
    frame = KeyHolder(PARAMS, generate_secret_key(PARAMS)).public_context()
    sha256 = hashlib.sha256(frame).hexdigest()
    with pytest.raises(InvalidInput, match="hash"):
        scene.bureau.contexts.put(contract, JOB, "0" * 64, frame)
    assert scene.bureau.contexts.put(contract, JOB, sha256, frame) is True
    assert scene.bureau.contexts.put(contract, JOB, sha256, frame) is False
    for bad in (b"", frame[:-7], b"\x00" * 100):
        with pytest.raises(InvalidInput):
            scene.bureau.contexts.put(contract, JOB, hashlib.sha256(bad).hexdigest(), bad)


REQUEST = Frame(FrameKind.MATCH_REQUEST, {"engine": "x25519", "count": 1}, (b"\x09" + bytes(31),)).pack()
FEWEST = MIN_COUNT_IDENTIFIERS + MIN_CANARIES
COUNT_REQUEST = Frame(
    FrameKind.MATCH_REQUEST, {"engine": "x25519", "count": FEWEST}, ((b"\x09" + bytes(31)) * FEWEST,)
).pack()

TERMS = JobParameters(RECIPIENT, "credit", 1, 10)
OPERATIONS: dict[str, Callable[[Bureau, str], object]] = {
    "MatchingService.setup": lambda bureau, contract: bureau.matching.setup(contract, JOB),
    "MatchingService.shard": lambda bureau, contract: bureau.matching.shard(contract, JOB, "0" * 64, 0, 1),
    "MatchingService.delta": lambda bureau, contract: bureau.matching.delta(contract, JOB, "0" * 64, "1" * 64),
    "MatchingService.match": lambda bureau, contract: bureau.matching.match(contract, JOB, REQUEST),
    "MatchingService.count": lambda bureau, contract: bureau.matching.count(contract, JOB, COUNT_REQUEST),
    "JobService.sheet": lambda bureau, contract: bureau.jobs.sheet(contract),
    "JobService.register": lambda bureau, contract: bureau.jobs.register(contract),
    "JobService.open": lambda bureau, contract: bureau.jobs.open(contract, JOB, TERMS),
    "ContextStore.has": lambda bureau, contract: bureau.contexts.has(contract, JOB, "0" * 64),
    "ContextStore.put": lambda bureau, contract: bureau.contexts.put(contract, JOB, "0" * 64, b""),
    "ScoringService.receive": lambda bureau, contract: bureau.scoring.receive(contract, JOB, one_row(contract)),
    "ScoringService.receive_rescoring": lambda bureau, contract: bureau.scoring.receive_rescoring(
        contract, JOB, "0" * 64
    ),
    "ScoringService.reply": lambda bureau, contract: bureau.scoring.reply(contract, JOB, "0" * 64),
    "ScoringService.score": lambda bureau, contract: bureau.scoring.score(contract, JOB, one_row(contract)),
}
GIVES_NOTHING_OUT = {
    "JobService.find",
    "JobService.progress",
    "JobService.end",
    "ScoringService.check_queue_capacity",
    "ScoringService.evaluate",  # passes by itself, for the bank that waits; see test_exchange
    "ScoringService.list_waiting",
}


def one_row(contract: str) -> bytes:
    meta = {"parameters": PARAMS.name, "form": 2, "contract": contract, "context": "0" * 64, "rows": 1}
    return Frame(FrameKind.BATCH, meta, (bytes(16), rubbish(1, PARAMS))).pack()


def test_the_table_of_operations_is_complete() -> None:
    public = {
        f"{room.__name__}.{name}"
        for room in (MatchingService, ContextStore, ScoringService, JobService)
        for name, _ in inspect.getmembers(room, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public - GIVES_NOTHING_OUT == set(OPERATIONS)


@pytest.mark.property(
    "One enforcement point",
    claim="Each operation passes one enforcement point, and an altered contract allows nothing.",
    topic="contracts and consent",
    code=["lab.bureau.contracts.enforcement"],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_passes_the_one_enforcement_point(
    scene: Scene, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever state a contract is not in force, everything is refused; and it is ``authorise`` that refuses."""
    drafted = scene.contract(approved=False)
    unsigned = scene.contract(signed=False)
    suspended, revoked = scene.contract(), scene.contract()
    scene.bank.open_job(scene.bureau, suspended, JOB, rows=10)
    scene.suspend(suspended)
    scene.revoke(revoked)
    for contract, word in (
        (drafted, "is submitted"),
        (unsigned, "is approved; it must be active"),
        (suspended, "suspended"),
        (revoked, "revoked"),
    ):
        with pytest.raises(NotAllowed, match=word):
            OPERATIONS[operation](scene.bureau, contract)
    with pytest.raises(NotFound):
        OPERATIONS[operation](scene.bureau, "nobody-knows-it")

    expired = scene.contract()
    scene.bank.open_job(scene.bureau, expired, JOB, rows=10)
    scene.later(days=31)
    with pytest.raises(NotAllowed, match="expired"):
        OPERATIONS[operation](scene.bureau, expired)
    assert scene.bureau.bank_contracts.find(expired)[1] == "expired"
    assert scene.ledger()[-3:] == ["contract.expired", "job.stopped", "refused"]

    def shut(*_: object) -> None:
        raise NotAllowed("The enforcement point was asked.")

    for room in (access, job_requests):
        monkeypatch.setattr(room, "authorise", shut)
    with pytest.raises(NotAllowed, match="was asked"):
        OPERATIONS[operation](scene.bureau, expired)


@pytest.mark.property("One enforcement point")
def test_an_altered_contract_in_the_database_lets_nothing_through(scene: Scene) -> None:
    contract = scene.contract()
    with scene.bureau.store.begin() as session:
        row = session.get(ContractVersionRow, (contract, 1))
        assert row is not None
        row.document = row.document.replace('"identifiers":1000000', '"identifiers":9000000')
        assert "9000000" in row.document
    with pytest.raises(NotAllowed, match="signature"):
        scene.bureau.matching.setup(contract, JOB)


def test_contracts_are_signed_and_approved_in_any_order(scene: Scene) -> None:
    contract = scene.contract(signed=False)
    document = scene.bureau.bank_contracts.find(contract)[0].contract
    with pytest.raises(NotAuthentic):
        scene.bureau.bank_contracts.accept_signature(contract, Bank().sign(document))
    signature = scene.bank.sign(document)
    scene.bureau.bank_contracts.accept_signature(contract, signature)
    scene.bureau.bank_contracts.accept_signature(contract, signature)
    scene.bureau.bank_contracts.find(contract)[0].verify()
    assert scene.ledger().count("contract.signed") == 1
    scene.revoke(contract)
    with pytest.raises(Conflict):
        scene.bureau.bank_contracts.accept_signature(contract, signature)


def test_nonces_are_taken_once_and_outlive_a_restart(scene_on_both: Scene) -> None:
    scene = scene_on_both
    scene.bureau.nonces.claim("a" * 64, "n-1", scene.clock.now)
    scene.bureau.nonces.claim("b" * 64, "n-1", scene.clock.now)
    scene.reopen()
    with pytest.raises(NotAuthentic):
        scene.bureau.nonces.claim("a" * 64, "n-1", scene.clock.now)
    scene.later(days=1)
    scene.bureau.nonces.claim("a" * 64, "n-1", scene.clock.now)  # long past the age at which the request is refused


def test_refusals_from_outside_are_written_down(scene: Scene) -> None:
    contract = scene.contract()
    scene.bureau.refusals.record(contract, "request", NotAuthentic("The signature does not verify."))
    scene.bureau.refusals.record("unknown-contract", "request", NotAuthentic("The signature does not verify."))
    with scene.bureau.store.begin_read() as session:
        rows = session.query(LedgerEntryRow).filter(LedgerEntryRow.kind == "refused").order_by(LedgerEntryRow.seq).all()
    assert [row.contract_id for row in rows] == [contract, None]
    assert [json.loads(row.body)["by"][:5] for row in rows] == ["bank:", "burea"]


def test_the_card_and_readiness(scene: Scene) -> None:
    card = scene.bureau.identity()
    assert card["name"] == "Test bureau"
    assert card["public_key"] == scene.bureau.keys.public_key_hex
    assert "openmined" in card["engines"] and PARAMS.name in card["parameters"]
    assert scene.bureau.readiness()["ready"] is True


@pytest.mark.property(
    "No records at rest",
    claim="Ledger, database, logs and errors hold no record and no code.",
    topic="what leaves a party",
    code=["lab.bureau.ledger", "sandbox.monitoring.service_log"],
)
def test_the_ledger_and_the_database_hold_no_record(scene: Scene) -> None:
    """No identifier and no feature value of either party stands in the database."""
    contract = scene.contract()
    scored_once(scene, contract)
    scene.bureau.close()
    content = b"".join(file.read_bytes() for file in scene.home.glob("bureau.db*"))
    assert contract.encode() in content
    # A moment's seconds and their fraction (":50.2987") may spell a value of four places.
    content = re.sub(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+", b"", content)
    for code in scene.tables.codes[:6]:
        assert code.encode() not in content
    for value in scene.tables.public["a"][:6]:
        assert value.encode() not in content
