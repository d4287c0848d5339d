"""``lab doctor --deep``: the bureau's records against their manifest and the ledger, asked of the bureau's own program.

It runs in a process of its own, as for ``lab status``, and opens no secret: the doctor reads nothing of a party's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab.cli.doctor.findings import DoctorFinding, DoctorVerdict
from lab.cli.doctor.homes import BUREAU_HOME
from lab.terms.text.bilingual import BilingualText

_CHECK = "records_bureau"
_LABEL: BilingualText = ("数据局：企业记录", "bureau: records")
_STEP: BilingualText = (
    "运行 lab bureau records verify；从备份恢复所列文件",
    "run `lab bureau records verify`; restore what it lists from a backup",
)
_MOST_LISTED = 50


def check_records(homes: dict[str, Path]) -> list[DoctorFinding]:
    """One line on how much was compared, then one for each thing that is not as it was stored; none without records."""
    folder = homes[BUREAU_HOME.check]
    if find_spec("lab.bureau") is None or not any((folder / "records" / "manifests").glob("*.json")):
        return []
    words = [sys.executable, "-m", "lab.cli", "bureau", "records", "verify", "--local", "--json", "--home", str(folder)]
    done = subprocess.run(words, capture_output=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        found = {"error": "fault", "detail": "the check of the records could not be read."}
    if "error" in found:
        return [DoctorFinding(_CHECK, _LABEL, DoctorVerdict.WRONG, (str(found["detail"]),) * 2, _STEP)]
    faults = found["findings"]
    counts = (
        f"核对了 {found['segments']} 个片段、{found['entries']} 条台账，{len(faults)} 处不符",
        f"compared {found['segments']} segments with {found['entries']} ledger entries; {len(faults)} differ",
    )
    verdict = DoctorVerdict.WRONG if faults else DoctorVerdict.OK
    line = DoctorFinding(_CHECK, _LABEL, verdict, counts, value=len(faults))
    return [line, *(_describe(one) for one in faults[:_MOST_LISTED])]


def _describe(one: dict[str, str]) -> DoctorFinding:
    words = (f"{one['place']}：{one['zh']}", f"{one['place']}: {one['en']}")
    return DoctorFinding(_CHECK, _LABEL, DoctorVerdict.WRONG, words, _STEP, value=one["place"])
