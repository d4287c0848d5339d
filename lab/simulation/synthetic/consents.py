"""Consents of made-up enterprises, and their import by a steward, for contracts that require consent.

Most enterprises have agreed, some have not, and some consents are for another purpose or begin next year. The file
contains all of them; only enterprises with a valid consent are matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lab.simulation.local_deployment import LocalDeployment, ServiceProcess
from lab.simulation.party_steps import StaffMember, create_account_session
from lab.tables.spreadsheet_csv import save_csv
from lab.terms.contract.document import Purpose

CONSENTED_SHARE, OTHER_PURPOSE_SHARE, FUTURE_SHARE = 0.7, 0.1, 0.05
"""Shares of the register: valid consents, consents for another purpose, consents that begin next year."""
STEWARD = StaffMember("steward-a", "数据部 Data", "steward")


def make_consents(
    codes: Sequence[str], bank: str, purpose: Purpose, *, seed: int, today: date | None = None
) -> pl.DataFrame:
    """Make the enterprises' consents to ``bank``, with the columns of a consent file; the evidence is made up too."""
    rng = np.random.default_rng([seed, 4])
    day = today or datetime.now(UTC).date()
    drawn = rng.random(len(codes))
    other = next(one for one in Purpose if one is not purpose)
    kinds = np.searchsorted(np.cumsum([CONSENTED_SHARE, OTHER_PURPOSE_SHARE, FUTURE_SHARE]), drawn, side="right")
    begins = day - timedelta(days=1)
    lines = [
        (
            code,
            bank,
            (other if kind == 1 else purpose).value,
            (begins if kind < 2 else day + timedelta(days=365)).isoformat(),
            (begins + timedelta(days=730)).isoformat(),
            f"虚构授权书 made-up form {number:06d}",
        )
        for number, (code, kind) in enumerate(zip(codes, kinds.tolist(), strict=True))
        if kind < 3
    ]
    return pl.DataFrame(lines, schema=["code", "bank", "purpose", "starts", "expires", "evidence"], orient="row")


def count_valid_consents(consents: pl.DataFrame, purpose: Purpose, *, today: date | None = None) -> int:
    """Count the consents that are valid on ``today`` for ``purpose``."""
    day = (today or datetime.now(UTC).date()).isoformat()
    return consents.filter((pl.col("purpose") == purpose.value) & (pl.col("starts") <= day)).height


def import_consents_as_steward(
    deployment: LocalDeployment, service: ServiceProcess, consents: pl.DataFrame, folder: Path
) -> dict[str, Any]:
    """Make the steward's account, sign in and import the file; returns the import's counts."""
    file = folder / "consents.csv"
    save_csv(consents, file)
    session = create_account_session(deployment, service, STEWARD)
    return deployment.run_command("steward", "consent", "import", file, "--session", session)
