"""The same bytes over partitions on a local Dask cluster as in one run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.features import computation
from lab.bureau.data.features.compilation import compile_features
from lab.bureau.data.features.computation import compute_to_file
from lab.bureau.data.features.definition_files import default_features
from lab.bureau.data.features.partitions import compute_on_pool
from lab.bureau.data.records import RecordStore, open_records
from protocols.compute_pool import ComputePool, DaskComputePool, open_compute_pool
from tests.support.feature_records import fill_store, firm_code, random_records

CATALOGUE = default_catalogue()
PLAN = compile_features(default_features(CATALOGUE), CATALOGUE)
DAY = date(2026, 6, 30)
FIRMS = [firm_code(number, natural=number % 5 == 0) for number in range(70)]


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    """A bureau with records, some of enterprises that are not registered."""
    with Bureau.create(tmp_path / "bureau", name="Test bureau") as made:
        records = random_records(CATALOGUE, FIRMS, 7)
        records["tax"] += random_records(CATALOGUE, [firm_code(900)], 8, most=9)["tax"]
        fill_store(RecordStore(made.home, made.store, made.keys), CATALOGUE, records, DAY)
        yield made


@pytest.fixture(params=["serial", "dask"])
def pool(request: pytest.FixtureRequest) -> Iterator[ComputePool]:
    """One process, and a Dask cluster of two workers."""
    if request.param == "serial":
        yield open_compute_pool(1, "", ())
        return
    distributed = pytest.importorskip("distributed", reason="SKIPPED: the extra cluster is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        made = DaskComputePool(cluster.scheduler_address)
        yield made
        made.close()


def test_partitions_agree_to_the_byte(
    bureau: Bureau, pool: ComputePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computation, "PART_ROWS", 23)  # three whole partitions and a small one
    records = RecordStore(bureau.home, bureau.store, bureau.keys)
    with bureau.store.begin_read() as session:
        manifest = records.head(session)
    results = []
    for name in ("whole", "parts"):
        folder = tmp_path / name
        folder.mkdir()
        with open_records(records, manifest, CATALOGUE, day=DAY) as connection:
            if name == "whole":
                done = compute_to_file(connection, PLAN, DAY, folder)
            else:
                done = compute_on_pool(connection, PLAN, DAY, folder, pool)
        results.append(((folder / "features").read_bytes(), done.rows, dict(done.unregistered)))
    assert results[0] == results[1]
    assert results[0][1] > 3 * 23 - 23
    assert results[0][2]["tax"] > 0
