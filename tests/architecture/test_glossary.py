"""The glossary and the code say the same: each term once, each module named exists and uses the word, no house word
without an entry."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "glossary.md"
ROW = re.compile(r"^\| (?!term \|)(?!---)(.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text("utf-8"))
TERMS = [term for term, *_ in ROWS]
PRODUCT = ("lab", "models", "protocols", "sandbox")
_WORDS = """
    approval auditor bank batch bgv binning blinding bureau calibration canary catalogue ceiling charge checkpoint
    clause column confinement consent consistency contract cosignature count delta detail dictionary dimension
    doctor draft drift enforcement engine entry epoch evaluation exchange export feature fingerprint flood fork
    frame golomb grade head index indicator inquiry item job key leakage ledger lockout manifest mark mask matching
    model nonce odrl offer officer oprf pilot pin plan portfolio portrait proposal provider pseudonym quantum quorum
    receipt recipient register registry reply rescore researcher retention run sandbox scorecard scoring seal
    sealing seed setup shard sheet sign slot snapshot statement steward succession tag transition trial watch weight
    witness worker workflow
"""
HOUSE_WORDS = _WORDS.split()
"""Words that have a meaning of their own here, or that a reader may know from the field by another one."""


@cache
def words_of_the_code() -> set[str]:
    """The words, in the singular, in the names of modules, packages and classes."""
    names: set[str] = set()
    for top in PRODUCT:
        for path in (ROOT / top).rglob("*.py"):
            names.update(part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__")
            tree = ast.parse(path.read_text("utf-8"))
            names.update(node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    parts = {word.lower() for name in names for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}
    return parts | {singular(part) for part in parts}


def singular(word: str) -> str:
    """``inquiries`` to ``inquiry``, ``batches`` to ``batch``, ``keys`` to ``key``."""
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("s", "")):
        if word.endswith(ending) and not word.endswith("ss"):
            return word.removesuffix(ending) + instead
    return word


def words_of(term: str) -> set[str]:
    """The words of a term as names in code write them: ``set-up`` is ``setup``."""
    parts = re.findall(r"[a-z0-9-]+", term.lower())
    return {part.replace("-", "") for part in parts} | {piece for part in parts for piece in part.split("-")}


def source(module: str) -> Path | None:
    """The file of a module or package, or None."""
    place = ROOT.joinpath(*module.split("."))
    found = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return found if found.is_file() else None


def test_the_glossary_has_its_terms() -> None:
    assert len(ROWS) >= 100
    assert all(meaning.strip() and re.search(r"[\u4e00-\u9fff]", zh) for _, zh, meaning, _ in ROWS)


@pytest.mark.parametrize("place", [0, 1], ids=["English", "中文"])
def test_each_term_is_there_once(place: int) -> None:
    counts = Counter(row[place].lower() for row in ROWS)
    assert [term for term, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=TERMS)
def test_the_module_named_exists_and_uses_the_word(row: tuple[str, str, str, str]) -> None:
    term, _, _, where = row
    modules = re.findall(r"`([\w.]+)`", where)
    assert modules, "a term names a module"
    for module in modules:
        path = source(module)
        assert path is not None, f"the glossary names {module}, which does not exist"
        files = path.parent.glob("*.py") if path.name == "__init__.py" else [path]
        text = module + "".join(file.read_text("utf-8") for file in files).lower().replace("-", "")
        used = [word for word in re.findall(r"[a-z0-9]+", term.lower().replace("-", "")) if word[:5] in text]
        assert used, f"{module} does not speak of {term}"


@pytest.mark.parametrize("word", HOUSE_WORDS)
def test_a_house_word_in_the_code_has_an_entry(word: str) -> None:
    if word in words_of_the_code():
        assert any(word in words_of(term) for term in TERMS), f"explain {word} in docs/glossary.md"
