"""Short names: one written form, read strictly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.terms.errors import InvalidInput
from lab.terms.names import ModelRef, as_id_kind, is_contract_id, is_hex32, is_hex64, is_job_id, is_slug


@pytest.mark.parametrize("text", ["credit", "credit@1", "c.r-e_d1t@999999999"])
def test_a_reference_is_written_as_it_was_read(text: str) -> None:
    assert str(ModelRef.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "@1", "credit@", "credit@0", "credit@01", "credit@1 ", "credit@1\n", "Credit@1", "credit@1234567890"]
)
def test_any_other_form_of_a_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="NAME@VERSION"):
        ModelRef.parse(text)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (is_slug, "a.b_c-1", "A"),
        (is_contract_id, "trial-7f3a", "abc"),
        (is_job_id, "Job.1_a-b", "-a"),
        (is_hex32, "0a" * 32, "0A" * 32),
        (is_hex64, "0a" * 64, "0a" * 63),
    ],
)
def test_a_form_is_checked_to_its_last_character(check: Callable[[str], bool], good: str, bad: str) -> None:
    assert check(good)
    assert not any(check(text) for text in (bad, "", good + "\n", good + "/", "\n" + good))


def test_a_stored_kind_of_identifiers_is_read_strictly() -> None:
    assert [as_id_kind(text) for text in ("uscc", "opaque")] == ["uscc", "opaque"]
    with pytest.raises(ValueError, match="no kind"):
        as_id_kind("USCC")
