"""The pages of file formats: the product's own readers read each example, and tables list what the code has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from pydantic_settings import BaseSettings

from lab.bank.home import BankHome
from lab.bank.portfolio import read_portfolio
from lab.bank.runs.metadata import read_run_metadata
from lab.bank.runs.results import RowStatus, match_table
from lab.bank.runs.store import read_finished_run
from lab.bureau.configuration import home as bureau_home
from lab.bureau.data.catalogue import default_catalogue, describe_columns, read_catalogue, read_dictionary
from lab.bureau.data.catalogue.definition.forms import CatalogueIndexTable, DomainTable, ItemTable
from lab.bureau.data.consents.row_validation import ConsentRejectionReason
from lab.bureau.data.consents.row_validation import validate_rows as validate_consents
from lab.bureau.data.credit_repair.rules.files import check_against_catalogue
from lab.bureau.data.credit_repair.rules.files import read_rules as read_repair_rules
from lab.bureau.data.credit_repair.rules.working_days import read_holidays
from lab.bureau.data.ingestion.mapping import check_mapping, read_mapping
from lab.bureau.data.quality.rules import read_rules as read_quality_rules
from lab.bureau.data.register.row_validation import validate_rows
from lab.tables.code_list import read_code_list
from lab.tables.table_reader import read_table
from lab.terms.consent import COLUMNS
from lab.terms.contract.document import parse_contract
from lab.terms.contract.proposal import parse_proposal
from lab.terms.identifiers import RejectionReason
from lab.terms.keys.party_card import read_party_card
from lab.terms.ledger.export import verify_export
from lab.terms.ledger.receipt import Receipt, verify_receipt
from lab.terms.ledger.tree import SignedTreeHead
from lab.terms.progress import SILENT
from lab.terms.witnessing.observed_heads import read_heads
from lab.transport.proxy.network_settings import NETWORK_FILE, read_network_settings
from models.bureau.serialization import load_model
from models.shared.catalogue_words import DOMAINS, GRADE_LABELS, SensitivityGrade, parse_grade
from models.shared.dimensions import DIMENSIONS
from models.shared.sheet import BankSheet
from sandbox import settings as service
from tests.support import data_format_readers
from tests.support.paper_examples import FORMATS, examples, first_cells, second_cells

EXAMPLES = examples()
BUREAU_KEY = str(json.loads(EXAMPLES["bureau card"])["public_key"])


def register(path: Path) -> None:
    table = read_table(path)
    rows = validate_rows(table, "uscc", "uscc", [name for name in table.frame.columns if name != "uscc"])
    assert (rows.kept.height, rows.set_aside.height) == (3, 0)


def portfolio(path: Path) -> None:
    found = read_portfolio(path, kind="uscc")
    assert len(found.codes) == 3
    assert found.set_aside_counts == {"checksum": 1}


def pilot(path: Path) -> None:
    assert read_table(path).frame["default_12m"].to_list() == ["0", "1", "0"]


def codes(path: Path) -> None:
    assert len(read_code_list(path, "uscc").codes) == 2


def table(path: Path) -> None:
    found = read_table(path)
    assert found.frame.columns == ["code", "名称", "收入"]
    assert found.frame["code"].to_list() == ["0123", "0456"] and found.row_numbers.tolist() == [3, 4]
    assert [(row.row, row.reason) for row in found.rejected] == [(5, RejectionReason.TOTAL)]
    assert len(found.warnings) == 2


def repair_rules(path: Path) -> None:
    found = read_repair_rules(path.read_bytes(), path.name)
    check_against_catalogue(found, default_catalogue())
    assert found.classes["ordinary"].greatest_months == 12


def holidays(path: Path) -> None:
    assert read_holidays(path.read_bytes(), path.name).years == {2027}


def dictionary(path: Path) -> None:
    items = describe_columns("main", ["lawsuits_defendant_3y", "tax_credit_rating"], read_dictionary(path))
    assert all(item.described and parse_grade(item.grade) is SensitivityGrade.INTERNAL for item in items)


def catalogue(path: Path) -> None:
    """The index and the domain of the page are one catalogue, whichever of them is asked about."""
    found = read_catalogue(_catalogue_folder(path, "catalogue index"))
    assert found.item("tax.sales_band").grade is SensitivityGrade.INTERNAL


def catalogue_of_another_country(path: Path) -> None:
    """The second index of the page, with the same domain."""
    found = read_catalogue(_catalogue_folder(path, "catalogue of another country"))
    assert (found.id_kind, found.enterprises) == ("opaque", "tax")
    assert found.natural_persons is not None and found.natural_persons.code_prefixes == ()


def _catalogue_folder(path: Path, index: str) -> Path:
    folder = path.parent / "own"
    folder.mkdir()
    for name, file in ((index, "catalogue.toml"), ("catalogue domain", "tax.toml")):
        (folder / file).write_text(EXAMPLES[name], encoding="utf-8")
    return folder


def quality(path: Path) -> None:
    """The two rule files of the page, read as a bureau's own."""
    folder = path.parent / "own"
    folder.mkdir()
    for name, file in (("quality rules", "rules.toml"), ("quality thresholds", "thresholds.toml")):
        (folder / file).write_text(EXAMPLES[name], encoding="utf-8")
    found = read_quality_rules(folder)
    assert [rule.code for rule in found.rules] == ["tax-after-strike-off"]
    assert found.thresholds.limits_of("required-missing", "tax", "sales").block_above == 0.05


