"""The watch: rules trip and do not, further queries loosen nothing, a finding is recorded once and names nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from lab.bureau.ledger import BUREAU_ACTOR, record
from lab.bureau.store import Database
from lab.bureau.store.tables import BatchRow, InquiryRow, JobRow, LedgerEntryRow
from lab.bureau.watch import MONITORING_RULES, UsageFinding, UsageMonitor, find_violations
from lab.bureau.watch.rules import (
    MIN_SET_ROWS,
    OVERLAP_THRESHOLD,
    REPEATED_SCORES,
    SMALL_BATCH_ROWS,
    merge_limits,
    rules_table,
)
from lab.bureau.watch.similar_batches import SKETCH_SIZE, jaccard_overlap
from lab.terms.contract.document import Ceilings, ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.keys.party import Party
from tests.support.bureau_scene import START, Bank, Clock, Scene
from tests.unit.lab.bureau.exchange.test_charges import firms, held_in

DAY = timedelta(days=1)
PAGE = Path(__file__).parents[4] / "docs" / "watch.md"
LIMITS = merge_limits({})
FIRST, SECOND, OTHER = "c-first", "c-second", "c-other"
"""Two contracts of one bank, and one of another."""


@dataclass
class NamedBank(Bank):
    """A bank with a name of its own."""

    name: str = "甲银行"

    @property
    def party(self) -> Party:
        return super().party.model_copy(update={"name": self.name})


@dataclass
class Use:
    """Three contracts, and what was scored under them, as charging leaves it."""

    store: Database
    watch: UsageMonitor
    clock: Clock = field(default_factory=Clock)
    batches: int = 0

    def score(
        self, contract: str, enterprises: Iterable[int], at: datetime = START, *, times: int = 1, state: str = "charged"
    ) -> None:
        codes = firms(*enterprises)
        for _ in range(times):
            self.batches += 1
            sha256 = f"{self.batches:064x}"
            row = {"contract_id": contract, "sha256": sha256, "job_id": "job-1", "rows": len(codes), "state": state}
            row |= {"register_version": 1, "charged_at": at}
            of = {"contract_id": contract, "job_id": "job-1", "batch": sha256, "at": at}
            about = [of | {"enterprise": code} for code in codes]
            with self.store.begin() as session:
                session.execute(insert(BatchRow), [row])
                if state != "returned":
                    session.execute(insert(InquiryRow), about)

    def note(self, contract: str, kind: str, times: int, by: str) -> None:
        with self.store.begin() as session:
            for _ in range(times):
                record(session, kind, contract, {"detail": 'a text that says "by":"bank:'}, by=by)

    def forget(self) -> None:
        with self.store.begin() as session:
            session.execute(delete(InquiryRow))
            session.execute(delete(BatchRow))

    def findings(self) -> dict[tuple[str, str], int]:
        with self.store.begin_read() as session:
            return {(one.contract, one.rule.code): one.found for one in self.watch.current_findings(session)}

    def entries(self) -> list[dict[str, object]]:
        with self.store.begin_read() as session:
            query = (
                select(LedgerEntryRow.body)
                .where(LedgerEntryRow.kind == "contract.flagged")
                .order_by(LedgerEntryRow.seq)
            )
            return [json.loads(body) for body in session.scalars(query)]


@pytest.fixture
def use(store: Database) -> Iterator[Use]:
    yield made(store)


def made(store: Database) -> Use:
    one, other = NamedBank(), NamedBank(name="乙银行")
    for contract, bank in ((FIRST, one), (SECOND, one), (OTHER, other)):
        held_in(store, Ceilings(scores_per_enterprise=4 if contract == SECOND else 100), contract, bank)
        with store.begin() as session:
            row = {"contract_id": contract, "id": "job-1", "version": 1, "recipient": "r", "model": "credit"}
            row |= {"model_version": 1, "epoch": 1, "rows": 1, "rows_used": 0, "state": "open", "opened_at": START}
            session.execute(insert(JobRow), [row])
    clock = Clock()
    clock.now = START + timedelta(hours=1)
    return Use(store, UsageMonitor(store, clock), clock)


# --- each rule --------------------------------------------------------------------------------------------------------


def test_one_enterprise_again_and_again_also_under_two_contracts(use: Use) -> None:
    limit = LIMITS["one-enterprise"]
    use.score(FIRST, [7], times=limit - 1)
    use.score(SECOND, [7])
    use.score(OTHER, [7], times=limit)  # another bank's count apart
    assert use.findings() == {}
    use.score(SECOND, [7, 8])
    # Under both contracts, since both scored it.
    assert use.findings() == {(FIRST, "one-enterprise"): limit + 1, (SECOND, "one-enterprise"): limit + 1}
    use.clock.now = START + 30 * DAY
    assert use.findings() == {}


def test_many_enterprises_again(use: Use) -> None:
    limit = LIMITS["many-again"]
    for number in range(limit):
        use.score(FIRST, [number], times=REPEATED_SCORES + 1)
    use.score(FIRST, [limit], times=REPEATED_SCORES)
    assert (FIRST, "many-again") not in use.findings()
    use.score(FIRST, [limit])
    assert use.findings() == {(FIRST, "many-again"): limit + 1}


def test_one_set_again_though_a_few_of_it_change(use: Use) -> None:
    limit = LIMITS["same-set"]
    for turn in range(limit):
        use.score(FIRST if turn else SECOND, [*range(100, 119), 1000 + turn])  # 19 of 21 alike
        use.score(FIRST, range(5000 + 100 * turn, 5100 + 100 * turn))  # a portfolio in parts: all of them different
    assert use.findings() == {}
    use.score(FIRST, [*range(100, 119), 2000])
    found = use.findings()
    assert found == {(FIRST, "same-set"): limit + 1, (SECOND, "same-set"): limit + 1}


def test_a_set_that_another_bank_scores(use: Use) -> None:
    limit = LIMITS["shared-set"]
    use.score(FIRST, range(300))
    use.score(OTHER, range(300), times=limit)
    assert use.findings() == {}
    use.score(OTHER, range(1, 300))
    assert use.findings() == {(FIRST, "shared-set"): limit + 1}
    use.forget()
    use.score(FIRST, range(MIN_SET_ROWS - 1))
    use.score(OTHER, range(MIN_SET_ROWS - 1), times=limit + 1)
    assert use.findings() == {}  # so few meet by accident


def test_many_small_batches(use: Use) -> None:
    limit = LIMITS["small-batches"]
    for number in range(limit):
        use.score(FIRST, [number])
    use.score(FIRST, range(1000, 1000 + SMALL_BATCH_ROWS))
    use.score(FIRST, [1], START - 30 * DAY)
    use.score(FIRST, [2], state="returned")
    assert use.findings() == {}
    use.score(FIRST, range(2000, 2000 + SMALL_BATCH_ROWS - 1))
    assert use.findings() == {(FIRST, "small-batches"): limit + 1}


def test_a_periods_scores_used_in_a_day(use: Use) -> None:
    """The second contract allows four in its period."""
    limit = LIMITS["whole-allowance"]
    for number in range(4):
        use.score(SECOND, range(limit), START)
        use.score(SECOND, [limit], START - number * DAY)
        use.score(FIRST, range(100, 200))
    assert use.findings() == {}
    use.score(SECOND, [limit, limit + 1], START)
    use.score(SECOND, [limit, limit + 1], START, times=3)
    assert use.findings() == {(SECOND, "whole-allowance"): limit + 2}
    use.clock.now = START + DAY
    assert use.findings() == {}


def test_refusals_and_returns_are_the_ledgers(use: Use) -> None:
    use.note(FIRST, "refused", LIMITS["refused"], "bank:b-1")
    use.note(FIRST, "refused", 5, "person:mei")  # an officer who was refused about the contract
    use.note(FIRST, "score.returned", LIMITS["returned"], BUREAU_ACTOR)
    assert use.findings() == {}
    use.note(FIRST, "refused", 1, "bank:b-1")
    use.note(FIRST, "score.returned", 1, BUREAU_ACTOR)
    assert use.findings() == {(FIRST, "returned"): 21, (FIRST, "refused"): 101}


def test_replies_near_what_the_flood_hides(scene: Scene) -> None:
    contract = scene.contract(detail=ResultDetail.FULL)
    scene.bank.open_job(scene.bureau, contract)
    row = {
        "contract_id": contract,
        "job_id": "job-1",
        "rows": 1,
        "state": "answered",
        "register_version": 1,
        "spent": 0.01,
    }

    def answer(name: str, batches: int) -> list[tuple[str, int]]:
        with scene.bureau.store.begin() as session:
            shas = (f"{name}{number:063x}" for number in range(batches))
            rows = [row | {"sha256": sha, "charged_at": START - 900 * DAY} for sha in shas]
            session.execute(insert(BatchRow), rows)
        with scene.bureau.store.begin_read() as session:
            return [(one.rule.code, one.found) for one in scene.bureau.usage_monitor.current_findings(session)]

    assert answer("a", 50) == []
    assert answer("b", 34) == [("replies", 84)]  # whenever they were made


# --- the table --------------------------------------------------------------------------------------------------------


def test_a_count_is_a_finding_above_its_limit_and_not_at_it() -> None:
    assert find_violations("c-1", "b", LIMITS) == []
    over = find_violations("c-1", "b", {code: limit + 1 for code, limit in LIMITS.items()})
    assert [one.rule.code for one in over] == list(MONITORING_RULES)
    for finding in over:
        assert finding.limit == finding.found - 1 == finding.rule.limit
        assert "c-1" in finding.next_step and finding.rule.step in finding.next_step.replace("show", "look")


def test_a_bureau_has_limits_of_its_own(use: Use) -> None:
    other = UsageMonitor(use.store, use.clock, {"one-enterprise": 2})
    use.score(FIRST, [1], times=3)
    assert use.findings() == {}
    with use.store.begin_read() as session:
        assert [(one.rule.code, one.found, one.limit) for one in other.current_findings(session)] == [
            ("one-enterprise", 3, 2)
        ]
    assert {rule["code"]: rule["limit"] for rule in other.rules} == LIMITS | {"one-enterprise": 2}
    with pytest.raises(InvalidInput, match="no-such-rule"):
        merge_limits({"no-such-rule": 1})


def test_the_pages_rules_are_the_rules() -> None:
    shown = PAGE.read_text("utf-8").split("<!-- rules: begin -->\n")[1].split("\n<!-- rules: end -->")[0]
    assert shown == rules_table()


@given(st.sets(st.integers(0, 300), min_size=1), st.sets(st.integers(0, 300), min_size=1))
def test_a_sketch_gives_the_overlap_exactly_where_it_holds_all(one: set[int], other: set[int]) -> None:
    sketches = [sorted(firms(*numbers))[:SKETCH_SIZE] for numbers in (one, other)]
    found, truth = jaccard_overlap(*sketches), len(one & other) / len(one | other)
    if len(one | other) <= SKETCH_SIZE:
        assert found == truth
    assert (
        jaccard_overlap(*sketches[::-1]) == found and jaccard_overlap(sketches[0], sketches[0]) == 1 > OVERLAP_THRESHOLD
    )


# --- what may never happen --------------------------------------------------------------------------------------------

BATCH = st.tuples(
    st.sampled_from([FIRST, SECOND, OTHER]),
    st.sets(st.integers(0, 14), min_size=1, max_size=14),
    st.integers(0, 29),
    st.integers(1, 9),
)


@pytest.mark.property(
    "Findings last",
    claim="Further queries never remove a finding of the watch.",
    topic="the ledger",
    code=["lab.bureau.watch.rules", "lab.bureau.watch.usage_counts"],
)
def test_further_queries_loosen_nothing(store: Database) -> None:
    """What is found of a history is found of it and more, as long as no rule's days go by."""
    use = made(store)
    use.watch = UsageMonitor(store, use.clock, dict.fromkeys(MONITORING_RULES, 1))

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(BATCH, min_size=1, max_size=4), st.lists(BATCH, min_size=1, max_size=4))
    def check(history: list[tuple[str, set[int], int, int]], more: list[tuple[str, set[int], int, int]]) -> None:
        use.forget()
        for contract, enterprises, days, times in history:
            use.score(contract, enterprises, START - days * DAY, times=times)
        before = use.findings()
        for contract, enterprises, days, times in more:
            use.score(contract, enterprises, START - days * DAY, times=times)
        after = use.findings()
        assert all(after.get(key, 0) >= found for key, found in before.items())

    check()


