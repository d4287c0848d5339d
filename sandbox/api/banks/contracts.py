"""A contract for its bank: versions and states, the countersignature, models' sheets, and the allowance."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.terms.contract.document import SignedContract
from lab.terms.errors import InvalidInput
from lab.terms.fields.bounded_types import VersionNumber
from lab.terms.names import HEX64_PATTERN, SLUG_PATTERN
from sandbox.api.openapi import CONTRACT_EXAMPLE, SIGNED_REQUEST_PROBLEMS, problem_responses
from sandbox.api.request_body import read_signed_body, require_empty_body
from sandbox.auth.bank import CurrentContractCaller
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/contracts/{contract_id}", tags=["contracts"])


ContractVersionQuery = Annotated[
    VersionNumber | None,
    Query(description="版本 / A version of the contract [default: the one in force, or the newest]"),
]

ModelNameQuery = Annotated[
    str | None,
    Query(pattern=SLUG_PATTERN, description="模型 / A model of the contract [default: its first]"),
]
ModelVersionQuery = Annotated[
    VersionNumber | None, Query(description="模型版本 / The model's version [default: the first allowed]")
]


class RegisterVersionView(BaseModel):
    """A register's name and its newest version."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "main", "version": 2, "moved": [], "superseded": [1], "day": "2026-06-30"}]
        }
    )

    name: str
    version: int
    moved: Annotated[
        list[str], Field(description="codes of the model's items whose distribution moved since it was trained")
    ]
    superseded: Annotated[
        list[int], Field(description="versions that counted an adverse record which was put right since")
    ]
    day: Annotated[
        str | None, Field(description="as of which day the version's records are; null if it was imported from a file")
    ]


class ContractVersionView(BaseModel):
    """A version: its state, the hash of its document, who has signed, and whether the bank can sign it."""

    version: int
    state: str
    sha256: str
    signable: bool
    signed_by_bank: bool
    signed_by_bureau: bool


class ContractView(BaseModel):
    """The signed document (its canonical form is RFC 8785 JSON), its state, and all versions."""

    model_config = ConfigDict(json_schema_extra={"examples": [CONTRACT_EXAMPLE]})

    signed: SignedContract
    state: str
    versions: list[ContractVersionView]


class CountersignatureForm(BaseModel):
    """The bank's Ed25519 signature over ``"shulab contract v2" || 0x00 || canonical document`` of a version."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"signature": "55" * 64, "version": 1}]})

    signature: Annotated[str, Field(pattern=HEX64_PATTERN, description="128 hexadecimal digits")]
    version: Annotated[VersionNumber | None, Field(description="default: the newest that can be signed")] = None


class CountersignatureResult(BaseModel):
    """The version's state after the countersignature."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "active"}]})

    state: str


class CeilingUsageView(BaseModel):
    """One ceiling, and what is used and left of it."""

    ceiling: int
    used: int
    left: int


class ScoreCeilingUsageView(CeilingUsageView):
    """The ceiling holds for each enterprise within any ``period_days``; ``used`` is the count of the most scored one.

    ``enterprises`` counts those scored within the period; ``total`` counts all scores and has no ceiling.
    """

    period_days: int
    total: int
    enterprises: int


