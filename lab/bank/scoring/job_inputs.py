"""What a scoring job is about, read before anything is sent, and the key that two equal jobs share."""

from __future__ import annotations

from dataclasses import dataclass

from lab.bank.exclusion_list import ExclusionList, read_exclusion_list
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.unmatched_hints import require_usable_codes
from lab.bank.portfolio import Portfolio, read_portfolio
from lab.bank.runs.delivery import find_paid_run, has_waiting_runs
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.runs.results import check_output_rows
from lab.bank.runs.store import FinishedRun, run_key
from lab.bank.scoring.batch_sender import PublicContext
from lab.terms.contract.document import Contract, PinnedModel
from protocols.scoring.parameters import find_parameters

_TAG_FORMAT = "tags of a key for each contract"
"""Part of a run's key: a run that was interrupted under tags of another kind is not resumed, for they match nothing."""


@dataclass(frozen=True)
class JobInputs:
    """What a job is about: the bank's records, whom not to score, the bank's public key, and the job's key."""

    portfolio: Portfolio
    skip: ExclusionList
    context: PublicContext
    key: str


def read_inputs(
    keys: BankKeys, contract: Contract, model: PinnedModel, recipient: str, request: ScoringRequest
) -> JobInputs:
    """Read what the job is about; raises what the readers raise."""
    portfolio = read_portfolio(request.portfolio, kind=contract.id_kind, id_column=request.id_column)
    require_usable_codes(portfolio, contract.id_kind)
    check_output_rows(request.out, portfolio.rows)
    skip = read_exclusion_list(request.skip, kind=contract.id_kind, portfolio=portfolio)
    context = PublicContext.from_keys(keys, find_parameters(contract.parameters))
    return JobInputs(portfolio, skip, context, _job_key(contract, model, recipient, portfolio, skip.codes, context))


def find_waiting_run(home: BankHome, keys: BankKeys, request: ScoringRequest) -> FinishedRun | None:
    """A finished run of the same job, by the contract as this bank signed it, that was never given out.

    Nobody is asked, so it works when the contract has ended, and without a network.
    """
    if not has_waiting_runs(home.runs, request.contract):
        return None
    contract = home.contract(request.contract).contract
    model = contract.find_model(*request.model) if request.model is not None else contract.find_model()
    inputs = read_inputs(keys, contract, model, request.recipient or contract.recipients[0], request)
    return find_paid_run(home.runs, contract.id, inputs.key, register=None)


def _job_key(
    contract: Contract,
    model: PinnedModel,
    recipient: str,
    portfolio: Portfolio,
    skip: frozenset[str],
    context: PublicContext,
) -> str:
    """What makes two jobs the same job. An amendment of the contract that leaves all of this alone resumes a run."""
    ceilings = contract.ceilings
    return run_key(
        _TAG_FORMAT,
        contract.id,
        model.sheet_sha256,
        contract.engine,
        contract.parameters,
        recipient,
        *map(str, (ceilings.identifiers_per_match, ceilings.rows_per_batch, ceilings.precision)),
        portfolio.sha256,
        portfolio.id_column,
        *sorted(skip),
        context.sha256,
    )
