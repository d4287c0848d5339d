"""``lab bureau status``: what this bureau has set up, what waits for a person here, and what comes next.

It reads the folder's settings and the database; it opens no secret, migrates nothing and asks nobody.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome, default_folder
from lab.bureau.contracts.repository import current_state, list_contracts
from lab.bureau.people.permissions import Role
from lab.bureau.store import open_database
from lab.bureau.store.migrate import newest_migration, schema_version
from lab.bureau.store.tables import AccountRow, BankRow, BatchRow, ContractVersionRow, JobRow, ModelRow, RegisterRow
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.status import PartyStatus, StatusLine, disk_line, ends_soon, listed, show_status

_WAITING_STATES = {
    "draft": ("草拟", "submit it: `lab officer submit ID`"),
    "submitted": ("待审核", "review it: `lab officer review ID`"),
    "under-review": ("待批准", "another officer approves it: `lab officer approve ID`"),
}
"""States in which a contract waits for an officer, in Chinese, and what the officer does."""


def status(home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """状态 What is set up, what waits for somebody here, and what comes next. Opens no secret and asks nobody."""
    output, found = CommandOutput(as_json), BureauHome.open(home or default_folder())
    lines = [*_database_lines(found), disk_line(found.folder)]
    shown = PartyStatus("bureau", found.settings.name, str(found.folder), tuple(lines))
    show_status(output, shown)
    output.print_result(shown.as_dict())


def _database_lines(home: BureauHome) -> Iterator[StatusLine]:
    store = open_database(home.database_url, existing=True)
    try:
        kind = make_url(home.database_url).get_backend_name()
        version, newest = schema_version(store.engine), newest_migration()
        label = ("数据库", "database")
        if version != newest:
            step = _next_step_of_version(version, newest)
            found = f"{kind}, 版本 migration {version or '-'}; 本程序 this program: {newest}"
            yield StatusLine("database", label, found, step, True)
            return
        yield StatusLine("database", label, f"{kind}, 版本 migration {version}")
        with store.begin_read() as session:
            yield from _data_lines(session)
            yield from _people_lines(session)
            yield from _contract_lines(session, datetime.now(UTC))
            yield from _job_lines(session)
    finally:
        store.close()


def _next_step_of_version(version: str | None, newest: str) -> str:
    """What to do about a database of another version, or one that has no tables."""
    if version is None:
        return "the database is empty: restore a backup into a new folder (`lab bureau restore`)"
    if version < newest:
        return "stop the service and run `lab bureau upgrade --backup FOLDER --recipient KEY`, which backs it up first"
    return "run the later version of this program that this database is of"


def _data_lines(session: Session) -> Iterator[StatusLine]:
    newest: dict[str, RegisterRow] = {}
    for row in session.scalars(select(RegisterRow).order_by(RegisterRow.version)):
        newest[row.name] = row
    found = listed(f"{row.name} v{row.version}: {row.rows:,} 行 rows" for row in newest.values())
    step = "" if newest else "`lab bureau import REGISTER --id COLUMN`"
    yield StatusLine("registers", ("登记库", "registers"), found or "尚无 none yet", step)
    models = list(session.scalars(select(ModelRow).order_by(ModelRow.name, ModelRow.version)))
    published = [f"{row.name}@{row.version}" for row in models if row.state == "published"]
    step = "" if published else f"`lab model publish {models[-1].name}`" if models else ""
    step = step or ("" if models or not newest else "`lab model train --sample PILOT --id COLUMN --label COLUMN`")
    others = len(models) - len(published)
    found = f"{listed(published) or '尚无已发布 none published'}" + (
        f"; {others} 未发布 not published" if others else ""
    )
    yield StatusLine("models", ("模型", "models"), found, step)


def _people_lines(session: Session) -> Iterator[StatusLine]:
    active = list(session.scalars(select(AccountRow).where(AccountRow.state == "active")))
    roles = Counter(role for row in active for role in json.loads(row.roles))
    found = ", ".join(f"{role} {count}" for role, count in sorted(roles.items()))
    few = roles[Role.OFFICER.value] < 2
    step = "`lab bureau account NAME --role officer`: a contract needs two officers" if few else ""
    yield StatusLine("accounts", ("账户", "accounts"), found or "尚无 none yet", step)
    banks = list(session.scalars(select(BankRow.name).order_by(BankRow.name)))
    step = "" if banks else "register a bank by its card: `lab officer register-bank card.json`"
    yield StatusLine("banks", ("银行", "banks"), listed(banks) or "尚无 none yet", step)


def _contract_lines(session: Session, now: datetime) -> Iterator[StatusLine]:
    held = list_contracts(session)
    states = [(one, current_state(one, now).value) for one in held]
    counts = Counter(state for _, state in states)
    found = ", ".join(f"{state} {count}" for state, count in sorted(counts.items()))
    yield StatusLine("contracts", ("合同", "contracts"), found or "尚无 none yet")
    versions = select(ContractVersionRow).where(ContractVersionRow.state.in_(_WAITING_STATES))
    rows = list(session.scalars(versions.order_by(ContractVersionRow.drafted_at)))
    for state, (zh, step) in _WAITING_STATES.items():
        names = [f"{row.contract_id} v{row.version}" for row in rows if row.state == state]
        if names:
            yield StatusLine(f"contracts:{state}", (f"合同{zh}", f"contracts {state}"), listed(names), step, True)
    ending = [
        one.contract.id
        for one, state in states
        if state == "active" and ends_soon(one.contract.starts, one.contract.expires, now)
    ]
    if ending:
        step = "agree with the bank on a contract that follows, or let it end"
        yield StatusLine("contracts:ending", ("合同即将到期", "contracts that end soon"), listed(ending), step, True)


def _job_lines(session: Session) -> Iterator[StatusLine]:
    open_jobs = session.scalar(select(func.count()).select_from(JobRow).where(JobRow.state == "open")) or 0
    waiting = session.scalar(select(func.count()).select_from(BatchRow).where(BatchRow.state == "charged")) or 0
    step = "`lab bureau serve`: batches are evaluated while the service runs" if waiting else ""
    found = f"{open_jobs} 进行中 open; {waiting} 批待求值 batches to be evaluated"
    yield StatusLine("jobs", ("作业", "jobs"), found, step, bool(waiting))
