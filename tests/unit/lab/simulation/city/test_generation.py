"""The city's files: same seed same bytes, truth that holds, and refusals."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.ingestion.mapping import check_header, check_mapping, read_mapping
from lab.simulation.city import CitySettings, generate_city
from lab.simulation.city.settings import FaultRates
from lab.simulation.city.source_form import source_forms
from lab.simulation.trial.score_metrics import measure_discrimination
from lab.terms.errors import Conflict, InvalidInput
from lab.terms.identifiers import normalise_identifiers


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_source(folder: Path, file: str, domain: str) -> pl.DataFrame:
    form = source_forms()[domain]
    text = (folder / file).read_bytes().decode(form.encoding)
    return pl.read_csv(text.encode(), separator=form.separator, infer_schema=False)


def deliveries(folder: Path) -> list[dict[str, object]]:
    return list(tomllib.loads((folder / "deliveries.toml").read_text("utf-8"))["deliveries"])


def domain_of(delivery: dict[str, object]) -> str:
    return str(delivery["file"]).split("/")[0]


def truth_of(settings: CitySettings) -> dict[str, object]:
    return dict(json.loads((settings.out / "truth.json").read_text("utf-8")))


@pytest.mark.parametrize("threads", [1, 5])
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_threads(
    settings: CitySettings, tmp_path: Path, threads: int
):
    again = replace(settings, out=tmp_path / "again", threads=threads)
    generate_city(again)
    assert digests(again.out) == digests(settings.out)


def test_another_seed_gives_other_enterprises(settings: CitySettings, tmp_path: Path):
    other = replace(settings, out=tmp_path / "other", seed=4, enterprises=500)
    generate_city(other)
    codes = [set(pl.read_csv(one.out / "labels.csv")["enterprise"]) for one in (settings, other)]
    assert not codes[0] & codes[1]


def test_every_delivered_file_is_there_and_no_other(settings: CitySettings):
    listed = [str(one["file"]) for one in deliveries(settings.out)]
    found = {str(path.relative_to(settings.out)) for path in settings.out.glob("*/*.csv")}
    assert len(listed) == len(set(listed)) and set(listed) == found
    received = [str(one["received"]) for one in deliveries(settings.out)]
    assert received == sorted(received)
    assert {domain_of(one) for one in deliveries(settings.out)} == set(source_forms())
    assert {one["operation"] for one in deliveries(settings.out)} == {"add", "correct", "delete"}
    assert max(received) <= str(truth_of(settings)["as_of"])


def test_the_mappings_fit_the_catalogue_and_every_file(settings: CitySettings):
    catalogue = default_catalogue()
    assert set(source_forms()) == {domain.code for domain in catalogue.domains}
    for one in deliveries(settings.out):
        mapping = read_mapping(settings.out / str(one["mapping"]))
        domain = check_mapping(mapping, catalogue)
        assert set(mapping.items) == {item.name for item in domain.items}
        header = read_source(settings.out, str(one["file"]), domain.code).columns
        assert check_header(mapping, domain, str(one["file"]), header) == ()


def test_the_words_of_the_files_are_the_mappings_words(settings: CitySettings):
    for one in deliveries(settings.out):
        form = source_forms()[domain_of(one)]
        rows = read_source(settings.out, str(one["file"]), form.domain)
        for item, words in form.words.items():
            assert set(rows[form.headers[item]].drop_nulls()) <= set(words.values())


def test_the_planted_counts_are_those_in_the_files(settings: CitySettings):
    domains = truth_of(settings)["domains"]
    assert isinstance(domains, dict)
    for domain, form in source_forms().items():
        planted = domains[domain]["planted"]
        files = [str(one["file"]) for one in deliveries(settings.out) if domain_of(one) == domain]
        regular = pl.concat([read_source(settings.out, name, domain) for name in files if name.count("-") == 2])
        every = sum(read_source(settings.out, name, domain).height for name in files)
        assert every == domains[domain]["rows"] and len(files) == domains[domain]["files"]
        judged = normalise_identifiers(regular[form.enterprise].to_list(), "uscc")
        wrong = sum(str(reason) in ("look-alike", "checksum") for reason in judged.reasons if reason is not None)
        asked = planted.get("misspelt look-alike", 0) + planted.get("misspelt check-digit", 0)
        assert wrong in range(asked, asked + planted.get("repeated", 0) + 1), domain
        if form.faulty:
            cells = regular[form.headers[form.faulty]]
            assert cells.is_in(["待核实", "见附件", "约数", "待补录"]).sum() == planted["unreadable"], domain
        if form.own_unit:
            assert regular[form.headers[form.own_unit]].str.ends_with("万元").sum() == planted["own_unit"]


def test_faults_come_at_their_stated_rates(tmp_path: Path):
    rates = FaultRates(misspelt=0.05, unreadable=0.04, missing=0.1, repeated=0.03, late=0.2, corrected=0.05)
    made = CitySettings(enterprises=12_000, seed=6, months=6, out=tmp_path / "city", rates=rates)
    domains = generate_city(made)["domains"]
    tax = domains["tax"]
    assert tax["planted"]["misspelt"] / tax["records"] == pytest.approx(0.05, abs=0.006)
    assert tax["planted"]["unreadable"] / tax["records"] == pytest.approx(0.04, abs=0.006)
    assert tax["missing_cells"]["invoices_issued"] / tax["records"] == pytest.approx(0.1, abs=0.01)
    assert tax["planted"]["late"] > 0 and tax["planted"]["corrected"] > 0 and tax["planted"]["overlapping"] > 0
    none = FaultRates(**dict.fromkeys(rates.__match_args__, 0.0))
    clean = CitySettings(enterprises=1_000, seed=5, months=6, out=tmp_path / "clean", rates=none)
    for facts in generate_city(clean)["domains"].values():
        faults = ("misspelt", "unknown", "unreadable", "late", "repeated", "overlapping", "after_closing", "withdrawn")
        assert all(facts["planted"].get(name, 0) == 0 for name in faults)


def test_a_late_file_overlaps_and_a_correction_corrects(settings: CitySettings):
    form = source_forms()["tax"]
    for late in settings.out.glob("tax/*-late.csv"):
        name = f"tax/{late.name}"
        rows, before = (
            read_source(settings.out, name, "tax"),
            read_source(settings.out, name.replace("-late", ""), "tax"),
        )
        key = [form.enterprise, form.headers["period"]]
        held = rows.join(before.unique(key), on=key, how="inner")
        assert 0 < held.height < rows.height
        assert rows.join(before, on=rows.columns, how="semi", nulls_equal=True).height == held.height  # the same values
    corrected = sorted(settings.out.glob("social_insurance/*-correction.csv"))
    assert corrected
    form = source_forms()["social_insurance"]
    for path in corrected:
        name = f"social_insurance/{path.name}"
        rows = read_source(settings.out, name, form.domain)
        before = read_source(settings.out, name.replace("-correction", ""), form.domain)
        both = rows.join(before, on=[form.enterprise, form.headers["period"]], how="inner")
        assert both.height >= rows.height > 0
        item = form.headers["contribution_base"]
        assert (both[item] != both[f"{item}_right"]).all()


def test_nothing_is_written_before_it_happened(settings: CitySettings):
    """No office can know on the day of its file what comes later: only planted dates are beyond it."""
    for one in deliveries(settings.out):
        form = source_forms()[domain_of(one)]
        rows = read_source(settings.out, str(one["file"]), form.domain)
        for item, header in form.headers.items():
            if not item.endswith(("_on", "period")) or item == "expires_on":
                continue
            days = rows[header].str.to_date(form.dates, strict=False).drop_nulls()
            days = days.filter(~days.dt.year().is_in([1899, 2089, 9999]))
            assert days.is_empty() or str(days.max()) <= str(one["received"]), (one["file"], item)


def test_nobody_knows_better_than_the_best_auc(settings: CitySettings):
    outcomes = truth_of(settings)["outcomes"]
    assert isinstance(outcomes, dict)
    labels = pl.read_csv(settings.out / "labels.csv")
    assert labels.height == outcomes["labelled"] and int(labels["defaulted"].sum()) == outcomes["defaulted"]
    bank = pl.read_csv(settings.out / "bank.csv")
    both = bank.join(labels, left_on="uscc", right_on="enterprise")
    assert both.height == bank.height == outcomes["pilot"]
    assert (both["default_12m"] == both["defaulted"]).all()
    overdrawn = both["overdraft_days_12m"].to_numpy().astype(np.float64)
    alone = measure_discrimination(both["defaulted"].to_numpy(), {"bank": overdrawn}).auc["bank"]
    assert alone is not None and 0.55 < alone < outcomes["best_auc"]


def test_a_folder_with_files_is_refused(settings: CitySettings):
    with pytest.raises(Conflict, match="empty folder"):
        generate_city(settings)


def test_a_month_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(InvalidInput, match="YYYY-MM"):
        generate_city(CitySettings(200, 1, 6, tmp_path / "city", until="2026-13"))
