"""Lists that the service gives in pages, read whole."""

from __future__ import annotations

from typing import Any, Protocol

from lab.terms.errors import Unreachable

_MOST_PAGES = 10_000
"""Pages of a list that are read: ten million members. A service that gives more repeats itself."""


class GetsPages(Protocol):
    """A client that sends GET requests."""

    def get(self, path: str, **query: Any) -> Any:
        """The JSON response to GET ``path``."""


def get_all(client: GetsPages, path: str, member: str, **query: Any) -> dict[str, Any]:
    """The response to GET ``path`` with the list in ``member`` complete: pages are asked for until there is no next.

    Raises ``Unreachable`` if the service's pages do not end.
    """
    found: dict[str, Any] = client.get(path, **query)
    following = found.get("next")
    for _ in range(_MOST_PAGES):
        if following is None:
            return {name: value for name, value in found.items() if name != "next"}
        page = client.get(path, **query, cursor=following)
        found[member] += page[member]
        if page.get("next") == following:
            break
        following = page.get("next")
    raise Unreachable(
        "Expected a list that ends; the service's pages do not.", next_step="ask the bureau for its version"
    )
