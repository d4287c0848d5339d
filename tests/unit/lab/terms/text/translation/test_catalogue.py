"""The Chinese of errors: of whole messages, with every name and number of the English, or none at all."""

from __future__ import annotations

import re
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.terms.text.translation import translate_message
from lab.terms.text.translation.catalogue import MessageCatalogue, MessageTemplate, load_catalogue
from tests.support.error_messages import CATALOGUE, all_texts, raised_messages, translated_messages

LEAST_TRANSLATED = 0.95
"""Of all messages that the code raises; the others are sentences in which a whole phrase of English is filled in."""
VALUES = st.text(st.characters(categories=["Lu", "Nd", "Lo"]), min_size=1, max_size=12)


def test_messages_of_the_code_have_chinese() -> None:
    raised, have = raised_messages(), translated_messages()
    missing = {text: file for text, file in raised.items() if text not in have}
    assert 1 - len(missing) / len(raised) >= LEAST_TRANSLATED, missing


def test_the_catalogue_has_no_message_that_the_code_does_not_have() -> None:
    unused = set(translated_messages()) - all_texts()
    assert not unused, f"run python -m tests.support.error_messages: {sorted(unused)}"


def test_chinese_repeats_each_gap_of_the_english_once() -> None:
    for english, chinese in translated_messages().items():
        gaps = english.count("{}")
        numbered = [int(place) for place in re.findall(r"\{([0-9]+)\}", chinese)]
        assert not numbered or "{}" not in chinese, english
        assert sorted(numbered) == list(range(1, gaps + 1)) if numbered else chinese.count("{}") == gaps, english
        assert re.search(r"[\u4e00-\u9fff]", chinese) or english.startswith("pip install"), english


def test_no_message_is_there_twice() -> None:
    keys = [key for file in CATALOGUE.glob("*.toml") for key in tomllib.loads(file.read_text("utf-8"))["messages"]]
    assert len(keys) == len(set(keys))


@given(st.data())
def test_every_message_is_found_with_what_stands_in_it(data: st.DataObject) -> None:
    english = data.draw(st.sampled_from(sorted(translated_messages())))
    values = [data.draw(VALUES) for _ in range(english.count("{}"))]
    parts = english.split("{}")
    text = parts[0] + "".join(value + part for value, part in zip(values, parts[1:], strict=True))
    chinese = translate_message(text)
    if "{}{}" not in english:  # two gaps side by side may be read in two ways
        assert chinese is not None
        words = load_catalogue().words
        assert all(words.get(value, value) in chinese for value in values), (english, chinese)


@pytest.mark.parametrize("text", ["", "Nothing of the kind.", "Expected", "Expected a bank's folder"])
def test_what_is_not_there_has_no_chinese(text: str) -> None:
    assert translate_message(text) is None


def test_a_message_within_a_message_is_translated_too() -> None:
    inner = "The bureau's database does not answer."
    assert (
        translate_message(f"The evaluation failed: {inner[:-1]}.")
        == "求值失败：The bureau's database does not answer。"
    )
    whole = f"The bureau b does not accept this bank's old key: {inner}"
    assert translate_message(whole) == "数据局 b 不接受本行的旧密钥：数据局的数据库没有应答。"


def test_what_can_be_read_in_two_ways_is_not_translated() -> None:
    template = MessageTemplate("Job {} of {} ended.", "{2} 的作业 {1} 已结束。")
    catalogue = MessageCatalogue({"Job": (template,)}, {})
    assert catalogue.translate("Job a of b ended.") == "b 的作业 a 已结束。"
    assert catalogue.translate("Job a of b of c ended.") is None


def test_a_hostile_message_takes_no_longer_than_another() -> None:
    template = MessageTemplate("Expected {}; number {} of {} {}: it is {}.", "应为{};{}/{} {}:{}")
    hostile = "Expected " + "; number " * 30 + " of " * 60 + " " * 250 + "it is."  # no ": it is " before the end
    slow = template.match(hostile)
    assert slow == ()
    catalogue = load_catalogue()
    for one in (one for family in catalogue.templates.values() for one in family if one.english.count("{}") > 2):
        first, *inner, last = one.english.split("{}")
        share = 800 // len(inner)
        for missing in range(len(inner)):
            parts = [(part or "a") * (share // (len(part) or 1)) for at, part in enumerate(inner) if at != missing]
            began = time.process_time()
            catalogue.translate(first + "".join(parts) + last)
            assert time.process_time() - began < 1, one.english


@given(st.text("ab", max_size=9), st.lists(st.sampled_from(["a", "b", "ab", "{}"]), max_size=7))
def test_a_message_is_read_as_a_regular_expression_reads_it(text: str, parts: list[str]) -> None:
    english = "".join([*parts, "{}"])
    expected = [re.fullmatch(gap.join(english.split("{}")), text) for gap in ("(.*?)", "(.*)")]
    assert MessageTemplate(english, "").match(text) == tuple(one.groups() for one in expected if one)


def test_each_part_of_a_list_in_a_gap_is_translated() -> None:
    found = translate_message(
        "Expected only known variables SHULAB_… in the environment; found A (did you mean B?), C."
    )
    assert found == "环境中应只有已知的变量 SHULAB_…；有 A（是否指 B？）、C。"
    faults = 'items.a.grade = "interal" is not known (nearest: internal); items.b: found no table'
    whole = f"Expected a dictionary of [items.COLUMN] tables with known keys and words; found 2 faults: {faults}."
    found = translate_message(whole)
    assert found is not None
    assert found.endswith('items.a.grade = "interal" 不是已知的（最接近：internal）；items.b：不是表。')
