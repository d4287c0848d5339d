"""The meter against a naive count of charges over a real exchange: nothing returned is in it, nothing counts twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from lab.bureau.data.disclosure import meter_contract
from lab.bureau.data.disclosure.metering import count_usage
from lab.bureau.store.tables import LedgerEntryRow
from lab.bureau.workers.pool import WorkerPool
from lab.terms.contract.document import SCHEMA_WITH_PRICES
from lab.terms.contract.metering import MeterAccount, MeterKey, PriceBasis
from lab.terms.contract.prices import Prices, PriceUnit, parse_prices
from lab.terms.errors import NotAllowed, NotFound
from models.shared.sheet import BankSheet
from tests.support.bureau_scene import Scene

PRICED = parse_prices(["scored-enterprise=0.335", "matched-identifier=0.01", "job=2", "month=100"])


def entries(scene: Scene, contract: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with scene.bureau.store.begin_read() as session:
        for row in session.scalars(select(LedgerEntryRow).where(LedgerEntryRow.contract_id == contract)):
            yield row.kind, json.loads(row.body)["facts"]


def naive(scene: Scene, contract: str) -> dict[PriceUnit, int]:
    """What was charged less what was returned, and the jobs that were opened."""
    found = dict.fromkeys(PriceUnit, 0)
    for kind, facts in entries(scene, contract):
        found[PriceUnit.SCORED_ENTERPRISE] += facts["scored"] if kind == "score.charged" else 0
        found[PriceUnit.SCORED_ENTERPRISE] -= facts["rows"] if kind == "score.returned" else 0
        found[PriceUnit.MATCHED_IDENTIFIER] += facts["identifiers"] if kind == "match.charged" else 0
        found[PriceUnit.MATCHED_IDENTIFIER] -= facts["identifiers"] if kind == "match.returned" else 0
        found[PriceUnit.JOB] += kind == "job.opened"
    found[PriceUnit.MONTH] = 1
    return found


def metered(scene: Scene, contract: str, month: str | None = None) -> MeterAccount:
    with scene.bureau.store.begin_read() as session:
        return meter_contract(session, contract, scene.clock.now, month)


def use(scene: Scene, contract: str, job: str, rows: slice) -> bytes:
    """Match and prepare a batch of a job."""
    tags = scene.bank.match(scene.bureau, contract, scene.tables.codes[rows], job).tags
    scene.bank.put_context(scene.bureau, contract, job)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    return scene.bank.batch(sheet, tags, scene.tables.bank[rows], contract)


def sums(account: MeterAccount) -> dict[PriceUnit, int]:
    found = dict.fromkeys(PriceUnit, 0)
    for line in account.lines:
        found[line.unit] += line.count
    return found


def test_the_meter_is_the_naive_count_also_after_a_return_and_repetitions(
    scene_on_both: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = scene_on_both
    contract = scene.contract()
    scene.bureau.scoring.score(contract, "job-1", use(scene, contract, "job-1", slice(0, 7)))
    scene.amend(contract, schema_=SCHEMA_WITH_PRICES, prices=PRICED)
    batch = use(scene, contract, "job-2", slice(10, 23))
    scene.bureau.scoring.score(contract, "job-2", batch)
    scene.bureau.scoring.score(contract, "job-2", batch)  # again, at no charge
    stopped = use(scene, contract, "job-3", slice(30, 35))
    run = WorkerPool.run

    def suspended_meanwhile(pool: WorkerPool, *arguments: Any, **named: Any) -> Any:
        result = run(pool, *arguments, **named)
        monkeypatch.setattr(WorkerPool, "run", run)
        scene.suspend(contract)
        return result

    monkeypatch.setattr(WorkerPool, "run", suspended_meanwhile)
    with pytest.raises(NotAllowed):
        scene.bureau.scoring.score(contract, "job-3", stopped)
    kinds = [kind for kind, _ in entries(scene, contract)]
    assert "score.returned" in kinds
    account = metered(scene, contract)
    assert sums(account) | {PriceUnit.MONTH: 1} == naive(scene, contract)
    assert sums(account)[PriceUnit.SCORED_ENTERPRISE] == 20
    by_version = {(line.version, line.unit): line for line in account.lines}
    first, second = (by_version[version, PriceUnit.SCORED_ENTERPRISE] for version in (1, 2))
    assert (first.count, first.basis, first.amount) == (7, PriceBasis.UNSTATED, None)
    assert (second.count, second.price, second.amount) == (13, "0.335", "4.36")  # 4.355, half up
    total = sum(Decimal(line.amount) for line in account.lines if line.amount)
    assert [(one.currency, Decimal(one.amount)) for one in account.totals] == [("CNY", total)]
    scene.resume(contract)
    scene.bank.open_job(scene.bureau, contract, "job-3")
    scene.bureau.scoring.score(contract, "job-3", stopped)
    assert sums(metered(scene, contract)) | {PriceUnit.MONTH: 1} == naive(scene, contract)
    assert sums(metered(scene, contract))[PriceUnit.SCORED_ENTERPRISE] == 25


def test_a_match_that_was_returned_is_not_metered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = scene.contract()
    run = WorkerPool.run

    def suspended_meanwhile(pool: WorkerPool, *arguments: Any, **named: Any) -> Any:
        result = run(pool, *arguments, **named)
        scene.suspend(contract)
        return result

    monkeypatch.setattr(WorkerPool, "run", suspended_meanwhile)
    with pytest.raises(NotAllowed):
        scene.bank.match(scene.bureau, contract, scene.tables.codes[:5])
    assert "match.returned" in [kind for kind, _ in entries(scene, contract)]
    assert (
        sums(metered(scene, contract))[PriceUnit.MATCHED_IDENTIFIER]
        == 0
        == naive(scene, contract)[PriceUnit.MATCHED_IDENTIFIER]
    )


def test_months_are_those_in_which_the_contract_was_active(scene: Scene) -> None:
    contract = scene.contract()
    scene.amend(contract, schema_=SCHEMA_WITH_PRICES, prices=PRICED, expires=datetime.now(UTC) + timedelta(days=99))
    with scene.bureau.store.begin_read() as session:
        document = {1: scene.document(contract), 2: scene.document(contract)}
        later = count_usage(session, contract, document, datetime.now(UTC) + timedelta(days=70)).counts
        much_later = count_usage(session, contract, document, datetime.now(UTC) + timedelta(days=700)).counts
    months = [key.month for key in later if key.unit is PriceUnit.MONTH]
    assert len(months) in (3, 4) and months == sorted(months)
    assert len([key for key in much_later if key.unit is PriceUnit.MONTH]) in (4, 5)  # until it expired
    scene.revoke(contract)
    with scene.bureau.store.begin_read() as session:
        ended = count_usage(session, contract, document, datetime.now(UTC) + timedelta(days=700)).counts
    assert [key for key in ended if key.unit is PriceUnit.MONTH] == [
        MeterKey(f"{datetime.now(UTC):%Y-%m}", 1, PriceUnit.MONTH)
    ]


def test_the_months_add_up_to_the_whole(scene: Scene) -> None:
    contract = scene.contract()
    scene.bureau.scoring.score(contract, "job-1", use(scene, contract, "job-1", slice(0, 5)))
    month = f"{datetime.now(UTC):%Y-%m}"
    assert metered(scene, contract, month).lines == metered(scene, contract).lines
    assert metered(scene, contract, "2001-01").lines == ()
    with pytest.raises(NotFound), scene.bureau.store.begin_read() as session:
        meter_contract(session, "c-unknown", scene.clock.now)


def test_a_free_contract_owes_nothing_and_is_counted_all_the_same(scene: Scene) -> None:
    contract = scene.contract()
    scene.amend(contract, schema_=SCHEMA_WITH_PRICES, prices=Prices(free=True))
    scene.bank.open_job(scene.bureau, contract)
    account = metered(scene, contract)
    assert {line.basis for line in account.lines if line.version == 2} == {PriceBasis.FREE}
    assert account.totals == () and MeterAccount.model_validate(account.as_dict()) == account
