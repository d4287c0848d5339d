"""The pages of threats and properties are those of the tests' markers, and SECURITY.md claims nothing beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.security_claims import read_properties, read_threats
from tests.support.security_pages import anchor, pages
from tests.support.source_markers import ClaimError

ROOT = Path(__file__).parents[2]
PAGES = pages(ROOT)
CODE = [
    *(threat.code or ("",) for threat in read_threats(ROOT)),
    *(one.code or ("",) for one in read_properties(ROOT)),
]
"""What each claim names as its code; an empty name for a claim that names none."""
MOST_BYTES = 8000
"""Of SECURITY.md: what a person reads in ten minutes."""
PAPERS = [ROOT / "SECURITY.md", *(ROOT / "docs" / "security").glob("*.md")]
ANCHORED = [
    (paper, target, fragment)
    for paper in PAPERS
    for target, fragment in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", paper.read_text("utf-8"))
]


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    written = (ROOT / "docs" / "security" / name).read_text("utf-8")
    assert written == PAGES[name], f"docs/security/{name} is stale; run `make security-pages` and commit it"


def test_there_are_as_many_claims_as_before_or_more() -> None:
    threats, properties = read_threats(ROOT), read_properties(ROOT)
    assert len(threats) >= 96
    assert sum(len(threat.controls) for threat in threats) >= 132
    assert len(properties) >= 80


def test_every_claim_names_code_that_exists() -> None:
    missing = []
    for name in {name for names in CODE for name in names}:
        place = ROOT.joinpath(*name.split("."))
        if not (name and (place.is_dir() or place.with_suffix(".py").is_file() or (ROOT / name).is_file())):
            missing.append(name)
    assert missing == []


def test_every_attack_says_in_its_docstring_who_attacks() -> None:
    attacks = (ROOT / "tests" / "attacks").glob("test_*.py")
    assert [path.name for path in attacks if not path.read_text("utf-8").startswith('"""')] == []


def test_security_md_is_short() -> None:
    assert (ROOT / "SECURITY.md").stat().st_size <= MOST_BYTES, "what does not fit belongs to docs/security"


@pytest.mark.parametrize(
    ("paper", "target", "fragment"), ANCHORED, ids=[f"{paper.name}-{fragment}" for paper, _, fragment in ANCHORED]
)
def test_a_link_to_a_heading_finds_it(paper: Path, target: str, fragment: str) -> None:
    text = (paper.parent / target if target else paper).read_text("utf-8")
    named = set(re.findall(r'<a id="([^"]+)"', text))
    assert fragment in named | {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


# --- what the reader of markers refuses -------------------------------------------------------------------------------

THREAT = """
import pytest
pytestmark = pytest.mark.threat("Theft", who="a bank", wants="to steal", stopped_by={"lock": "A lock."}, code=["lab"])
"""
ATTACK = '@pytest.mark.without_control("lock")\ndef test_a(): ...\n'
DEFENCE = '@pytest.mark.with_control("lock")\ndef test_b(): ...\n'
STATED = '@pytest.mark.property("Safe", claim="It is safe.", topic="matching", code=["lab"])\ndef test_c(): ...\n'
AGAIN = '@pytest.mark.property("Safe")\ndef test_d(): ...\n'


def write(root: Path, text: str, name: str = "attacks/test_theft.py") -> Path:
    path = root / "tests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return root


def test_a_threat_with_both_tests_is_read(tmp_path: Path) -> None:
    (threat,) = read_threats(write(tmp_path, THREAT + ATTACK + DEFENCE))
    (control,) = threat.controls
    assert (control.attacks[0].name, control.defences[0].name) == ("test_a", "test_b")
    assert threat.shipped == "on; no setting turns it off"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "none was found"),
        (THREAT + DEFENCE, "no test succeeds without the control 'lock'"),
        (THREAT + ATTACK, "no test holds with the control 'lock'"),
        (THREAT + ATTACK.replace("def", '@pytest.mark.with_control("lock")\ndef'), "cannot be both"),
        (THREAT + ATTACK + DEFENCE + DEFENCE.replace("lock", "key"), "no threat of the file states it"),
        (THREAT.replace("a bank", "a cat") + ATTACK + DEFENCE, "who must be one of"),
        (THREAT.replace('{"lock": "A lock."}', "{}"), "nothing stops"),
        (THREAT.replace('wants="to steal", ', "") + ATTACK + DEFENCE, "a threat has who, wants"),
        (THREAT.replace('"Theft"', 'f"The{1}ft"') + ATTACK + DEFENCE, "literal text"),
        (THREAT + ATTACK + DEFENCE.replace("test_b", "helper"), "pytest runs no function of this name"),
        (THREAT + ATTACK + "@pytest.mark.soak\n" + DEFENCE, "does not run it"),
        (
            THREAT + ATTACK + "class TestIt:\n    " + DEFENCE.replace("\n", "\n    "),
            "3 claims are written and 2 are of",
        ),
        (THREAT + "@pytest.mark.without_control\ndef test_a(): ...\n" + DEFENCE, "says nothing by itself"),
    ],
)
def test_a_threat_that_its_tests_do_not_hold_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ClaimError, match=reason):
        read_threats(write(tmp_path, text))


def test_a_title_names_one_threat(tmp_path: Path) -> None:
    write(tmp_path, THREAT + ATTACK + DEFENCE, "attacks/test_other.py")
    with pytest.raises(ClaimError, match="more than once"):
        read_threats(write(tmp_path, THREAT + ATTACK + DEFENCE))


def test_a_marker_of_attacks_is_refused_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ClaimError, match="belong to files of tests/attacks"):
        read_threats(write(tmp_path, "import pytest\n" + ATTACK, "unit/test_other.py"))


def test_a_property_is_held_by_tests_of_several_files(tmp_path: Path) -> None:
    write(tmp_path, STATED, "unit/test_one.py")
    (read,) = read_properties(write(tmp_path, AGAIN, "protocol/test_two.py"))
    assert sorted(test.name for test in read.tests) == ["test_c", "test_d"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (AGAIN, "0 state it"),
        (STATED + STATED, "2 state it"),
        (STATED.replace("matching", "cooking"), "topic must be one of"),
        (STATED.replace('claim="It is safe.", ', ""), "stated by claim, topic and code"),
        (STATED.replace("@", "pytestmark = ").replace("def test_c(): ...", ""), "mark the tests that hold it"),
    ],
)
def test_a_property_that_is_not_stated_once_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ClaimError, match=reason):
        read_properties(write(tmp_path, "import pytest\n" + text, "unit/test_one.py"))
