"""An exported ledger, and its check by whoever holds the bureau's public key: no network, no database, no trust.

The file is JSON lines, each in RFC 8785 canonical form: a header, one line an entry (``entry``, ``leaf``,
``signature``), then all signed tree heads, the last of which covers the last entry. The fast way computes the tree once
and holds it against every head. Only where something does not fit, signatures of single entries name the first entry
that was altered, dropped, moved or put in. An export that was cut off at an earlier head looks like an older export:
that takes a later head, which a bank or an auditor kept.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import rfc8785

from lab.terms.errors import InvalidInput, NotAuthentic, NotFound
from lab.terms.keys.party import Party
from lab.terms.ledger.tampering import EntryLine, LedgerFault, LedgerFaultKind, find_ledger_fault
from lab.terms.ledger.tree import MerkleTree, SignedTreeHead, VerifiableTreeHead, format_ledger_time, hash_leaf
from lab.terms.progress import SILENT, Progress, ProgressStage

SCHEMA = "shulab-ledger-export/1"
_STEP = 4096


@dataclass(frozen=True, slots=True)
class ExportVerification:
    """What was checked: entries, the root over them, signed heads, entries by kind, and the first and last time."""

    size: int
    root: str
    head_count: int
    kind_counts: Mapping[str, int]
    first_time: str
    last_time: str


@dataclass
class _ExportScan:
    """What one reading of the file found; ``odd`` is the first entry that does not stand as it should by itself."""

    tree: MerkleTree = field(default_factory=MerkleTree)
    kinds: Counter[str] = field(default_factory=Counter)
    heads: list[SignedTreeHead] = field(default_factory=list)
    first_odd_entry: int | None = None
    first: str = ""
    last: str = ""


def encode_export_header(bureau: Party, time: datetime) -> bytes:
    """The first line."""
    header: dict[str, Any] = {
        "schema": SCHEMA,
        "bureau": {"name": bureau.name, "public_key": bureau.public_key},
        "time": format_ledger_time(time),
    }
    return rfc8785.dumps(header) + b"\n"


def encode_export_entry(body: bytes, leaf: str, signature: str) -> bytes:
    """The line of an entry; ``body`` stands in it as the very bytes that were hashed and signed."""
    return b'{"entry":%b,"leaf":"%b","signature":"%b"}\n' % (body, leaf.encode(), signature.encode())


def verify_export(
    path: Path,
    bureau_key: str,
    *,
    held: Sequence[VerifiableTreeHead] = (),
    thorough: bool = False,
    progress: Progress = SILENT,
) -> ExportVerification:
    """Check an exported ledger against the bureau's public key (hexadecimal) and the heads that the caller ``held``.

    ``thorough`` checks the signature of every entry too, which the tree makes unnecessary. Raises ``LedgerFault``
    (a ``NotAuthentic``) naming the first entry that is not as the bureau wrote it, ``InvalidInput`` for a file that is
    no export, ``NotFound`` without one. About 10 seconds for 1,000,000 entries.
    """
    if not path.is_file():
        raise NotFound(f"Wanted an exported ledger in {path.name}; there is none.", next_step="check the path")
    _check_header(path, bureau_key)
    with progress.stage("verify", path.stat().st_size) as stage:
        found = _read(path, stage)
    size = len(found.tree)
    heads: list[VerifiableTreeHead] = sorted([*found.heads, *held], key=lambda head: head.size)
    good, fault = _check_heads(found.tree, heads, bureau_key)
    if not any(head.size == size for head in found.heads):
        fault = fault or LedgerFault(
            LedgerFaultKind.DROPPED,
            size + 1,
            f"Entry {size + 1} is missing: no signed tree head covers the last of {size} entries.",
        )
    if thorough or fault is not None or found.first_odd_entry is not None:
        start = 1 if thorough else min(good + 1, found.first_odd_entry or size + 1)
        entry_fault = find_ledger_fault(lambda: _entry_lines(path), bureau_key, start)
        if entry_fault is not None or fault is not None:
            raise entry_fault or fault  # type: ignore[misc]  # one of the two is there
    root: str = found.tree.get_root().hex()
    return ExportVerification(size, root, len(found.heads), dict(found.kinds), found.first, found.last)


def _check_header(path: Path, bureau_key: str) -> None:
    with path.open("rb") as file:
        try:
            header = json.loads(file.readline())
            fits = header["schema"] == SCHEMA and isinstance(header["bureau"]["public_key"], str)
        except (ValueError, KeyError, TypeError):
            fits = False
    if not fits:
        raise InvalidInput(f"Wanted a ledger export ({SCHEMA}); found another file.", next_step="check the path")
    if header["bureau"]["public_key"] != bureau_key:
        raise InvalidInput(
            "The export is of another bureau than the key given.", next_step="give this bureau's own key or card"
        )


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from islice(file, 1, None)


def _is_head(line: bytes) -> bool:
    return line.startswith(b'{"root":')


def _entry_lines(path: Path) -> Iterator[EntryLine]:
    return (EntryLine.split(line) for line in takewhile(lambda line: not _is_head(line), _lines(path)))


def _read_head(line: bytes, number: int) -> SignedTreeHead:
    try:
        return SignedTreeHead.read(line)
    except InvalidInput:
        raise LedgerFault(LedgerFaultKind.HEAD, None, f"Line {number} of the tree heads is no tree head.") from None


def _read(path: Path, stage: ProgressStage) -> _ExportScan:
    """Read the file once, keeping 32 bytes an entry."""
    found, count, read = _ExportScan(), 0, 0
    leaves: list[bytes] = []
    for line in _lines(path):
        read += len(line)
        if found.heads or _is_head(line):
            found.heads.append(_read_head(line, len(found.heads) + 1))
            continue
        count += 1
        cut = EntryLine.split(line)
        leaf = hash_leaf(cut.body)
        leaves.append(leaf)
        body = cut.parse()
        if body is None or body.get("seq") != count or cut.leaf != leaf.hex():
            found.first_odd_entry = found.first_odd_entry or count
        else:
            found.kinds[str(body.get("kind"))] += 1
            found.last = str(body.get("time"))
            found.first = found.first or found.last
        if count % _STEP == 0:
            found.tree.extend(leaves)
            leaves.clear()
            stage.advance(read)
            read = 0
    found.tree.extend(leaves)
    return found


def _check_heads(
    tree: MerkleTree, heads: Sequence[VerifiableTreeHead], bureau_key: str
) -> tuple[int, LedgerFault | None]:
    """The largest size up to which a signed head fits the tree, and what is wrong with the first that does not."""
    good, fault = 0, None
    for head in heads:
        try:
            head.verify(bureau_key)
        except NotAuthentic:
            fault = fault or LedgerFault(
                LedgerFaultKind.HEAD, None, f"The tree head of {head.size} entries is not the bureau's."
            )
            continue
        if head.size > len(tree):
            fault = fault or LedgerFault(
                LedgerFaultKind.DROPPED,
                len(tree) + 1,
                f"Entry {len(tree) + 1} is missing: the bureau signed a tree head of {head.size} entries. "
                "(An export that was made before that head ends too early without any fault: export anew.)",
            )
        elif tree.get_root(head.size).hex() == head.root:
            good = head.size
        else:
            fault = fault or LedgerFault(
                LedgerFaultKind.REWRITTEN,
                None,
                f"All entries are signed, but they are not those of the bureau's tree head of {head.size}: "
                f"the bureau signed two histories that part after entry {good}.",
            )
    return good, fault
