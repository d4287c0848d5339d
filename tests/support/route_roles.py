"""Who may call a route of people, so that a test's request reaches what the route does and not its refusal alone."""

from __future__ import annotations

from lab.bureau.people import Role

_BY_FOLDER = {
    "accounts": Role.ADMINISTRATOR,
    "banks": Role.ADMINISTRATOR,
    "audit": Role.AUDITOR,
    "consents": Role.STEWARD,
    "repairs": Role.STEWARD,
    "enterprises": Role.STEWARD,
}
_BY_ROUTE = {
    "POST /v1/requests": Role.REQUESTER,
    "POST /v1/requests/{request_id}/withdraw": Role.REQUESTER,
    "POST /v1/requests/{request_id}/answer": Role.STEWARD,
}


def role_for(method: str, path: str) -> Role:
    """The role that calls ``method`` (capitals) on ``path`` (as the OpenAPI document writes it)."""
    return _BY_ROUTE.get(f"{method} {path}") or _BY_FOLDER.get(path.split("/")[2], Role.OFFICER)
