"""Which records no longer count: by the rules as a naive reckoning of each record says, and by cases."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.credit_repair import CaseKind, CaseState
from lab.bureau.data.credit_repair.rules.in_force import import_rules
from lab.bureau.store import Database
from tests.support.repair_scene import CODES, START, STEWARD, RepairScene, open_scene
from tests.unit.lab.bureau.data.credit_repair.rules.test_files import TEXT

ONE_DAY = timedelta(days=1)


@pytest.fixture
def scene(store: Database, tmp_path: Path) -> RepairScene:
    return open_scene(tmp_path, store)


def months_later(day: date, months: int) -> date:
    """The last day of a term, day by day: the same day number, or the last day before the month ends."""
    year, month = day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1
    number = day.day
    while True:
        try:
            return date(year, month, number)
        except ValueError:
            number -= 1


def naive_penalty(row: Mapping[str, object], day: date) -> bool:
    """Whether a penalty is left out, written once more from the rules' words."""
    group = row["seriousness"] or "ordinary"
    decided, corrected, published = row["decided_on"], row["corrected_on"], row["published_on"]
    assert isinstance(decided, date)
    if decided > day:
        return False
    if day > months_later(decided, {"minor": 3, "ordinary": 12, "serious": 36}[str(group)]):
        return True
    if group != "minor":
        return False
    is_corrected = isinstance(corrected, date) and corrected <= day
    is_published = isinstance(published, date) and published <= day
    return is_corrected or not is_published


def naive_entry(row: Mapping[str, object], day: date) -> bool:
    """Whether an entry of a list is left out."""
    listed, removed = row["listed_on"], row["removed_on"]
    assert isinstance(listed, date)
    if row["list"] == "red" or listed > day:
        return False
    if isinstance(removed, date):
        if removed <= day:
            return True
    elif row["repaired"]:
        return True
    return day > months_later(listed, 36 if row["list"] == "dishonest" else 12)


def test_the_query_says_what_a_naive_reckoning_says(scene: RepairScene) -> None:
    rng = random.Random(20260401)
    first = date(2023, 1, 1)

    def some_day() -> date:
        return first + timedelta(days=rng.randrange(1_400))

    def perhaps(day: date) -> date | None:
        return rng.choice([None, day])

    penalties = [
        {
            "enterprise": rng.choice(CODES),
            "decision_number": f"罚-{number}",
            "authority": "局",
            "kind": "fine",
            "seriousness": rng.choice([None, "minor", "ordinary", "serious"]),
            "decided_on": some_day(),
            "corrected_on": perhaps(some_day()),
            "published_on": perhaps(some_day()),
        }
        for number in range(400)
    ]
    entries = [
        {
            "enterprise": rng.choice(CODES),
            "entry_number": f"名-{number}",
            "list": rng.choice(["red", "focus", "dishonest", "anomaly"]),
            "listed_on": some_day(),
            "removed_on": perhaps(some_day()),
            "repaired": rng.choice([None, True, False]),
        }
        for number in range(400)
    ]
    known = date(2022, 12, 31)
    scene.deliver("penalties", known, penalties)
    scene.deliver("public_credit", known, entries)
    by_id = {scene.record_id("penalties", row): row for row in penalties}
    listed = {scene.record_id("public_credit", row): row for row in entries}
    boundaries = [months_later(row["decided_on"], 12) for row in penalties[:6]]  # type: ignore[arg-type]
    for day in [*boundaries, *(one + ONE_DAY for one in boundaries), date(2024, 2, 29), date(2026, 2, 28)]:
        held = {name for name, row in by_id.items() if row["decided_on"] <= day}  # type: ignore[operator]
        expected = {name for name, row in by_id.items() if naive_penalty(row, day)}
        assert scene.left_out(day) == expected & held
        expected = {name for name, row in listed.items() if naive_entry(row, day)}
        assert scene.left_out(day, "public_credit") == expected


def test_a_repaired_record_does_not_count_from_the_day_of_the_decision(scene: RepairScene) -> None:
    record = scene.penalty()
    case = scene.open(CaseKind.REPAIR, record)
    assert scene.left_out(START) == set()
    scene.clock.day = START + 5 * ONE_DAY
    scene.service.decide(case.id, CaseState.GRANTED, reason="all duties are done", by=STEWARD)
    assert scene.left_out(START + 4 * ONE_DAY) == set()  # what was said then is said again
    assert scene.left_out(START + 5 * ONE_DAY) == {record}
    assert scene.left_out(START + 6 * ONE_DAY) == {record}


def test_a_refused_repair_changes_nothing(scene: RepairScene) -> None:
    record = scene.penalty()
    case = scene.open(CaseKind.REPAIR, record)
    scene.service.decide(case.id, CaseState.REFUSED, reason="a duty is left", by=STEWARD)
    assert scene.left_out(START) == set()


@pytest.mark.parametrize("outcome", [CaseState.UPHELD, CaseState.REJECTED])
def test_an_objection_freezes_the_record_until_it_is_decided(scene: RepairScene, outcome: CaseState) -> None:
    record, other = scene.penalty(), scene.penalty("罚-2", CODES[1])
    case = scene.open(CaseKind.OBJECTION, record)
    assert scene.left_out(START - ONE_DAY) == set()
    assert scene.left_out(START) == {record}
    scene.clock.day = START + 3 * ONE_DAY
    scene.service.decide(case.id, outcome, reason="looked at the papers", by=STEWARD)
    assert scene.left_out(START + 2 * ONE_DAY) == {record}  # it was frozen then
    assert scene.left_out(START + 3 * ONE_DAY) == ({record} if outcome is CaseState.UPHELD else set())
    assert other not in scene.left_out(START + 3 * ONE_DAY)


def test_after_an_upheld_objection_a_correction_counts_by_its_own_values(scene: RepairScene) -> None:
    record = scene.penalty(seriousness="serious", decided_on=date(2025, 7, 1))
    case = scene.open(CaseKind.OBJECTION, record)
    scene.clock.day = START + ONE_DAY
    scene.service.decide(case.id, CaseState.UPHELD, reason="it was an ordinary one", by=STEWARD)
    assert scene.left_out(START + ONE_DAY) == {record}
    corrected = {
        "enterprise": CODES[0],
        "decision_number": "罚-1",
        "authority": "局",
        "kind": "fine",
        "seriousness": "ordinary",
        "decided_on": date(2026, 5, 1),
    }
    scene.deliver("penalties", START + 2 * ONE_DAY, [corrected], "corrected")
    assert scene.left_out(START + ONE_DAY) == {record}
    assert scene.left_out(START + 2 * ONE_DAY) == set()
    assert scene.left_out(date(2027, 5, 2)) == {record}  # expired as an ordinary one


def test_a_case_weighs_even_if_other_rules_no_longer_name_its_domain(scene: RepairScene, tmp_path: Path) -> None:
    record = scene.penalty()
    case = scene.open(CaseKind.REPAIR, record)
    scene.service.decide(case.id, CaseState.GRANTED, reason="done", by=STEWARD)
    start = TEXT.index('[[adverse]]\ndomain = "penalties"')
    end = TEXT.index('[[adverse]]\ndomain = "public_credit"')
    file = tmp_path / "rules.toml"
    file.write_text(TEXT[:start] + TEXT[end:], "utf-8")
    import_rules(scene.store, file, default_catalogue(), now=scene.clock(), by="local")
    assert scene.left_out(START) == {record}
