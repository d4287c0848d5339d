"""The bureau's card: name, public key, engines and parameter sets. It is public and unsigned; a bank pins the key after
comparing its fingerprint over another channel.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from lab.terms.names import HEX32_PATTERN
from sandbox.api.openapi import problem_responses
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1", tags=["bureau"])


class BureauCardView(BaseModel):
    """The bureau that runs this service."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "示例征信",
                    "public_key": "11" * 32,
                    "api": "1",
                    "engines": ["x25519", "openmined"],
                    "parameters": ["bgv-8192-a"],
                }
            ]
        }
    )

    name: str
    public_key: Annotated[str, Field(description="Ed25519, 64 hexadecimal digits", pattern=HEX32_PATTERN)]
    api: str
    engines: Annotated[list[str], Field(description="matching engines")]
    parameters: Annotated[list[str], Field(description="parameter sets of encrypted scoring")]


@router.head("/bureau", include_in_schema=False)
@router.get(
    "/bureau",
    operation_id="bureau",
    summary="数据局名片 / The bureau's card",
    response_model=BureauCardView,
    responses=problem_responses("fault"),
)
async def get_bureau_card(service: Dependencies) -> Any:
    """The name, the public key, and what the bureau supports."""
    return await run_in_threadpool(service.bureau.identity)
