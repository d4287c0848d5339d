"""What the auditors' commands have in common: keys, heads and other files as they are given, and who is asked."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.ledger.tree import SignedHead
from lab.terms.witnessing.signed_note import LONGEST

if TYPE_CHECKING:
    from lab.sdk.client import Desk

Key = Annotated[
    str | None, typer.Option("--key", metavar="HEX", help="数据局公钥 The bureau's public key, 64 hexadecimal digits.")
]
Card = Annotated[
    Path | None,
    typer.Option("--card", help="数据局名片 JSON with the bureau's public_key: its card, or the bank's pin of it."),
]
Service = Annotated[str | None, typer.Option(help="服务地址 The service's address; without it, that of your sign-in.")]
Witnesses = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="VKEY",
        help="见证人(可重复) Verifier key of a witness whose cosignature counts, as `lab witness show` prints it.",
    ),
]
Quorum = Annotated[
    int | None,
    typer.Option(min=1, max=16, help="联署数 How many of them are enough [more than half, the fewest such]."),
]


@dataclass(frozen=True, slots=True)
class Asking:
    """GET from a service: JSON, or a text."""

    json: Callable[[str, dict[str, Any]], Any]
    text: Callable[[str, dict[str, Any]], bytes]


def open_desk(session: Path | None) -> Desk:
    """Loaded only here: what is checked offline needs no client."""
    _require_client()
    from lab.sdk.client import Desk

    return Desk.open(session)


def _require_client() -> None:
    if importlib.util.find_spec("lab.sdk") is None:
        raise NotFound(
            "What asks a service is not part of this installation; verify and receipt work without it.",
            next_step="run it where lab/sdk is installed",
        )


@contextmanager
def asking(service: str | None, session: Path | None) -> Iterator[Asking]:
    """GET from a service, by its address as anyone, else by the sign-in."""
    _require_client()
    from lab.sdk.connection import Connection

    if service is None:
        with open_desk(session) as desk:
            yield Asking(
                lambda path, query: desk.get(path, **query),
                lambda path, query: _whole(lambda: desk.stream(path, **query)),
            )
        return
    connection = Connection(service)
    try:
        yield Asking(
            lambda path, query: connection.ask("GET", path, query=query),
            lambda path, query: _whole(lambda: connection.stream("GET", path, query)),
        )
    finally:
        connection.close()


def _whole(stream: Callable[[], AbstractContextManager[Iterator[bytes]]]) -> bytes:
    content = b""
    with stream() as pieces:
        for piece in pieces:
            content += piece
            if len(content) > LONGEST:
                raise InvalidInput(f"Wanted at most {LONGEST} bytes; found more.", next_step="check the address")
    return content


def bureau_key(key: str | None, card: Path | None) -> str:
    """The bureau's public key, as given or as in a card; raises ``InvalidInput``."""
    if (key is None) == (card is None):
        raise InvalidInput("Wanted the bureau's public key.", next_step="give --key HEX or --card FILE, one of them")
    found = key if key is not None else read_object(card).get("public_key") if card is not None else None
    if not isinstance(found, str) or not re.fullmatch("[0-9a-f]{64}", found):
        raise InvalidInput(
            "Wanted a public key of 64 hexadecimal digits; found something else.", next_step="check --key or --card"
        )
    return found


def read_head(file: Path) -> SignedHead:
    """A head by itself, or the one in a receipt."""
    found = read_object(file)
    return SignedHead.read(found["head"] if isinstance(found.get("head"), dict) else found)


def read_object(file: Path) -> dict[str, Any]:
    """A JSON object in a file; raises ``NotFound`` or ``InvalidInput``."""
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"Wanted the file {file.name}; there is none.", next_step="check the path") from None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(f"Wanted a JSON object in {file.name}; found something else.", next_step="check the path")
    return found


def open_private(file: Path) -> int:
    """A descriptor of a new file of mode 0600; raises ``Conflict`` or ``InvalidInput``."""
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"Wanted to write {file.name}; it exists already.", next_step="choose another name") from None
    except OSError:
        raise InvalidInput(
            f"Wanted to write {file.name}; it can't be made there.", next_step="check the path"
        ) from None


def write_new(file: Path, content: bytes) -> None:
    """Write a new file; raises as ``open_private``."""
    with os.fdopen(open_private(file), "wb") as opened:
        opened.write(content)
