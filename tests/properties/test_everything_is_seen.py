"""Whatever stands in a text of a contract, a person finds every character of it, itself or as its escape, in order: on
the screens of 80 columns, in the plain-language text, in the comparison of two versions, and on a page."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lab.bank.home import BankHome
from lab.bank.portraits.pages.overview_page import overview_page
from lab.bank.portraits.pages.portrait_page import portrait_page
from lab.bank.portraits.pages.terminal_portrait import draw_portrait_panel
from lab.bank.portraits.scored_run import ScoredRun
from lab.cli.officer import commands
from lab.terms.contract.document import Contract, ResultDetail
from lab.terms.contract.plain_language import diff_contracts, format_clauses, render_clauses
from lab.terms.text.escaping import VisibleText, dump_visible_json, escape_hidden, find_hidden
from tests.support.contract_screens import (
    Answering,
    bare,
    change_screen,
    everywhere,
    officers_screen,
    on_screen,
    signing_screen,
    unwrapped,
    written_out,
)
from tests.support.drawn_documents import plain_contract
from tests.support.finished_run import make_run, trained  # noqa: F401 - a fixture

_STEERING = st.sampled_from(
    ["\x1b[2J", "\x1b]8;;x\x07", "\x9b1A", "\r", "\n", "\x08", "\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041"]
)
_MARKUP = st.sampled_from(["[red]", "[/x]", "[/]", "[link=x]", ":bank:", "\\[x]", "<b>", "&amp;", "{{ x }}", "\\u202e"])
_LONG = st.sampled_from(["x" * 90, "宽" * 50, "x" * 35 + "宽x" * 20, "│" * 30, " " * 90, "e\u0301" * 60])
_ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TEXTS = st.lists(st.one_of(_STEERING, _MARKUP, _LONG, _ANY), min_size=1, max_size=4).map("".join).map(lambda t: t[:200])
TEXTS = TEXTS.filter(bool)
FIELDS = ("bureau", "bank", "recipients", "items", "consent.why")


def with_text(field: str, text: str, **more: object) -> Contract:
    """An ordinary contract with ``text`` in one of its fields."""
    plain = plain_contract()
    changes: dict[str, object] = {
        "bureau": {"bureau": {"name": text, "public_key": plain.bureau.public_key}},
        "bank": {"bank": {"name": text, "public_key": plain.bank.public_key}},
        "recipients": {"recipients": ("授信审批部", text)},
        "items": {"items": ({"code": "TAX-1"}, {"code": text[:100]})},
        "consent.why": {"consent": {"required": True, "why": text}},
    }[field]  # type: ignore[assignment]
    return plain_contract(**changes, **more)


def wanted(field: str, text: str) -> str:
    """What must be found, without spaces."""
    return written_out(text[:100] if field == "items" else text)


def test_the_fields_are_all_there_are() -> None:
    found = {term for term, _ in plain_contract().free_texts()}
    assert found == set(FIELDS)
    # Every other text of the document is held to a pattern or a list of words.
    free = re.compile(r"[\u4e00-\u9fff ]")
    document = plain_contract().model_dump(mode="json", by_alias=True)
    others = {name: value for name, value in document.items() if name not in {*FIELDS, "consent"}}
    assert not free.search(dump_visible_json(others).replace('": ', '":').replace(", ", ","))


@pytest.mark.parametrize("field", FIELDS)
@given(text=TEXTS)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_character_is_on_the_screen_and_in_the_plain_text(field: str, text: str) -> None:
    document = with_text(field, text)
    what = wanted(field, text)
    assert what in unwrapped(signing_screen(document))
    assert what in bare(format_clauses(render_clauses(document)))


@pytest.mark.parametrize("field", FIELDS)
@given(text=TEXTS)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_character_is_in_the_comparison(
    field: str, text: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = plain_contract(), with_text(field, text, version=2)
    if wanted(field, text) in bare(format_clauses(render_clauses(old))):
        return
    what = wanted(field, text)
    assert what in bare(format_clauses(diff_contracts(old, new)))
    home = _home(tmp_path_factory)
    assert what in unwrapped(change_screen(old, new, home))
    desk = Answering(new, old)
    assert what in unwrapped(officers_screen(monkeypatch, desk, lambda: commands.diff("c-test")))
    assert what in unwrapped(officers_screen(monkeypatch, desk, lambda: commands.show("c-test")))


@given(text=TEXTS)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_character_is_on_the_pages_and_in_the_drawn_portrait(text: str, drawn: ScoredRun) -> None:
    portrait = drawn.portrait("firm-001")
    provenance = replace(portrait.provenance, bank=text, bureau=text)
    named = replace(portrait, enterprise=text, provenance=provenance)
    page = bare(html.unescape(portrait_page(named, drawn.sheet)))
    assert page.count(written_out(text)) >= 3
    assert not _steering(page)
    run = replace(drawn.run, manifest=drawn.run.manifest | {"bureau": text, "bank": text})
    overview = bare(html.unescape(overview_page(replace(drawn, run=run))))
    assert written_out(text) in overview and not _steering(overview)
    words = tuple(replace(one, zh=text, en=text) for one in named.reasons)
    terminal = on_screen(lambda output: output.show(draw_portrait_panel(replace(named, reasons=words))))
    panel = bare("".join(line.strip("│") for line in terminal.split("\n")))
    assert written_out(text) in panel
    assert not _steering(terminal.replace("\n", ""))


@given(text=st.text(max_size=40))
@example(text="\U00011a8a")  # a script's own mark that no letter carries
@example(text="\u0e01\u0e31\u0e31\u0e31\u0e31\u0e31")  # more of them on one letter than are drawn apart
@settings(max_examples=300, deadline=None)
def test_an_escape_is_of_one_text_alone(text: str) -> None:
    shown = escape_hidden(text)
    assert _read_back(shown) == text
    assert escape_hidden(shown) is shown and VisibleText(str(shown)) == shown
    assert not _steering(shown)
    assert (find_hidden(text) == "") == (shown.replace("\\\\", "\\") == text)


@given(text=TEXTS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_steers_a_reader_of_json_or_odrl(text: str) -> None:
    for place, said in everywhere(with_text("recipients", text)).items():
        assert not _steering(said.replace("\n", "")), place


def _steering(text: str) -> str:
    kinds = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return "".join(char for char in text if unicodedata.category(char) in kinds and char != "\n")


def _read_back(shown: str) -> str:
    """The text that an escaped one stands for, by the rule alone."""
    pattern = re.compile(r"\\(\\|u[0-9a-f]{4}|U[0-9a-f]{8})")
    return pattern.sub(lambda m: "\\" if m[1] == "\\" else chr(int(m[1][1:], 16)), shown)


def _home(factory: pytest.TempPathFactory) -> BankHome:
    folder: Path = factory.mktemp("bank")
    return BankHome.create(folder / "bank", name="某银行", key_file=folder / "bank.key")[0]


@pytest.fixture(scope="module")
def drawn(trained, tmp_path_factory: pytest.TempPathFactory) -> ScoredRun:  # noqa: F811
    """A finished run with full detail."""
    return ScoredRun.open(make_run(_home(tmp_path_factory), trained, ResultDetail.FULL))
