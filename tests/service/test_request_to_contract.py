"""A granted request becomes a contract with prices, and its use is metered: by the commands of each person."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from lab.bureau.people import NewAccount, Role
from lab.bureau.store.tables import CatalogueItemRow
from lab.sdk.client import ServiceClient
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.service.conftest import Pilot, open_service
from tests.service.test_desk import PASSWORD, Hall

PURPOSE = "对小微企业贷款申请评分 score loan applications of small firms"


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory, pilot: Pilot) -> Iterator[Hall]:
    with open_service(tmp_path_factory.mktemp("bureau"), pilot, "") as running:
        with running.bureau.store.begin() as session:
            session.execute(update(CatalogueItemRow).values(code=CatalogueItemRow.column))
        made = Hall(running, tmp_path_factory.mktemp("desks"))
        made.draft()  # registers the bank
        seat(made, "fang", "数据部", Role.STEWARD)
        seat(made, "chen", f"某银行 {running.key.public_key_hex[:8]}", Role.REQUESTER)
        yield made


def seat(hall: Hall, name: str, department: str, role: Role) -> None:
    password = hall.service.bureau.accounts.add(NewAccount(name, department, frozenset({role})), by="local") or ""
    desk, _ = ServiceClient.sign_in(hall.service.url, name, password, hall.file(name))
    with desk:
        desk.change_password(password, PASSWORD)


def granted(hall: Hall, *items: str, **wishes: Any) -> str:
    with hall.desk("chen") as desk:
        request = desk.post("/v1/requests", {"purpose": PURPOSE, "items": list(items), **wishes})["request"]
    with hall.desk("fang") as desk:
        desk.post(f"/v1/requests/{request}/answer", {"grant": ["all"]})
    return str(request)


def test_a_granted_request_is_drafted_priced_signed_and_metered(hall: Hall, tmp_path: Path) -> None:
    read = [item.code for item in hall.service.pilot.model.public_items()]
    request = granted(hall, *read, "tax.sales", model="credit", detail="total", use="post-loan-monitoring")
    priced = ("--price", "scored-enterprise=0.50", "--price", "month=100", "--recipient", "信贷部")
    drafted = hall.lab("mei", "draft", "--request", request, *priced, "--submit")
    assert (drafted["purpose"], drafted["bank"]["name"]) == ("post-loan-monitoring", hall.service.name)
    contract = drafted["contract"]
    hall.lab("mei", "draft", "--request", request, code=Conflict.exit_code)
    hall.approve(contract)
    assert hall.sign(contract) == "active"
    shown = hall.lab("mei", "show", contract, as_json=False)
    assert "0.50 CNY" in shown and request in shown
    account = hall.lab("jun", "meter", contract)
    assert [(line["unit"], line["count"], line["amount"]) for line in account["lines"]] == [("month", 1, "100.00")]
    assert account["totals"] == [{"currency": "CNY", "amount": "100.00"}]
    assert "100.00 CNY" in hall.lab("ning", "meter", contract, "--month", account["lines"][0]["month"], as_json=False)
    hall.lab("jun", "meter", contract, "--month", "2026-13", code=InvalidInput.exit_code)
    with hall.desk("chen") as desk:
        found = desk.get(f"/v1/requests/{request}")
        assert (found["state"], found["contract"]) == ("contracted", contract)
        with pytest.raises(NotAllowed):
            desk.get(f"/v1/desk/contracts/{contract}/meter")
    hall.lab("mei", "amend", contract, "--price", "free")
    changes = {one["term"]: one["widens"] for one in hall.lab("mei", "diff", contract)["changes"]}
    assert changes == {"version": None, "prices": None, "starts": False}
    file = tmp_path / "agreement.json"
    hall.lab("mei", "export", contract, file, "--odrl", "--version", "1")
    assert '"payAmount"' in file.read_text(encoding="utf-8") and request in file.read_text(encoding="utf-8")


def test_what_was_not_granted_is_not_drafted(hall: Hall) -> None:
    read = [item.code for item in hall.service.pilot.model.public_items()]
    request = granted(hall, read[0], model="credit")
    refused = hall.lab("mei", "draft", "--request", request, code=NotAllowed.exit_code)
    assert "not granted" in refused["detail"]
    hall.lab("mei", "draft", "--request", "r-20260101-00000000", "--model", "credit", code=NotFound.exit_code)
    hall.lab("mei", "draft", "--model", "credit", code=InvalidInput.exit_code)
    for wrong in ("scored-enterprise=free", "day=1", "job=0"):
        hall.lab("mei", "draft", "--request", request, "--price", wrong, code=InvalidInput.exit_code)
    hall.lab("mei", "draft", "--request", f"r-{secrets.token_hex(3)}", code=InvalidInput.exit_code)
