"""A bureau writes a script into the words of a model, to have it run where a bank's officer reads a portrait.

A portrait's page holds the enterprise's code, its scores and reasons; a script in it could send them anywhere. What
stops it: escaping of every value, and a policy in the page under which nothing loads or runs.
"""

from __future__ import annotations

import re

import pytest

from lab.bank.home import BankHome
from lab.bank.portraits import pages
from lab.bank.portraits.pages.portrait_page import portrait_page
from lab.bank.portraits.scored_run import ScoredRun
from lab.terms.contract.document import ResultDetail
from lab.terms.text import styled_page
from tests.support.finished_run import home, make_run, trained

pytestmark = pytest.mark.threat(
    "Page that runs",
    who="the bureau",
    wants="to run a script in the page of a bank's portrait",
    stopped_by={
        "escaping and policy": "Every value is escaped, and the page's policy lets nothing load or run.",
    },
    code=["lab.bank.portraits.pages"],
)

__all__ = ["home", "trained"]
SCRIPT = re.compile(r"<script|<img|<iframe|\son\w+=|https?://(?!www\.w3\.org)", re.IGNORECASE)


def page(home: BankHome, trained) -> str:
    """The page of a portrait by a model whose words hold a script."""
    gallery = ScoredRun.open(make_run(home, trained, ResultDetail.FULL))
    return portrait_page(gallery.portrait("firm-007"), gallery.sheet, lang="both")


@pytest.mark.without_control("escaping and policy")
def test_without_escaping_the_script_stands_in_the_page(
    home: BankHome,
    trained,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = styled_page._environment(pages.__name__)
    environment.cache.clear()  # type: ignore[union-attr]
    monkeypatch.setattr(environment, "autoescape", False)
    try:
        assert "<script>alert(1)</script>" in page(home, trained)
    finally:
        environment.cache.clear()  # type: ignore[union-attr]


@pytest.mark.with_control("escaping and policy")
def test_no_script_stands_in_the_page_and_none_could_run(home: BankHome, trained) -> None:
    found = page(home, trained)
    assert "&lt;script&gt;alert(1)" in found and not SCRIPT.search(found.split("</style>")[1])
    assert "default-src 'none'" in found
