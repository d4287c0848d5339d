"""``lab audit receipt``: verify receipts of scoring and matching offline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.auditor.inputs import (
    BureauCardOption,
    BureauKeyOption,
    QuorumOption,
    WitnessKeyOption,
    read_bureau_key,
    read_json_file,
)
from lab.cli.terminal.option_types import JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.witness_options import parse_witness_terms
from lab.terms.errors import InvalidInput
from lab.terms.ledger.receipt import MatchReceipt, Receipt, ScoreReceipt, verify_receipt
from lab.terms.witnessing.cosignature_evidence import CosignatureEvidence
from lab.terms.witnessing.quorum import WitnessQuorum

NO_COSIGNATURE_NOTE = (
    "联署未核验，无法发现数据局向他人出示另一份台账 "
    "No cosignature was checked; this does not detect that others were shown another ledger"
)

_SCORE_RECEIPT_COLUMNS = {
    "entry": "条目 entry",
    "contract": "合同 contract",
    "job": "作业 job",
    "rows": "户数 rows",
    "scored": "已评分 scored",
    "model": "模型 model",
    "register": "登记 register",
    "time": "时间 time",
}

_MATCH_RECEIPT_COLUMNS = {
    "entry": "条目 entry",
    "contract": "合同 contract",
    "job": "作业 job",
    "identifiers": "标识数 identifiers",
    "counting": "计数 count",
    "epoch": "密钥期 epoch",
    "time": "时间 time",
}


def receipt(
    file: Annotated[Path, typer.Argument(help="回执或银行的运行清单 A receipt, or a run's manifest.json at the bank.")],
    key: BureauKeyOption = None,
    card: BureauCardOption = None,
    witness: WitnessKeyOption = None,
    quorum: QuorumOption = None,
    as_json: JsonOption = False,
) -> None:
    """核验回执 Verify receipts of scoring and matching offline: signed by the bureau, and proven to be in its ledger.

    With --witness it also checks the run's cosigned checkpoint: that witnesses saw the same ledger.
    """
    output = CommandOutput(as_json)
    bureau = read_bureau_key(key, card)
    terms = parse_witness_terms(witness, quorum)
    document = read_json_file(file)
    found = _read_receipts(document)
    for one in found:
        verify_receipt(one, bureau)
    cosigned = _check_cosigned(document, found, terms, bureau) if terms is not None else None
    output.say(f"{len(found)} 份回执已核实 receipts verified")
    _show_receipts(output, found)
    output.say(NO_COSIGNATURE_NOTE if cosigned is None else f"已由见证人联署 cosigned by {', '.join(cosigned)}")
    output.print_result(
        {"verified": len(found), "receipts": [_describe_receipt(one) for one in found], "cosigned": cosigned}
    )


def _read_receipts(document: dict[str, Any]) -> list[Receipt]:
    if "receipts" not in document:
        return [Receipt.read(document)]
    parts = (_require_list(document.get(name, [])) for name in ("match_receipts", "receipts"))
    return [Receipt.read(one) for part in parts for one in part]


def _show_receipts(output: CommandOutput, found: Sequence[Receipt]) -> None:
    for title, kind, columns in (
        ("评分回执 Receipts of scoring", ScoreReceipt, _SCORE_RECEIPT_COLUMNS),
        ("求交回执 Receipts of matching", MatchReceipt, _MATCH_RECEIPT_COLUMNS),
    ):
        rows = [[_describe_receipt(one)[name] for name in columns] for one in found if isinstance(one, kind)]
        if rows:
            output.table(title, tuple(columns.values()), rows)


def _require_list(found: object) -> list[Any]:
    if not isinstance(found, list):
        raise InvalidInput("Expected receipts in a list; found something else.", next_step="check the file")
    return found


def _check_cosigned(document: dict[str, Any], receipts: list[Receipt], terms: WitnessQuorum, bureau: str) -> list[str]:
    found = CosignatureEvidence.read(document.get("cosigned"))
    heads = [one.head for one in receipts]
    return [one.name for one in found.verify(heads, terms, bureau, now=datetime.now(UTC))]


def _describe_receipt(one: Receipt) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": one.kind,
        "entry": one.entry_number,
        "contract": one.contract,
        "job": one.job,
        "time": str(one.body["time"])[:19],
        "ledger_size": one.head.size,
    }
    if isinstance(one, ScoreReceipt):
        facts |= {
            "rows": one.rows,
            "scored": one.scored,
            "model": str(one.model_ref),
            "register": f"{one.register}-{one.register_version}",
            "batch_sha256": one.batch_sha256,
            "reply_sha256": one.reply_sha256,
        }
    if isinstance(one, MatchReceipt):
        facts |= {
            "identifiers": one.identifiers,
            "counting": one.is_count,
            "epoch": one.epoch,
            "request_sha256": one.request_sha256,
            "response_sha256": one.response_sha256,
        }
    return facts
