"""A running service of an empty bureau, the people who sign in to it, and the ``lab`` command as they run it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy

from lab.bureau.bureau import Bureau
from lab.bureau.people import NewAccount, OidcSubject, Role
from lab.bureau.store.tables import LedgerEntryRow
from tests.service.conftest import ROOT, SERVE, Process

GOOD, OTHER, WRONG = "correct horse battery", "staple tree and river", "not at all this one"


@dataclass
class Front:
    """A running service; ``bureau`` opens the same folder, for acts on the bureau's machine."""

    bureau: Bureau
    process: Process
    secrets: list[str] = field(default_factory=list)
    """Every password and token that was sent, for tests that search for traces of them."""

    @property
    def url(self) -> str:
        return self.process.url

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        found = headers | ({"authorization": f"Bearer {token}"} if token else {})
        return httpx.Client(base_url=self.url, headers=found, timeout=60, trust_env=False)

    def account(self, name: str, *roles: Role, department: str = "credit", elsewhere: OidcSubject | None = None) -> str:
        """Make an account; returns its one-time password."""
        new = NewAccount(name, department, frozenset(roles), "", elsewhere)
        password = self.bureau.accounts.add(new, by="local") or ""
        self.secrets += [password] if password else []
        return password

    def settle(self, name: str, *roles: Role, department: str = "credit") -> str:
        """Make an account with the password ``GOOD``; returns its token."""
        first = self.account(name, *roles, department=department)
        return self.sign_in(name, first, new_password=GOOD)["token"]

    def sign_in(self, name: str, password: str, **more: Any) -> dict[str, Any]:
        with self.client() as client:
            response = client.post("/v1/sign-in", json={"name": name, "password": password} | more)
        assert response.status_code == 200, response.text
        found = response.json()
        self.secrets += [found["token"]]
        return found

    def entries(self, kind: str) -> list[dict[str, Any]]:
        with self.bureau.store.begin_read() as session:
            query = (
                sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == kind).order_by(LedgerEntryRow.seq)
            )
            return [json.loads(body) for body in session.scalars(query)]

    def lab(self, *words: str | Path, session: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """``lab WORDS --json`` as a person at another machine runs it."""
        command = [sys.executable, "-m", "lab.cli", *map(str, words), "--json"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SHULAB_")}
        environment |= {"SHULAB_SESSION": str(session), "HOME": str(session.parent), "COLUMNS": "120", **variables}
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    def ok(self, *words: str | Path, session: Path, **variables: str) -> dict[str, Any]:
        done = self.lab(*words, session=session, **variables)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def fails(self, code: int, *words: str | Path, session: Path, **variables: str) -> dict[str, str]:
        done = self.lab(*words, session=session, **variables)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        found: dict[str, str] = json.loads(done.stdout)
        assert found["next_step"]
        return found


def free_port() -> int:
    """A free port, for a service whose address must be known before it starts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Placed(Process):
    """A service on a given port."""

    def __init__(self, home: Path, port: int) -> None:
        super().__init__(home)
        self._port = port

    def start(self) -> None:
        port_file = self.home / "port"
        with (self.home / "logs" / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(self.home), str(self._port), str(port_file)],
                cwd=ROOT,
                stdout=stderr,
                stderr=stderr,
            )
        while not port_file.exists():
            if self._process.poll() is not None:
                raise RuntimeError((self.home / "logs" / "stderr").read_text())
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{self._port}"


def open_front(home: Path, database_url: str = "", *, port: int = 0, **settings: str | bool | int) -> Front:
    """Start a service of a new bureau in ``home``; ``settings`` go into ``service.toml``."""
    bureau = Bureau.create(home, name="某征信", database_url=database_url)
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (home / "service.toml").write_text("\n".join(lines) + "\n")
    process = Placed(home, port) if port else Process(home)
    process.start()
    return Front(bureau, process)


def close_front(front: Front) -> None:
    front.process.stop()
    front.bureau.close()
