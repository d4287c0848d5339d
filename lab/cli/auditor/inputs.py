"""What the auditors' commands share: reading keys, heads and other files, and the connection to a service."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from lab.disk.private_files import create_private
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.ledger.tree import SignedTreeHead
from lab.terms.names import is_hex32
from lab.terms.witnessing.signed_note import MAX_NOTE_BYTES

if TYPE_CHECKING:
    from lab.sdk.client import ServiceClient

BureauKeyOption = Annotated[
    str | None, typer.Option("--key", metavar="HEX", help="数据局公钥 The bureau's public key, 64 hexadecimal digits.")
]
BureauCardOption = Annotated[
    Path | None,
    typer.Option("--card", help="数据局名片 JSON with the bureau's public_key: its card, or the bank's pin of it."),
]
ServiceUrl = Annotated[
    str | None, typer.Option(help="服务地址 The service's address; without it, that of your sign-in.")
]
WitnessKeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="VKEY",
        help="见证人(可重复) Verifier key of a witness whose cosignature counts, as `lab witness show` prints it.",
    ),
]
QuorumOption = Annotated[
    int | None,
    typer.Option(min=1, max=16, help="联署数 How many of them are enough [more than half, the fewest such]."),
]


@dataclass(frozen=True, slots=True)
class ServiceReader:
    """GET from a service: JSON, or a text."""

    json: Callable[[str, dict[str, Any]], Any]
    text: Callable[[str, dict[str, Any]], bytes]


def open_service_client(session: Path | None) -> ServiceClient:
    """The service that the person signed in to. The client is loaded only here; offline checks do not need it."""
    _require_client()
    from lab.sdk.client import ServiceClient

    return ServiceClient.open(session)


def _require_client() -> None:
    if importlib.util.find_spec("lab.sdk") is None:
        raise NotFound(
            "The client of a service is not part of this installation; verify and receipt work without it.",
            next_step="run it where lab/sdk is installed",
        )


@contextmanager
def open_service_reader(service: str | None, session: Path | None) -> Iterator[ServiceReader]:
    """GET from the service at this address without a sign-in, or else from the one signed in to."""
    _require_client()
    from lab.sdk.connection import ServiceConnection

    if service is None:
        with open_service_client(session) as client:
            yield ServiceReader(
                lambda path, query: client.get(path, **query),
                lambda path, query: _read_stream(lambda: client.stream(path, **query)),
            )
        return
    connection = ServiceConnection(service)
    try:
        yield ServiceReader(
            lambda path, query: connection.request("GET", path, query=query),
            lambda path, query: _read_stream(lambda: connection.stream("GET", path, query)),
        )
    finally:
        connection.close()


def _read_stream(stream: Callable[[], AbstractContextManager[Iterator[bytes]]]) -> bytes:
    content = b""
    with stream() as pieces:
        for piece in pieces:
            content += piece
            if len(content) > MAX_NOTE_BYTES:
                raise InvalidInput(
                    f"Expected at most {MAX_NOTE_BYTES} bytes; found more.", next_step="check the address"
                )
    return content


def read_bureau_key(key: str | None, card: Path | None) -> str:
    """The bureau's public key, as given or as in a card; raises ``InvalidInput``."""
    if (key is None) == (card is None):
        raise InvalidInput("Expected the bureau's public key.", next_step="give --key HEX or --card FILE, one of them")
    found = key if key is not None else read_json_file(card).get("public_key") if card is not None else None
    if not isinstance(found, str) or not is_hex32(found):
        raise InvalidInput(
            "Expected a public key of 64 hexadecimal digits; found something else.", next_step="check --key or --card"
        )
    return found


def read_tree_head(file: Path) -> SignedTreeHead:
    """A head by itself, or the one in a receipt."""
    found = read_json_file(file)
    return SignedTreeHead.read(found["head"] if isinstance(found.get("head"), dict) else found)


def read_json_file(file: Path) -> dict[str, Any]:
    """A JSON object in a file; raises ``NotFound`` or ``InvalidInput``."""
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"Expected the file {file.name}; there is none.", next_step="check the path") from None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(f"Expected a JSON object in {file.name}; found something else.", next_step="check the path")
    return found


@contextmanager
def create_file(file: Path) -> Iterator[BinaryIO]:
    """A new file of mode 0600 to write to, complete or not at all.

    Raises ``Conflict`` if it exists, and ``InvalidInput`` if it cannot be made.
    """
    with ExitStack() as opened:
        try:
            new = opened.enter_context(create_private(file))
        except OSError:
            raise InvalidInput(
                f"Expected to write {file.name}; it cannot be made there.", next_step="check the path"
            ) from None
        yield new


def write_new_file(file: Path, content: bytes) -> None:
    """Write a new file; raises what ``create_file`` raises."""
    with create_file(file) as new:
        new.write(content)
