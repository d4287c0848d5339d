"""The catalogue over HTTP and by ``lab steward catalogue``: search, show, diff and export, and who may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.bureau.data.catalogue import default_catalogue, read_catalogue
from lab.bureau.data.catalogue.definition import CatalogueFiles, default_files
from lab.bureau.data.catalogue.versions import import_catalogue
from lab.bureau.people import Role
from tests.support.people_front import GOOD, Front, close_front, open_front


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    opened = open_front(tmp_path_factory.mktemp("bureau"))
    try:
        yield opened
    finally:
        close_front(opened)


@pytest.fixture(scope="module")
def steward(front: Front, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session file of a steward, at a bureau with one version of its own."""
    front.settle("of.steward", Role.STEWARD)
    session = tmp_path_factory.mktemp("steward") / "session.json"
    front.ok("account", "sign-in", "of.steward", "--service", front.url, session=session, SHULAB_PASSWORD=GOOD)
    texts = dict(default_files().texts)
    texts["utilities.toml"] = texts["utilities.toml"].replace('zh = "用水量"', 'zh = "取水量"')
    bureau = front.bureau
    import_catalogue(bureau.home, bureau.store, CatalogueFiles(texts), now=datetime(2026, 4, 1, tzinfo=UTC))
    return session


def test_a_steward_searches_and_shows(front: Front, steward: Path) -> None:
    found = front.ok("steward", "catalogue", "search", "欠税", session=steward)
    assert [one["code"] for one in found["matches"]] == ["tax.arrears"]
    assert front.ok("steward", "catalogue", "search", "取水量", session=steward)["matches"][0]["kind"] == "item"
    assert front.ok("steward", "catalogue", "search", "取水量", "--version", "0", session=steward)["matches"] == []
    whole = front.ok("steward", "catalogue", "show", session=steward)
    assert (whole["version"], len(whole["domains"]), len(whole["versions"])) == (1, 15, 2)
    item = front.ok("steward", "catalogue", "show", "tax.sales", session=steward)["items"][0]
    assert (item["grade"], item["credit_use"]) == ("sensitive", "restricted")
    assert len(front.ok("steward", "catalogue", "show", "courts", session=steward)["items"]) == 11
    unknown = front.fails(7, "steward", "catalogue", "show", "tax.sale", session=steward)
    assert "tax.sales" in unknown["detail"]
    front.fails(7, "steward", "catalogue", "show", "--version", "9", session=steward)


def test_a_steward_compares_versions(front: Front, steward: Path) -> None:
    found = front.ok("steward", "catalogue", "diff", "0", session=steward)
    assert found == {
        "before": 0,
        "after": 1,
        "added": [],
        "removed": [],
        "changed": [{"code": "utilities.water_m3", "field": "zh", "before": "用水量", "after": "取水量"}],
    }
    assert front.ok("steward", "catalogue", "diff", "1", "1", session=steward)["changed"] == []


def test_a_steward_exports_every_form(front: Front, steward: Path, tmp_path: Path) -> None:
    for form, files in (("dcat", 1), ("odcs", 15), ("xlsx", 1), ("csv", 3), ("toml", 16)):
        folder = tmp_path / form
        made = front.ok("steward", "catalogue", "export", "--format", form, "--out", folder, session=steward)
        assert len(made["files"]) == files == len(list(folder.iterdir()))
    assert json.loads((tmp_path / "dcat" / "catalogue.dcat.jsonld").read_text())["dcat:version"] == "1"
    again = read_catalogue(tmp_path / "toml")
    assert again.item("utilities.water_m3").zh == "取水量"
    words = ("--format", "toml", "--out", tmp_path / "embedded", "--version", "0")
    front.ok("steward", "catalogue", "export", *words, session=steward)
    assert read_catalogue(tmp_path / "embedded").sha256 == default_catalogue().sha256
    nowhere = tmp_path / "none" / "there"
    front.fails(7, "steward", "catalogue", "export", "--format", "csv", "--out", nowhere, session=steward)


def test_who_may_not_read_it_is_refused_and_that_is_recorded(front: Front, steward: Path) -> None:
    with front.client(front.settle("boss", Role.ADMINISTRATOR)) as client:
        assert client.get("/v1/catalogue").status_code == 403
        assert client.get("/v1/catalogue/export", params={"format": "csv"}).status_code == 403
    assert [one["by"] for one in front.entries("refused")] == ["person:boss"] * 2
    with front.client() as client:
        assert client.get("/v1/catalogue").status_code == 401


def test_a_hostile_question_is_a_clear_answer(front: Front, steward: Path) -> None:
    with front.client(front.settle("second", Role.STEWARD)) as client:
        for path, status in (
            ("/v1/catalogue/search", 422),
            ("/v1/catalogue/search?q=", 422),
            ("/v1/catalogue/search?q=" + "x" * 201, 422),
            ("/v1/catalogue/entries/..%2f..%2fetc", 404),
            ("/v1/catalogue/entries/%00", 422),
            ("/v1/catalogue/export?format=pdf", 422),
            ("/v1/catalogue?version=-1", 422),
            ("/v1/catalogue?version=99999999999999999999", 422),
            ("/v1/catalogue/comparison?before=7", 404),
        ):
            answer = client.get(path)
            assert answer.status_code == status, (path, answer.text)
