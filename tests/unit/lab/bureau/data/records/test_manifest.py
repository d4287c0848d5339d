"""The manifest: its canonical form, what is refused, and the example of the page on its format."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from lab.bureau.data.records import Manifest
from lab.bureau.data.records.manifest import MANIFEST_FORMAT, parse_manifest

PAGE = Path(__file__).resolve().parents[6] / "docs" / "formats" / "records.md"


def example() -> dict[str, Any]:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    found: dict[str, Any] = json.loads(block)
    return found


def test_the_example_of_the_page_is_a_manifest() -> None:
    manifest = parse_manifest(rfc8785.dumps(example()))
    assert (manifest.rows, manifest.known_on) == (37_012, date(2026, 4, 10))
    assert parse_manifest(manifest.content) == manifest
    odd = replace(manifest.segments[0], source='税 "\\\x01\x7f\u2028😀.csv')
    assert Manifest((odd,)).content == rfc8785.dumps({"format": MANIFEST_FORMAT, "segments": [odd.as_dict()]})
    assert manifest.as_of(date(2026, 4, 9)) == Manifest()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "shulab-records/2"},
        {"more": 1},
        {"segments": [{}]},
        {"segments": [{"sha256": "../../etc/passwd"}]},
        {"segments": [{"codes_sha256": ""}]},
        {"segments": [{"personal_sha256": "A" * 64}]},
        {"segments": [{"known_on": "yesterday"}]},
    ],
)
def test_another_form_is_refused(change: dict[str, Any]) -> None:
    document = example()
    segments = document["segments"]
    assert isinstance(segments, list)
    changed = change.get("segments")
    if isinstance(changed, list):
        change = {"segments": [segments[0] | changed[0]] if changed[0] else [{}]}
    with pytest.raises((ValueError, TypeError)):
        parse_manifest(rfc8785.dumps(document | change))


def test_bytes_that_are_not_canonical_are_refused() -> None:
    with pytest.raises(ValueError, match="canonical"):
        parse_manifest(json.dumps(example()).encode())