def consents(path: Path) -> None:
    name = "示例银行 Sample Bank"
    banks = {name: ("b-41080a1b4ad7", name), "b-41080a1b4ad7": ("b-41080a1b4ad7", name)}
    table = read_table(path)
    with SILENT.stage("import", table.rows) as stage:
        found = validate_consents(table, "uscc", banks, datetime(2026, 2, 1, tzinfo=UTC), stage)
    assert (len(found.good), found.set_aside) == (2, [])


def plan(path: Path) -> None:
    assert parse_proposal(path.read_bytes()).estimate is not None


def contract(path: Path) -> None:
    assert parse_contract(path.read_bytes()).contract.find_model().name == "credit"


def model(path: Path) -> None:
    assert load_model(path).name == "credit"


def sheet(path: Path) -> None:
    """The sheet on the page is that of the model on the page."""
    found = BankSheet.from_json(path.read_bytes())
    assert found == load_model(EXAMPLES["model"].encode()).sheet(found.detail)


def results(path: Path) -> None:
    columns = read_table(path).frame.columns
    listed = [name for name in first_sentence_columns() if "…" not in name]
    assert [name for name in columns if not name.startswith("dimension_")] == listed
    codes = {f"dimension_{dimension.code}" for dimension in DIMENSIONS}
    assert {name for name in columns if name.startswith("dimension_")} <= codes
    shown = pl.Series(read_table(path).frame["status"]).to_list()
    assert set(shown) <= {status.value for status in RowStatus}


def manifest(path: Path) -> None:
    folder = path.parent / "20260105T093000-5f2c81aa90be"
    folder.mkdir()
    (folder / "manifest.json").write_bytes(path.read_bytes())
    assert read_finished_run(folder).manifest["schema"] == "shulab-run/1"
    (shown,) = read_heads(path.read_bytes(), path.name, BUREAU_KEY)
    assert shown.head.size == 3


def label(path: Path) -> None:
    folder = path.parent / "20260105T093000-5f2c81aa90be"
    folder.mkdir()
    (folder / "label.json").write_bytes(path.read_bytes())
    found = read_run_metadata(folder)
    assert found is not None and found.can_resume


def receipt(path: Path) -> None:
    verify_receipt(Receipt.read(json.loads(path.read_bytes())), BUREAU_KEY)


def export(path: Path) -> None:
    assert verify_export(path, BUREAU_KEY).size == 3


def head(path: Path) -> None:
    SignedTreeHead.read(path.read_bytes()).verify(BUREAU_KEY)


def heads(path: Path) -> None:
    assert len(read_heads(path.read_bytes(), path.name, BUREAU_KEY)) == 2


def checkpoint(path: Path) -> None:
    (shown,) = read_heads(path.read_bytes(), path.name, BUREAU_KEY)
    assert shown.head.size == 3


def bank_settings(path: Path) -> None:
    home = path.parent / "bank"
    home.mkdir(mode=0o700)
    (home / "bank.toml").write_bytes(path.read_bytes())
    (home / "bank.toml").chmod(0o600)
    (home / "bureaus").mkdir(mode=0o700)
    assert BankHome.open(home).name == "示例银行 Sample Bank"


def network_settings(path: Path) -> None:
    (path.parent / NETWORK_FILE).write_bytes(path.read_bytes())
    found = read_network_settings(path.parent)
    assert found.proxy_for("https", "bureau.example", 443) and not found.proxy_for("https", "fd00::1", 443)


def settings_of(module: object) -> type[BaseSettings]:
    """The one class of settings that a module defines."""
    (found,) = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, BaseSettings) and one.__module__ == module.__name__  # type: ignore[attr-defined]
    ]
    return found


