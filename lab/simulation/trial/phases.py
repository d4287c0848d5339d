"""Where the seconds of a trial go: phases that follow one another and add up to the total.

The parties' commands and the training run beside each other, so a phase is what the trial waited for, and not the sum
of what was computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lab.terms.text.bilingual import BilingualText

PHASE_LABELS: Mapping[str, BilingualText] = {
    "start": ("启动程序", "start the program"),
    "read": ("读取并合并两份文件", "read and join both files"),
    "train": ("训练模型，同时双方建库", "train, while the parties set up"),
    "set-up": ("等待双方就绪", "wait for the parties to be ready"),
    "contract": ("发布模型，签订合同", "publish the model, conclude a contract"),
    "job": ("银行作业：求交、加密、评分、解密", "the bank's job: match, encrypt, score, decrypt"),
    "compare": ("与明文结果比较", "compare with scores in clear"),
    "page": ("写报告网页", "write the report's page"),
}
STEP_LABELS: Mapping[str, BilingualText] = {
    "import": ("导入登记库", "import the register"),
    "match": ("隐私求交", "match"),
    "encrypt": ("银行加密", "encrypt"),
    "score": ("密文评分", "score"),
    "decrypt": ("银行解密", "decrypt"),
}
"""Steps of the parties within phases. They run beside other work and beside each other, so they add up to nothing."""
ANNOUNCED = ("read", "train", "contract", "job", "compare")
"""Phases that a person is told of as they begin."""


class TrialPhases:
    """Measures phases one after another; whatever lies between two counts to the later one.

    ``started``: when the program started, as ``time.time``; its own phase, if it is given. ``announce`` is called with
    each announced phase's place, from 1, and label.
    """

    def __init__(
        self, started: float | None = None, announce: Callable[[int, BilingualText], None] | None = None
    ) -> None:
        self._seconds: dict[str, float] = {}
        self._last = time.time() if started is None else started
        self._announce = announce
        if started is not None:
            self._close("start")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the block as one phase."""
        if self._announce is not None and name in ANNOUNCED:
            self._announce(ANNOUNCED.index(name) + 1, PHASE_LABELS[name])
        yield
        self._close(name)

    def totals(self) -> dict[str, float]:
        """Seconds by phase, and ``total``, their sum."""
        found = {name: round(seconds, 3) for name, seconds in self._seconds.items()}
        return found | {"total": round(sum(found.values()), 3)}

    def _close(self, name: str) -> None:
        now = time.time()
        self._seconds[name] = self._seconds.get(name, 0.0) + max(0.0, now - self._last)
        self._last = now
