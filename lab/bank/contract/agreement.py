"""Contracts at the bank: signed once, and verified before each job sends anything.

``countersign`` signs a version of a contract; every job begins with ``verify_active_contract`` or
``verify_scoring_contract``. All fail closed: a missing signature, another key than the pinned one, a version that this
bank never signed, or a sheet that the contract does not pin stops the job, whatever the bureau says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lab.bank.connection.client import BureauClient
from lab.bank.connection.responses import ContractVersionStatus
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.terms.contract.document import Contract, Operation, PinnedModel, SignedContract, signing_input
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.keys.fingerprint import check_fingerprint
from lab.terms.keys.party import Party
from models.shared.sheet import BankSheet
from protocols.matching.engines import ENGINES
from protocols.scoring.parameters import ParameterSet, find_parameters

_NEXT_STEP_BY_STATE = {
    "draft": "ask the bureau's officers to submit it",
    "submitted": "another officer of the bureau has to approve it (`lab officer approve`)",
    "under-review": "another officer of the bureau has to approve it (`lab officer approve`)",
    "approved": "sign it with `lab bank sign`",
    "suspended": "ask the bureau; when the contract is resumed, the same command resumes the job at no new charge",
}
"""What to do about a contract that is not active, by its state; in any other state only a new contract helps."""


@dataclass(frozen=True)
class ActiveContract:
    """A contract in force, and the model and recipient of the job."""

    signed: SignedContract
    model: PinnedModel
    recipient: str

    @property
    def contract(self) -> Contract:
        """The contract document of the version in force."""
        return self.signed.contract


@dataclass(frozen=True)
class ActiveScoringContract(ActiveContract):
    """A contract in force with what a scoring job needs: its parameter set, and the model's sheet."""

    params: ParameterSet
    sheet: BankSheet


def countersign(
    home: BankHome,
    keys: BankKeys,
    client: BureauClient,
    contract: str,
    *,
    fingerprint: str | Callable[[], str] | None = None,
    agree: Callable[[Contract, bool], bool],
) -> SignedContract:
    """Fetch the newest version that can be signed, let a person agree to it (``agree(contract, pinned)``), pin the
    bureau's key, sign and store the contract.

    ``fingerprint``: the one that the bureau read out over another channel, or a function that asks the person for it,
    called before the contract is shown and only if the bureau's key is not pinned. Without it such a key is not
    trusted. Raises ``NotAuthentic`` when the contract, the bureau's card, the fingerprint or an earlier pin disagree,
    ``Conflict`` for a contract with a former key of this bank, ``NotAllowed`` when the person does not agree or no
    version can be signed.
    """
    card = client.bureau_card()
    chosen = _signable_version(contract, client.contract_versions(contract))
    signed, _ = client.contract(contract, chosen.version)
    document = signed.contract
    _check_parties(home, document, contract)
    if document.version != chosen.version:
        raise NotAuthentic("The bureau answered with another version.", next_step="ask the bureau")
    if document.bank.public_key != keys.public_key_hex:
        raise Conflict(
            f"Contract {contract} names a former key of this bank.",
            next_step="ask the bureau for a version that names the present key",
        )
    if document.bureau.public_key != card.public_key:
        raise NotAuthentic(
            "The contract names another bureau key than the service uses.", next_step="ask the bureau which is right"
        )
    pinned = home.find_pin(document.bureau) is not None
    _check_fingerprint(document.bureau, fingerprint, pinned)
    if signed.bureau_signature is not None:
        signed.verify(require=("bureau",))
    if not agree(document, pinned):
        raise NotAllowed(
            f"Contract {contract} was not agreed to; nothing was signed.", next_step="ask the bureau to amend it"
        )
    home.pin(document.bureau, client.url)
    signature = keys.sign(signing_input(document)).hex()
    if signed.bank_signature is None:
        client.sign_contract(contract, signature, document.version)
    complete = signed.model_copy(update={"bank_signature": signature})
    complete.verify(require=("bank",))
    home.store_contract(complete)
    return complete


def verify_scoring_contract(
    home: BankHome,
    client: BureauClient,
    contract: str,
    *,
    now: datetime,
    model: tuple[str, int | None] | None = None,
    recipient: str | None = None,
) -> ActiveScoringContract:
    """Verify a contract as ``verify_active_contract`` does, for scoring, and fetch the model's sheet.

    Raises what that raises, ``InvalidInput`` for an unknown parameter set, and ``NotAuthentic`` for another sheet than
    the contract pins.
    """
    wanted = (Operation.MATCH, Operation.SCORE)
    active = verify_active_contract(
        home, client, contract, now=now, operations=wanted, model=model, recipient=recipient
    )
    document = active.contract
    params = find_parameters(document.parameters)
    sheet = _sheet(client, document, active.model)
    return ActiveScoringContract(active.signed, active.model, active.recipient, params, sheet)


