"""The yearly disclosure and the registration forms: what was used, as files without anything of an enterprise."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.disclosure.handed_in_files import COLUMN_WORDS, registration_files, yearly_files
from lab.bureau.data.disclosure.output_folder import check_output_folder, write_output_folder
from lab.bureau.data.disclosure.registration_form import ResourceCounts, fill_registration_form
from lab.bureau.data.disclosure.yearly import YearlyDisclosure, disclose_year
from lab.terms.contract.document import SCHEMA_WITH_PRICES
from lab.terms.contract.prices import parse_prices
from lab.terms.errors import Conflict, NotFound
from models.shared.sheet import BankSheet
from tests.support.bureau_scene import Scene

YEAR = datetime.now(UTC).year


def disclosed(scene: Scene, year: int = YEAR) -> YearlyDisclosure:
    with scene.bureau.store.begin_read() as session:
        return disclose_year(session, default_catalogue(), year, scene.clock.now)


def use(scene: Scene, contract: str, job: str, rows: slice) -> None:
    tags = scene.bank.match(scene.bureau, contract, scene.tables.codes[rows], job).tags
    scene.bank.put_context(scene.bureau, contract, job)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    scene.bureau.scoring.score(contract, job, scene.bank.batch(sheet, tags, scene.tables.bank[rows], contract))


def test_a_year_says_who_used_what_how_often_and_at_which_price(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    scene.contract(approved=False)  # never in force: not in the disclosure
    use(scene, contract, "job-1", slice(0, 7))
    scene.amend(contract, schema_=SCHEMA_WITH_PRICES, prices=parse_prices(["scored-enterprise=0.50"]))
    use(scene, contract, "job-2", slice(10, 15))
    found = disclosed(scene)
    (recipient,) = found.recipients
    assert (recipient["contract"], recipient["versions"], recipient["recipient"]) == (contract, "1, 2", "Test bank")
    assert (recipient["jobs"], recipient["score_calls"], recipient["scored_enterprises"]) == (2, 2, 12)
    assert recipient["calls"] == recipient["score_calls"] + recipient["match_calls"] == 4
    assert "0.50 CNY" in recipient["prices_en"] and recipient["active_months"] == 1
    assert [(row["version"], row["stated"], row["price"]) for row in found.prices] == [
        (1, "unstated", ""),
        (2, "priced", "0.50"),
    ]
    (product,) = found.products
    assert (product["product"], product["contracts"], product["recipients"]) == ("credit@1", 1, 1)
    assert {row["item"] for row in found.resources} == {item.code for item in scene.document(contract).items}
    assert found.summary["contracts"] == 1 and found.summary["scored_enterprises"] == 12
    assert disclosed(scene, YEAR - 1).recipients == () and disclosed(scene, YEAR - 1).summary["calls"] == 0


def test_the_files_name_no_enterprise_and_say_the_same_in_each_form(scene: Scene) -> None:
    contract = scene.contract()
    use(scene, contract, "job-1", slice(0, 7))
    files = yearly_files(disclosed(scene), "=1+1 Test bureau")
    assert {Path(name).suffix for name in files} == {".csv", ".xlsx", ".json"} and len(files) == 7
    document = json.loads(files[f"disclosure-{YEAR}.json"])
    table = pl.read_csv(files[f"disclosure-{YEAR}-recipients.csv"], infer_schema=False)
    assert table["使用单位 recipient"].to_list() == [row["recipient"] for row in document["recipients"]]
    for name, content in files.items():
        with_inside = [content]
        if name.endswith(".xlsx"):
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                with_inside += [book.read(part) for part in book.namelist()]
                assert not any(b"<f>" in part for part in with_inside[1:])
        for code in scene.tables.codes:
            assert not any(code.encode() in part for part in with_inside), name
    empty = yearly_files(disclosed(scene, 2001), "Test bureau")
    assert empty[f"disclosure-{2001}-recipients.csv"].decode("utf-8-sig") == "无 none\n"


def test_every_column_has_its_words_in_both_languages(scene: Scene) -> None:
    found = disclosed(scene)
    use_rows = [found.summary, *found.resources, *found.products, *found.recipients, *found.prices]
    form = fill_registration_form(default_catalogue().domain("tax"), "Test bureau", ResourceCounts(0, 0, "", ""))
    for row in [*use_rows, *form.items]:
        assert set(row) <= set(COLUMN_WORDS)
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in zh) and en for zh, en in COLUMN_WORDS.values())


def test_a_registration_form_has_the_catalogues_words_and_the_counts() -> None:
    catalogue = default_catalogue()
    for domain in catalogue.domains:
        form = fill_registration_form(domain, "Test bureau", ResourceCounts(12, 3, "2026-11-01", "97.50"))
        files = registration_files(form)
        document = json.loads(files[f"registration-{domain.code}.json"])
        assert (document["records"], document["enterprises"], document["quality"]) == (12, 3, "97.50")
        assert document["owner_zh"] == domain.owner_zh and domain.owner_en == document["owner_en"]
        assert document["item_count"] == len(domain.items)
        assert [item["item"] for item in document["items"]] == [item.code for item in domain.items]
        items = pl.read_csv(files[f"registration-{domain.code}-items.csv"], infer_schema=False)
        assert items.height == len(domain.items)
    nothing = fill_registration_form(catalogue.domain("tax"), "Test bureau", ResourceCounts(0, 0, "", ""))
    values = {name: value for name, _, value in nothing.facts}
    assert (values["quality"], values["known_on"]) == ("未评估 not assessed", "无 none")


def test_files_are_written_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_output_folder(tmp_path / "new", {"a.csv": b"1", "b.csv": b"2"})
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.csv", "b.csv"]
    with pytest.raises(Conflict):
        check_output_folder(tmp_path / "new")
    with pytest.raises(NotFound):
        check_output_folder(tmp_path / "none" / "new")
    monkeypatch.setattr("lab.bureau.data.disclosure.output_folder.write_output_file", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_output_folder(tmp_path / "half", {"a.csv": b"1"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]