@pytest.mark.property(
    "Anonymous findings",
    claim="A finding is in the ledger once in the period of its rule, and names no enterprise.",
    topic="the ledger",
    code=["lab.bureau.watch.usage_monitor"],
)
def test_a_finding_is_recorded_once_and_again_when_it_outlasts_its_days(use: Use) -> None:
    use.score(FIRST, [7], times=9)
    new = use.watch.record_new_findings()
    assert [(one.contract, one.rule.code) for one in new] == [(FIRST, "one-enterprise")]
    assert new[0].since == use.clock.now and new[0].entry is not None
    use.score(FIRST, [7], times=3)
    assert use.watch.record_new_findings() == []
    with use.store.begin_read() as session:
        (standing,) = use.watch.current_findings(session)
    assert (standing.found, standing.since, standing.entry) == (12, new[0].since, new[0].entry)
    use.clock.now += 29 * DAY
    assert use.watch.record_new_findings() == []
    use.clock.now += DAY
    assert use.watch.record_new_findings() == []  # nothing stands any more
    use.score(FIRST, [7], use.clock.now, times=9)
    assert len(use.watch.record_new_findings()) == 1
    entries = use.entries()
    assert [(one["contract"], one["by"]) for one in entries] == [(FIRST, "bureau")] * 2


@pytest.mark.property("Anonymous findings")
def test_neither_a_finding_nor_its_entry_names_an_enterprise(use: Use) -> None:
    use.score(FIRST, range(20), times=9)
    use.score(OTHER, range(20), times=3)
    told = [one.as_dict() for one in use.watch.record_new_findings()] + use.entries()
    assert {one["rule"] for one in told if "rule" in one} == {"one-enterprise", "same-set", "shared-set"}
    text = json.dumps(told)
    assert not re.search(r"[0-9a-f]{32}", text)  # no pseudonym
    facts = {"rule", "bank", "found", "limit", "days", "at"}
    assert all(set(one["facts"]) == facts for one in use.entries())  # type: ignore[call-overload]
    assert set(UsageFinding.__dataclass_fields__) == {"contract", "bank", "rule", "found", "limit", "since", "entry"}
