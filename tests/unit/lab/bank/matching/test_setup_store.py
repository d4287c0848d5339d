"""Set-ups on disk: whole or fetched on, checked by hash, led on by deltas, and never another's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.bank.matching import setup_store
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.key_pins import MatchingKeyPins
from lab.bank.matching.setup_store import open_current_setup, remove_setup
from lab.terms.errors import InvalidInput, NotAllowed, NotFound
from protocols.matching.bank import MAX_SHARD_BUCKETS
from tests.support.protocol_bureau import CONTRACT, EPOCH, JOB, Cut, Registry

CODES = [f"firm-{number:04d}" for number in range(300)]
OF: dict[str, Any] = {"engine": "x25519", "epoch": EPOCH}


@pytest.fixture
def registry() -> Registry:
    return Registry(CODES)


def seen(folder: Path, registry: Registry) -> MatchingKeyPins:
    """Keys as this bank saw them, beside the folder."""
    return MatchingKeyPins(folder.with_name(f"{folder.name}-keys"), CONTRACT, registry.public_key)


def bring(folder: Path, registry: Registry, **of: Any) -> list[int]:
    """All places of the set-up, bucket by bucket."""
    with open_current_setup(
        folder, MatchingJobClient(registry, CONTRACT, JOB), seen(folder, registry), **OF | of
    ) as held:
        return [place for number in range(held.setup.geometry.buckets) for place in held.bucket(number).tolist()]


def test_a_set_up_is_fetched_once_and_is_the_owners_alone(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "setups" / CONTRACT
    places = bring(folder, registry)
    assert len(places) == len(CODES)
    assert registry.calls == ["setup", "shard 0 5"]
    assert bring(folder, registry) == places and registry.calls[2:] == ["setup"]
    assert folder.stat().st_mode & 0o777 == 0o700
    files = list(folder.iterdir())
    assert {path.suffix for path in files} == {".setup", ".buckets", ""} and len(files) == 3
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    folder.chmod(0o755)
    with pytest.raises(NotAllowed):
        bring(folder, registry)


def test_an_interrupted_download_goes_on_at_the_bucket_where_it_was(
    registry: Registry, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(setup_store, "SHARD_BUCKETS", 2)
    registry.cut = (3, False)
    with pytest.raises(Cut):
        bring(tmp_path, registry)
    registry.cut = None
    assert len(bring(tmp_path, registry)) == len(CODES)
    assert registry.calls == ["setup", "shard 0 2", "shard 2 2", "setup", "shard 2 2", "shard 4 1"]


def test_a_bucket_that_the_disk_changed_is_noticed_and_fetched_anew(registry: Registry, tmp_path: Path) -> None:
    places = bring(tmp_path, registry)
    path = next(tmp_path.glob("*.buckets"))
    counterpart = MatchingJobClient(registry, CONTRACT, JOB)
    with open_current_setup(tmp_path, counterpart, seen(tmp_path, registry), **OF) as held:
        content = bytearray(path.read_bytes())
        content[held.offsets[3] + 5] ^= 1
        path.write_bytes(content)
        assert not held.has_bucket(3) and held.missing_buckets() == [3]
        with pytest.raises(InvalidInput, match="changed on this disk"):
            held.bucket(3)
    registry.calls.clear()
    assert bring(tmp_path, registry) == places and registry.calls == ["setup", "shard 3 1"]
    os.truncate(path, 10)
    assert bring(tmp_path, registry) == places and registry.calls[-1] == "shard 0 5"


def test_a_delta_leads_to_the_next_version_and_the_older_goes(registry: Registry, tmp_path: Path) -> None:
    bring(tmp_path, registry)
    registry.update([*CODES[3:], "new-1", "new-2"])
    registry.calls.clear()
    places = bring(tmp_path, registry)
    assert registry.calls == ["setup", "delta"] and len(places) == 299
    assert places == bring(tmp_path / "afresh", registry)
    assert len(list(tmp_path.glob("*.buckets"))) == len(list(tmp_path.glob("*.setup"))) == 1


def test_without_a_way_or_with_a_wrong_one_all_is_fetched(registry: Registry, tmp_path: Path, monkeypatch) -> None:
    bring(tmp_path, registry)
    registry.deltas = False
    registry.update(CODES[1:])
    bring(tmp_path, registry)
    assert registry.calls[-3:] == ["setup", "delta", "shard 0 5"]
    registry.deltas = True
    made = registry.matching_delta
    wrongs = (
        lambda frame, old: b"no frame",
        lambda frame, old: frame[:-1],
        # A delta between two other versions, which says so, and one whose places are not the right ones.
        lambda frame, old: made(CONTRACT, JOB, old, old),
        lambda frame, old: frame[:-4] + bytes([frame[-4] ^ 1]) + frame[-3:],
    )
    for number, wrong in enumerate(wrongs):
        registry.update([*CODES[2 + number :], f"new-{number}"])
        monkeypatch.setattr(registry, "matching_delta", lambda *of, wrong=wrong: wrong(made(*of), of[-1]))
        assert len(bring(tmp_path, registry)) == len(registry.identifiers)
        assert registry.calls[-1].startswith("shard")


def test_a_delta_that_was_interrupted_is_taken_up_again(registry: Registry, tmp_path: Path) -> None:
    bring(tmp_path, registry)
    registry.update(CODES[5:])
    registry.cut = (len(registry.calls) + 2, True)
    with pytest.raises(Cut):
        bring(tmp_path, registry)
    registry.cut = None
    assert len(bring(tmp_path, registry)) == 295
    assert registry.calls[-2:] == ["setup", "delta"]


def test_a_manifest_of_another_engine_epoch_or_kind_is_refused(registry: Registry, tmp_path: Path, monkeypatch) -> None:
    for of in ({"engine": "openmined"}, {"epoch": 2}):
        with pytest.raises(InvalidInput, match="another engine, epoch or kind"):
            bring(tmp_path, registry, **of)
    with pytest.raises(InvalidInput, match="does not fit"):
        made = registry.matching_setup
        monkeypatch.setattr(registry, "matching_setup", lambda contract, job, counting: made(contract, job))
        bring(tmp_path, registry, counting=True)
    assert not list(tmp_path.glob("*.buckets"))


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_shard_that_is_not_what_was_asked_for_is_refused(
    registry: Registry, tmp_path: Path, monkeypatch, wrong: int
) -> None:
    made = registry.matching_shard

    def shard(contract: str, job: str, sha256: str, first: int, count: int) -> bytes:
        frame = made(contract, job, sha256, first, count)
        return (frame[:-1] + bytes([frame[-1] ^ 1]), frame + b"x", made(contract, job, sha256, 1, 3))[wrong]

    monkeypatch.setattr(registry, "matching_shard", shard)
    with pytest.raises(InvalidInput, match="does not fit"):
        bring(tmp_path, registry)
    monkeypatch.undo()
    assert len(bring(tmp_path, registry)) == len(CODES)


def test_an_empty_register_has_a_set_up(tmp_path: Path) -> None:
    assert bring(tmp_path, Registry([])) == []


def test_who_has_a_set_up_open_can_go_on_with_it_when_it_is_removed(registry: Registry, tmp_path: Path) -> None:
    with open_current_setup(
        tmp_path, MatchingJobClient(registry, CONTRACT, JOB), seen(tmp_path, registry), **OF
    ) as held:
        before = held.bucket(0)
        remove_setup(tmp_path, held.setup.sha256)
        assert np.array_equal(held.bucket(0), before)


def test_neighbours_are_fetched_together_and_not_too_many() -> None:
    assert list(setup_store._ranges([0, 1, 2, 5, 7, 8])) == [(0, 3), (5, 1), (7, 2)]
    runs = list(setup_store._ranges(list(range(40))))
    assert runs == [(0, 16), (16, 16), (32, 8)] and setup_store.SHARD_BUCKETS <= MAX_SHARD_BUCKETS
    assert list(setup_store._ranges([])) == []


def test_a_register_that_changes_while_it_is_fetched_is_fetched_anew(
    registry: Registry, tmp_path: Path, monkeypatch
) -> None:
    made = registry.matching_shard
    changes = [CODES[:250], CODES[:200]]

    def shard(*of: Any) -> bytes:
        if changes:
            registry.update(changes.pop())
            raise NotFound("the set-up of this name is not the present one")
        return made(*of)

    monkeypatch.setattr(registry, "matching_shard", shard)
    assert len(bring(tmp_path, registry)) == 250
    assert len(list(tmp_path.glob("*.setup"))) == 1


def test_a_bureau_without_the_set_up_it_names_is_given_up(registry: Registry, tmp_path: Path, monkeypatch) -> None:
    def gone(*args: object) -> bytes:
        raise NotFound("gone")

    monkeypatch.setattr(registry, "matching_shard", gone)
    with pytest.raises(NotFound):
        bring(tmp_path, registry)
    assert registry.calls == ["setup"] * 4
