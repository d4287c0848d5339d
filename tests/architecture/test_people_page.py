"""The page on people shows the role matrix as it is."""

from __future__ import annotations

from pathlib import Path

from lab.bureau.people.permissions import permission_table

PAGE = Path(__file__).parents[2] / "docs" / "people.md"


def test_the_pages_matrix_is_the_matrix() -> None:
    text = PAGE.read_text("utf-8")
    shown = text.split("<!-- matrix: begin -->\n")[1].split("\n<!-- matrix: end -->")[0]
    assert shown == permission_table()
