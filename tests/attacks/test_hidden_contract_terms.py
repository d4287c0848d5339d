"""A drafter at the bureau hides a term from those who are to stop it.

Who: an officer, or a bank whose plan an officer drafts from. What they want: that a recipient, an item or a reason is
in the bytes that both sides sign and not on the screens of the second officer and of the bank, so that one person
defeats four eyes. How: markup of the terminal library, escape sequences, characters that are not drawn or that turn the
line, and letters that look like others. What stops them: ``lab.terms.text.escaping`` writes out what would not be seen,
``lab.cli.terminal.output`` interprets no text, ``Contract.check_texts`` refuses such characters wherever a contract
comes in, and ``lab.terms.contract.name_warnings`` points out what only looks ordinary, before anybody signs.
"""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from rich.errors import MarkupError
from rich.table import Table

from lab.bank.home import BankHome
from lab.bureau.contracts import lifecycle
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.store import Database, migrate, open_database
from lab.cli.officer import commands
from lab.cli.terminal.output import CommandOutput, SafeConsole, report_error
from lab.cli.terminal.text_table import make_terminal_table
from lab.terms.contract.document import Contract, parse_contract, signing_input
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.contract.name_warnings import find_name_warnings
from lab.terms.contract.plain_language import diff_contracts, format_clauses, render_clauses
from lab.terms.errors import InvalidInput, NotAllowed, NotFound
from lab.terms.text.escaping import escape_hidden
from tests.support.bureau_scene import START
from tests.support.contract_papers import BEN, CAT, bring, contract, file, keyed, sign_both
from tests.support.contract_screens import (
    Answering,
    bare,
    change_screen,
    former_name,
    former_screen,
    former_table,
    officers_screen,
    on_screen,
    signing_screen,
    unwrapped,
    written_out,
)

pytestmark = [
    pytest.mark.threat(
        "Hidden contract terms",
        who="a person with an account",
        wants="to hide a term from the person who approves or signs, with markup, escapes or invisible characters",
        stopped_by={
            "no markup": "Text from outside is never interpreted as markup.",
            "escapes": "Invisible characters, and those that reverse the direction of text, are shown as escapes.",
            "whole cells": "A table shows every character on a screen of any width.",
        },
        code=["lab.terms.text.escaping", "lab.cli.terminal.output"],
    ),
    pytest.mark.threat(
        "Contract with hidden characters",
        who="a person with an account",
        wants="to bring a contract with invisible characters into force",
        stopped_by={
            "text check": (
                "Such a contract is refused when it is drafted, imported or fetched, and at each step to a signature."
            ),
        },
        code=["lab.terms.contract.document"],
    ),
    pytest.mark.threat(
        "Look-alike names",
        who="a person with an account",
        wants="to have a name approved that only looks like another",
        stopped_by={
            "name warnings": (
                "Mixed scripts, look-alikes, radicals, kana that look like Han characters and marks of text "
                "direction are pointed out. Approving or signing then needs an explicit confirmation."
            ),
        },
        code=["lab.terms.contract.name_warnings"],
    ),
]

HIDDEN = "and Another Ltd, for resale"
RECIPIENT = f"信贷部 credit department[{HIDDEN}]"
PLAIN = "信贷部 credit department"
UNSEEN = {
    "escape": "\x1b[2K\x1b[1A",
    "link": "\x1b]8;;https://elsewhere.example\x07",
    "c1-csi": "\x9b2J",
    "carriage-return": "\rnobody",
    "backspace": "\x08" * 4,
    "line-feed": "\n状态 state active",
    "override": "\u202edetnarg",
    "isolate": "\u2066x\u2069",
    "mark": "\u200e\u200f\u061c",
    "zero-width": "\u200b\u200c\u200d\u2060\ufeff",
    "soft-hyphen": "\u00ad",
    "variation": "\ufe0f\U000e0100",
    "tag": "\U000e0041\U000e0042",
    "filler": "\u3164\u115f\u1160\uffa0",
    "joiner": "\u034f\u17b4\u180b",
    "blank": "\u2800\u3000\u00a0",
    "separator": "\u2028\u2029",
    "private": "\ue000\U000f0000",
    "unassigned": "\U0003fffd",
    "strike": "x\u0336y\u0338",
    "pile": "\u0300\u0301\u0302\u0303",
    "frame": "│ 无 no │",
    "spaces": "x" + " " * 60 + "y",
    "end-space": "x ",
}