def city_mapping(path: Path) -> None:
    domain = check_mapping(read_mapping(path), default_catalogue())
    assert domain.code == "utilities"


READERS: dict[str, Callable[[Path], object]] = {
    "table": table,
    "register": register,
    "portfolio": portfolio,
    "pilot": pilot,
    "codes": codes,
    "dictionary": dictionary,
    "catalogue index": catalogue,
    "catalogue of another country": catalogue_of_another_country,
    "catalogue domain": catalogue,
    "quality rules": quality,
    "quality thresholds": quality,
    "city mapping": city_mapping,
    "consents": consents,
    "repair rules": repair_rules,
    "holidays": holidays,
    "plan": plan,
    "bank card": read_party_card,
    "bureau card": lambda path: read_party_card(path, of="bureau"),
    "contract": contract,
    "model": model,
    "sheet": sheet,
    "results": results,
    "manifest": manifest,
    "label": label,
    "receipt": receipt,
    "export": export,
    "head": head,
    "heads": heads,
    "checkpoint": checkpoint,
    "bureau.toml": lambda path: settings_of(bureau_home).read(path),  # type: ignore[attr-defined]
    "service.toml": lambda path: settings_of(service).read(path),  # type: ignore[attr-defined]
    "bank.toml": bank_settings,
    "network.toml": network_settings,
    **data_format_readers.READERS,
}


def first_sentence_columns() -> list[str]:
    """The columns that the page on results explains, one by one."""
    page = (FORMATS / "results.md").read_text("utf-8")
    table = page.partition("| column | meaning |")[2].partition("\n\n")[0]
    return [name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)]


def test_each_example_has_a_reader() -> None:
    assert set(EXAMPLES) == set(READERS)


def test_each_page_has_an_example() -> None:
    bare = [page.name for page in FORMATS.glob("*.md") if "<!-- example: " not in page.read_text("utf-8")]
    assert sorted(bare) == ["README.md", "reading.md"]  # the reader itself writes the second


@pytest.mark.parametrize("name", sorted(READERS))
def test_the_products_reader_reads_the_example(name: str, tmp_path: Path) -> None:
    path = tmp_path / name.replace(" ", "-")
    path.write_text(EXAMPLES[name], encoding="utf-8")
    READERS[name](path)


def test_the_table_of_results_has_the_columns_of_the_page(tmp_path: Path) -> None:
    path = tmp_path / "portfolio.csv"
    path.write_text(EXAMPLES["portfolio"], encoding="utf-8")
    found = read_portfolio(path, kind="uscc")
    table = match_table(found, pl.Series([0], dtype=pl.Int64).to_numpy())
    assert table.columns == first_sentence_columns()[:6]


LISTS: dict[str, list[str]] = {
    "reasons": [reason.value for reason in RejectionReason],
    "consent columns": [name for name, _, _ in COLUMNS],
    "consent reasons": [fault.value for fault in ConsentRejectionReason],
    "dimensions": [dimension.code for dimension in DIMENSIONS],
    "grades": [grade.value for grade in SensitivityGrade],
    "domains": list(DOMAINS),
    "catalogue index": list(CatalogueIndexTable.model_fields),
    "catalogue domain": list(DomainTable.model_fields),
    "catalogue item": list(ItemTable.model_fields),
    "statuses": [status.value for status in RowStatus],
    "bureau": list(settings_of(bureau_home).model_fields),
    "service": list(settings_of(service).model_fields),
}


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_table_lists_what_the_code_has(name: str) -> None:
    assert first_cells(name) == LISTS[name]


def test_other_words_of_grades_are_those_of_the_code() -> None:
    assert second_cells("grades") == {grade.value: words[0] for grade, words in GRADE_LABELS.items()}


@pytest.mark.parametrize(("table", "module"), [("bureau", bureau_home), ("service", service)])
def test_defaults_of_settings_are_those_of_the_code(table: str, module: object) -> None:
    """`empty` is an empty text, `none` is nothing or an empty collection."""
    for name, shown in second_cells(table).items():
        field = settings_of(module).model_fields[name]
        if field.is_required():
            assert shown == "required", name
            continue
        value = field.get_default(call_default_factory=True, validated_data={})
        value = getattr(value, "get_secret_value", lambda value=value: value)()
        if value in ("", None, (), {}):
            assert shown == ("empty" if value == "" else "none"), name
        else:
            said = str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")
            assert shown == said, name
