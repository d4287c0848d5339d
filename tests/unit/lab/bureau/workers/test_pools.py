"""The bureau's pools of workers: what is looked at before the service listens."""

from __future__ import annotations

import pytest

from lab.bureau.configuration.home import BureauSettings
from lab.bureau.workers import pools
from lab.bureau.workers.pools import WorkerPools
from lab.process.confinement.probe import PROTECTION_NAMES, ProtectionStatus
from lab.terms.errors import Unreachable


@pytest.mark.parametrize("missing", PROTECTION_NAMES)
def test_a_service_does_not_begin_where_a_protection_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [ProtectionStatus(name, name != missing, "tried") for name in PROTECTION_NAMES]
    monkeypatch.setattr(pools, "probe_protections", lambda: found)
    with pytest.raises(Unreachable, match=f"cannot be confined on this machine: {missing}\\."):
        WorkerPools(BureauSettings(name="某数据局")).check_confinement()
    WorkerPools(BureauSettings(name="某数据局", worker_confinement="best")).check_confinement()
