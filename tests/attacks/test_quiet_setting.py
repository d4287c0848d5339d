"""An administrator of the bureau's machine changes a setting for an afternoon: one officer is enough, the watch is off.

They want no trace of it. What stops it: a bureau which opens with other settings than it last had writes down which
ones, before it does anything.
"""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from lab.bureau import bureau
from lab.bureau.configuration.home import change_settings
from lab.bureau.store.tables import LedgerEntryRow
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Quiet setting",
    who="somebody on the machine",
    wants="to change a setting of the bureau for some time without a trace",
    stopped_by={
        "settings entry": (
            "A bureau that opens with changed settings writes their names and keyed hashes into the ledger first."
        ),
    },
    code=["lab.bureau.ledger.settings_changes"],
)


def afternoon(scene: Scene) -> list[list[str]]:
    """What the ledger says of settings after the change and back."""
    for value in ("sensitive", scene.bureau.home.settings.two_officers_above):
        change_settings(scene.home, {"two_officers_above": str(value)})
        scene.reopen()
    with scene.bureau.store.begin_read() as session:
        query = (
            select(LedgerEntryRow.body)
            .where(LedgerEntryRow.kind == "configuration.changed")
            .order_by(LedgerEntryRow.seq)
        )
        bodies = [json.loads(body) for body in session.scalars(query)]
    return [body["facts"]["changed"] for body in bodies[1:]]


@pytest.mark.without_control("settings entry")
def test_without_the_entry_there_is_no_trace(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bureau, "record_configuration_change", lambda *_, **__: None)
    assert afternoon(scene) == []


@pytest.mark.with_control("settings entry")
def test_both_changes_are_in_the_ledger_by_name(scene: Scene) -> None:
    assert afternoon(scene) == [["two_officers_above"], ["two_officers_above"]]
