"""A bureau's own rules and holidays: put in force with an entry, by day, and checked when they are read."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.credit_repair.rules.files import default_rules
from lab.bureau.data.credit_repair.rules.in_force import (
    calendar_in_force,
    import_holidays,
    import_rules,
    rules_in_force,
)
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow, RepairRulesRow
from lab.terms.errors import InvalidInput, NotFound
from tests.support.repair_scene import START, RepairScene, open_scene
from tests.unit.lab.bureau.data.credit_repair.rules.test_files import TEXT
from tests.unit.lab.bureau.data.credit_repair.rules.test_working_days import GOOD


@pytest.fixture
def scene(store: Database, tmp_path: Path) -> RepairScene:
    return open_scene(tmp_path, store)


def entries(store: Database) -> int:
    with store.begin_read() as session:
        query = sqlalchemy.select(sqlalchemy.func.count()).where(LedgerEntryRow.kind == "repair.rules-changed")
        return int(session.scalar(query) or 0)


def test_own_rules_are_in_force_from_the_day_of_their_import(scene: RepairScene, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT.replace("greatest_months = 12", "greatest_months = 9"), "utf-8")
    for _ in range(2):  # the second time changes nothing
        import_rules(scene.store, file, default_catalogue(), now=scene.clock(), by="local")
    assert entries(scene.store) == 1
    with scene.store.begin_read() as session:
        assert rules_in_force(session).classes["ordinary"].greatest_months == 9
        assert rules_in_force(session, START).classes["ordinary"].greatest_months == 9
        assert rules_in_force(session, START - timedelta(days=1)) == default_rules()


def test_rules_of_a_later_day_are_not_put_in_force_today(scene: RepairScene, tmp_path: Path) -> None:
    file = tmp_path / "next.toml"
    stated = f"in_force = {default_rules().in_force.isoformat()}"
    for days, refused in ((1, True), (0, False)):
        file.write_text(TEXT.replace(stated, f"in_force = {(START + timedelta(days=days)).isoformat()}"), "utf-8")
        if refused:
            with pytest.raises(InvalidInput, match="are from 2026-09-02 on"):
                import_rules(scene.store, file, default_catalogue(), now=scene.clock(), by="local")
            assert not entries(scene.store)
        else:
            import_rules(scene.store, file, default_catalogue(), now=scene.clock(), by="local")
    assert entries(scene.store) == 1


def test_own_holidays_replace_the_ones_before(scene: RepairScene, tmp_path: Path) -> None:
    file = tmp_path / "holidays.toml"
    file.write_text(GOOD, "utf-8")
    import_holidays(scene.store, file, now=scene.clock(), by="local")
    with scene.store.begin_read() as session:
        assert calendar_in_force(session).years == {2027}
        assert not calendar_in_force(session).is_working_day(date(2027, 1, 1))


def test_rules_that_do_not_fit_are_not_put_in_force(scene: RepairScene, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    for text in (TEXT.replace('domain = "courts"', 'domain = "nowhere"'), TEXT + "x = 1\n", "#" * 300_000):
        file.write_text(text, "utf-8")
        with pytest.raises(InvalidInput):
            import_rules(scene.store, file, default_catalogue(), now=scene.clock(), by="local")
    with pytest.raises(NotFound):
        import_rules(scene.store, tmp_path / "none.toml", default_catalogue(), now=scene.clock(), by="local")
    assert entries(scene.store) == 0


def test_rules_that_were_changed_in_the_database_are_refused(scene: RepairScene, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT, "utf-8")
    import_rules(scene.store, file, default_catalogue(), now=scene.clock(), by="local")
    with scene.store.begin() as session:
        changed = TEXT.replace("greatest_months = 36", "greatest_months = 1")
        session.execute(sqlalchemy.update(RepairRulesRow).values(content=changed))
    with scene.store.begin_read() as session, pytest.raises(InvalidInput):
        rules_in_force(session)
