"""An exported ledger, and its verification with the bureau's public key alone: no network, no database, no trust.

The file is JSON lines, each in RFC 8785 canonical form: a header; a line an entry (``entry``, ``leaf``, ``signature``);
then all signed tree heads, the last of which covers the last entry. Verification computes the tree once, compares it
with every head, and verifies the signature of every entry. If something differs, these show the first entry that was
altered, dropped, moved or inserted. An export that was cut off at an earlier head looks like an older export; a later
head, which a bank or an auditor kept, reveals it.
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
from lab.terms.ledger.restoration import LEDGER_RESTORED, RestorationNote
from lab.terms.ledger.tampering import EntryLine, LedgerFault, LedgerFaultKind, find_ledger_fault
from lab.terms.ledger.tree import MerkleTree, SignedTreeHead, VerifiableTreeHead, format_ledger_time, hash_leaf
from lab.terms.progress import SILENT, Progress, ProgressStage

SCHEMA = "shulab-ledger-export/1"
_STEP = 4096


@dataclass(frozen=True, slots=True)
class ExportVerification:
    """A verified export: number of entries, root over them, signed heads, entries by kind, first and last time.

    ``lost``: heads that were kept and that the ledger does not continue, each with the number of the entry in which the
    bureau states that it restored the ledger from a backup (``lab.terms.ledger.restoration``).
    """

    size: int
    root: str
    head_count: int
    kind_counts: Mapping[str, int]
    first_time: str
    last_time: str
    lost: tuple[tuple[SignedTreeHead, int], ...] = ()


@dataclass
class _ExportScan:
    """The result of reading the file once. ``first_odd_entry``: the first entry that is wrong by itself."""

    tree: MerkleTree = field(default_factory=MerkleTree)
    kinds: Counter[str] = field(default_factory=Counter)
    heads: list[SignedTreeHead] = field(default_factory=list)
    restorations: list[RestorationNote] = field(default_factory=list)
    first_odd_entry: int | None = None
    first: str = ""
    last: str = ""


def encode_export_header(bureau: Party, time: datetime) -> bytes:
    """The first line of an export."""
    header: dict[str, Any] = {
        "schema": SCHEMA,
        "bureau": {"name": bureau.name, "public_key": bureau.public_key},
        "time": format_ledger_time(time),
    }
    return rfc8785.dumps(header) + b"\n"


def encode_export_entry(body: bytes, leaf: str, signature: str) -> bytes:
    """The line of an entry; it holds ``body`` byte for byte, as it was hashed and signed."""
    return b'{"entry":%b,"leaf":"%b","signature":"%b"}\n' % (body, leaf.encode(), signature.encode())


def verify_export(
    path: Path,
    bureau_key: str,
    *,
    known_heads: Sequence[VerifiableTreeHead] = (),
    quick: bool = False,
    progress: Progress = SILENT,
) -> ExportVerification:
    """Verify an exported ledger under the bureau's public key (hexadecimal) and against heads kept earlier.

    The signature of every entry is verified too, unless ``quick``: the tree shows that the entries are the bureau's,
    but not that their signatures, by which an altered entry is found, are as it wrote them. Raises ``LedgerFault``
    (a ``NotAuthentic``) naming the first entry that differs from what the bureau wrote, ``InvalidInput`` for another
    file, ``NotFound`` if there is none. 1,000,000 entries take about two minutes, 10 seconds if ``quick``.
    """
    _check_header(path, bureau_key)
    with progress.stage("verify", path.stat().st_size) as stage:
        found = _read(path, stage)
    size = len(found.tree)
    lost = _find_lost(found, known_heads, bureau_key)
    kept = [head for head in known_heads if head not in lost]
    heads: list[VerifiableTreeHead] = sorted([*found.heads, *kept], key=lambda head: head.size)
    good, fault = _check_heads(found.tree, heads, bureau_key)
    if fault is None and size not in {head.size for head in found.heads}:
        fault = LedgerFault(
            LedgerFaultKind.DROPPED,
            size + 1,
            f"Entry {size + 1} is missing: no signed tree head covers the last of {size} entries.",
        )
    start = _first_doubtful_entry(found, good, fault, quick)
    if start is not None:
        with progress.stage("signatures", max(size - start + 1, 1)) as stage:
            fault = find_ledger_fault(lambda: _entry_lines(path), bureau_key, start, stage) or fault
    if fault is not None:
        raise fault
    root: str = found.tree.get_root().hex()
    kinds = dict(found.kinds)
    return ExportVerification(size, root, len(found.heads), kinds, found.first, found.last, tuple(lost.items()))


def _find_lost(
    found: _ExportScan, known_heads: Sequence[VerifiableTreeHead], bureau_key: str
) -> dict[SignedTreeHead, int]:
    """The bureau's own heads that do not fit the tree, and that a statement of a restoration explains."""
    lost = {}
    for head in known_heads:
        if not isinstance(head, SignedTreeHead):
            continue  # a checkpoint has no time, so that no statement can be later than it
        fits = head.size <= len(found.tree) and found.tree.get_root(head.size).hex() == head.root
        note = next((one for one in found.restorations if one.explains(head)), None)
        if note is not None and not fits:
            head.verify(bureau_key)
            lost[head] = note.entry
    return lost


def _first_doubtful_entry(found: _ExportScan, good: int, fault: LedgerFault | None, quick: bool) -> int | None:
    """The entry from which on signatures are to be verified; None if ``quick`` and the tree shows no fault."""
    if not quick:
        return 1
    if fault is None and found.first_odd_entry is None:
        return None
    return min(good + 1, found.first_odd_entry or len(found.tree) + 1)


def _check_header(path: Path, bureau_key: str) -> None:
    if not path.is_file():
        raise NotFound(f"Expected an exported ledger in {path.name}; there is none.", next_step="check the path")
    with path.open("rb") as file:
        try:
            header = json.loads(file.readline())
            fits = header["schema"] == SCHEMA and isinstance(header["bureau"]["public_key"], str)
        except (ValueError, KeyError, TypeError, RecursionError):
            fits = False
    if not fits:
        raise InvalidInput(f"Expected a ledger export ({SCHEMA}); found another file.", next_step="check the path")
    if header["bureau"]["public_key"] != bureau_key:
        raise InvalidInput(
            "The export is of another bureau than the key given.",
            next_step="give the key or card of the export's bureau",
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
        raise LedgerFault(LedgerFaultKind.HEAD, None, f"Line {number} of the tree heads is not a tree head.") from None


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
            if body.get("kind") == LEDGER_RESTORED:
                found.restorations += RestorationNote.of_entry(body)
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
    """The largest size of a signed head that fits the tree, and the fault of the first head that does not, or None."""
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
                "(An export from before that head ends earlier without a fault: export again.)",
            )
        elif tree.get_root(head.size).hex() == head.root:
            good = head.size
        else:
            fault = fault or LedgerFault(
                LedgerFaultKind.REWRITTEN,
                None,
                f"All entries are signed, but they are not those of the bureau's tree head of {head.size}: "
                f"the bureau signed two histories that differ after entry {good}.",
            )
    return good, fault
