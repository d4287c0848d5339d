"""A bureau to which departments deliver: made-up firms, tables and mappings of three domains."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.ingestion import DeliveryReader, DeliveryResult, DepartmentDelivery
from lab.bureau.data.ingestion.delivery_history import Operation
from lab.bureau.data.ingestion.mapping import MappingFile, parse_mapping
from lab.bureau.data.records import RecordStore, fetch_frame, open_records
from lab.bureau.key_management.keys import BureauKeys
from tests.support.credit_codes import with_checks

RECEIVED = datetime.date(2026, 6, 1)
FIRMS = tuple(with_checks("91", "440300", f"{7_000_000 + 37 * place:08d}") for place in range(60))
TAX = """\
domain = "tax"

[enterprise]
column = "代码"

[items.period]
column = "所属期"

[items.sales]
column = "销售额"
unit = "万元"

[items.arrears]
column = "欠税"
unit = "元"

[items.credit_rating]
column = "等级"
codes = { "A级" = "A", "B级" = "B" }
"""
TAX_HEADER = "代码,所属期,销售额,欠税,等级"
COURTS = """\
domain = "courts"

[enterprise]
column = "code"

[items.case_number]
column = "case"

[items.case_kind]
column = "kind"

[items.filed_on]
column = "filed"

[items.role]
column = "role"

[items.closed_on]
column = "closed"
"""
COURTS_HEADER = "code,case,kind,filed,role,closed"
REGISTRATION = """\
domain = "registration"
ignored = ["备注"]

[enterprise]
column = "代码"
kind = "mixed"

[items.name]
column = "名称"

[items.enterprise_type]
column = "类型"

[items.industry]
column = "行业"

[items.region]
column = "区划"

[items.established_on]
column = "成立"

[items.status]
column = "状态"

[items.status_changed_on]
column = "变更"

[items.legal_representative]
column = "法人"
"""
REGISTRATION_HEADER = "代码,名称,类型,行业,区划,成立,状态,变更,法人,备注"


def tax_rows(firms: Sequence[str] = FIRMS, period: str = "2026-03-01", rating: str = "A级") -> list[str]:
    """Rows of the tax office; the n-th firm sells n ten thousand yuan."""
    return [f"{firm},{period},{place + 1},0,{rating}" for place, firm in enumerate(firms)]


@dataclass
class DeliveringBureau:
    """An open bureau and the folder in which departments put their files."""

    bureau: Bureau
    folder: Path

    def __post_init__(self) -> None:
        one = self.bureau
        self.records = RecordStore(one.home, one.store, one.keys)
        self.reader = DeliveryReader(one.home, one.store, self.records)

    def write(self, name: str, header: str, rows: Sequence[str], encoding: str = "utf-8") -> Path:
        """A department's CSV."""
        path = self.folder / name
        path.write_bytes(("\n".join([header, *rows]) + "\n").encode(encoding))
        return path

    def deliver(
        self,
        file: Path,
        mapping: str | MappingFile = TAX,
        operation: Operation = "add",
        day: int = 0,
        *,
        why: str = "",
        accept_amounts: bool = False,
    ) -> DeliveryResult:
        """Read a file as the bureau's operator does."""
        parsed = mapping if isinstance(mapping, MappingFile) else parse_mapping(mapping.encode(), "m.toml")
        received = RECEIVED + datetime.timedelta(days=day)
        reason = why or ("" if operation == "add" else "decided again")
        delivery = DepartmentDelivery(file, parsed, received, operation, reason, accept_amounts=accept_amounts)
        return self.reader.read(delivery)

    def tax(self, name: str, rows: Sequence[str], operation: Operation = "add", day: int = 0) -> DeliveryResult:
        """Deliver rows of the tax office."""
        return self.deliver(self.write(name, TAX_HEADER, rows), TAX, operation, day=day)

    def held(self, domain: str = "tax") -> list[dict[str, object]]:
        """The current records of a domain, sorted."""
        with self.bureau.store.begin_read() as session:
            manifest = self.records.head(session)
        with open_records(self.records, manifest, default_catalogue(), domains=[domain]) as connection:
            frame = fetch_frame(connection, f'SELECT * FROM "{domain}" ORDER BY enterprise, held_from, record')
        return frame.to_dicts()


@contextmanager
def open_delivering_bureau(folder: Path, migrated_file: Path) -> Iterator[DeliveringBureau]:
    """A new bureau in ``folder`` on SQLite, without records, and the folder of an office beside it."""
    home = folder / "bureau"
    BureauKeys.create(BureauHome.create(home, name="Test bureau"))
    shutil.copyfile(migrated_file, home / "bureau.db")
    (folder / "office").mkdir()
    with Bureau.open(home) as bureau:
        yield DeliveringBureau(bureau, folder / "office")
