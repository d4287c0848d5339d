"""A list in pages is read whole, and a service whose pages do not end is left."""

from __future__ import annotations

from typing import Any

import pytest

from lab.sdk.pages import get_all
from lab.terms.errors import Unreachable


class Paged:
    """A service with members 0 to 9, three a page."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        self.asked.append(query)
        first = int(query.get("cursor", -1)) + 1
        page = list(range(first, min(first + 3, 10)))
        return {"size": 10, "members": page, "next": str(page[-1]) if page[-1] < 9 else None}


def test_a_list_is_read_whole_with_its_other_facts() -> None:
    service = Paged()
    assert get_all(service, "/v1/list", "members", kind="x") == {"size": 10, "members": list(range(10))}
    assert [query.get("cursor") for query in service.asked] == [None, "2", "5", "8"]
    assert {query["kind"] for query in service.asked} == {"x"}


def test_an_answer_without_pages_is_taken_as_it_is() -> None:
    service = type("Old", (), {"get": lambda self, path: {"members": [1]}})()
    assert get_all(service, "/v1/list", "members") == {"members": [1]}


def test_pages_that_do_not_end_are_left() -> None:
    service = type("Round", (), {"get": lambda self, path, **_: {"members": [1], "next": "again"}})()
    with pytest.raises(Unreachable, match="pages do not"):
        get_all(service, "/v1/list", "members")
