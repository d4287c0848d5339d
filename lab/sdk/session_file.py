"""What a person holds while signed in: the service's address and a token, in a file that only they may read."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic

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
        """Keep it in ``file`` (mode 0600), whole or not at all."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".session-")  # made with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as draft:
                json.dump(asdict(self), draft)
            Path(name).replace(file)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise

    @classmethod
    def read(cls, file: Path) -> SavedSession:
        """What ``file`` keeps; raises ``NotAuthentic`` without one, ``NotAllowed`` when others may read it."""
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise NotAuthentic("You are not signed in.", next_step=_NEXT) from None
        except OSError:
            raise NotAllowed(
                f"Wanted to read {file}; it cannot be opened.", next_step="check its owner and mode"
            ) from None
        with os.fdopen(descriptor, "rb") as opened:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            if mode & 0o077:
                raise NotAllowed(
                    f"Wanted {file} readable by its owner alone (mode 0600); found mode {mode:04o}.",
                    next_step="delete it, sign in again, and ask who could read it meanwhile",
                )
            content = opened.read(65_536)
        try:
            found = json.loads(content)
            return cls(**{name: str(found.get(name, "")) for name in cls.__dataclass_fields__})
        except (ValueError, AttributeError):
            raise InvalidInput(f"Wanted a sign-in in {file}; found something else.", next_step=_NEXT) from None


def default_session_file() -> Path:
    """``SHULAB_SESSION``, or ``~/.shulab/session.json``."""
    named = os.environ.get("SHULAB_SESSION")
    return Path(named) if named else Path.home() / ".shulab" / "session.json"
