"""Any contract, signed by either side, both or neither, comes back from ODRL as the bytes that were signed."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.terms.contract.document import Contract
from lab.terms.contract.odrl import from_odrl, to_odrl
from lab.terms.errors import InvalidInput
from tests.support.drawn_documents import contracts, plain_contract, signed


@pytest.mark.property(
    "ODRL returns the contract",
    claim="An ODRL agreement gives back the very bytes that were signed.",
    topic="contracts and consent",
    code=["lab.terms.contract.odrl"],
)
@settings(max_examples=25, deadline=None)
@given(contracts(), st.booleans(), st.booleans())
def test_any_contract_comes_back_exactly(contract: Contract, bureau: bool, bank: bool) -> None:
    held = signed(contract, bureau=bureau, bank=bank)
    again = from_odrl(json.dumps(to_odrl(held)))
    assert again.contract.canonical_bytes() == contract.canonical_bytes()
    assert (again.bureau_signature, again.bank_signature) == (held.bureau_signature, held.bank_signature)


@settings(max_examples=15, deadline=None)
@given(contracts(), contracts())
def test_two_contracts_never_share_an_agreement(one: Contract, other: Contract) -> None:
    same = to_odrl(signed(one)) == to_odrl(signed(other))
    assert same == (one.canonical_bytes() == other.canonical_bytes())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just("urn:shulab:odrl-profile:1"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["@id", "@type", "@value", "@list", "@context", "@graph", "target", "x"]), inner
        )
    ),
    max_leaves=6,
)
DOCUMENT = to_odrl(signed(plain_contract()))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(places(DOCUMENT)[1:]), JSON)
def test_whatever_is_put_into_an_agreement_it_is_the_same_contract_or_refused(place: tuple[Any, ...], new: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    inside = document
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = new
    try:
        found = from_odrl(document)
    except InvalidInput:
        return
    assert found.contract == plain_contract()
