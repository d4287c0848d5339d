"""The options that say what a contract should contain, the same for a draft and for an amendment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import ValidationError

from lab.cli.terminal.witness_options import parse_witness_terms
from lab.terms.contract.document import Ceilings, ConsentClause, Operation, Purpose, ReleaseForm, ResultDetail
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.contract.prices import Prices, parse_prices
from lab.terms.errors import InvalidInput
from lab.terms.witnessing.quorum import WitnessQuorum

DEFAULT_CEILINGS = Ceilings()


@dataclass(frozen=True, kw_only=True)
class ClauseOptions:
    """What a contract should say. Each field is the option of its name; None leaves the clause to the bureau's default,
    or in an amendment as it is."""

    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME[@V]", help="模型(可重复) Published model, newest unless @V; repeatable."),
    ] = None
    detail: Annotated[
        ResultDetail | None,
        typer.Option(help="结果细度 How fine replies are; finer ones tell a dishonest bank more [draft: full]."),
    ] = None
    purpose: Annotated[Purpose | None, typer.Option(help="用途 Coded purpose [draft: credit-approval].")] = None
    operation: Annotated[
        list[Operation] | None,
        typer.Option(
            "--operation",
            help="操作(可重复) What may be asked for [draft: what the detail needs]; repeatable. "
            "count 单独使用时不涉及数据项 Alone, count needs no items: how many, not which, for a first conversation.",
        ),
    ] = None
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            "--recipient", help="接收方(可重复) Department or system at the bank that gets results; repeatable."
        ),
    ] = None
    item: Annotated[
        list[str] | None,
        typer.Option(
            "--item",
            metavar="CODE=FORM",
            help="数据项形式(可重复) Release form of an item: none, model-input-only, band or exact "
            "[items a model reads: model-input-only]; repeatable.",
        ),
    ] = None
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="期限(天) Term in days, from now [draft: 365].")] = (
        None
    )
    retention_days: Annotated[
        int | None, typer.Option(min=1, max=36_600, help="保存(天) Days that results may be kept [draft: 365].")
    ] = None
    consent: Annotated[
        bool | None,
        typer.Option(
            "--consent/--no-consent",
            help="企业授权 Whether enterprises must have agreed [draft: no].",
            show_default=False,
        ),
    ] = None
    consent_why: Annotated[str | None, typer.Option(help="授权理由 Why consent is needed, or why not.")] = None
    engine: Annotated[str | None, typer.Option(help="求交引擎 Matching engine [draft: the bureau's usual one].")] = None
    parameters: Annotated[
        str | None, typer.Option(help="加密参数 Parameter set of encrypted scoring [draft: the bureau's usual one].")
    ] = None
    ceiling_identifiers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"标识总上限 Identifiers in all, canaries among them [{DEFAULT_CEILINGS.identifiers}; a count alone: "
            "100000].",
        ),
    ] = None
    ceiling_identifiers_per_match: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"单次求交上限 Identifiers in one match, 64 canaries or more among them "
            f"[{DEFAULT_CEILINGS.identifiers_per_match}].",
        ),
    ] = None
    ceiling_scores_per_enterprise: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"单户评分上限 Scores of one enterprise within a period [{DEFAULT_CEILINGS.scores_per_enterprise}].",
        ),
    ] = None
    period_days: Annotated[
        int | None,
        typer.Option(min=1, max=3660, help=f"计数周期(天) Days of that period [{DEFAULT_CEILINGS.period_days}]."),
    ] = None
    ceiling_jobs_per_day: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"每日作业上限 Jobs within 24 hours [{DEFAULT_CEILINGS.jobs_per_day}; a count alone: 1]."
        ),
    ] = None
    ceiling_rows_per_job: Annotated[
        int | None, typer.Option(min=1, help=f"单作业上限 Enterprises in one job [{DEFAULT_CEILINGS.rows_per_job}].")
    ] = None
    ceiling_rows_per_batch: Annotated[
        int | None,
        typer.Option(min=1, max=8192, help=f"单批上限 Enterprises in one batch [{DEFAULT_CEILINGS.rows_per_batch}]."),
    ] = None
    precision: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000,
            help=f"精度 Smallest step between replies, in the model's quanta [{DEFAULT_CEILINGS.precision}].",
        ),
    ] = None
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            metavar="UNIT=PRICE",
            help="价格(可重复) What a unit costs: scored-enterprise, matched-identifier, job or month; repeatable; "
            "free: use is free; none: the contract says nothing of prices [draft: none].",
        ),
    ] = None
    currency: Annotated[str | None, typer.Option(metavar="CNY", help="币种 Currency of the prices [CNY].")] = None


@dataclass(frozen=True, kw_only=True)
class WitnessOptions:
    """Who must have cosigned the bureau's ledger."""

    witness: Annotated[
        list[str] | None,
        typer.Option(
            "--witness",
            metavar="VKEY",
            help="见证人(可重复) Who must have cosigned the ledger before the bank takes receipts: the verifier key "
            "that `lab witness show` prints; repeatable; none: nobody [draft: nobody].",
        ),
    ] = None
    quorum: Annotated[
        int | None,
        typer.Option(
            min=1, max=16, help="联署数 How many witnesses are enough [draft: more than half, the fewest such]."
        ),
    ] = None


