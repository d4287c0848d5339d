"""Before anything is sent: whose contract, whose key, which model.

``countersign`` is how a bank comes to a contract; ``check_agreement`` is what every job begins with. Both fail closed:
a missing signature, another key than the pinned one, or a sheet that the contract does not pin stops the job here,
whatever the bureau says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.outlet import Outlet
from lab.terms.contract import Contract, Operation, Party, SignedContract, signing_input
from lab.terms.errors import InvalidInput, NotAuthentic, Refused
from models.sheet import BankSheet
from protocols.scoring.params import PARAMETERS, ParameterSet


@dataclass(frozen=True)
class Agreement:
    """A contract in force, the parameter set it names, and what the bank is told of the model."""

    signed: SignedContract
    params: ParameterSet
    sheet: BankSheet

    @property
    def contract(self) -> Contract:
        """The contract document."""
        return self.signed.contract


def countersign(
    home: BankHome,
    keys: BankKeys,
    outlet: Outlet,
    contract: str,
    *,
    fingerprint: str | None = None,
    agree: Callable[[Contract, bool], bool],
) -> SignedContract:
    """Fetch a contract, have a person (``agree(contract, pinned)``) agree to it, pin the bureau's key, sign, store.

    ``fingerprint`` is what the bureau read out over another channel. Raises ``NotAuthentic`` when the contract, the
    bureau's card, the fingerprint or an earlier pin disagree, ``Refused`` when the person does not agree.
    """
    card = outlet.bureau()
    signed, state = outlet.contract(contract)
    document = signed.contract
    _check_parties(home, document, contract)
    if document.bureau.public_key != card.public_key:
        raise NotAuthentic(
            "The contract names another bureau key than the service has.", next_step="ask the bureau which is right"
        )
    if fingerprint is not None and _plain(fingerprint) != _plain(document.bureau.fingerprint):
        raise NotAuthentic(
            f"The bureau's key has fingerprint {document.bureau.fingerprint}; another was given.",
            next_step="ask the bureau to read its fingerprint out again; do not sign",
        )
    if signed.bureau_signature is not None:
        signed.verify(require=("bureau",))
    if state in ("revoked", "expired"):
        raise Refused(f"Contract {contract} is {state}.", next_step="ask the bureau for a new contract")
    pinned = home.find_pin(document.bureau) is not None
    if not agree(document, pinned or fingerprint is not None):
        raise Refused(
            f"Contract {contract} was not agreed to; nothing was signed.", next_step="ask the bureau to amend it"
        )
    home.pin(document.bureau, outlet.url)
    signature = keys.sign(signing_input(document)).hex()
    if signed.bank_signature is None:
        outlet.sign_contract(contract, signature)
    complete = signed.model_copy(update={"bank_signature": signature})
    complete.verify(require=("bank",))
    home.store_contract(complete)
    return complete


def check_agreement(home: BankHome, outlet: Outlet, contract: str, *, now: datetime) -> Agreement:
    """The contract as it stands, checked against what this bank signed and whom it pinned, and the sheet it pins.

    Raises ``NotFound`` for a contract never signed here, ``NotAuthentic`` for a missing or wrong signature, another key
    or another sheet, ``Refused`` outside its term, state or operations.
    """
    own = home.contract(contract)
    _check_parties(home, own.contract, contract)
    check_pinned(home, own.contract.bureau)
    signed, state = outlet.contract(contract)
    if signed.contract.sha256 != own.contract.sha256:
        raise NotAuthentic(
            f"The bureau's text of contract {contract} is not the one this bank signed.",
            next_step="ask the bureau; sign a new contract if it was amended",
        )
    signed.verify()
    home.store_contract(signed)
    document = signed.contract
    if state != "approved":
        raise Refused(
            f"Contract {contract} is {state}; it must be approved.",
            next_step=f"have the bureau's officer run `lab officer approve {contract}`"
            if state == "draft"
            else "ask the bureau for a new contract",
        )
    if not document.in_force(now):
        raise Refused(
            f"Contract {contract} runs from {document.starts:%Y-%m-%d %H:%M} to {document.expires:%Y-%m-%d %H:%M} UTC.",
            next_step="ask the bureau for a new contract",
        )
    for operation in (Operation.MATCH, Operation.SCORE):
        if operation not in document.operations:
            raise Refused(
                f"Contract {contract} does not allow to {operation.value}.",
                next_step="ask the bureau for a contract that names the operation",
            )
    params = PARAMETERS.get(document.parameters)
    if params is None:
        raise InvalidInput(
            "The contract names a parameter set that this version does not know.", next_step="update the software"
        )
    return Agreement(signed, params, _sheet(outlet, document))


def check_pinned(home: BankHome, bureau: Party) -> None:
    """Raise ``NotAuthentic`` unless this bureau's key is pinned."""
    if home.find_pin(bureau) is None:
        raise NotAuthentic(
            "The contract names a bureau key that this bank has not pinned.",
            next_step="run `lab bank sign ID --bureau URL` and compare the fingerprint with the bureau",
        )


def _check_parties(home: BankHome, document: Contract, contract: str) -> None:
    if document.id != contract:
        raise NotAuthentic("The bureau answered with another contract.", next_step="ask the bureau")
    if document.bank.public_key != home.public_key:
        raise NotAuthentic(
            f"Contract {contract} names another bank's key.",
            next_step="send the bureau this bank's card (`lab bank card`) for a new contract",
        )


def _sheet(outlet: Outlet, contract: Contract) -> BankSheet:
    data = outlet.sheet(contract.id)
    if hashlib.sha256(data).hexdigest() != contract.model.sheet_sha256:
        raise NotAuthentic(
            "The model's sheet is not the one that the contract pins.",
            next_step="ask the bureau; a changed model needs a new contract",
        )
    sheet = BankSheet.from_json(data)
    if (sheet.model, sheet.version, sheet.detail) != (contract.model.name, contract.model.version, contract.detail):
        raise NotAuthentic(
            "The model's sheet is of another model, version or detail than the contract.", next_step="ask the bureau"
        )
    return sheet


def _plain(fingerprint: str) -> str:
    return fingerprint.replace("-", "").replace(" ", "").lower()
