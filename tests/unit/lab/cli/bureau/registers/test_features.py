"""``lab bureau feature`` and ``lab bureau register`` as a program meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.publication import publishing
from lab.bureau.data.records import RecordStore
from lab.cli.bureau.registers import features, publication
from lab.terms.errors import InvalidInput, NotAllowed, NotFound
from tests.support.feature_records import fill_store, firm_code, random_records

DAY = "2026-06-30"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The home of a bureau with records."""
    catalogue = default_catalogue()
    with Bureau.create(tmp_path / "bureau", name="Test bureau") as made:
        records = random_records(catalogue, [firm_code(number) for number in range(30)], 7)
        fill_store(RecordStore(made.home, made.store, made.keys), catalogue, records, date.fromisoformat(DAY))
    yield tmp_path / "bureau"


def _run(app: Any, home: Path, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--home", str(home), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_features_are_listed_shown_and_computed_once(home: Path) -> None:
    listed = _run(features.app, home, "list", "--domain", "tax")["features"]
    assert "tax_sales_12m" in {one["name"] for one in listed}
    shown = _run(features.app, home, "show", "tax_sales_12m", "--as-of", DAY)
    assert shown["items"] == ["tax.sales"]
    assert [one["received"] for one in shown["sources"]] == [DAY]
    assert [(one["domain"], one["received"]) for one in shown["deliveries"]] == [("tax", DAY)]
    earlier = _run(features.app, home, "show", "tax_sales_12m", "--as-of", "2026-06-29")
    assert earlier["deliveries"] == []
    first = _run(features.app, home, "compute", "--as-of", DAY)
    again = _run(features.app, home, "compute", "--as-of", DAY)
    assert (first["computed"], again["computed"]) == (True, False)
    assert first["sha256"] == again["sha256"]
    assert Path(first["file"]).is_file()


def test_a_register_is_published_and_says_what_it_comes_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["publish", "--as-of", DAY, "--no-evaluate", "--home", str(home)]
    with pytest.raises(NotAllowed, match="not assessed"):
        CliRunner().invoke(publication.app, words, catch_exceptions=False)
    monkeypatch.setattr(publishing, "check_publication_gate", lambda *_: None)
    done = _run(publication.app, home, "publish", "--as-of", DAY, "--no-evaluate")
    assert (done["register"], done["version"]) == ("main", 1)
    origin = _run(publication.app, home, "show")["origin"]
    assert origin["day"] == DAY
    assert {one["column"] for one in origin["columns"]} == set(done["columns"])


def test_a_day_to_come_and_an_unknown_feature_are_refused(home: Path) -> None:
    with pytest.raises(InvalidInput, match="future"):
        CliRunner().invoke(
            features.app, ["compute", "--as-of", "2999-01-01", "--home", str(home)], catch_exceptions=False
        )
    with pytest.raises(NotFound, match="nearest: tax_sales_12m"):
        CliRunner().invoke(features.app, ["show", "tax_sales_12", "--home", str(home)], catch_exceptions=False)