def parse_draft_options(options: ClauseOptions, witnesses: WitnessOptions, request: str | None = None) -> DraftOptions:
    """The clauses that a command's options choose, for a granted ``request`` for data if it is given.

    Raises ``InvalidInput`` for options that do not fit. It names them and never repeats their values.
    """
    asked = {
        "models": options.model or None,
        "operations": options.operation or None,
        "recipients": options.recipient or None,
        "forms": _parse_release_forms(options.item) if options.item else None,
        "consent": _parse_consent(options.consent, options.consent_why),
        "witnesses": _parse_witnesses(witnesses.witness, witnesses.quorum),
        "request": request,
        "prices": _parse_prices(options.price, options.currency),
        "ceilings": _given_ceilings(options),
        **{name: getattr(options, name) for name in _COPIED_OPTIONS},
    }
    try:
        return DraftOptions.model_validate(asked)
    except ValidationError as error:
        names = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
        raise InvalidInput(f"Expected options that fit; these do not: {names}.", next_step="see --help") from None


def _given_ceilings(options: ClauseOptions) -> dict[str, int]:
    named = {name: name if hasattr(options, name) else f"ceiling_{name}" for name in Ceilings.model_fields}
    ceilings = {name: getattr(options, option) for name, option in named.items()}
    return {name: count for name, count in ceilings.items() if count is not None}


_COPIED_OPTIONS = ("detail", "purpose", "days", "retention_days", "engine", "parameters")


def _parse_release_forms(items: Sequence[str]) -> dict[str, ReleaseForm]:
    found: dict[str, ReleaseForm] = {}
    for item in items:
        code, sign, form = item.rpartition("=")
        if not sign or form not in set(ReleaseForm):
            raise InvalidInput(
                f"Expected --item as CODE=FORM with one of the forms {', '.join(ReleaseForm)}.", next_step="see --help"
            )
        found[code] = ReleaseForm(form)
    return found


def _parse_witnesses(vkeys: Sequence[str] | None, quorum: int | None) -> WitnessQuorum | str | None:
    return "none" if vkeys == ["none"] and quorum is None else parse_witness_terms(vkeys, quorum)


def _parse_prices(price: Sequence[str] | None, currency: str | None) -> Prices | str | None:
    if not price:
        if currency is not None:
            raise InvalidInput("Expected --price with --currency; found none.", next_step="say what a unit costs")
        return None
    return "none" if list(price) == ["none"] and currency is None else parse_prices(list(price), currency)


def _parse_consent(consent: bool | None, why: str | None) -> ConsentClause | None:
    if consent is None:
        if why is not None:
            raise InvalidInput("Expected --consent or --no-consent with --consent-why.", next_step="say which")
        return None
    if why is None and consent:
        why = "the enterprise's own authorisation, as the bank holds it"
    return ConsentClause(required=consent, why=why) if why else ConsentClause(required=consent)
