"""Matching and scoring under a contract that requires consent: the enterprises that did not consent are not there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from lab.bureau.configuration.home import BureauHome
from lab.bureau.contracts.repository import find_version
from lab.bureau.data.register import RegisterLayout, find_snapshot, import_register
from lab.bureau.exchange.matching.background_work import BackgroundWork
from lab.bureau.exchange.matching.evaluated_register import EvaluatedRegister
from lab.bureau.exchange.matching.index_store import ContractIndexes, IndexKey
from lab.bureau.exchange.matching.key_statements import KeyStatements
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.terms.consent import format_consent_time
from lab.terms.contract.document import ConsentClause
from lab.terms.errors import NotAllowed
from models.shared.sheet import BankSheet
from protocols.matching.bureau import derive_tags_and_marks
from tests.support.bank_matching import ENGINE, request
from tests.support.bureau_scene import Scene

CONSENT = ConsentClause(required=True, why="the enterprise is to decide")


def give(scene: Scene, rows: Iterable[int], *, days: int = 20, evidence: str = "sheet") -> None:
    """These firms consent to the scene's bank."""
    begin, end = format_consent_time(scene.clock.now), format_consent_time(scene.clock.now + timedelta(days=days))
    path = scene.home.parent / "consents.csv"
    lines = [f"{scene.tables.codes[row]},Test bank,credit-approval,{begin},{end},{evidence}" for row in rows]
    path.write_text("\n".join(["code,bank,purpose,starts,expires,evidence", *lines]) + "\n")
    scene.bureau.consents.import_file(path, by="person:steward", id_kind="opaque")


def firms(scene: Scene, rows: Iterable[int]) -> list[str]:
    return [scene.tables.codes[row] for row in rows]


def tag_of(scene: Scene, contract: str, row: int) -> np.ndarray:
    """The tag of a register row, whether it is admitted or not; a bank finds it out by asking for its code."""
    bureau = scene.bureau
    with bureau.store.begin_read() as session:
        snapshot = find_snapshot(session, "main")
    (code,) = bureau.snapshots.identifiers(snapshot, row, 1)
    return derive_tags_and_marks(contract, [code], everyone(scene, contract).evaluations.read(row, 1))[:, :16]


def everyone(scene: Scene, contract: str) -> EvaluatedRegister:
    """The whole register under the contract's key, as the product never evaluates it for this contract."""
    with scene.bureau.store.begin_read() as session:
        snapshot = find_snapshot(session, "main")
    return scene.bureau.evaluated_registers.get_or_evaluate(
        MatchingKeyScope(contract, "match", ENGINE, 1), RowSelection(snapshot)
    )


def batch(scene: Scene, contract: str, tags: np.ndarray, rows: list[int]) -> bytes:
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    scene.bank.put_context(scene.bureau, contract)
    return scene.bank.batch(sheet, tags, scene.tables.bank[rows], contract)


def test_only_consenting_enterprises_match_and_score(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract(consent=CONSENT)
    assert len(scene.bank.match(scene.bureau, contract, firms(scene, range(12))).indices) == 0
    give(scene, range(0, 10, 2))
    matched = scene.bank.match(scene.bureau, contract, firms(scene, range(12)))
    assert matched.indices.tolist() == [0, 2, 4, 6, 8]
    rows = [0, 2, 4, 6, 8]
    reply, receipt = scene.bureau.scoring.score(contract, "job-1", batch(scene, contract, matched.tags, rows))
    assert reply and receipt.rows == 5
    everyone = scene.contract()
    assert len(scene.bank.match(scene.bureau, everyone, firms(scene, range(12)), "job-2").indices) == 12


def test_a_known_tag_of_one_that_did_not_consent_is_refused_as_a_stranger_s(scene: Scene) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, range(4))
    matched = scene.bank.match(scene.bureau, contract, firms(scene, range(6)))
    told = []
    for tag in (tag_of(scene, contract, 5), np.full((1, 16), 7, dtype=np.uint8)):
        with pytest.raises(NotAllowed) as caught:
            scene.bureau.scoring.score(
                contract, "job-1", batch(scene, contract, np.vstack([matched.tags, tag]), [0, 1, 2, 3, 5])
            )
        told.append((caught.value.detail, caught.value.next_step))
    assert told[0] == told[1]
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 0


@pytest.mark.parametrize("how", ["withdrawn", "ended"])
def test_a_consent_that_ends_between_match_and_score_is_refused_in_the_same_words(scene: Scene, how: str) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, range(4))
    give(scene, [4], days=1, evidence="a short one")
    matched = scene.bank.match(scene.bureau, contract, firms(scene, range(5)))
    sent = batch(scene, contract, matched.tags, list(range(5)))
    if how == "withdrawn":
        scene.bureau.consents.withdraw(firms(scene, [4]), reason="by letter", by="person:steward", id_kind="opaque")
    else:
        scene.later(days=2)
    with pytest.raises(NotAllowed) as gone:
        scene.bureau.scoring.score(contract, "job-1", sent)
    stranger = np.vstack([matched.tags[:4], np.full((1, 16), 7, dtype=np.uint8)])
    with pytest.raises(NotAllowed) as unknown:
        scene.bureau.scoring.score(contract, "job-1", batch(scene, contract, stranger, list(range(5))))
    assert str(gone.value) == str(unknown.value)
    assert scene.bureau.scoring.score(contract, "job-1", batch(scene, contract, matched.tags[:4], list(range(4))))