@pytest.fixture
def kept(tmp_path: Path) -> Database:
    """A bureau's store."""
    opened = open_database(f"sqlite:///{tmp_path / 'bureau.db'}")
    migrate(opened.engine)
    return keyed(opened)


@pytest.fixture
def home(tmp_path: Path) -> BankHome:
    """The bank's home."""
    return BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "bank.key")[0]


def hostile(text: str = RECIPIENT) -> Contract:
    return contract(recipients=[text])


# Markup.


@pytest.mark.without_control("no markup")
def test_with_markup_on_the_bank_signs_a_recipient_that_is_not_on_its_screen() -> None:
    assert HIDDEN in signing_input(hostile()).decode()
    assert "credit" in former_screen(hostile()) and "Another" not in former_screen(hostile())


@pytest.mark.with_control("no markup")
def test_the_bank_sees_the_whole_recipient() -> None:
    assert bare(RECIPIENT) in unwrapped(signing_screen(hostile()))


@pytest.mark.with_control("no markup")
def test_the_officer_sees_the_whole_recipient(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = officers_screen(monkeypatch, Answering(hostile()), lambda: commands.show("c-test-1"))
    assert bare(RECIPIENT) in unwrapped(seen)


@pytest.mark.without_control("no markup")
def test_with_markup_on_an_amendment_adds_a_recipient_unseen() -> None:
    (change,) = diff_contracts(contract(recipients=[PLAIN]), contract(recipients=[PLAIN, f"x[{HIDDEN}]"]))
    assert "Another" not in former_table([("接收方", str(change.zh), str(change.en))])


@pytest.mark.with_control("no markup")
def test_an_added_recipient_is_seen_whole(home: BankHome, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = contract(recipients=[PLAIN]), contract(version=2, recipients=[PLAIN, f"x[{HIDDEN}]"])
    assert bare(f"x[{HIDDEN}]") in unwrapped(change_screen(old, new, home))
    desk = Answering(new, old)
    assert bare(f"x[{HIDDEN}]") in unwrapped(officers_screen(monkeypatch, desk, lambda: commands.diff("c-test-1")))


@pytest.mark.without_control("no markup")
def test_with_markup_on_a_closing_tag_ends_the_command() -> None:
    with pytest.raises(MarkupError):
        former_screen(hostile("department[/x]"))


@pytest.mark.with_control("no markup")
@pytest.mark.parametrize("text", ["department[/x]", "[bold]", "[link=https://elsewhere.example]here[/link]", ":bank:"])
def test_a_tag_is_text(text: str) -> None:
    screen = signing_screen(hostile(text))
    assert bare(text) in unwrapped(screen) and "\x1b" not in screen


NARROW_ROW = ("c-20260101-1a2b3c4d", "示例银行", "信贷部（含转售）", "41 > 8", "一户反复评分", "评分", "新增", "放宽")
NARROW = tuple(f"列 column {number}" for number in range(len(NARROW_ROW)))


def drawn(table: object, width: int) -> str:
    file = io.StringIO()
    SafeConsole(file=file, width=width).print(table)
    return file.getvalue()


@pytest.mark.without_control("whole cells")
@pytest.mark.parametrize("width", [20, 30, 40])
def test_where_columns_have_a_cell_each_wide_characters_are_left_out(width: int) -> None:
    """A narrow window is enough: the library gives a column one cell, in which no Chinese character has room."""
    table = Table()
    for name in NARROW:
        table.add_column(name, overflow="fold", no_wrap=name == NARROW[0])
    table.add_row(*NARROW_ROW)
    assert "转" not in drawn(table, width)


@pytest.mark.with_control("whole cells")
@pytest.mark.parametrize("whole", ["", NARROW[0]])
@pytest.mark.parametrize("width", [8, 20, 30, 40, 80, 120])
def test_on_no_screen_is_a_character_of_a_table_left_out(width: int, whole: str) -> None:
    for columns in range(1, len(NARROW) + 1):
        screen = Counter(drawn(make_terminal_table("", NARROW[:columns], [NARROW_ROW[:columns]], whole=whole), width))
        wanted = Counter("".join(NARROW_ROW[:columns]))
        assert all(screen[one] >= times for one, times in wanted.items() if one != " ")


@pytest.mark.with_control("no markup")
def test_titles_progress_and_errors_interpret_nothing_either(capsys: pytest.CaptureFixture[str]) -> None:
    name = "[red]x[/red]\x1b[2J\u202e"
    seen = on_screen(lambda output: output.table(name, (name,), [(name,)], whole=name))
    assert seen.count("[red]x[/red]\\u001b[2J\\u202e") == 3
    output = CommandOutput()
    output.notes = SafeConsole(file=io.StringIO(), width=80)
    output.progress.__init__(output.notes)  # type: ignore[misc]
    with output.progress.stage(name, 1) as stage:
        stage.advance()
    drawn = output.notes.file.getvalue()  # type: ignore[attr-defined]
    assert "\\u202e" in drawn and "\u202e" not in drawn and "\x1b[2J" not in drawn
    report_error(NotFound(f"No {name}.", next_step=name), as_json=True)
    told = capsys.readouterr()
    assert "[red]x[/red]\\u001b[2J\\u202e" in told.err and "\\u202e" in told.out
    assert not set(told.err + told.out) & {"\x1b", "\u202e"}


# Characters that are not seen.


@pytest.mark.without_control("escapes")
@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_in_a_former_table_what_is_not_seen_passes(text: str) -> None:
    drawn = former_table([(f"x{text}x",)])
    assert "\\u" not in drawn  # nothing says that it is there


@pytest.mark.with_control("escapes")
@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_what_is_not_seen_is_written_out(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = hostile(f"信贷部{text}")
    desk = Answering(document)
    screens = {
        "bank": signing_screen(document),
        "officer": officers_screen(monkeypatch, desk, lambda: commands.show("c-test-1")),
        "text": format_clauses(render_clauses(document)),
        "table": on_screen(lambda output: output.show(make_terminal_table("t", ("c",), [(document.recipients[0],)]))),
    }
    for place, screen in screens.items():
        assert written_out(f"信贷部{text}") in bare(unwrapped(screen) or screen), place
        assert all(unicodedata.category(char)[0] != "C" for char in screen.replace("\n", "")), place


@pytest.mark.without_control("escapes")
@pytest.mark.parametrize("text", ["\ufe0f", "\u3164", "\u034f", "\u2800", "│"])
def test_the_former_clause_left_them_as_they_were(text: str) -> None:
    assert former_name(text) == text and escape_hidden(text) != text


@pytest.mark.with_control("escapes")
def test_no_text_can_be_taken_for_anothers_escape() -> None:
    assert escape_hidden("\\u202e") != escape_hidden("\u202e")
    assert escape_hidden("\\\\u202e") != escape_hidden("\\u202e") != escape_hidden("\\" + "\u202e")


# Such a contract does not come in.


@pytest.mark.without_control("text check")
def test_without_the_check_a_contract_that_hides_something_comes_into_force(
    kept: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Contract, "check_free_texts", lambda contract: None)
    with kept.begin() as session:
        assert bring(session, hostile("信贷部\u202e"), ContractState.ACTIVE).signed.bureau_signature


@pytest.mark.with_control("text check")
@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_it_is_refused_when_drafted_imported_or_fetched(kept: Database, text: str) -> None:
    document = hostile(f"信贷部{text}")
    with kept.begin() as session, pytest.raises(InvalidInput, match="recipients"):
        file(session, document)
    with pytest.raises(InvalidInput, match="recipients"):
        parse_contract(sign_both(document).model_dump_json(by_alias=True))
    with pytest.raises(ValueError):
        DraftOptions(recipients=(f"信贷部{text}",))


@pytest.mark.with_control("text check")
@pytest.mark.parametrize("term", ["bureau", "bank", "recipients", "items", "consent.why"])
def test_each_free_text_of_a_contract_is_held_to_it(term: str) -> None:
    plain = contract()
    party = {"name": "x\u200by", "public_key": plain.bank.public_key}
    by_term: dict[str, dict[str, object]] = {
        "bureau": {"bureau": party},
        "bank": {"bank": party},
        "recipients": {"recipients": ["x\u200by"]},
        "items": {"items": [{"code": "x\u200by"}]},
        "consent.why": {"consent": {"why": "x\u200by"}},
    }
    with pytest.raises(InvalidInput, match=term):
        contract(**by_term[term]).check_free_texts()


@pytest.mark.with_control("text check")
def test_one_that_was_kept_from_before_can_be_shown_and_ended_alone(
    kept: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = hostile("信贷部\u202e")
    with kept.begin() as session, monkeypatch.context() as before:
        before.setattr(Contract, "check_free_texts", lambda contract: None)
        bring(session, document, ContractState.UNDER_REVIEW)
    with kept.begin() as session, pytest.raises(InvalidInput, match="recipients"):
        lifecycle.take_step(session, document.id, "approve", CAT, START)
    with kept.begin() as session:
        assert [one.contract.recipients for one in lifecycle.list_contracts(session)] == [document.recipients]
        assert (
            lifecycle.take_step(session, document.id, "reject", BEN, START, reason="it hides something").state
            is ContractState.REJECTED
        )


# Letters that look like others.

TWIN = "сredit department"  # its first letter is Cyrillic


@pytest.mark.without_control("name warnings")
def test_a_twin_is_seen_by_nobody() -> None:
    former = former_screen(contract(recipients=["credit department", TWIN]))
    assert bare(TWIN) in unwrapped(former) and "Cyrillic" not in former


@pytest.mark.with_control("name warnings")
@pytest.mark.parametrize(
    ("names", "word"),
    [
        (["credit department", TWIN], "Cyrillic"),
        (["Gamma Βank"], "Greek"),
        (["信贷部", "信贷 部"], "looks like"),
        (["Risk", "RISK"], "looks like"),
        (["Risk 1", "Risk l"], "looks like"),
        (["ＲＩＳＫ"], "unusual form"),
        (["re\u0301sume\u0301"], "unusual form"),
        (["信贷部\u2ed4"], "unusual form"),  # a radical for 门
        (["\u2f08力资源部"], "unusual form"),  # a radical for 人
        (["信贷部门", "信贷部\u2ed4"], "looks like"),
        (["工业部", "\u30a8业部"], "looks like"),  # the kana E for 工
        (["\u30a8业部"], "Katakana"),
        (["口岸部", "\u56d7岸部"], "looks like"),
        (["部门\u061b 1 2"], "ARABIC SEMICOLON"),  # turns the line, and is of no script
        (["部\u0640门"], "ARABIC TATWEEL"),
    ],
)
def test_a_twin_is_pointed_out(names: list[str], word: str) -> None:
    found = find_name_warnings(contract(recipients=names))
    assert any(word in one.en for one in found) and all(one.zh for one in found)


@pytest.mark.with_control("name warnings")
def test_a_name_that_only_looks_like_the_one_before_is_pointed_out() -> None:
    old, new = contract(recipients=["Risk l"]), contract(recipients=["Risk 1"])
    assert not find_name_warnings(new) and "looks like" in find_name_warnings(new, old)[0].en


@pytest.mark.parametrize(
    "name",
    [
        "信贷部 credit department",
        "（示例）银行·北京分行",
        "某银行 Sample Bank (A&B), No. 3",
        "みずほ銀行",
        "トヨタ金融",
        "三菱UFJ銀行（中国）",
        "工业部、人力部、口岸一部",
        "신한은행 Bank",
    ],
)
def test_ordinary_names_are_not(name: str) -> None:
    assert find_name_warnings(contract(recipients=[name])) == ()


@pytest.mark.with_control("name warnings")
def test_nobody_approves_a_twin_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Answering(contract(recipients=["credit department", TWIN]))

    def approve_unasked() -> None:
        with pytest.raises(NotAllowed, match="nobody confirmed"):
            commands.approve("c-test-1")

    monkeypatch.setattr("sys.stdin", io.StringIO())
    screen = officers_screen(monkeypatch, desk, approve_unasked)
    assert desk.steps == [] and "WARNING" in screen and "警告" in screen and "CYRILLIC" in bare(screen)
    officers_screen(monkeypatch, desk, lambda: commands.approve("c-test-1", despite_warnings=True))
    assert desk.steps == ["approve"]


def test_the_warning_is_in_the_answer_for_programs_too() -> None:
    line = Answering(contract(recipients=[TWIN])).line
    assert [one["term"] for one in line["warnings"]] == ["recipients"]
