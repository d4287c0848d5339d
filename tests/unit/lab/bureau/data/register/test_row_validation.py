"""A register without the column that --id names: the message says which usual name its header has."""

from __future__ import annotations

import pytest

from lab.bureau.data.register.row_validation import choose_columns
from lab.terms.errors import InvalidInput


@pytest.mark.parametrize(
    ("header", "step"),
    [
        (("统一社会信用代码", "注册资本"), "say --id 统一社会信用代码"),
        (("编号", "注册资本"), "check --id and --columns"),
    ],
)
def test_the_usual_column_of_codes_is_proposed(header: tuple[str, ...], step: str) -> None:
    with pytest.raises(InvalidInput, match="Expected the columns uscc") as raised:
        choose_columns(header, "uscc", ())
    assert step in raised.value.next_step
