"""The ledger: tree heads and proofs for anyone, entries for auditors, and an enterprise's inquiries.

Heads, checkpoints and consistency proofs contain only hashes. They are public so that everybody can compare what they
were shown.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from lab.bureau.ledger.inquiries import read_inquiries
from lab.bureau.people import AccountHolder, Permission
from lab.terms.fields.bounded_types import EnterpriseCode, EntryNumber, LedgerSize, Line
from lab.terms.fields.field_types import ContractId
from lab.terms.ledger.entry_kinds import ENTRY_KINDS
from lab.terms.names import HEX32_PATTERN
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.pages import page_of, page_view
from sandbox.api.request_body import json_body, openapi_json_body
from sandbox.auth.person import require_permission
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1", tags=["ledger"])
LedgerEntryReader = Annotated[AccountHolder, Depends(require_permission(Permission.READ_LEDGER))]
InquiryReader = Annotated[AccountHolder, Depends(require_permission(Permission.READ_INQUIRIES))]
PUBLIC_PROBLEMS = problem_responses("invalid-input", "not-found", "timeout", "unreachable", "fault", "bad-request")
EXPORT_MEDIA = "application/octet-stream"
MAX_ENTRIES_LISTED = 1000
_HEAD: dict[str, Any] = {
    "schema": "shulab-head/1",
    "size": 4096,
    "root": "ab" * 32,
    "time": "2026-01-01T08:00:00.000000+00:00",
    "signature": "cd" * 64,
}
_PROOF: dict[str, Any] = {
    "type": "consistency",
    "metadata": {"algorithm": "sha256", "security": True, "size": 3, "prior_size": 2},
    "rule": [0, 0],
    "subset": [1, 0],
    "path": ["ab" * 32, "cd" * 32],
}
_ENTRY: dict[str, Any] = {
    "schema": "shulab-entry/2",
    "seq": 17,
    "time": "2026-01-01T08:00:00.000000+00:00",
    "kind": "job.opened",
    "contract": "trial-7f3a",
    "by": "bank:b-0123456789ab",
    "facts": {"job": "run-1", "rows": 5000},
}


class TreeHeadView(BaseModel):
    """A signed tree head: Ed25519 over ``"shulab tree head v1" || 0x00 || RFC 8785 of root, size and time``."""

    model_config = ConfigDict(json_schema_extra={"examples": [_HEAD]})

    schema_: Annotated[str, Field(alias="schema")]
    size: int
    root: str
    time: str
    signature: str


class ConsistencyProofView(BaseModel):
    """The proof that the later tree continues the earlier one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"from": 2, "to": 3, "proof": _PROOF}]})

    from_: Annotated[int, Field(alias="from")]
    to: int
    proof: dict[str, Any]


class LedgerEntryList(BaseModel):
    """Entries in order, and the number of entries in the ledger."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"size": 4096, "entries": [_ENTRY], "next": None}]})

    size: int
    entries: list[dict[str, Any]]
    next: Annotated[str | None, Field(description="`after` of the next page; null: these are the last")] = None


class RestorationList(BaseModel):
    """Statements that the ledger was restored from a backup (``shulab-restoration/1``), each with its proof."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"restorations": []}]})

    restorations: list[dict[str, Any]]


class InclusionProofView(BaseModel):
    """An entry, the proof that it is in the tree, and the tree's head."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"entry": _ENTRY, "inclusion": _PROOF | {"type": "inclusion"}, "head": _HEAD}]}
    )

    entry: dict[str, Any]
    inclusion: dict[str, Any]
    head: TreeHeadView


class InquiryForm(BaseModel):
    """The enterprise's code. It is in the body, so that no URL or log contains it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "firm-0001"}]})

    code: EnterpriseCode


class InquiryView(BaseModel):
    """One scoring of the enterprise."""

    at: datetime
    bank: str
    contract: str
    version: int
    purpose: str
    recipient: str
    model: str
    answered: bool
    entry: int | None


