"""Error families: each has a code, an exit code and a status of its own, and a status leads back to its family."""

from __future__ import annotations

import pytest

from lab.terms.errors import (
    ERROR_FAMILIES,
    Busy,
    Conflict,
    InvalidInput,
    NoRoom,
    NotAuthentic,
    ShulabError,
    Unreachable,
    find_family,
)


def test_every_family_is_in_the_table_once() -> None:
    # An error that keeps the code of a fault is no family of its own.
    direct = {one for one in ShulabError.__subclasses__() if one.code != ShulabError.code}
    assert set(ERROR_FAMILIES.values()) == direct | {Busy, NoRoom}
    assert len({family.exit_code for family in direct}) == len({family.status for family in direct}) == len(direct)
    assert {1, 2}.isdisjoint(family.exit_code for family in direct)


@pytest.mark.parametrize(
    ("status", "family"),
    [
        (307, Unreachable),
        (401, NotAuthentic),
        (409, Conflict),
        (408, Unreachable),
        (418, InvalidInput),
        (422, InvalidInput),
        (429, Unreachable),
        (500, Unreachable),
        (503, Unreachable),
    ],
)
def test_a_status_leads_to_its_family(status: int, family: type[ShulabError]) -> None:
    assert find_family(status) is family
