"""A record that was put right goes on weighing: an old penalty in a new score, because nobody left it out.

An enterprise has its penalty repaired, or objects to it. If the register that scores come from is computed from all
that the store holds, the record counts as before, since its history stays there. What stops it: features are computed
without the records that no longer count on their day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from lab.bureau.data.credit_repair import CaseKind, CaseState
from lab.bureau.data.features.stored_tables import FeatureInputs, FeatureTables
from lab.bureau.data.publication.publishing import feature_inputs
from lab.bureau.store import Database
from tests.support.repair_scene import CODES, START, STEWARD, RepairScene, open_scene

pytestmark = pytest.mark.threat(
    "Repaired record that still counts",
    who="the bureau",
    wants="to let a repaired, expired or disputed record weigh in new scores as before",
    stopped_by={"records left out": "Features are computed without the records that no longer count on their day."},
    shipped="on",
    code=["lab.bureau.data.credit_repair.exclusion"],
)

LATER = START + timedelta(days=1)


@pytest.fixture
def scene(store: Database, tmp_path: Path) -> RepairScene:
    """Two registered enterprises with a penalty each."""
    opened = open_scene(tmp_path, store)
    firms = [
        {
            "enterprise": code,
            "name": "示例公司",
            "enterprise_type": "limited",
            "industry": "C",
            "region": "330102",
            "established_on": date(2015, 1, 1),
            "status": "active",
            "status_changed_on": date(2015, 1, 1),
        }
        for code in CODES[:2]
    ]
    opened.deliver("registration", date(2026, 1, 9), firms)
    return opened


def ended_by(scene: RepairScene, way: str) -> None:
    """The first enterprise's penalty, put right in one of the ways before ``LATER``."""
    if way == "expired":
        scene.penalty(decided_on=date(2025, 9, 1))
        return
    record = scene.penalty()
    case = scene.open(CaseKind.REPAIR if way == "repaired" else CaseKind.OBJECTION, record)
    if way == "repaired":
        scene.service.decide(case.id, CaseState.GRANTED, reason="all duties are done", by=STEWARD)
    if way == "upheld":
        scene.service.decide(case.id, CaseState.UPHELD, reason="it is another's", by=STEWARD)


def penalties(scene: RepairScene, left_out: Mapping[str, pl.Series] | None = None) -> dict[str, int]:
    """The feature "administrative penalties in 24 months" of ``LATER``, by enterprise; ``left_out``: other records
    than those that do not count."""
    with scene.store.begin_read() as session:
        inputs = feature_inputs(session, scene.home, scene.records, LATER)
    if left_out is not None:
        inputs = FeatureInputs(inputs.manifest, inputs.catalogue, inputs.features, inputs.day, left_out)
    table = FeatureTables(scene.home, scene.store, scene.records).table(inputs)
    found = pl.read_parquet(table.path)
    return dict(zip(found["enterprise"], found["penalties_24m"].cast(pl.Int64), strict=True))


WAYS = pytest.mark.parametrize("way", ["repaired", "upheld", "frozen", "expired"])


@pytest.mark.without_control("records left out")
@WAYS
def test_with_all_that_the_store_holds_the_record_counts(scene: RepairScene, way: str) -> None:
    scene.penalty("罚-2", CODES[1])
    ended_by(scene, way)
    assert penalties(scene, left_out={}) == {CODES[0]: 1, CODES[1]: 1}


@pytest.mark.with_control("records left out")
@WAYS
def test_a_record_that_no_longer_counts_is_in_no_feature(scene: RepairScene, way: str) -> None:
    scene.penalty("罚-2", CODES[1])
    ended_by(scene, way)
    assert penalties(scene) == {CODES[0]: 0, CODES[1]: 1}
