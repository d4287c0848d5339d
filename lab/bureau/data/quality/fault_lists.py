"""Which records a check found at fault: a list for the department that has to correct them.

It names enterprises, so giving one out is in the ledger, with the check and the number of records.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import Catalogue, current_catalogue
from lab.bureau.data.quality.assessment.domain_pass import fault_condition
from lab.bureau.data.quality.assessment.joined_tables import join_clause, prepare_tables
from lab.bureau.data.quality.assessment.record_checks import (
    BoundValues,
    ReceivedDays,
    RecordCheck,
    list_record_checks,
    quote_name,
)
from lab.bureau.data.quality.rules import QualityRules, current_rules
from lab.bureau.data.records import ADD, Manifest, RecordStore, open_records
from lab.bureau.ledger import Fact, record
from lab.bureau.store import Database
from lab.terms.errors import InvalidInput, NotFound

FAULT_COLUMNS = ("enterprise", "record", "held_from", "held_to", "known_on")


def list_faults(
    home: BureauHome, store: Database, records: RecordStore, name: str, *, as_of: date | None, by: str
) -> pl.DataFrame:
    """The records at fault of the check ``name`` (as reports give it: ``CODE:DOMAIN`` or ``CODE:DOMAIN.ITEM``), sorted
    by enterprise; columns ``FAULT_COLUMNS``.

    Raises ``NotFound`` for a check that is not over records, ``InvalidInput`` if it does not run.
    """
    rules = current_rules(home)
    with store.begin_read() as session:
        catalogue = current_catalogue(home, session)
        manifest = records.manifest_as_of(session, as_of)
    check, bound = _find_check(catalogue, rules, manifest, name)
    tables = {table.name: table for table in rules.tables if table.name in check.uses}
    reads = {check.domain, *(domain for table in tables.values() for domain in table.reads)}
    with open_records(records, manifest, catalogue, domains=sorted(reads)) as connection:
        if prepare_tables(connection, tables.values()):
            raise InvalidInput(
                "A table that the check joins could not be made.", next_step="see `lab bureau quality report`"
            )
        columns = ", ".join(f"{quote_name(check.domain)}.{column}" for column in FAULT_COLUMNS)
        source = " ".join([quote_name(check.domain), *(join_clause(one, check.domain) for one in tables.values())])
        sql = f"SELECT {columns} FROM {source} WHERE {fault_condition(check)} ORDER BY enterprise, held_from, record"
        rows = connection.execute(sql, bound.used_by(sql)).fetchall()
    found = pl.DataFrame(
        rows,
        schema={"enterprise": pl.String, "record": pl.String, **dict.fromkeys(FAULT_COLUMNS[2:], pl.Date)},
        orient="row",
    )
    with store.begin() as session:
        facts: dict[str, Fact] = {
            "check": name,
            "manifest": manifest.sha256,
            "rules": rules.sha256,
            "records": len(found),
        }
        record(session, "quality.faults-listed", None, facts, by=by)
    return found


def _find_check(
    catalogue: Catalogue, rules: QualityRules, manifest: Manifest, name: str
) -> tuple[RecordCheck, BoundValues]:
    domain = name.partition(":")[2].partition(".")[0]
    for one in catalogue.domains:
        if one.code == domain:
            bound = BoundValues()
            segments = manifest.of_domain(domain)
            days = ReceivedDays.of((segment.known_on, ADD in segment.operations) for segment in segments)
            for check in list_record_checks(one, rules, bound, days):
                item = f".{check.items[0]}" if len(check.items) == 1 else ""
                if f"{check.code}:{check.domain}{item}" == name:
                    return check, bound
    raise NotFound(
        "Expected the name of a check over records, as reports give it; found another.",
        next_step="`lab bureau quality report` names the checks: CODE:DOMAIN or CODE:DOMAIN.ITEM",
    )
