"""The officers' desk over HTTP and by the ``lab officer`` command, with a bank at work, on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from lab.bank.scoring.batch_transfer import submit_batch
from lab.bureau.people import NewAccount, Role
from lab.bureau.store.tables import LedgerEntryRow
from lab.sdk.client import ServiceClient
from lab.terms.contract.document import ResultDetail, SignedContract, parse_contract, signing_input
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.keys.party import Party
from protocols.matching.bureau import MIN_CANARIES
from tests.service.conftest import JOB, ROOT, Service
from tests.support.bureau_standin import Key

PASSWORD = "correct horse battery"
OFFICERS = {"mei": "数据部", "jun": "数据部", "hua": "法务部"}


class Hall:
    """A service, and the people who have signed in to it: mei drafts, jun and hua approve, ning audits."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service, self.folder = service, folder
        for name, department in OFFICERS.items():
            self._seat(name, department, Role.OFFICER)
        self._seat("ning", "审计部", Role.AUDITOR)

    def _seat(self, name: str, department: str, role: Role) -> None:
        account = NewAccount(name, department, frozenset({role}))
        password = self.service.bureau.accounts.add(account, by="local") or ""
        desk, _ = ServiceClient.sign_in(self.service.url, name, password, self.file(name))
        with desk:
            desk.change_password(password, PASSWORD)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    @contextmanager
    def desk(self, name: str) -> Iterator[ServiceClient]:
        with ServiceClient.open(self.file(name)) as desk:
            yield desk

    def post(self, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.desk(name) as desk:
            found: dict[str, Any] = desk.post(f"/v1/desk{path}", body)
        return found

    def get(self, name: str, path: str, **query: Any) -> dict[str, Any]:
        with self.desk(name) as desk:
            found: dict[str, Any] = desk.get(f"/v1/desk{path}", **query)
        return found

    def step(self, name: str, contract: str, step: str, **form: Any) -> dict[str, Any]:
        return self.post(name, f"/contracts/{contract}/steps/{step}", form)

    def draft(self, *, submit: bool = True, key: Key | None = None, **wishes: Any) -> dict[str, Any]:
        key = key or self.service.key
        bank = {"name": f"某银行 {key.public_key_hex[:8]}", "public_key": key.public_key_hex}
        asked = {"models": ["credit"], "detail": "total", "recipients": ["信贷部"], **wishes}
        told = Party(**bank).fingerprint
        return self.post("mei", "/contracts", {"bank": bank, "clauses": asked, "fingerprint": told, "submit": submit})

    def approve(self, contract: str, **form: Any) -> dict[str, Any]:
        self.step("jun", contract, "approve", **form)
        return self.step("hua", contract, "approve", **form)

    def sign(self, contract: str) -> str:
        signed = parse_contract(json.dumps(self.get("mei", f"/contracts/{contract}/export")))
        newest = self.get("mei", f"/contracts/{contract}")["versions"][0]["version"]
        if newest != signed.contract.version:
            exported = self.get("mei", f"/contracts/{contract}/export", version=newest)
            signed = parse_contract(json.dumps(exported))
        signature = self.service.key.sign(signing_input(signed.contract)).hex()
        return self.service.bureau.bank_contracts.accept_signature(contract, signature)

    def active(self, **wishes: Any) -> str:
        """A contract in force."""
        contract = str(self.draft(**wishes)["contract"])
        self.approve(contract)
        assert self.sign(contract) == "active"
        return contract

    def entries(self, contract: str) -> list[dict[str, Any]]:
        with self.service.bureau.store.begin_read() as session:
            query = (
                sqlalchemy.select(LedgerEntryRow.body)
                .where(LedgerEntryRow.contract_id == contract)
                .order_by(LedgerEntryRow.seq)
            )
            return [json.loads(body) for body in session.scalars(query)]

    def lab(self, name: str, *words: str | Path, code: int = 0, as_json: bool = True) -> Any:
        """``lab officer WORDS`` as a person at another machine runs it."""
        command = [sys.executable, "-m", "lab.cli", "officer", *map(str, words), "--session", str(self.file(name))]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SHULAB_")}
        done = subprocess.run(
            command + ["--json"] * as_json,
            cwd=ROOT,
            env=environment | {"HOME": str(self.folder), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if as_json else done.stdout + done.stderr


@pytest.fixture(scope="module")
def hall(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Hall:
    return Hall(service, tmp_path_factory.mktemp("desks"))


def test_from_the_draft_to_a_contract_in_force_every_step_is_in_the_ledger_by_its_person(hall: Hall) -> None:
    drafted = hall.draft()
    contract = drafted["contract"]
    assert (drafted["state"], drafted["officers_needed"]) == ("submitted", 2)  # nobody graded these items
    assert hall.step("jun", contract, "approve")["state"] == "under-review"
    assert hall.step("hua", contract, "approve")["state"] == "approved"
    assert hall.sign(contract) == "active"
    shown = hall.get("ning", f"/contracts/{contract}")
    assert [one["account"] for one in shown["approvals"]] == ["jun", "hua"]
    assert (shown["drafted_by"], shown["reviewer"], shown["state"]) == ("mei", "jun", "active")
    assert shown["allowance"]["jobs"]["left"] == shown["allowance"]["jobs"]["ceiling"] > 0
    SignedContract.model_validate(shown["signed"]).verify()
    told = [(entry["kind"], entry["by"]) for entry in hall.entries(contract)]
    assert told[:6] == [
        ("contract.drafted", "person:mei"),
        ("contract.submitted", "person:mei"),
        ("contract.reviewed", "person:jun"),
        ("contract.approval", "person:jun"),
        ("contract.approval", "person:hua"),
        ("contract.approved", "person:hua"),
    ]
    assert told[-1][0] == "contract.active" and told[-1][1].startswith("bank:b-")
    assert contract in [one["contract"] for one in hall.get("mei", "/contracts")["contracts"]]


def test_what_is_refused_is_refused_by_name_and_recorded(hall: Hall) -> None:
    contract = hall.draft()["contract"]
    with pytest.raises(NotAllowed, match="four eyes"):
        hall.step("mei", contract, "approve")
    with pytest.raises(NotAllowed, match="may not approve contracts"):
        hall.step("ning", contract, "approve")
    with pytest.raises(NotAllowed, match="may not draft contracts"):
        hall.post("ning", f"/contracts/{contract}/amend", {"clauses": {}})
    hall.step("jun", contract, "approve")
    with pytest.raises(NotAllowed, match="already"):
        hall.step("jun", contract, "approve")
    refused = [entry for entry in hall.entries(contract) if entry["kind"] == "refused"]
    assert [entry["by"] for entry in refused] == ["person:mei", "person:ning", "person:ning", "person:jun"]
    assert [entry["facts"]["operation"] for entry in refused] == ["approve", "approve", "amend", "approve"]
    for wrong, family in (
        (lambda: hall.step("jun", contract, "suspend", reason="x"), Conflict),
        (lambda: hall.step("jun", contract, "reject"), InvalidInput),
        (lambda: hall.step("jun", contract, "reject", reason=" "), InvalidInput),
        (lambda: hall.step("jun", contract, "burn"), InvalidInput),
        (lambda: hall.step("jun", "c-none", "review"), NotFound),
        (lambda: hall.get("jun", f"/contracts/{contract}", version=9), NotFound),
        (lambda: hall.draft(models=["nothing"]), NotFound),
        (lambda: hall.draft(ceilings={"precision": 0}), InvalidInput),
        (lambda: hall.draft(unknown=1), InvalidInput),
        (lambda: hall.draft(id_kind="uscc"), InvalidInput),
        (lambda: hall.draft(forms={"no-such-item": "band"}), InvalidInput),
    ):
        with pytest.raises(family) as caught:
            wrong()
        assert caught.value.next_step


def test_nobody_works_at_the_desk_without_a_sign_in(hall: Hall, tmp_path: Path) -> None:
    held = json.loads(hall.file("mei").read_text())
    (tmp_path / "s.json").write_text(json.dumps(held | {"token": "a" * 43}))
    (tmp_path / "s.json").chmod(0o600)
    with ServiceClient.open(tmp_path / "s.json") as desk, pytest.raises(NotAuthentic):
        desk.get("/v1/desk/contracts")


def test_suspending_stops_jobs_and_tells_what_was_delivered(hall: Hall) -> None:
    service = hall.service
    contract = hall.active()
    service.open_job(contract)
    codes = service.pilot.codes()[:20]
    tags = service.tags(contract, codes)
    batch = service.batch(contract, tags, service.pilot.bank[:20])
    submit_batch(service.outlet(), contract, JOB, batch)
    stopped = hall.step("hua", contract, "suspend", reason="a complaint")
    assert (stopped["state"], stopped["stopped_jobs"]) == ("suspended", 1)
    assert [(one["what"], one["rows"], one["job"]) for one in stopped["delivered"]] == [
        ("match", 20 + MIN_CANARIES, JOB),
        ("scores", 20, JOB),
    ]
    assert hall.get("ning", f"/contracts/{contract}/delivered")["delivered"] == stopped["delivered"]
    with pytest.raises(NotAllowed, match="suspended"):
        service.tags(contract, codes)
    assert hall.step("jun", contract, "resume", reason="settled")["state"] == "active"
    with pytest.raises(NotAllowed, match="stopped"):
        service.tags(contract, codes)
    service.open_job(contract)  # the same job again
    assert len(service.tags(contract, codes)) == 20
    ended = hall.step("jun", contract, "revoke", reason="the bank asked for it")
    assert (ended["state"], ended["stopped_jobs"], len(ended["delivered"])) == ("revoked", 1, 3)
    with pytest.raises(NotAllowed, match="revoked"):
        service.tags(contract, codes)


def test_one_enterprise_scored_over_and_over_is_a_finding_and_one_entry(hall: Hall) -> None:
    service = hall.service
    contract = hall.active()
    service.open_job(contract)
    code = service.pilot.codes()[-1]
    tags = service.tags(contract, [code])
    for _ in range(9):
        batch = service.batch(contract, tags, service.pilot.bank[-1:])
        submit_batch(service.outlet(), contract, JOB, batch)

    def here(found: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for one in found["findings"] if (one["contract"], one["rule"]) == (contract, "one-enterprise")]

    (new,) = here(hall.get("mei", "/watch"))
    assert (new["found"], new["limit"], new["bank"], new["entry"]) == (9, 8, service.name, None)
    for _ in range(2):
        service.bureau.sweep()
    (entry,) = [one for one in hall.entries(contract) if one["kind"] == "contract.flagged"]
    assert (entry["by"], entry["facts"]["rule"], entry["facts"]["found"]) == ("bureau", "one-enterprise", 9)
    told = hall.lab("ning", "watch")
    assert here(told) == [new | {"entry": entry["seq"], "since": here(told)[0]["since"]}]
    page = hall.lab("mei", "watch", as_json=False)
    assert "一户反复评分" in page and f"lab officer suspend {contract}" in page
    for text in (json.dumps(told), json.dumps(entry), page):
        assert code not in text and service.bureau.keys.pseudonyms([code], 1)[0] not in text
    assert hall.get("mei", f"/contracts/{contract}")["state"] == "active"  # an officer has to stop it
    assert hall.step("mei", contract, "suspend", reason="looks like probing")["state"] == "suspended"


def test_an_amendment_is_compared_with_the_last_approved_version_and_replaces_it(hall: Hall) -> None:
    contract = hall.active()
    assert hall.get("mei", f"/contracts/{contract}/diff")["against"] is None
    amended = hall.post(
        "mei",
        f"/contracts/{contract}/amend",
        {"clauses": {"retention_days": 7, "ceilings": {"jobs_per_day": 3}}, "submit": True},
    )
    assert (amended["version"], amended["state"]) == (2, "submitted")
    compared = hall.get("ning", f"/contracts/{contract}/diff")
    assert (compared["version"], compared["against"]) == (2, 1)
    changed = {one["term"]: one for one in compared["changes"]}
    assert (
        {"retention_days", "ceilings.jobs_per_day"}
        <= set(changed)
        <= {
            *("version", "retention_days", "ceilings.jobs_per_day", "starts"),
        }
    )
    assert changed["retention_days"]["widens"] is False
    assert changed["retention_days"]["zh"] and changed["retention_days"]["en"]
    with pytest.raises(Conflict):
        hall.post("mei", f"/contracts/{contract}/amend", {"clauses": {}})
    hall.approve(contract, version=2)
    assert hall.get("mei", f"/contracts/{contract}")["version"] == 1
    assert hall.sign(contract) == "active"
    shown = hall.get("mei", f"/contracts/{contract}")
    assert [(one["version"], one["state"]) for one in shown["versions"]] == [(2, "active"), (1, "retired")]
    assert shown["signed"]["contract"]["retention_days"] == 7


def test_a_document_goes_out_as_odrl_and_comes_in_as_a_draft(hall: Hall) -> None:
    contract = hall.active()
    plain = hall.get("mei", f"/contracts/{contract}/export")
    odrl = hall.get("mei", f"/contracts/{contract}/export", form="odrl")
    assert "@context" in odrl
    kinds = [entry["kind"] for entry in hall.entries(contract)]
    assert kinds.count("contract.exported") >= 2
    with pytest.raises(Conflict):
        hall.post("mei", "/contracts/import", odrl)
    fresh = json.loads(json.dumps(plain))
    fresh["contract"]["id"] = contract + "-b"
    taken = hall.post("mei", "/contracts/import", fresh)
    assert (taken["state"], taken["signed_by_bank"], taken["drafted_by"]) == ("draft", False, "mei")
    for part, value in (
        ("bureau", {"name": "x", "public_key": "ab" * 32}),
        ("engine", "unheard"),
        ("items", []),
        ("models", [{"name": "credit", "version": 1, "sheet_sha256": "0" * 64}]),
        ("id_kind", "uscc"),
    ):
        other = json.loads(json.dumps(plain))
        other["contract"] |= {"id": contract + "-c", part: value}
        with pytest.raises(InvalidInput):
            hall.post("mei", "/contracts/import", other)
    odrl["profile"] = "urn:other"
    with pytest.raises(InvalidInput):
        hall.post("mei", "/contracts/import", odrl)


def test_a_bank_can_be_registered_before_any_contract(hall: Hall) -> None:
    key = Key()
    card = {"name": f"新银行 {key.public_key_hex[:6]}", "public_key": key.public_key_hex}
    with pytest.raises(InvalidInput, match="fingerprint"):
        hall.post("mei", "/banks", card)
    bank = hall.post("mei", "/banks", card | {"fingerprint": Party(**card).fingerprint})["bank"]
    assert hall.post("jun", "/banks", card)["bank"] == bank
    with pytest.raises(NotAllowed):
        hall.post("ning", "/banks", card)
    with pytest.raises(Conflict):
        hall.post("mei", "/banks", card | {"public_key": Key().public_key_hex})


def test_a_name_that_only_looks_ordinary_is_pointed_out_before_it_is_approved(hall: Hall) -> None:
    twin = "сredit department"  # its first letter is Cyrillic
    drafted = hall.draft(recipients=["credit department", twin])
    contract = drafted["contract"]
    assert {one["term"] for one in drafted["warnings"]} == {"recipients"}
    page = hall.lab("jun", "approve", contract, code=4, as_json=False)
    assert "警告" in page and "CYRILLIC SMALL LETTER ES" in page and "--despite-warnings" in page
    assert hall.get("jun", f"/contracts/{contract}")["approvals"] == []
    assert "looks like" in hall.lab("ning", "show", contract, as_json=False)
    approved = hall.lab("jun", "approve", contract, "--despite-warnings")
    assert approved["state"] == "under-review" and len(approved["warnings"]) == 2
    assert hall.step("hua", contract, "reject", reason="冒名")["state"] == "rejected"


def test_a_name_that_hides_something_is_not_drafted(hall: Hall) -> None:
    for recipient in ("信贷部\u202e", "信贷部\u200b", "信贷部\x1b[2J", "信贷部 ", "信贷部\n批准"):
        with pytest.raises(InvalidInput):
            hall.draft(recipients=[recipient])
    contract = hall.draft()["contract"]
    hall.step("jun", contract, "review")
    with pytest.raises(InvalidInput):
        hall.step("jun", contract, "reject", reason="x\x1b[2J")
    card = {"name": "某\u2066银行", "public_key": Key().public_key_hex}
    with pytest.raises(InvalidInput):
        hall.post("mei", "/banks", card)
    markup = hall.draft(recipients=["信贷部 credit department[and Another Ltd, for resale]"])["contract"]
    assert "[and Another Ltd, for resale]" in hall.lab("jun", "show", markup, as_json=False)


def test_the_officers_command_from_the_card_to_the_notice(hall: Hall, tmp_path: Path) -> None:
    service = hall.service
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"name": service.name, "public_key": service.key.public_key_hex}))
    drafted = hall.lab(
        *("mei", "draft", "--bank-card", card, "--model", "credit", "--detail", "total", "--recipient", "信贷部"),
        *("--recipient", "风险部", "--days", "30", "--retention-days", "60", "--ceiling-jobs-per-day", "4"),
        *("--consent-why", "公共记录", "--no-consent", "--submit"),
        *("--fingerprint", Party(name=service.name, public_key=service.key.public_key_hex).fingerprint),
    )
    contract = drafted["contract"]
    assert (drafted["state"], drafted["version"]) == ("submitted", 1)
    assert drafted["fingerprint"] == service.bureau.party.fingerprint
    assert hall.lab("mei", "approve", contract, code=4)["next_step"]
    assert hall.lab("jun", "approve", contract)["state"] == "under-review"
    told = hall.lab("hua", "approve", contract, as_json=False)
    assert "已批准 approved" in told and f"lab bank sign {contract}" in told
    hall.sign(contract)
    shown = hall.lab("ning", "show", contract)
    assert shown["signed"]["contract"]["recipients"] == ["信贷部", "风险部"]
    assert (shown["signed"]["contract"]["retention_days"], shown["allowance"]["jobs"]["left"]) == (60, 4)
    page = hall.lab("ning", "show", contract, as_json=False)
    assert "生效 active" in page and "信贷部" in page and "jun (数据部)" in page
    assert hall.lab("mei", "amend", contract, "--retention-days", "30")["version"] == 2
    different = hall.lab("mei", "diff", contract, as_json=False)
    assert "收紧 narrower" in different and "30" in different
    assert hall.lab("mei", "retire", contract, "--version", "2", "--reason", "not needed")["state"] == "retired"
    exported = tmp_path / "contract.json"
    hall.lab("mei", "export", contract, exported, "--odrl")
    assert "@context" in json.loads(exported.read_text("utf-8"))
    assert hall.lab("mei", "export", contract, exported, code=8)["next_step"]
    assert hall.lab("mei", "import", exported, code=8)["next_step"]
    service.open_job(contract)
    assert len(service.tags(contract, service.pilot.codes()[:5])) == 5
    notice = hall.lab("hua", "revoke", contract, "--reason", "客户要求", as_json=False)
    assert "通知 Notice" in notice and "客户要求" in notice and JOB in notice and "已撤销" in notice
    assert len(hall.lab("hua", "delivered", contract)["delivered"]) == 1
    assert contract in hall.lab("mei", "list", as_json=False)
    assert service.name in {bank["name"] for bank in hall.lab("mei", "banks")["banks"]}


def test_a_plan_becomes_a_draft_and_options_go_over_it(hall: Hall, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    document = {
        "schema": "shulab-proposal/1",
        "bank": {"name": hall.service.name, "public_key": hall.service.key.public_key_hex},
        "model": "credit",
        "model_version": 1,
        "detail": ResultDetail.TOTAL.value,
        "operations": ["match", "score"],
        "recipients": ["信贷部"],
        "ceilings": {"identifiers": 150, "identifiers_per_match": 150, "rows_per_job": 50, "jobs_per_day": 1},
        "id_kind": "opaque",
        "days": 3,
        "retention_days": 30,
    }
    plan.write_text(json.dumps(document))
    drafted = hall.lab("mei", "draft", "--from", plan, "--days", "5", "--item", "main.001=band")
    signed = hall.get("mei", f"/contracts/{drafted['contract']}")["signed"]["contract"]
    assert (signed["ceilings"]["identifiers"], signed["retention_days"]) == (150, 30)
    assert {item["code"]: item["form"] for item in signed["items"]}["main.001"] == "band"
    assert drafted["expires"][:10] > drafted["starts"][:10]
    assert drafted["state"] == "draft"
    assert hall.lab("mei", "draft", "--from", plan, "--item", "main.001", code=3)["next_step"]
    plan.write_text(json.dumps(document | {"id_kind": "uscc"}))
    assert hall.lab("mei", "draft", "--from", plan, code=3)["next_step"]
    assert hall.lab("mei", "draft", "--model", "credit", code=3)["next_step"]
