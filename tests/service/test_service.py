"""The whole service over a real bureau: every route, and every way in which it says no."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
import tenseal.sealapi as seal

from lab.bank.connection.client import JobDescription
from lab.bank.scoring.batch_transfer import submit_batch
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.ledger.receipt import ScoreReceipt, verify_receipt
from models.shared.sheet import BankSheet
from protocols.matching import bank
from protocols.matching.bank import MIN_CANARIES
from protocols.scoring.bank import generate_secret_key
from protocols.scoring.messages import frame_sha256
from protocols.scoring.seal import binding
from protocols.wire.frame import Frame, FrameKind, unpack_frame
from protocols.wire.http_signatures import sign_request
from tests.service.conftest import JOB, PARAMS, RECIPIENT, Service
from tests.support import bank_matching
from tests.support.bureau_standin import Key
from tests.support.insider import rubbish

HERE = list(range(0, 60))


def chosen(service: Service, rows):
    return [service.pilot.codes()[row] for row in rows], service.pilot.bank[rows]


@pytest.fixture
def job(service):
    """A contract in force, and a batch of sixty firms under it, ready to be sent."""
    contract = service.contract()
    codes, records = chosen(service, HERE)
    tags = service.tags(contract, codes)
    assert len(tags) == len(codes)
    return contract, tags, service.batch(contract, tags, records)


# --- public -----------------------------------------------------------------------------------------------------------


def test_public_routes_need_no_signature(service):
    assert httpx.get(service.url + "/v1/health", timeout=60).json() == {"status": "ok"}
    assert httpx.get(service.url + "/v1/ready", timeout=60).json() == {"status": "ready"}
    assert httpx.get(service.url + "/v1/openapi.json", timeout=60).json()["openapi"].startswith("3.1")
    card = service.outlet().bureau_card()
    assert card.public_key == service.bureau.keys.public_key_hex
    assert (card.name, card.api) == ("某征信", "1")
    assert card.engines == ("x25519", "openmined"), "the first is the default"
    assert PARAMS.name in card.parameters


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/v1", "/v1/contracts", "/v1/bureau/"])
def test_there_is_nothing_else(service, path):
    answer = httpx.get(service.url + path, timeout=60)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:shulab:error:not-found")


# --- contracts --------------------------------------------------------------------------------------------------------


def test_a_contract_is_read_signed_and_comes_into_force(service):
    document = service.draft()
    outlet = service.outlet()
    signed, state = outlet.contract(document.id)
    assert (signed.contract, state) == (document, "submitted")
    assert signed.bank_signature is None
    outlet.sign_contract(document.id, service.sign(document))
    outlet.sign_contract(document.id, service.sign(document))
    with pytest.raises(NotAllowed):
        outlet.sheet(document.id)
    service.approve(document.id)
    signed, state = outlet.contract(document.id)
    signed.verify()
    assert state == "active"
    model = document.models[0]
    assert hashlib.sha256(outlet.sheet(document.id)).hexdigest() == model.sheet_sha256
    assert outlet.sheet(document.id, model.name, model.version) == outlet.sheet(document.id)
    with pytest.raises(NotAllowed, match="term: models"):
        outlet.sheet(document.id, model.name, 7)


def test_a_signature_of_something_else_is_not_accepted(service):
    first, second = service.draft(), service.draft()
    with pytest.raises(NotAuthentic):
        service.outlet().sign_contract(first.id, service.sign(second))
    assert service.outlet().contract(first.id)[0].bank_signature is None


def test_a_revoked_contract_takes_no_signature(service):
    document = service.draft()
    service.approve(document.id)
    service.revoke(document.id)
    with pytest.raises(Conflict, match="revoked"):
        service.outlet().sign_contract(document.id, service.sign(document))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"signature":"00"}', b"\xff", b'{"signature":1}', b"[" * 9000])
def test_a_countersignature_must_be_one(service, body):
    document = service.draft()
    target = f"/v1/contracts/{document.id}/signature"
    headers = sign_request("POST", target, body, service.key, bureau_key=service.bureau.keys.public_key_hex)
    answer = httpx.post(
        service.url + target, content=body, headers=headers | {"content-type": "application/json"}, timeout=60
    )
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:shulab:error:invalid-input")


def test_an_oversized_countersignature_is_too_large(service):
    document = service.draft()
    target, body = f"/v1/contracts/{document.id}/signature", b'{"signature":"' + b"0" * 20_000 + b'"}'
    headers = sign_request("POST", target, body, service.key, bureau_key=service.bureau.keys.public_key_hex)
    answer = httpx.post(
        service.url + target, content=body, headers=headers | {"content-type": "application/json"}, timeout=60
    )
    assert answer.status_code == 413


# --- who calls --------------------------------------------------------------------------------------------------------


def every_call(service, outlet, contract):
    frame, many = bank_matching.request(["firm-0001"]), bank_matching.request([f"firm-{row:04d}" for row in range(100)])
    context = service.context
    return {
        "contract": lambda: outlet.contract(contract),
        "sign_contract": lambda: outlet.sign_contract(contract, "00" * 64),
        "sheet": lambda: outlet.sheet(contract),
        "versions": lambda: outlet.contract_versions(contract),
        "open_job": lambda: outlet.open_job(contract, JOB, JobDescription(RECIPIENT, "credit", 1, 5)),
        "job": lambda: outlet.job(contract, JOB),
        "end_job": lambda: outlet.end_job(contract, JOB),
        "allowance": lambda: outlet.allowance(contract),
        "matching_setup": lambda: outlet.matching_setup(contract, JOB),
        "counting_setup": lambda: outlet.matching_setup(contract, JOB, counting=True),
        "matching_shard": lambda: outlet.matching_shard(contract, JOB, "5f" * 32, 0, 1),
        "matching_delta": lambda: outlet.matching_delta(contract, JOB, "5f" * 32, "5e" * 32),
        "match": lambda: outlet.match(contract, JOB, frame),
        "count_matches": lambda: outlet.count_matches(contract, JOB, many),
        "has_context": lambda: outlet.has_context(contract, JOB, service.context_name),
        "put_context": lambda: outlet.put_context(contract, JOB, service.context_name, context),
        "score": lambda: submit_batch(outlet, contract, JOB, Frame(FrameKind.BATCH, {}, (b"x",)).pack()),
    }


def test_every_signed_route_refuses_another_banks_key(service):
    contract = service.contract()
    before = service.ledger(contract)
    for name, call in every_call(service, service.outlet(Key()), contract).items():
        with pytest.raises(NotAuthentic):
            call()
            pytest.fail(name)
    assert service.ledger(contract) == before


@pytest.mark.property(
    "Hidden contracts",
    claim="A stranger cannot tell whether a contract exists.",
    topic="contracts and consent",
    code=["sandbox.auth.bank"],
)
def test_every_signed_route_hides_that_a_contract_does_not_exist(service):
    for name, call in every_call(service, service.outlet(), "c-20200101-00000000").items():
        with pytest.raises(NotAuthentic):
            call()
            pytest.fail(name)


@pytest.mark.property("Signed requests")
def test_a_replayed_match_is_refused_recorded_and_not_charged_again(service):
    contract = service.contract()
    body = bank_matching.request(["firm-0001"])
    target = f"/v1/contracts/{contract}/matching?job={JOB}"
    headers = sign_request("POST", target, body, service.key, bureau_key=service.bureau.keys.public_key_hex)
    headers["content-type"] = "application/octet-stream"
    answers = [httpx.post(service.url + target, content=body, headers=headers, timeout=60) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert service.outlet().allowance(contract)["identifiers"]["used"] == 1 + MIN_CANARIES
    assert service.ledger(contract)[-1] == "refused"


def test_one_nonce_sent_many_times_at_once_passes_once(service):
    contract = service.contract()
    target = f"/v1/contracts/{contract}/allowance"
    headers = sign_request("GET", target, b"", service.key, bureau_key=service.bureau.keys.public_key_hex)
    with ThreadPoolExecutor(8) as pool:
        codes = list(
            pool.map(lambda _: httpx.get(service.url + target, headers=headers, timeout=60).status_code, range(8))
        )
    assert sorted(codes) == [200] + [401] * 7


# --- states and ceilings ----------------------------------------------------------------------------------------------

OPERATIONS = [
    *("sheet", "open_job", "matching_setup", "counting_setup", "matching_shard", "matching_delta", "match"),
    *("count_matches", "has_context", "put_context"),
]


@pytest.mark.parametrize("state", ["submitted", "suspended", "expired", "revoked"])
def test_a_contract_that_is_not_in_force_allows_nothing(service, state):
    if state == "expired":
        contract = service.old_contract()
    elif state == "submitted":
        contract = service.draft().id
    else:
        contract = service.contract()
        service.suspend(contract) if state == "suspended" else service.revoke(contract)
    outlet = service.outlet()
    assert outlet.contract(contract)[1] == state
    calls = every_call(service, outlet, contract)
    for name in OPERATIONS:
        with pytest.raises(NotAllowed):
            calls[name]()
            pytest.fail(name)
    assert service.ledger(contract).count("refused") == len(OPERATIONS)


def test_the_ceiling_for_one_match_holds(service):
    contract = service.contract(identifiers_per_match=3 + MIN_CANARIES)
    outlet = service.outlet()
    with pytest.raises(NotAllowed, match="identifiers_per_match"):
        outlet.match(contract, JOB, bank_matching.request(list("abcd")))
    assert outlet.allowance(contract)["identifiers"] == {"ceiling": 1_000_000, "used": 0, "left": 1_000_000}


@pytest.mark.property(
    "Ceilings in parallel",
    claim="Ceilings hold under parallel requests.",
    topic="contracts and consent",
    code=["lab.bureau.exchange.charges"],
)
def test_the_ceiling_of_identifiers_holds_under_parallel_requests(service):
    contract = service.contract(identifiers=5 + 2 * MIN_CANARIES)
    bodies = [bank_matching.request(["firm-0001", "firm-0002"]) for _ in range(6)]

    def ask(body: bytes) -> bool:
        try:
            service.answer(contract, body)
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, bodies)) == 2
    used = service.outlet().allowance(contract)["identifiers"]
    assert used == {"ceiling": 5 + 2 * MIN_CANARIES, "used": 4 + 2 * MIN_CANARIES, "left": 1}


def test_the_ceiling_of_scores_holds(service):
    contract = service.contract(scores_per_enterprise=1)
    codes, records = chosen(service, [3, 4])
    tags = service.tags(contract, codes)
    first, second = (service.batch(contract, tags, records) for _ in range(2))
    submit_batch(service.outlet(), contract, JOB, first)
    with pytest.raises(NotAllowed, match="scores_per_enterprise"):
        submit_batch(service.outlet(), contract, JOB, second)


@pytest.mark.property("Ceilings in parallel")
def test_the_ceilings_of_jobs_and_scores_hold_under_parallel_requests(service):
    contract = service.contract(job=False, jobs_per_day=3, scores_per_enterprise=2)

    def opens(number: int) -> bool:
        try:
            service.open_job(contract, f"job-{number}")
        except NotAllowed as error:
            assert "jobs_per_day" in error.detail
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        opened = [f"job-{number}" for number, done in enumerate(pool.map(opens, range(8))) if done]
    assert len(opened) == 3
    codes, records = chosen(service, [3, 4, 5])
    tags = service.tags(contract, codes, opened[0])
    batches = [service.batch(contract, tags, records, opened[0]) for _ in range(6)]

    def scored(number: int) -> bool:
        try:
            submit_batch(service.outlet(tries=200), contract, opened[number % 3], batches[number])
        except NotAllowed as error:
            assert "scores_per_enterprise" in error.detail
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(scored, range(6))) == 2
    allowance = service.outlet().allowance(contract)
    assert allowance["jobs"] == {"ceiling": 3, "used": 3, "left": 0}
    assert (allowance["scores"]["used"], allowance["scores"]["total"]) == (2, 6)
    assert sum(service.outlet().job(contract, job)["rows_used"] for job in opened) == 6
    assert service.ledger(contract).count("score.answered") == 2


# --- the job ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detail", [ResultDetail.TOTAL, ResultDetail.FULL])
def test_the_job_end_to_end_gives_the_models_own_scores(service, detail):
    contract = service.contract(detail=detail)
    codes, records = chosen(service, HERE)
    strangers = [f"stranger-{row}" for row in range(10)]
    outlet = service.outlet()
    matched = bank_matching.match(outlet, contract, JOB, codes + strangers)
    assert matched.indices.tolist() == HERE
    assert not outlet.has_context(contract, JOB, service.context_name)
    outlet.put_context(contract, JOB, service.context_name, service.context)
    outlet.put_context(contract, JOB, service.context_name, service.context)
    assert outlet.has_context(contract, JOB, service.context_name)
    sheet = BankSheet.from_json(outlet.sheet(contract))
    batch = service.holder.encrypt(matched.tags, sheet.compute_indicators(records), contract=contract)
    reply, receipt = submit_batch(outlet, contract, JOB, batch)
    values = service.holder.decrypt(reply, rows=len(HERE), batch=batch)
    terms = service.pilot.model.score_weights(service.pilot.public[HERE], detail)
    indicators = sheet.compute_indicators(records).astype(np.int64)
    expected = terms.base.copy()
    for column, outputs, weights in zip(terms.columns, terms.outputs, terms.weights, strict=True):
        for output in outputs:
            expected[output] += indicators[column] * weights
    assert (values == expected).all()
    found = ScoreReceipt.read(receipt)
    verify_receipt(found, service.bureau.keys.public_key_hex)
    assert (found.batch_sha256, found.reply_sha256, found.job) == (frame_sha256(batch), frame_sha256(reply), JOB)
    allowance = outlet.allowance(contract)
    assert allowance["scores"] == {
        "ceiling": 100,
        "used": 1,
        "left": 99,
        "period_days": 365,
        "total": len(HERE),
        "enterprises": len(HERE),
    }
    assert allowance["jobs"] == {"ceiling": 100, "used": 1, "left": 99}
    assert outlet.job(contract, JOB)["rows_used"] == len(HERE)
    outlet.end_job(contract, JOB)
    assert outlet.job(contract, JOB)["state"] == "ended"


def test_the_same_batch_again_gets_the_same_reply_and_no_charge_also_after_a_restart(service, job):
    contract, _, batch = job
    first = submit_batch(service.outlet(), contract, JOB, batch)
    assert submit_batch(service.outlet(), contract, JOB, batch) == first
    assert service.process.stop() == 0
    service.process.start()
    assert submit_batch(service.outlet(), contract, JOB, batch) == first
    assert service.outlet().allowance(contract)["scores"]["used"] == 1


def test_the_same_batch_at_once_is_charged_once(service, job):
    contract, _, batch = job
    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda _: submit_batch(service.outlet(tries=200), contract, JOB, batch), range(3)))
    assert replies[0] == replies[1] == replies[2]
    assert service.outlet().allowance(contract)["scores"]["used"] == 1


# --- what banks may send by mistake or on purpose ---------------------------------------------------------------------


@pytest.mark.property("Secret keys refused")
def test_a_context_that_bears_a_secret_key_is_refused_and_not_kept(service):
    contract = service.contract()
    bad = Frame(FrameKind.CONTEXT, {"parameters": PARAMS.name}, (generate_secret_key(PARAMS),)).pack()
    with pytest.raises(NotAllowed, match="SECRET"):
        service.outlet().put_context(contract, JOB, frame_sha256(bad), bad)
    assert not service.outlet().has_context(contract, JOB, frame_sha256(bad))
    assert not list(service.bureau.home.folder.rglob(f"*{frame_sha256(bad)}*"))


def test_a_context_under_another_hash_is_not_kept(service):
    contract = service.contract()
    with pytest.raises(InvalidInput, match="hash"):
        service.outlet().put_context(contract, JOB, "00" * 32, service.context)


def foreign(service):
    parms = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    parms.set_poly_modulus_degree(4096)
    parms.set_coeff_modulus(seal.CoeffModulus.BFVDefault(4096, seal.SEC_LEVEL_TYPE.TC128))
    parms.set_plain_modulus(seal.PlainModulus.Batching(4096, 20))
    context = seal.SEALContext(parms, True, seal.SEC_LEVEL_TYPE.TC128)
    encryptor = seal.Encryptor(context, seal.KeyGenerator(context).secret_key())
    return binding.save_object(encryptor.encrypt_symmetric(seal.Plaintext("1")))


def changed(batch, *, part=None, index=1, **meta):
    frame = unpack_frame(batch, FrameKind.BATCH)
    parts = list(frame.parts)
    if part is not None:
        parts[index] = part
    return Frame(FrameKind.BATCH, {**frame.meta, **meta}, parts).pack()


def test_what_is_no_ciphertext_but_outwardly_is_refused_and_the_charge_given_back(service, job):
    contract, _, batch = job
    with pytest.raises(InvalidInput, match="evaluation failed"):
        submit_batch(service.outlet(), contract, JOB, changed(batch, part=rubbish(1, PARAMS)))
    assert service.outlet().allowance(contract)["scores"]["used"] == 0
    with pytest.raises(Conflict, match=r"11 of 12 ciphertexts in this batch were sent in another one"):
        submit_batch(service.outlet(), contract, JOB, batch)
    codes, records = chosen(service, HERE)
    assert submit_batch(
        service.outlet(), contract, JOB, service.batch(contract, service.tags(contract, codes), records)
    )


def test_batches_that_do_not_fit_are_refused_uncharged(service, job):
    contract, tags, batch = job
    unknown = tags.copy()
    unknown[:7] ^= 255
    parsed = unpack_frame(batch, FrameKind.BATCH)
    short = Frame(FrameKind.BATCH, parsed.meta, parsed.parts[:-1]).pack()
    for wrong, family, match in (
        (batch[:-1], InvalidInput, "not acceptable"),
        (changed(batch, part=foreign(service)), InvalidInput, "not acceptable"),
        (batch + b"x", InvalidInput, "not acceptable"),
        (changed(batch, contract="c-20200101-00000000"), InvalidInput, "contract"),
        (changed(batch, parameters="bfv-4096-a"), InvalidInput, "parameter"),
        (changed(batch, rows=1), InvalidInput, "not acceptable"),
        (changed(batch, context="00" * 32), NotFound, "context"),
        (changed(batch, part=unknown.tobytes(), index=0), NotAllowed, "7 of 60"),
        (short, InvalidInput, "columns"),
        (Frame(FrameKind.REPLY, {}, (b"x",)).pack(), InvalidInput, "BATCH"),
        (service.context, InvalidInput, "BATCH"),
    ):
        with pytest.raises(family, match=match):
            submit_batch(service.outlet(), contract, JOB, wrong)
    assert service.outlet().allowance(contract)["scores"]["used"] == 0


def test_matching_requests_that_do_not_fit_are_refused_uncharged(service):
    contract = service.contract()
    good = unpack_frame(bank_matching.request(["a", "b"]), FrameKind.MATCH_REQUEST)
    for wrong in (
        Frame(FrameKind.MATCH_REQUEST, {}, ()).pack(),
        Frame(FrameKind.MATCH_REQUEST, good.meta, (good.parts[0][:-1],)).pack(),
        Frame(FrameKind.MATCH_REQUEST, good.meta, (bytes(len(good.parts[0])),)).pack(),
        Frame(FrameKind.MATCH_REQUEST, {**good.meta, "engine": "other"}, good.parts).pack(),
        good.pack()[:-1],
        service.context,
    ):
        with pytest.raises(InvalidInput):
            service.outlet().match(contract, JOB, wrong)
    assert service.outlet().allowance(contract)["identifiers"]["used"] == 0


def test_an_oversized_matching_request_is_too_large(service):
    contract = service.contract()
    big = Frame(FrameKind.MATCH_REQUEST, {}, (bytes(3_000_000),)).pack()
    with pytest.raises(InvalidInput, match="at most 2000000 bytes"):
        service.outlet().match(contract, JOB, big)


@pytest.mark.parametrize(
    "query",
    [
        *("", "first=0", "count=1", "first=-1&count=1", "first=x&count=1", "first=0&count=0", "first=0&count=65"),
        *("first=1e9&count=1", "first=99999999999&count=1", "first=0&count=1&first=1x"),
    ],
)
def test_a_range_must_be_one(service, query):
    contract = service.contract()
    sha256 = bank.read_setup(service.outlet().matching_setup(contract, JOB)).sha256
    target = f"/v1/contracts/{contract}/matching/setup/{sha256}?job={JOB}&{query}"
    headers = sign_request("GET", target, b"", service.key, bureau_key=service.bureau.keys.public_key_hex)
    answer = httpx.get(service.url + target, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:shulab:error:invalid-input")


# --- afterwards -------------------------------------------------------------------------------------------------------


@pytest.mark.property("No records at rest")
def test_logs_and_ledger_hold_neither_codes_nor_records_nor_stack_traces(service, job):
    contract, tags, batch = job
    submit_batch(service.outlet(), contract, JOB, batch)
    logs = b"".join(file.read_bytes() for file in (service.bureau.home.folder / "logs").iterdir())
    logs = re.sub(rb'"time": "[^"]*"', b"", logs)  # the thousandths of a second may spell a value of three places
    assert contract.encode() in logs
    for value in ("firm-0001", service.pilot.public["tax"][1], service.pilot.bank["debt"][1], tags[0].tobytes().hex()):
        assert value.encode() not in logs
    assert b"Traceback" not in logs
