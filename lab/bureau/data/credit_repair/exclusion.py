"""Which adverse records no longer count on a day: by the rules alone, or by a case of repair or objection.

The store keeps them, for those who may read an enterprise's history; features and new scores leave them out.
``standing.record_standing`` says the same of one record at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import duckdb
import polars as pl
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.credit_repair.cases.states import CaseState
from lab.bureau.data.credit_repair.cases.storage import cases_that_weigh
from lab.bureau.data.credit_repair.rules.definition import (
    AdverseClass,
    AdverseSource,
    CaseKind,
    OnCorrection,
    Uncorrected,
    Unpublished,
)
from lab.bureau.data.credit_repair.rules.files import check_against_catalogue
from lab.bureau.data.credit_repair.rules.in_force import rules_in_force
from lab.bureau.data.records import Manifest, RecordStore, open_records
from lab.bureau.store.tables import RepairCaseRow


def excluded_records(
    session: Session, records: RecordStore, catalogue: Catalogue, manifest: Manifest, day: date
) -> Mapping[str, pl.Series]:
    """For each domain that has adverse records, the ids (String, sorted, each once) of those that do not count on
    ``day``: what ``open_records`` takes as ``excluded``. Domains of which nothing is left out have an empty series.

    Raises ``InvalidInput`` if the rules in force name what the catalogue does not have.
    """
    rules = rules_in_force(session, day)
    check_against_catalogue(rules, catalogue)
    domains = [source.domain for source in rules.sources]
    cases = cases_by_domain(session, [domain.code for domain in catalogue.domains])
    wanted = sorted({*domains, *cases})
    with open_records(records, manifest, catalogue, day=day, domains=wanted) as connection:
        found = {domain: records_out_by_cases(connection, domain, cases.get(domain, ()), day) for domain in wanted}
        for source in rules.sources:
            found[source.domain] |= records_out_by_rules(connection, source, day)
    return {domain: pl.Series("record", sorted(ids), dtype=pl.String) for domain, ids in found.items()}


def cases_by_domain(session: Session, domains: Sequence[str]) -> dict[str, list[RepairCaseRow]]:
    """The cases that may weigh, by domain."""
    found: dict[str, list[RepairCaseRow]] = defaultdict(list)
    for row in cases_that_weigh(session, domains):
        found[row.domain].append(row)
    return dict(found)


def records_out_by_rules(connection: duckdb.DuckDBPyConnection, source: AdverseSource, day: date) -> set[str]:
    """The ids of the domain's adverse records that do not count by the rules alone; ``connection`` has its view.

    Names in the query are those of the catalogue; all values are bound.
    """
    values: dict[str, object] = {"day": day}
    query = f"""
        WITH adverse AS (
            SELECT record,
                {_first_of(source.start)} AS started,
                {_column(source.corrected, "DATE")} AS corrected,
                {_column(source.published, "DATE")} AS published,
                {_column(source.removed, "DATE")} AS removed,
                coalesce({_column(source.repaired, "BOOLEAN")}, FALSE) AS repaired,
                {_by_class(source, values, "months", lambda group: group.greatest_months)} AS months,
                {_by_class(source, values, "published_only", _is_published_only)} AS published_only,
                {_by_class(source, values, "ends", _ends_on_correction)} AS ends,
                {_by_class(source, values, "goes_on", _goes_on)} AS goes_on
            FROM "{source.domain}" WHERE {_is_adverse(source, values)}
        )
        SELECT record FROM adverse WHERE (started IS NULL OR started <= $day) AND (
            (repaired AND coalesce(removed, $day) <= $day)
            OR removed <= $day
            OR (ends AND corrected <= $day)
            OR (CAST(started + to_months(months) AS DATE) < $day AND (NOT goes_on OR corrected <= $day))
            OR ({"TRUE" if source.published else "FALSE"} AND published_only AND coalesce(published > $day, TRUE))
        )
    """
    return {str(record) for (record,) in connection.execute(query, values).fetchall()}


def records_out_by_cases(
    connection: duckdb.DuckDBPyConnection, domain: str, cases: Sequence[RepairCaseRow], day: date
) -> set[str]:
    """The ids that cases keep from counting on ``day``: repaired, under an objection, or after one that was upheld.

    After an upheld objection a record counts again once a correction of it arrived later than the day of opening.
    """
    out: set[str] = set()
    upheld: dict[str, date] = {}
    for case in cases:
        if is_frozen(case, day) or is_repaired(case, day):
            out.add(case.record)
        elif case.state == CaseState.UPHELD and case.decided_on is not None and case.decided_on <= day:
            upheld[case.record] = max(case.opened_on, upheld.get(case.record, date.min))
    if upheld:
        query = f'SELECT record, known_on FROM "{domain}" WHERE list_contains($ids, record)'
        known = dict(connection.execute(query, {"ids": list(upheld)}).fetchall())
        out |= {record for record, opened in upheld.items() if record not in known or known[record] <= opened}
    return out


def is_frozen(case: RepairCaseRow, day: date) -> bool:
    """Whether the case is an objection that is open on ``day``."""
    return (
        case.kind == CaseKind.OBJECTION and case.opened_on <= day and (case.decided_on is None or day < case.decided_on)
    )


def is_repaired(case: RepairCaseRow, day: date) -> bool:
    """Whether the case is a repair that was granted by ``day``."""
    return case.state == CaseState.GRANTED and case.decided_on is not None and case.decided_on <= day


def _is_adverse(source: AdverseSource, values: dict[str, object]) -> str:
    parts = []
    for number, (item, wanted) in enumerate(source.when.items()):
        names = [f"when_{number}_{place}" for place in range(len(wanted))]
        values |= dict(zip(names, wanted, strict=True))
        parts.append(f'"{item}" IN ({", ".join(f"${name}" for name in names)})')
    return " AND ".join(parts) or "TRUE"


def _by_class(
    source: AdverseSource, values: dict[str, object], fact: str, of_class: Callable[[AdverseClass], int | bool]
) -> str:
    """SQL of a fact of each record's class."""
    values[f"{fact}_otherwise"] = of_class(source.otherwise)
    branches = ""
    for number, (code, group) in enumerate(source.class_of.items()):
        values[f"code_{number}"], values[f"{fact}_{number}"] = code, of_class(group)
        branches += f' WHEN "{source.class_item}" = $code_{number} THEN ${fact}_{number}'
    return f"CASE{branches} ELSE ${fact}_otherwise END" if branches else f"${fact}_otherwise"


def _is_published_only(group: AdverseClass) -> bool:
    return group.unpublished is Unpublished.DOES_NOT_COUNT


def _ends_on_correction(group: AdverseClass) -> bool:
    return group.on_correction is OnCorrection.ENDS


def _goes_on(group: AdverseClass) -> bool:
    return group.uncorrected is Uncorrected.GOES_ON


def _column(item: str, kind: str) -> str:
    return f'"{item}"' if item else f"CAST(NULL AS {kind})"


def _first_of(items: Sequence[str]) -> str:
    quoted = [f'"{item}"' for item in items]
    return f"coalesce({', '.join(quoted)})" if len(quoted) > 1 else quoted[0]
