"""Offers: published models as a bank may see them before it has a contract."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lab.bureau.model_registry.offers import round_up_to_two_digits
from lab.bureau.model_registry.registry import save_model
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import NotFound
from models.bureau.serialization import load_model, serialize_model
from tests.support.bureau_scene import Scene


@pytest.mark.property(
    "Offers",
    claim="An offer holds no weight, cut point, feature or item.",
    topic="what leaves a party",
    code=["lab.bureau.model_registry.offers"],
)
def test_an_offer_counts_what_the_sheets_hold_and_says_no_more(scene: Scene) -> None:
    (offer,) = scene.bureau.offers.list_published()
    assert offer == scene.bureau.offers.find("credit") == scene.bureau.offers.find("credit", 1)
    assert (offer.model, offer.version, offer.id_kind, offer.register_entries) == ("credit", 1, "opaque", 240)
    for detail in ResultDetail:
        sheet = scene.model.sheet(detail)
        assert (offer.details[detail].columns, offer.details[detail].outputs) == (
            len(sheet.columns),
            len(sheet.outputs),
        )
    told = json.loads(offer.model_dump_json())
    assert set(told) == {"model", "version", "id_kind", "register_entries", "details", "engines", "parameters"}
    assert {name for one in told["details"].values() for name in one} == {"columns", "outputs"}
    # Neither a feature of the bank nor an item of the register is named.
    assert not {"a", "b", "u", "v"} & set(json.dumps(told).replace('"', " ").split())


def test_models_that_are_not_published_are_not_offered(open_scene: Callable[[str], Scene]) -> None:
    scene = open_scene("")
    raw = json.loads(serialize_model(scene.model))
    assert raw["version"] == 1
    save_model(scene.bureau.store, scene.bureau.home, load_model(json.dumps(raw | {"version": 2}).encode()), "main")
    assert [one.version for one in scene.bureau.offers.list_published()] == [1]
    assert scene.bureau.offers.find("credit").version == 1
    for name, version in (("credit", 2), ("other", None)):
        with pytest.raises(NotFound, match="offers no model") as caught:
            scene.bureau.offers.find(name, version)
        assert "publish" not in caught.value.next_step  # whether it stands here unpublished is the bureau's affair


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, 0), (7, 7), (99, 99), (100, 100), (101, 110), (20_000, 20_000), (50_123, 51_000), (999, 1000)],
)
def test_the_register_size_is_rounded_up_to_two_digits(count: int, told: int) -> None:
    assert round_up_to_two_digits(count) == told
