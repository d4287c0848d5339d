"""Requests of a signed-in person to the service."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from lab.sdk.connection import ServiceConnection
from lab.sdk.session_file import SavedSession, default_session_file
from lab.terms.contract_steps import check_reason
from lab.terms.errors import NotAuthentic, NotFound

_PIECE = 1024 * 1024


class ServiceClient:
    """A client from ``open`` or ``sign_in``; a context manager. It raises the families of ``lab.terms.errors``."""

    def __init__(self, session: SavedSession, file: Path) -> None:
        self.session = session
        self.session_file = file
        self._connection = ServiceConnection(session.service, token=session.token, ca_file=session.ca_file)

    @classmethod
    def open(cls, session_file: Path | None = None) -> ServiceClient:
        """Use the sign-in in ``session_file`` (default: ``default_session_file()``); raises ``NotAuthentic`` if there
        is none.
        """
        file = session_file or default_session_file()
        return cls(SavedSession.read(file), file)

    @classmethod
    def sign_in(
        cls, service: str, name: str, password: str, session_file: Path | None = None, *, ca_file: str = ""
    ) -> tuple[ServiceClient, dict[str, Any]]:
        """Sign in with a password and save the session; also returns the facts about the person.

        With ``must_change`` among them, the service accepts ``change_password`` only.
        """
        connection = ServiceConnection(service, ca_file=ca_file)
        try:
            response = connection.request("POST", "/v1/sign-in", body={"name": name, "password": password})
        finally:
            connection.close()
        return cls.save_session(service, response, session_file, ca_file=ca_file)

    @classmethod
    def save_session(
        cls, service: str, response: dict[str, Any], session_file: Path | None = None, *, ca_file: str = ""
    ) -> tuple[ServiceClient, dict[str, Any]]:
        """Save the session from the service's response, and use it."""
        file = session_file or default_session_file()
        session = SavedSession(
            service, str(response["account"]), str(response["token"]), str(response["expires_at"]), ca_file
        )
        session.write(file)
        return cls(session, file), {name: fact for name, fact in response.items() if name not in ("token", "csrf")}

    def change_password(self, password: str, new_password: str) -> dict[str, Any]:
        """Change the password; the new session replaces this one."""
        response = self.post("/v1/me/password", {"password": password, "new_password": new_password})
        changed, facts = self.save_session(
            self.session.service, response, self.session_file, ca_file=self.session.ca_file
        )
        self.close()
        self.session, self._connection = changed.session, changed._connection
        return facts

    def sign_out(self) -> None:
        """End the session at the service and delete its file."""
        with contextlib.suppress(NotAuthentic):
            self.post("/v1/sign-out", {})
        self.session_file.unlink(missing_ok=True)

    def get(self, path: str, **query: Any) -> Any:
        """GET; members of ``query`` that are None are left out."""
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """POST a JSON object."""
        return self._ask("POST", path, body=body or {}, query=query)

    def put(self, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """PUT a JSON object."""
        return self._ask("PUT", path, body=body or {}, query=query)

    def delete(self, path: str, **query: Any) -> Any:
        """DELETE."""
        return self._ask("DELETE", path, query=query)

    def step(
        self, contract_id: str, action: str, *, version: int | None = None, reason: str | None = None
    ) -> dict[str, Any]:
        """Take an officer's step (``lab.terms.contract_steps``); returns the contract's version after it.

        Raises ``InvalidInput`` for an unknown step, or without a reason where the step needs one.
        """
        form = {"version": version, "reason": check_reason(action, reason)}
        path = f"/v1/desk/contracts/{quote(contract_id, safe='')}/steps/{action}"
        found: dict[str, Any] = self.post(path, {name: field for name, field in form.items() if field is not None})
        return found

    def upload(self, path: str, file: Path, media: str, **query: Any) -> Any:
        """POST the bytes of ``file`` piece by piece; raises ``NotFound`` if there is no such file."""
        if not file.is_file():
            raise NotFound(f"Expected the file {file.name}; there is none.", next_step="check the path")
        return self._ask("POST", path, content=_pieces(file), media=media, query=query)

    def stream(self, path: str, **query: Any) -> AbstractContextManager[Iterator[bytes]]:
        """GET a response of any length: ``with client.stream(path) as pieces``."""
        return self._stream(path, query)

    @contextlib.contextmanager
    def _stream(self, path: str, query: dict[str, Any]) -> Iterator[Iterator[bytes]]:
        with self._next_step(), self._connection.stream("GET", path, query) as pieces:
            yield pieces

    def _ask(self, method: str, path: str, **parts: Any) -> Any:
        with self._next_step():
            return self._connection.request(method, path, **parts)

    @contextlib.contextmanager
    def _next_step(self) -> Iterator[None]:
        """Where the session has ended, name the command that starts a new one."""
        try:
            yield
        except NotAuthentic as error:
            if not error.next_step.startswith("sign in"):  # a wrong password, for example
                raise
            step = f"lab account sign-in {self.session.account} --service {self.session.service}"
            raise NotAuthentic(error.detail, next_step=step) from None

    def close(self) -> None:
        """Close the connections; the session stays."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            yield piece