class AllowanceView(BaseModel):
    """What is left under the contract, over all its versions; ``jobs`` counts the last 24 hours."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "identifiers": {"ceiling": 1_000_000, "used": 5_000, "left": 995_000},
                    "scores": {
                        "ceiling": 12,
                        "used": 1,
                        "left": 11,
                        "period_days": 365,
                        "total": 4_200,
                        "enterprises": 4_200,
                    },
                    "jobs": {"ceiling": 10, "used": 1, "left": 9},
                    "identifiers_per_match": 100_000,
                    "rows_per_job": 100_000,
                    "rows_per_batch": 8192,
                }
            ]
        },
    )

    identifiers: CeilingUsageView
    scores: ScoreCeilingUsageView
    jobs: CeilingUsageView
    identifiers_per_match: int
    rows_per_job: int
    rows_per_batch: int


@router.get(
    "",
    operation_id="contract",
    summary="合同及其状态 / The contract and its state",
    response_model=ContractView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found"),
)
async def get_contract(
    request: Request, caller: CurrentContractCaller, service: Dependencies, version: ContractVersionQuery = None
) -> Response:
    """Also before both parties have signed, so that the bank can read it before it signs."""
    await require_empty_body(request, caller.verified, service.settings)
    signed, state = caller.signed, caller.state
    if version is not None:
        signed, state = await run_in_threadpool(service.bureau.bank_contracts.find, caller.contract, version)
    versions = await run_in_threadpool(service.bureau.bank_contracts.list_versions, caller.contract)
    document = signed.model_dump(mode="json", by_alias=True)
    return JSONResponse({"signed": document, "state": state, "versions": versions})


@router.post(
    "/signature",
    operation_id="sign_contract",
    summary="银行会签 / The bank's countersignature",
    response_model=CountersignatureResult,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found", "conflict", "too-large", "unsupported-media"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": CountersignatureForm.model_json_schema()}},
        }
    },
)
async def sign_contract(
    request: Request, caller: CurrentContractCaller, service: Dependencies
) -> CountersignatureResult:
    """Sending the same signature again changes nothing."""
    body = await read_signed_body(
        request,
        caller.verified,
        cap=service.settings.document_bytes,
        idle=service.settings.body_idle_seconds,
        media="application/json",
    )
    try:
        given = CountersignatureForm.model_validate_json(body)
    except ValidationError:
        raise InvalidInput(
            "Expected a member `signature` of 128 hexadecimal digits and optionally `version`; found something else.",
            next_step="sign with `lab bank sign`",
        ) from None
    accept = service.bureau.bank_contracts.accept_signature
    return CountersignatureResult(
        state=await run_in_threadpool(accept, caller.contract, given.signature, given.version)
    )


@router.get(
    "/register",
    operation_id="register",
    summary="现行登记版本 / The register version that is used for scoring now",
    response_model=RegisterVersionView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found"),
)
async def get_register_version(
    request: Request,
    caller: CurrentContractCaller,
    service: Dependencies,
    model: ModelNameQuery = None,
    version: ModelVersionQuery = None,
) -> Any:
    """Tells a bank whether scoring again would give new results. Receipts name the version too."""
    await require_empty_body(request, caller.verified, service.settings)
    return await run_in_threadpool(service.bureau.jobs.register, caller.contract, model, version)


@router.get(
    "/sheet",
    operation_id="sheet",
    summary="模型说明书 / What the bank needs to know of the model",
    response_class=Response,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found")
    | {
        200: {
            "description": "Canonical JSON; the contract names its SHA-256 beside the model.",
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": {"model": "credit", "version": 1}}
            },
        }
    },
)
async def get_model_sheet(
    request: Request,
    caller: CurrentContractCaller,
    service: Dependencies,
    model: ModelNameQuery = None,
    version: ModelVersionQuery = None,
) -> Response:
    """The exact bytes whose hash both parties signed."""
    await require_empty_body(request, caller.verified, service.settings)
    content = await run_in_threadpool(service.bureau.jobs.sheet, caller.contract, model, version)
    return Response(content, media_type="application/json")


@router.get(
    "/allowance",
    operation_id="allowance",
    summary="剩余额度 / What is left",
    response_model=AllowanceView,
    responses=SIGNED_REQUEST_PROBLEMS,
)
async def get_allowance(request: Request, caller: CurrentContractCaller, service: Dependencies) -> Any:
    """Only counts."""
    await require_empty_body(request, caller.verified, service.settings)
    return await run_in_threadpool(service.bureau.bank_contracts.allowance, caller.contract)
