"""Writes a made-up city: source files by domain and month, mappings, deliveries, labels, a bank's files, the truth.

| file | what |
|---|---|
| ``DOMAIN/DOMAIN-YYYY-MM.csv`` | what an office delivered of a month; also ``-late``, ``-correction``, ``-news`` … |
| ``mappings/DOMAIN.toml`` | which column holds which item |
| ``deliveries.toml`` | every file with its mapping, the day of receipt, and what its rows do |
| ``legacy-codes.csv`` | old numbers of enterprises and their unified codes; some are left out |
| ``labels.csv`` | whether each enterprise that lived at the end defaults within twelve months |
| ``bank.csv``, ``portfolio.csv`` | a bank's own records, of a pilot sample with outcomes and of other clients |
| ``truth.json`` | the best AUC that anybody can reach, and counts of all that was planted |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from lab.simulation.city.bank_files import write_bank_files
from lab.simulation.city.deliveries import (
    WrittenFiles,
    add_counts,
    write_deliveries,
    write_events,
    write_month,
)
from lab.simulation.city.domains import EVENTS, MONTHLY
from lab.simulation.city.enterprises import City, make_city
from lab.simulation.city.faults import unmapped
from lab.simulation.city.identifier_codes import organisation_codes
from lab.simulation.city.outcomes import best_auc, default_chances, draw_defaults, labelled_rows
from lab.simulation.city.settings import CitySettings, as_date, first_day
from lab.simulation.city.source_form import ENTERPRISE, mapping_text, source_forms
from lab.simulation.synthetic.register import MADE_UP_NOTICE
from lab.tables.spreadsheet_csv import save_csv
from lab.terms.errors import Conflict
from lab.terms.progress import SILENT, Progress

_MOST_CLIENTS = 100_000


def generate_city(settings: CitySettings, progress: Progress = SILENT) -> dict[str, Any]:
    """Write the city to ``settings.out``, which must be empty or absent; returns what ``truth.json`` says.

    The same settings but ``out`` and ``threads`` give the same bytes. Raises ``Conflict`` if the folder has files.
    """
    if settings.out.exists() and any(settings.out.iterdir()):
        raise Conflict(
            f"Expected an empty folder for the city; {settings.out.name} has files.", next_step="name another --out"
        )
    settings.out.mkdir(parents=True, exist_ok=True)
    (settings.out / "MADE-UP.txt").write_text(MADE_UP_NOTICE, encoding="utf-8")
    city = make_city(settings)
    written = _write_sources(city, progress)
    _write_mappings(settings)
    write_deliveries([delivery for one in written for delivery in one.deliveries], settings.out / "deliveries.toml")
    truth = {
        "made_up": True,
        "enterprises": settings.enterprises,
        "seed": settings.seed,
        "months": settings.months,
        "first_day": as_date(settings.start).isoformat(),
        "last_day": as_date(settings.end - 1).isoformat(),
        "as_of": as_date(first_day(settings.last_month + 2) - 1).isoformat(),
        "records": sum(one.records for one in written),
        "rows": sum(one.rows for one in written),
        "files": sum(len(one.deliveries) for one in written),
        "rates": asdict(settings.rates),
        "legacy_codes": _write_legacy_codes(city),
        "outcomes": _write_outcomes(city),
        "domains": add_counts(written),
    }
    text = json.dumps(truth, ensure_ascii=False, indent=2)
    (settings.out / "truth.json").write_text(text + "\n", encoding="utf-8")
    return truth


def _write_sources(city: City, progress: Progress) -> list[WrittenFiles]:
    """All source files; each task draws random numbers of its own, so their order does not matter."""
    settings = city.settings
    tasks: list[Callable[[], WrittenFiles]] = [_task(write_events, city, domain) for domain in EVENTS]
    for month in range(settings.first_month, settings.last_month + 1):
        tasks += [_task(write_month, city, domain, month) for domain in MONTHLY]
    with ThreadPoolExecutor(settings.threads) as pool, progress.stage("generate", len(tasks)) as bar:
        running: list[Future[WrittenFiles]] = [pool.submit(task) for task in tasks]
        written = []
        for one in running:
            written.append(one.result())
            bar.advance()
    return written


def _task(write: Callable[..., WrittenFiles], *given: object) -> Callable[[], WrittenFiles]:
    return lambda: write(*given)


def _write_mappings(settings: CitySettings) -> None:
    folder = settings.out / "mappings"
    folder.mkdir()
    for domain, form in source_forms().items():
        (folder / f"{domain}.toml").write_text(mapping_text(form), encoding="utf-8")


def _write_legacy_codes(city: City) -> Mapping[str, int]:
    """The table of old numbers, without those that nobody entered."""
    one = city.enterprises
    old, left_out = one.has_legacy_numbers, unmapped(city)
    codes = one.codes.filter(pl.Series(old & ~left_out))
    numbers = one.registration_numbers.filter(pl.Series(old & ~left_out))
    table = pl.concat(
        [
            pl.DataFrame({"legacy_code": numbers, ENTERPRISE: codes}),
            pl.DataFrame({"legacy_code": organisation_codes(codes), ENTERPRISE: codes}),
        ]
    )
    save_csv(table, city.settings.out / "legacy-codes.csv")
    return {"rows": len(table), "enterprises": int(old.sum()), "left_out": int((old & left_out).sum())}


def _write_outcomes(city: City) -> dict[str, Any]:
    """Labels of all, and a bank's files; returns how well the outcomes can be known."""
    rows = labelled_rows(city)
    chances = default_chances(city, rows)
    defaults = draw_defaults(city, rows, chances)
    labels = pl.DataFrame({ENTERPRISE: city.enterprises.codes[rows], "defaulted": defaults.astype(np.int8)})
    save_csv(labels, city.settings.out / "labels.csv")
    settings = city.settings
    clients = settings.clients or max(20, min(_MOST_CLIENTS, settings.enterprises // 5))
    bank = write_bank_files(city, rows, defaults, clients)
    return {
        "labelled": len(rows),
        "defaulted": int(defaults.sum()),
        "best_auc": round(best_auc(chances), 6),
        "pilot": len(bank.pilot),
        "portfolio": len(bank.clients),
        "portfolio_outside_register": bank.outside_register,
        "portfolio_repeated": bank.repeated,
        "portfolio_badly_written": dict(sorted(bank.badly_written.items())),
    }
