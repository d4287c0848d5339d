"""Consent by property: admitted rows are those of a plain recomputation, and each act moves them one way only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.bureau.store.tables import ConsentChangeCounterRow, ConsentRow
from lab.terms.consent import format_consent_time
from lab.terms.contract.document import Purpose
from tests.support.consenting_bureau import BANKS, START, Room, make_contract, open_room

FIRMS = 6
PURPOSES = (Purpose.CREDIT_APPROVAL, Purpose.RESEARCH)
hours = st.integers(-48, 72)
firms = st.integers(0, FIRMS - 1)
banks = st.sampled_from(list(BANKS))
purposes = st.sampled_from(PURPOSES)


@dataclass(frozen=True)
class Give:
    """An authorisation comes in. Hours are from the start."""

    firm: int
    bank: str
    purpose: Purpose
    begin: int
    hours: int
    evidence: int


@dataclass(frozen=True)
class Take:
    """A firm withdraws, from one bank or all, for one purpose or all."""

    firm: int
    bank: str | None
    purpose: Purpose | None


@dataclass(frozen=True)
class Wait:
    """Time goes by."""

    hours: int


Act = Give | Take | Wait
acts = st.lists(
    st.one_of(
        st.builds(Give, firms, banks, purposes, hours, st.integers(1, 60), st.integers(0, 2)),
        st.builds(Take, firms, st.none() | banks, st.none() | purposes),
        st.builds(Wait, st.integers(0, 24)),
    ),
    max_size=14,
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with open_room(tmp_path_factory.mktemp("room"), "", FIRMS) as opened:
        yield opened


def begin_anew(room: Room) -> None:
    """An empty table, and a counter that goes on, as it must for what is kept in memory."""
    room.clock.now = START
    with room.store.begin() as session:
        session.query(ConsentRow).delete()
        session.query(ConsentChangeCounterRow).update(
            {ConsentChangeCounterRow.changes: ConsentChangeCounterRow.changes + 1}
        )


def at(offset: int) -> datetime:
    return START + timedelta(hours=offset)


def play(room: Room, act: Act) -> None:
    if isinstance(act, Wait):
        room.clock.move(hours=act.hours)
    elif isinstance(act, Take):
        room.consents.withdraw([room.codes[act.firm]], bank=act.bank, purpose=act.purpose, reason="r", by="person:s")
    else:
        begin, end = format_consent_time(at(act.begin)), format_consent_time(at(act.begin + act.hours))
        evidence = f"sheet {act.evidence}"
        line = {"bank": act.bank, "purpose": act.purpose.value, "starts": begin, "expires": end, "evidence": evidence}
        room.take([room.line(room.codes[act.firm], **line)])


class Plain:
    """The same in plain Python: a list of consents, each struck out once."""

    def __init__(self) -> None:
        self.now = START
        self.given: dict[Give, datetime | None] = {}

    def play(self, act: Act) -> None:
        if isinstance(act, Wait):
            self.now += timedelta(hours=act.hours)
        elif isinstance(act, Take):
            for give, struck in self.given.items():
                named = act.bank in (None, give.bank) and act.purpose in (None, give.purpose)
                if act.firm == give.firm and named and struck is None and at(give.begin + give.hours) > self.now:
                    self.given[give] = self.now
        elif act not in self.given and at(act.begin + act.hours) > self.now:
            same = [one for one in self.given if (one.firm, one.bank, one.purpose) == (act.firm, act.bank, act.purpose)]
            earlier = [moment for one in same if (moment := self.given[one]) is not None]
            if not earlier or at(act.begin) >= max(earlier):
                self.given[act] = None

    def admitted(self, bank: str, purpose: Purpose, now: datetime) -> set[int]:
        return {
            give.firm
            for give, struck in self.given.items()
            if (give.bank, give.purpose) == (bank, purpose)
            and struck is None
            and at(give.begin) <= now < at(give.begin + give.hours)
        }


def rows(room: Room, bank: str, purpose: Purpose) -> list[int]:
    admitted = room.admitted(make_contract(purpose), bank)
    assert admitted is not None
    return admitted.rows.tolist()


slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slow
@given(acts, st.lists(st.integers(-24, 96), max_size=4))
def test_admitted_rows_are_those_of_a_plain_recomputation(room: Room, history: list[Act], asked: list[int]) -> None:
    begin_anew(room)
    plain = Plain()
    for act in history:
        play(room, act)
        plain.play(act)
        for bank in BANKS:
            for purpose in PURPOSES:
                assert rows(room, bank, purpose) == sorted(plain.admitted(bank, purpose, room.clock.now))
    for offset in asked:  # forth and back in time over what is kept in memory
        room.clock.now = at(offset)
        for bank in BANKS:
            assert rows(room, bank, PURPOSES[0]) == sorted(plain.admitted(bank, PURPOSES[0], room.clock.now))


@slow
@given(acts, st.one_of(st.builds(Give, firms, banks, purposes, hours, st.integers(1, 60), st.integers(0, 2))))
def test_one_more_consent_never_admits_fewer(room: Room, history: list[Act], more: Give) -> None:
    begin_anew(room)
    for act in history:
        play(room, act)
    before = {(bank, purpose): set(rows(room, bank, purpose)) for bank in BANKS for purpose in PURPOSES}
    play(room, more)
    for (bank, purpose), firms_before in before.items():
        after = set(rows(room, bank, purpose))
        assert after >= firms_before
        assert after - firms_before <= ({more.firm} if (bank, purpose) == (more.bank, more.purpose) else set())


@slow
@given(acts, st.builds(Take, firms, st.none() | banks, st.none() | purposes), hours)
def test_a_withdrawal_never_admits_more(room: Room, history: list[Act], less: Take, later: int) -> None:
    begin_anew(room)
    for act in history:
        play(room, act)
    moments = (room.clock.now, room.clock.now + timedelta(hours=abs(later)))
    before: dict[tuple[datetime, str, Purpose], set[int]] = {}
    for room.clock.now in moments:
        before |= {(room.clock.now, b, p): set(rows(room, b, p)) for b in BANKS for p in PURPOSES}
    room.clock.now = moments[0]
    play(room, less)
    for (room.clock.now, bank, purpose), firms_before in before.items():
        after = set(rows(room, bank, purpose))
        assert firms_before - after <= {less.firm} and after <= firms_before
        if less.bank in (None, bank) and less.purpose in (None, purpose):
            assert less.firm not in after
