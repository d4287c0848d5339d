"""A person's sign-in: the service's address and a token, in a file that only that person may read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.disk.private_files import read_private, replace_private
from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic, NotFound

_NEXT = "sign in with `lab account sign-in NAME --service URL`"


@dataclass(frozen=True, slots=True)
class SavedSession:
    """A sign-in at one service. Whoever has the token is that person until it ends."""

    service: str
    account: str
    token: str
    expires_at: str
    ca_file: str = ""

    def __repr__(self) -> str:
        return f"SavedSession({self.account} at {self.service})"

    def write(self, file: Path) -> None:
        """Write it to ``file`` (mode 0600), whole or not at all."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_private(file, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, file: Path) -> SavedSession:
        """The sign-in in ``file``; raises ``NotAuthentic`` if there is none, ``NotAllowed`` if others may read it."""
        try:
            content = read_private(file)
        except NotFound:
            raise NotAuthentic("You are not signed in.", next_step=_NEXT) from None
        except NotAllowed as error:
            raise NotAllowed(
                error.detail, next_step="delete it, sign in again, and ask who could read it meanwhile"
            ) from None
        try:
            found = json.loads(content)
            return cls(**{name: str(found.get(name, "")) for name in cls.__dataclass_fields__})
        except (ValueError, AttributeError, RecursionError):
            raise InvalidInput(f"Expected a sign-in in {file}; found something else.", next_step=_NEXT) from None


def default_session_file() -> Path:
    """``SHULAB_SESSION``, or ``~/.shulab/session.json``."""
    named = os.environ.get("SHULAB_SESSION")
    return Path(named) if named else Path.home() / ".shulab" / "session.json"