def verify_active_contract(
    home: BankHome,
    client: BureauClient,
    contract: str,
    *,
    now: datetime,
    operations: Sequence[Operation],
    model: tuple[str, int | None] | None = None,
    recipient: str | None = None,
) -> ActiveContract:
    """The version in force, verified against the text that this bank signed and the key that it pinned.

    ``model``: a name and a version (None: the first of that name which the contract allows); None for the contract's
    first. ``recipient``: who in the bank the results are for; None for the first that the contract names. Raises
    ``NotFound`` for a contract or version never signed here, ``NotAuthentic`` for a missing or wrong signature, another
    key or a retired version, ``NotAllowed`` outside its term, state, operations, models or recipients.
    """
    newest = home.contract(contract)
    _check_parties(home, newest.contract, contract)
    check_pinned(home, newest.contract.bureau)
    signed, state = client.contract(contract)
    document = signed.contract
    own = _own_version(home, document, contract)
    _check_text(document, own.contract)
    _check_not_retired(home, document, contract)
    if state != "active":
        raise NotAllowed(
            f"Contract {contract} is {state}; it must be active.",
            next_step=_NEXT_STEP_BY_STATE.get(state, "ask the bureau for a new contract"),
        )
    check_pinned(home, document.bureau)
    signed.verify()
    home.store_contract(signed)
    if not document.in_force(now):
        raise NotAllowed(
            f"Contract {contract} runs from {document.starts:%Y-%m-%d %H:%M} to {document.expires:%Y-%m-%d %H:%M} UTC.",
            next_step="ask the bureau for a new contract",
        )
    for operation in operations:
        if operation not in document.operations:
            raise NotAllowed(
                f"Contract {contract} does not allow to {operation.value}.",
                next_step="ask the bureau for a contract that names the operation",
            )
    if recipient is not None and recipient not in document.recipients:
        raise NotAllowed(
            f"Contract {contract} names other recipients: {', '.join(document.recipients)} (term: recipients).",
            next_step="give one of these with --recipient, or ask the bureau to amend the contract",
        )
    chosen = document.find_model(*model) if model is not None else document.find_model()
    if document.engine not in ENGINES:
        raise InvalidInput(
            "The contract names a matching engine that this version does not know.", next_step="update the software"
        )
    return ActiveContract(signed, chosen, recipient or document.recipients[0])


def _signable_version(contract: str, versions: tuple[ContractVersionStatus, ...]) -> ContractVersionStatus:
    """The newest version that can be signed, or the signed one in force (signing it again is harmless)."""
    for version in versions:
        if version.signable:
            return version
    for version in versions:
        if version.state in ("active", "suspended") and version.signed_by_bank:
            return version
    state = versions[0].state
    raise NotAllowed(
        f"Contract {contract} is {state}; it cannot be signed.",
        next_step=_NEXT_STEP_BY_STATE.get(state, "ask the bureau for a new contract"),
    )


def _own_version(home: BankHome, document: Contract, contract: str) -> SignedContract:
    try:
        return home.contract(contract, document.version)
    except NotFound:
        raise NotFound(
            f"Version {document.version} of contract {contract} is in force at the bureau; this bank has not "
            "signed it.",
            next_step=f"run `lab bank sign {contract}`, which shows what changed",
        ) from None


def verify_contract_text(home: BankHome, contract: str, shown: Contract) -> Contract:
    """The contract that the bureau shows, if it is the one asked for and, for a signed version, the text that this bank
    signed; raises ``NotAuthentic`` otherwise."""
    _check_parties(home, shown, contract)
    if shown.version in home.versions(contract):
        _check_text(shown, home.contract(contract, shown.version).contract)
    return shown


def _check_text(shown: Contract, own: Contract) -> None:
    if shown.sha256 != own.sha256:
        raise NotAuthentic(
            f"The bureau's text of contract {own.id} is not the one this bank signed.",
            next_step="ask the bureau; an amendment must have a version of its own",
        )


def _check_not_retired(home: BankHome, document: Contract, contract: str) -> None:
    """Raise ``NotAuthentic`` if both parties have signed a later version: that retired this one at once, and the bureau
    cannot undo it by saying that this one is in force."""
    for version in home.versions(contract):
        if version > document.version and home.contract(contract, version).bureau_signature is not None:
            raise NotAuthentic(
                f"The bureau says that version {document.version} of contract {contract} is in force; version "
                f"{version}, signed by both, has taken its place.",
                next_step="ask the bureau; nothing was sent",
            )


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
    if document.bank.public_key not in home.own_public_keys:
        raise NotAuthentic(
            f"Contract {contract} names another bank's key.",
            next_step="send the bureau this bank's card (`lab bank card`) for a new contract",
        )


def _sheet(client: BureauClient, contract: Contract, model: PinnedModel) -> BankSheet:
    data = client.sheet(contract.id, model.name, model.version)
    if hashlib.sha256(data).hexdigest() != model.sheet_sha256:
        raise NotAuthentic(
            "The model's sheet is not the one that the contract pins.",
            next_step="ask the bureau; a changed model needs a new contract",
        )
    sheet = BankSheet.from_json(data)
    if (sheet.model, sheet.version, sheet.detail) != (model.name, model.version, contract.detail):
        raise NotAuthentic(
            "The model's sheet is of another model, version or detail than the contract.", next_step="ask the bureau"
        )
    # Replies are rounded to the contract's precision, so the error that makes a score near a cut-off grows with it.
    return replace(sheet, error_bound=sheet.error_bound * contract.ceilings.precision)


def _check_fingerprint(bureau: Party, given: str | Callable[[], str] | None, pinned: bool) -> None:
    if callable(given):
        given = None if pinned else given()
    if given is not None:
        check_fingerprint(given, bureau.public_key, whose="the bureau")
    elif not pinned:
        raise NotAuthentic(
            "The bureau's key is new to this bank, and no fingerprint was given.",
            next_step="ask the bureau to read out its fingerprint over another channel, and give it with --fingerprint",
        )
