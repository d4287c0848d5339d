"""The claims of security that tests make by their markers: threats with their attacks, and properties.

A claim that its tests do not hold raises ``ClaimError``: a threat needs, for each of its controls, a test in which the
attack succeeds without the control and one in which it fails with it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.support.source_markers import MARKERS, ClaimError, Marker, TestFunction, read_markers

ATTACKERS = {
    "a bank": "A bank with a contract",
    "the bureau": "The bureau",
    "a stranger": "A stranger, or somebody between the parties",
    "a person with an account": "A person with an account at the bureau",
    "somebody on the machine": "Somebody on a party's machine, or with a copy of its disk",
}
"""Who attacks, as a marker says it, and the heading on the page."""
TOPICS = (
    "what leaves a party",
    "matching",
    "scoring",
    "contracts and consent",
    "keys and people",
    "the ledger",
    "limits and interruptions",
)
SHIPPED = "on; no setting turns it off"


@dataclass(frozen=True)
class Control:
    """What prevents an attack, and the tests for it: ``attacks`` succeed without it, ``defences`` hold with it."""

    name: str
    statement: str
    attacks: tuple[TestFunction, ...]
    defences: tuple[TestFunction, ...]


@dataclass(frozen=True)
class Threat:
    """An attacker's aim, and what prevents it. ``code`` names modules, or files at the repository's root."""

    title: str
    who: str
    wants: str
    controls: tuple[Control, ...]
    shipped: str
    code: tuple[str, ...]


@dataclass(frozen=True)
class Property:
    """What always holds, and the tests that would fail otherwise."""

    name: str
    claim: str
    topic: str
    code: tuple[str, ...]
    tests: tuple[TestFunction, ...]


def read_threats(root: Path) -> list[Threat]:
    """The threats of ``tests/attacks`` below ``root``, by title.

    Raises ``ClaimError`` if a file there names no threat, if a control has no attack or no defence, if a test names a
    control that its file does not state, or if a marker of attacks is anywhere else.
    """
    found: list[Threat] = []
    for path, markers in read_markers(root).items():
        of_attacks = [marker for marker in markers if marker.kind != "property"]
        if not path.startswith("tests/attacks/"):
            if of_attacks:
                raise ClaimError(f"{of_attacks[0].place}: threats and their controls belong to files of tests/attacks.")
            continue
        found += _threats_of_file(path, of_attacks)
    _refuse_repeats([threat.title for threat in found], "threat")
    return sorted(found, key=lambda threat: threat.title)


def read_properties(root: Path) -> list[Property]:
    """The properties that tests below ``root`` hold, by name.

    Raises ``ClaimError`` if a property is not stated by exactly one of its tests, or has an unknown topic.
    """
    by_name: defaultdict[str, list[Marker]] = defaultdict(list)
    for markers in read_markers(root).values():
        for marker in markers:
            if marker.kind == "property":
                by_name[_only_argument(marker)].append(marker)
    return [_property(name, by_name[name]) for name in sorted(by_name)]


def _threats_of_file(path: str, markers: list[Marker]) -> list[Threat]:
    stated = [marker for marker in markers if marker.kind == "threat"]
    if not stated:
        raise ClaimError(f"{path}: an attack names its threat in pytestmark (tests/attacks/README.md); none was found.")
    tests: dict[str, defaultdict[str, list[TestFunction]]] = {kind: defaultdict(list) for kind in MARKERS}
    for marker in markers:
        if marker.kind != "threat":
            if marker.test is None or not marker.args:
                raise ClaimError(f"{marker.place}: {marker.kind} marks a test and names the file's controls.")
            for name in marker.args:
                tests[marker.kind][name].append(marker.test)
    threats = [_threat(marker, tests["without_control"], tests["with_control"]) for marker in stated]
    controls = [control.name for threat in threats for control in threat.controls]
    _refuse_repeats(controls, f"control in {path}")
    for name in {*tests["without_control"], *tests["with_control"]} - set(controls):
        raise ClaimError(f"{path}: a test names the control {name!r}; no threat of the file states it.")
    return threats


def _threat(marker: Marker, attacks: dict[str, list[TestFunction]], defences: dict[str, list[TestFunction]]) -> Threat:
    title = _only_argument(marker)
    given = marker.kwargs
    if marker.test is not None:
        raise ClaimError(f"{marker.place}: a threat is named in pytestmark, for the whole file.")
    unknown = set(given) - {"who", "wants", "stopped_by", "shipped", "code"}
    if unknown or not {"who", "wants", "stopped_by", "code"} <= set(given):
        raise ClaimError(f"{marker.place}: a threat has who, wants, stopped_by, code, and shipped if a setting counts.")
    if given["who"] not in ATTACKERS:
        raise ClaimError(f"{marker.place}: who must be one of {', '.join(ATTACKERS)}; it is {given['who']!r}.")
    if not given["stopped_by"]:
        raise ClaimError(f"{marker.place}: a threat that nothing stops belongs to docs/security/not-prevented.md.")
    controls = []
    for name, statement in given["stopped_by"].items():
        if not attacks.get(name):
            raise ClaimError(f"{marker.place}: no test succeeds without the control {name!r} (without_control).")
        if not defences.get(name):
            raise ClaimError(f"{marker.place}: no test holds with the control {name!r} (with_control).")
        if set(attacks[name]) & set(defences[name]):
            raise ClaimError(f"{marker.place}: one test cannot be both without and with the control {name!r}.")
        controls.append(Control(name, statement, tuple(attacks[name]), tuple(defences[name])))
    return Threat(
        title, given["who"], given["wants"], tuple(controls), given.get("shipped", SHIPPED), tuple(given["code"])
    )


def _property(name: str, markers: list[Marker]) -> Property:
    stated = [marker for marker in markers if marker.kwargs]
    if len(stated) != 1:
        places = ", ".join(marker.place for marker in markers)
        raise ClaimError(f"The property {name!r} must be stated by one of its tests; {len(stated)} state it: {places}.")
    given = stated[0].kwargs
    if set(given) != {"claim", "topic", "code"}:
        raise ClaimError(f"{stated[0].place}: a property is stated by claim, topic and code.")
    if given["topic"] not in TOPICS:
        raise ClaimError(f"{stated[0].place}: topic must be one of {', '.join(TOPICS)}; it is {given['topic']!r}.")
    tests = [marker.test for marker in markers if marker.test is not None]
    if len(tests) != len(markers):
        raise ClaimError(f"The property {name!r} marks a whole module; mark the tests that hold it.")
    return Property(name, given["claim"], given["topic"], tuple(given["code"]), tuple(tests))


def _only_argument(marker: Marker) -> str:
    if len(marker.args) != 1:
        raise ClaimError(f"{marker.place}: {marker.kind} has one name; {len(marker.args)} were found.")
    return str(marker.args[0])


def _refuse_repeats(names: list[str], what: str) -> None:
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise ClaimError(f"The {what} {name!r} is stated more than once.")
