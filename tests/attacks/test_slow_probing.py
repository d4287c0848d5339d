"""A bank that keeps below every ceiling scores one enterprise again and again, to solve for the model's weights.

Nothing stops that by itself (`docs/security/leakage.md`); it wants that nobody notices. What stops it: the watch,
which counts what is kept anyway over all contracts of a bank and writes what it finds into the ledger.
"""

from __future__ import annotations

import pytest

from lab.bureau.watch import rules, usage_monitor
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.test_watch import LIMITS, Use, made

pytestmark = pytest.mark.threat(
    "Probing below the ceilings",
    who="a bank",
    wants="to solve for a model's weights with few queries at a time, unnoticed",
    stopped_by={
        "watch rules": (
            "Rules count repeats over all contracts of a bank. Each finding is a ledger entry. It stops "
            "nothing: an officer suspends the contract."
        ),
    },
    shipped="on, at each sweep of the service",
    code=["lab.bureau.watch"],
)

__all__ = ["rules"]


@pytest.fixture
def use(scene: Scene) -> Use:
    return made(scene.bureau.store)


def probe(use: Use) -> list[dict[str, object]]:
    """Score one enterprise, by turns under two contracts, until past the rule's number; what the ledger says then."""
    for number in range(LIMITS["one-enterprise"] + 1):
        use.score("c-first" if number % 2 else "c-second", [7])
    use.watch.record_new_findings()
    return use.entries()


@pytest.mark.without_control("watch rules")
def test_without_the_rules_nobody_notices(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_monitor, "find_violations", lambda *_, **__: ())
    assert probe(use) == []


@pytest.mark.with_control("watch rules")
def test_the_probing_stands_in_the_ledger(use: Use) -> None:
    rules_found = {(one["contract"], one["facts"]["rule"]) for one in probe(use)}  # type: ignore[index]
    assert ("c-first", "one-enterprise") in rules_found and ("c-second", "one-enterprise") in rules_found
