"""Identifiers: real published codes, look-alikes, spellings, and what must hold for every input."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc

from lab.terms.identifiers import RejectionReason, normalise_identifiers

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# Codes that their owners publish: python-stdnum's example, Huawei, Tencent, Alibaba, Peking University.
PUBLISHED = (
    "91110000600037341L",
    "914403001922038216",
    "9144030071526726XG",
    "91330100799655058B",
    "12100000400002259P",
)


@st.composite
def codes(draw: st.DrawFn) -> str:
    """A valid code."""
    body = draw(st.text(string.digits, min_size=8, max_size=8)) + draw(st.text(ALPHABET, min_size=9, max_size=9))
    return body + uscc.calc_check_digit(body)


def reason_of(value: str | None, kind: str = "uscc") -> str | None:
    return normalise_identifiers([value], kind).reasons[0]  # type: ignore[arg-type]


def test_published_codes_are_accepted_as_they_are() -> None:
    assert normalise_identifiers(PUBLISHED, "uscc").codes == PUBLISHED


def test_spellings_meet_in_one_form() -> None:
    written = [
        " 91110000600037341L ",
        "91110000600037341l",
        "９１１１００００６０００３７３４１Ｌ",
        "9111 0000-6000-3734-1L",
        "\ufeff91110000\u200b600037341L\u3000",
        "91110000–600037341L",
    ]
    assert set(normalise_identifiers(written, "uscc").codes) == {"91110000600037341L"}


def test_every_reason_is_told_apart() -> None:
    assert reason_of(None) == RejectionReason.EMPTY
    assert reason_of("  - ") == RejectionReason.EMPTY
    assert reason_of("91110000600037341") == RejectionReason.LENGTH
    assert reason_of("91110000600037341LL") == RejectionReason.LENGTH
    assert reason_of("9.11E+17") == RejectionReason.CHARACTERS
    assert reason_of("某某有限公司") == RejectionReason.CHARACTERS
    assert reason_of("A1110000600037341L") == RejectionReason.FORMAT
    assert reason_of("91110000600037341M") == RejectionReason.CHECKSUM
    assert reason_of("91110000600037351L") == RejectionReason.CHECKSUM


def test_look_alikes_are_reported_and_not_guessed() -> None:
    for look_alike, digit in (("O", "0"), ("I", "1"), ("Z", "2"), ("S", "5")):
        for code in PUBLISHED:
            place = code.find(digit)
            if place >= 0:
                wrong = code[:place] + look_alike + code[place + 1 :]
                assert reason_of(wrong) == RejectionReason.LOOK_ALIKE
                assert reason_of(wrong.lower()) == RejectionReason.LOOK_ALIKE


def test_foreign_letters_do_not_become_alphabet_letters() -> None:
    # Cyrillic А, Greek Β, dotless i: they look right, or become ASCII in upper case, and are other characters.
    for foreign in "АΒı":
        assert reason_of("9111000060003734" + foreign + "L") == RejectionReason.CHARACTERS


def test_opaque_codes_are_stripped_and_nothing_else() -> None:
    found = normalise_identifiers([" a-B 1 ", "中", "", None, "x" * 201, "a\tb", "y" * 200], "opaque")
    assert found.codes == ("a-B 1", "中", None, None, None, None, "y" * 200)
    assert found.reasons == (
        None,
        None,
        RejectionReason.EMPTY,
        RejectionReason.EMPTY,
        RejectionReason.TOO_LONG,
        RejectionReason.CHARACTERS,
        None,
    )


def test_nothing_in_gives_nothing_out() -> None:
    assert normalise_identifiers([], "uscc").codes == normalise_identifiers([], "opaque").codes == ()


def test_every_reason_has_words_in_both_languages() -> None:
    for reason in RejectionReason:
        assert reason.zh and reason.en and reason.zh != reason.en


@given(st.lists(st.one_of(st.none(), st.text(max_size=30), codes())), st.sampled_from(("uscc", "opaque")))
def test_normal_form_is_idempotent_and_each_row_has_a_code_or_a_reason(values, kind) -> None:
    found = normalise_identifiers(values, kind)
    assert len(found.codes) == len(found.reasons) == len(values)
    assert all((code is None) != (reason is None) for code, reason in zip(found.codes, found.reasons, strict=True))
    again = normalise_identifiers(found.codes, kind)
    assert again.codes == found.codes


@given(st.lists(codes(), unique=True))
def test_two_different_valid_codes_stay_different(values) -> None:
    assert normalise_identifiers(values, "uscc").codes == tuple(values)


@given(codes(), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_agrees_with_stdnum_on_every_altered_character(code, place, character) -> None:
    altered = code[:place] + character + code[place + 1 :]
    assert (normalise_identifiers([altered], "uscc").codes[0] is not None) == uscc.is_valid(altered)