@pytest.mark.property(
    "Withdrawal during evaluation",
    claim="If a consent is withdrawn while a batch is evaluated, the bank gets no reply.",
    topic="contracts and consent",
    code=["lab.bureau.exchange.scoring.batch_scoring"],
)
def test_a_withdrawal_while_a_batch_is_evaluated_keeps_its_reply_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, range(3))
    matched = scene.bank.match(scene.bureau, contract, firms(scene, range(3)))
    sent = batch(scene, contract, matched.tags, [0, 1, 2])
    workers = scene.bureau.workers.scoring
    run = workers.run

    def run_and_withdraw(*work, **more):
        done = run(*work, **more)
        scene.bureau.consents.withdraw(firms(scene, [1]), reason="by letter", by="person:steward", id_kind="opaque")
        return done

    monkeypatch.setattr(workers, "run", run_and_withdraw)
    with pytest.raises(NotAllowed, match="not in the register under this contract"):
        scene.bureau.scoring.score(contract, "job-1", sent)
    monkeypatch.undo()
    assert "score.returned" in scene.ledger() and "score.answered" not in scene.ledger()
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 0
    assert list((scene.home / "replies").iterdir()) == []


def test_an_answered_batch_is_not_given_again_after_a_withdrawal(scene: Scene) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, range(3))
    matched = scene.bank.match(scene.bureau, contract, firms(scene, range(3)))
    sent = batch(scene, contract, matched.tags, [0, 1, 2])
    scene.bureau.scoring.score(contract, "job-1", sent)
    scene.bureau.consents.withdraw(firms(scene, [1]), reason="by letter", by="person:steward", id_kind="opaque")
    with pytest.raises(NotAllowed, match="not in the register under this contract"):
        scene.bureau.scoring.score(contract, "job-1", sent)


@pytest.mark.property(
    "Consenting enterprises alone",
    claim="The matching set-up and the responses depend on the key and the consenting enterprises alone.",
    topic="contracts and consent",
    code=["lab.bureau.exchange.matching.match_requests"],
)
def test_set_up_and_answers_are_functions_of_the_key_and_the_consenting_alone(
    scene: Scene, open_scene: Callable[[str], Scene]
) -> None:
    """Two bureaus under one matching key, whose registers differ by a firm that did not consent: equal byte by byte."""
    contract = scene.contract(consent=CONSENT)
    give(scene, range(5))
    bureau, matcher_codes = scene.bureau, firms(scene, range(8))
    scene.bank.open_job(bureau, contract)
    before = bureau.matching.setup(contract, "job-1")
    asked = request(matcher_codes)
    answer = bureau.matching.match(contract, "job-1", asked)[0]
    others = [row for row in range(len(scene.tables.codes)) if row != 6]
    source = scene.home.parent / "without.csv"
    scene.tables.public[others].select(pl.Series("id", firms(scene, others)), pl.all()).write_csv(source)
    import_register(bureau.store, bureau.home, source, RegisterLayout("id", "opaque"))
    assert bureau.matching.setup(contract, "job-1") == before
    assert bureau.matching.match(contract, "job-1", asked)[0] == answer
    made = list(bureau.home.path("evaluated").glob(f"by-contract/1/{ENGINE}/{contract}/match/main-*/*/sets/*/buckets"))
    assert len(made) == 2 and made[0].read_bytes() == made[1].read_bytes()


def test_the_index_holds_no_tag_of_the_others(scene: Scene) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, [3, 8])
    bureau = scene.bureau
    with bureau.store.begin_read() as session:
        snapshot = find_snapshot(session, "main")
        held = find_version(session, contract)
        admitted = bureau.consents.consenting_rows(session, snapshot, held.contract, held.bank_id, scene.clock.now)
    assert admitted is not None
    statements = KeyStatements(bureau.store, bureau.keys)
    indexes = ContractIndexes(bureau.home, bureau.snapshots, bureau.evaluated_registers, statements, BackgroundWork())
    use = MatchingKeyScope(contract, "match", ENGINE, 1)
    all_, narrowed = (indexes.get_or_make(IndexKey(use, RowSelection(snapshot, who))) for who in (None, admitted))
    assert all_.setup.entries == snapshot.rows and narrowed.setup.entries == 2
    tags = np.vstack([tag_of(scene, contract, row) for row in (3, 4, 8)])
    assert all_.find(tags).tolist() == [3, 4, 8]
    assert narrowed.find(tags).tolist() == [3, -1, 8]


def test_evaluated_files_carry_their_epoch_and_go_with_it(scene: Scene) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, range(5))
    scene.bank.match(scene.bureau, contract, firms(scene, range(5)))
    home: BureauHome = scene.bureau.home
    assert [path.name for path in home.path("evaluated/by-contract").iterdir()] == ["1"]
    shutil.copytree(home.path("evaluated/by-contract/1"), home.path("evaluated/by-contract/11"))
    scene.bureau.evaluated_registers.remove_epoch(1)
    assert [path.name for path in home.path("evaluated/by-contract").iterdir()] == ["11"]