class InquiryList(BaseModel):
    """Who asked about an enterprise, when and for what; the oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "inquiries": [
                        {
                            "at": "2026-01-01T08:00:00Z",
                            "bank": "示例银行",
                            "contract": "trial-7f3a",
                            "version": 1,
                            "purpose": "credit-approval",
                            "recipient": "credit department",
                            "model": "credit@1",
                            "answered": True,
                            "entry": 17,
                        }
                    ]
                }
            ]
        }
    )

    inquiries: list[InquiryView]


@router.head("/ledger/head", include_in_schema=False)
@router.get(
    "/ledger/head",
    operation_id="ledger_head",
    summary="最新签名树头 / The newest signed tree head",
    response_model=TreeHeadView,
    responses=PUBLIC_PROBLEMS,
)
async def get_tree_head(
    service: Dependencies,
    size: Annotated[LedgerSize | None, Query(description="Number of entries; default: the newest head.")] = None,
) -> Any:
    """The newest signed head; later entries are covered by the next one."""
    return (await run_in_threadpool(service.bureau.ledger.head, size)).as_dict()


@router.head("/ledger/consistency", include_in_schema=False)
@router.get(
    "/ledger/consistency",
    operation_id="ledger_consistency",
    summary="一致性证明 / Proof that the ledger was only continued",
    response_model=ConsistencyProofView,
    responses=PUBLIC_PROBLEMS,
)
async def get_consistency_proof(
    service: Dependencies,
    first: Annotated[EntryNumber, Query(alias="from", examples=[1])],
    second: Annotated[EntryNumber, Query(alias="to", examples=[2])],
) -> Any:
    """Between any two sizes of this ledger; hashes only."""
    proof = await run_in_threadpool(service.bureau.ledger.prove_consistency, first, second)
    return {"from": first, "to": second, "proof": proof}


@router.head("/ledger/checkpoint", include_in_schema=False)
@router.get(
    "/ledger/restorations",
    operation_id="ledger_restorations",
    summary="台账恢复声明 / Statements that the ledger was restored from a backup",
    response_model=RestorationList,
    responses=PUBLIC_PROBLEMS,
)
async def get_restorations(service: Dependencies) -> Any:
    """Signed entries with their proofs: what was kept, and which later head is lost. Public, as heads are."""
    found = await run_in_threadpool(service.bureau.ledger.restorations)
    return {"restorations": [one.as_dict() for one in found]}


@router.get(
    "/ledger/checkpoint",
    operation_id="ledger_checkpoint",
    summary="台账检查点及见证人联署 / A checkpoint of the ledger with its witnesses' cosignatures",
    response_class=PlainTextResponse,
    responses=PUBLIC_PROBLEMS
    | {
        200: {
            "description": "A signed note: C2SP tlog-checkpoint, with a signature of the bureau and cosignatures (C2SP "
            "tlog-cosignature, version 1).",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def get_checkpoint(
    service: Dependencies,
    covering: Annotated[LedgerSize, Query(description="At least this many entries.")] = 0,
    witness: Annotated[
        list[Annotated[str, Query(pattern=HEX32_PATTERN)]] | None,
        Query(max_length=16, description="Public key of a witness whose cosignature counts; default: all."),
    ] = None,
) -> PlainTextResponse:
    """The newest of the checkpoints that the largest number of these witnesses have cosigned."""
    found = await run_in_threadpool(service.bureau.cosignatures.checkpoint, covering, witness or ())
    return PlainTextResponse(str(found))


@router.get(
    "/audit/entries",
    operation_id="ledger_entries",
    summary="台账条目 / Ledger entries",
    response_model=LedgerEntryList,
    responses=SIGNED_IN_PROBLEMS,
)
async def list_entries(
    person: LedgerEntryReader,
    service: Dependencies,
    after: Annotated[LedgerSize, Query(description="Entries after this number.")] = 0,
    kind: Annotated[Line | None, Query(max_length=64, description=f"One of {', '.join(ENTRY_KINDS)}.")] = None,
    contract: Annotated[ContractId | None, Query(description="Of this contract alone.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES_LISTED)] = 100,
) -> Any:
    """For auditors."""
    log = service.bureau.ledger
    found = await run_in_threadpool(log.entries, after=after, kind=kind, contract=contract, limit=limit + 1)
    page, following = page_of(found, limit, lambda one: one["seq"])
    return {"size": await run_in_threadpool(log.size)} | page_view("entries", page, following)


@router.get(
    "/audit/inclusion",
    operation_id="ledger_inclusion",
    summary="条目及其包含证明 / An entry and the proof that it is in the ledger",
    response_model=InclusionProofView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def get_inclusion_proof(
    person: LedgerEntryReader,
    service: Dependencies,
    entry: Annotated[EntryNumber, Query(examples=[1])],
) -> Any:
    """With the newest head; a new head is signed if none covers the entry yet."""
    return await run_in_threadpool(service.bureau.ledger.entry_with_proof, entry)


@router.get(
    "/audit/export",
    operation_id="ledger_export",
    summary="导出台账 / Export the whole ledger",
    response_class=StreamingResponse,
    responses=SIGNED_IN_PROBLEMS
    | {
        200: {
            "description": "JSON lines: header, entries, tree heads. See `lab/terms/ledger/export.py`.",
            "content": {EXPORT_MEDIA: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def export_ledger(person: LedgerEntryReader, service: Dependencies) -> StreamingResponse:
    """The last entry records the export and who made it."""
    lines = await run_in_threadpool(service.bureau.ledger.export, by=person.actor)
    return StreamingResponse(lines, media_type=EXPORT_MEDIA)


@router.post(
    "/audit/inquiries",
    operation_id="inquiries",
    summary="某企业被查询的记录 / Who asked about an enterprise",
    response_model=InquiryList,
    responses=SIGNED_IN_PROBLEMS | problem_responses("too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(InquiryForm),
)
async def list_inquiries(
    person: InquiryReader, service: Dependencies, form: Annotated[InquiryForm, Depends(json_body(InquiryForm))]
) -> Any:
    """For the enterprise itself. The ledger records the reading, without the code."""
    bureau = service.bureau
    by = person.actor
    found = await run_in_threadpool(read_inquiries, bureau.store, form.code, bureau.keys, by=by)
    return {"inquiries": [one.as_dict() for one in found]}
