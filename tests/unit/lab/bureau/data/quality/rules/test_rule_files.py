"""Rule files: strict, and SQL in them reads records alone."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.quality.rules import default_rules, read_rules
from lab.terms.errors import InvalidInput

DEFAULT = files("lab.bureau.data.quality.rules") / "default"
RULES = (DEFAULT / "rules.toml").read_text("utf-8")
THRESHOLDS = (DEFAULT / "thresholds.toml").read_text("utf-8")


def refuse(folder: Path, name: str, text: str, part: str) -> None:
    (folder / name).write_text(text, "utf-8")
    with pytest.raises(InvalidInput) as refused:
        read_rules(folder)
    assert part in str(refused.value), str(refused.value)


def test_the_defaults_name_only_what_the_catalogue_has() -> None:
    rules, catalogue = default_rules(), default_catalogue()
    codes = {item.code for item in catalogue.items}
    assert {*rules.expected, *rules.may_be_future, *rules.may_be_negative} <= codes
    for rule in rules.rules:
        assert set(rule.domains) <= {domain.code for domain in catalogue.domains}
        assert all(f"{domain}.{item}" in codes for domain in rule.domains for item in rule.items)
    optional = {item.code for item in catalogue.items if not item.required}
    assert set(rules.expected) <= optional


def test_a_folder_without_files_has_the_defaults(tmp_path: Path) -> None:
    assert read_rules(tmp_path) == default_rules()


def test_a_comment_changes_no_hash_and_a_figure_does(tmp_path: Path) -> None:
    (tmp_path / "thresholds.toml").write_text("# 注释\n" + THRESHOLDS, "utf-8")
    assert read_rules(tmp_path).sha256 == default_rules().sha256
    (tmp_path / "thresholds.toml").write_text(THRESHOLDS.replace("thin_share = 0.5", "thin_share = 0.4"), "utf-8")
    assert read_rules(tmp_path).sha256 != default_rules().sha256


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("thin_share = 0.5", "thin_shair = 0.5", "ranges.thin_shair"),
        ("thin_share = 0.5", "thin_share = 1.5", "ranges.thin_share"),
        ("thin_share = 0.5", "thin_share = nan", "ranges.thin_share"),
        ("completeness = 25", "completeness = -1", "weights.completeness"),
        ("code-unknown = {", "code-unknwon = {", "thresholds.toml"),
        ("monthly = 20", 'monthly = "20"', ""),
        ("shulab-quality-thresholds/1", "shulab-quality-thresholds/2", "format"),
        ("[weights]", "[weights", "TOML"),
        ("required-missing = 2", "required-mising = 2", "thresholds.toml"),
    ],
)
def test_thresholds_that_do_not_fit_are_refused(tmp_path: Path, old: str, new: str, part: str) -> None:
    assert old in THRESHOLDS
    text = THRESHOLDS.replace(old, new, 1)
    if new == 'monthly = "20"':
        (tmp_path / "thresholds.toml").write_text(text, "utf-8")
        assert read_rules(tmp_path).thresholds.grace_days["monthly"] == 20
        return
    refuse(tmp_path, "thresholds.toml", text, part)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ('faulty = "decided_on < filed_on"', 'faulty = "decided_on <"', "decided-before-filed"),
        ('faulty = "decided_on < filed_on"', 'faulty = "true); DROP TABLE tax; SELECT (true"', "decided-before-filed"),
        (
            'faulty = "decided_on < filed_on"',
            "faulty = \"EXISTS (SELECT 1 FROM read_text('/etc/passwd'))\"",
            "sub-query",
        ),
        ('faulty = "decided_on < filed_on"', "faulty = \"1) FROM read_text('/etc/passwd') WHERE (true\"", "condition"),
        ('faulty = "decided_on < filed_on"', 'faulty = "true), (false"', "condition"),
        ('faulty = "decided_on < filed_on"', 'faulty = "decided_on < $v1"', "parameter"),
        ('faulty = "decided_on < filed_on"', 'fautly = "decided_on < filed_on"', "rules"),
        ("applies = \"list = 'red'\"", 'applies = "(SELECT true)"', "red-and-dishonest"),
        ('uses = ["dishonest"]', 'uses = ["honest"]', "red-and-dishonest"),
        ('code = "region-malformed"', 'code = "filed-before-period"', "once"),
        ('name = "firm_names"', 'name = "firms"', "once"),
        ('"tax.credit_rating" = "false"', '"tax" = "false"', "expected"),
        ('"tax.credit_rating" = "false"', '"tax.credit_rating" = "read_text("', "tax.credit_rating"),
        ("FROM public_credit WHERE list", "FROM 'x.parquet' WHERE list", "dishonest"),
        ("FROM public_credit WHERE list", "FROM registration WHERE list", "dishonest"),
        ("FROM public_credit WHERE list", "FROM glob('/etc/*') WHERE list", "table function"),
        ("FROM public_credit WHERE list", "FROM public_credit, tax WHERE list", "dishonest"),
        ("FROM public_credit WHERE list", "FROM other.public_credit WHERE list", "dishonest"),
        ("shulab-quality-rules/1", "shulab-quality-rules/9", "format"),
    ],
)
def test_rules_that_do_not_fit_are_refused(tmp_path: Path, old: str, new: str, part: str) -> None:
    assert old in RULES
    refuse(tmp_path, "rules.toml", RULES.replace(old, new, 1), part)


def test_a_file_of_megabytes_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, "rules.toml", RULES + "#" * (1 << 20), "1 MiB")


def test_common_tables_may_be_named(tmp_path: Path) -> None:
    text = RULES.replace(
        'sql = "SELECT enterprise, period, max(sales) AS sales FROM tax GROUP BY enterprise, period"',
        'sql = "WITH t AS (SELECT * FROM tax) SELECT enterprise, period, max(sales) AS sales FROM t GROUP BY ALL"',
    )
    assert text != RULES
    (tmp_path / "rules.toml").write_text(text, "utf-8")
    assert len(read_rules(tmp_path).tables) == len(default_rules().tables)
