"""The product still makes the published bytes, or, where they hold randomness, still takes them."""

from __future__ import annotations

import json

import pytest

from lab.terms.keys.sealing import open_sealed
from tests.vectors.generate import FIXED, path_of, written
from tests.vectors.making import secrets


@pytest.mark.parametrize("name", FIXED)
def test_the_product_makes_the_published_bytes(name: str) -> None:
    assert written(name, FIXED[name]()) == path_of(name).read_text(encoding="utf-8")


def test_the_product_opens_the_published_boxes() -> None:
    found = json.loads(path_of("sealed").read_text(encoding="utf-8"))
    for each in found["boxes"]:
        key = secrets.keys()[each["source"]][1]
        assert open_sealed(bytes.fromhex(each["sealed"]), key, bytes.fromhex(found["label"])) == secrets.SECRET
