"""``lab bank status``: what this bank has set up, what waits for a person here, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from lab.bank.connection.client import BureauClient
from lab.bank.home import BankHome
from lab.bank.runs.metadata import read_run_metadata
from lab.bank.runs.store import finished_runs, unfinished_run_folders
from lab.bank.runs.superseded_registers import keep_superseded, superseded_warning
from lab.cli.bank.options import ConnectionOptions, open_keys
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.status import PartyStatus, StatusLine, disk_line, ends_soon, listed, show_status
from lab.terms.contract.document import SignedContract
from lab.terms.errors import ShulabError


@dataclass(frozen=True, kw_only=True)
class StatusOptions(ConnectionOptions):
    """What ``lab bank status`` takes."""

    online: Annotated[
        bool, typer.Option("--online", help="联系数据局 Ask the bureaus for the state of each contract as well.")
    ] = False


@take_options(StatusOptions)
def status(options: StatusOptions) -> None:
    """状态 What is set up, what waits for you, and what comes next. Opens no key and asks nobody, unless --online."""
    output, home = CommandOutput(options.as_json), options.open_home()
    lines = [*_setup_lines(home), *_contract_lines(home, options), *_run_lines(home), disk_line(home.folder)]
    found = PartyStatus("bank", home.name, str(home.folder), tuple(lines))
    show_status(output, found)
    output.print_result(found.as_dict())


def _setup_lines(home: BankHome) -> Iterator[StatusLine]:
    sealed = "密钥文件 key file" if home.key_file else "口令 passphrase"
    missing = home.key_file is not None and not home.key_file.is_file()
    yield StatusLine(
        "keys",
        ("密钥", "keys"),
        f"{sealed}; 指纹 fingerprint {home.card.fingerprint}",
        "bring the key file back to its place: without it no key opens" if missing else "",
        missing,
    )
    pins = home.pins()
    found = listed(f"{pin.bureau.name} ({pin.url})" for pin in pins)
    step = "" if pins else "send card.json to the bureau (`lab bank card`), then `lab bank plan PORTFOLIO --bureau URL`"
    yield StatusLine("bureaus", ("数据局", "bureaus"), found or "尚无 none yet", step)


def _contract_lines(home: BankHome, options: StatusOptions) -> Iterator[StatusLine]:
    names = sorted({path.name.rsplit(".v", 1)[0] for path in (home.folder / "contracts").glob("*.v*.json")})
    if not names:
        step = "`lab bank sign CONTRACT --bureau URL`, once the bureau has sent a contract's id" if home.pins() else ""
        yield StatusLine("contracts", ("合同", "contracts"), "尚无 none yet", step)
    now = datetime.now(UTC)
    for name in names:
        try:
            yield _contract_line(home.contract(name), now)
        except ShulabError as error:
            yield StatusLine(f"contract:{name}", ("合同", "contract"), f"{name}: {error.detail}", error.next_step, True)
            continue
        if options.online:
            yield _state_at_bureau(home, home.contract(name), options)


def _contract_line(signed: SignedContract, now: datetime) -> StatusLine:
    contract, item, label = signed.contract, f"contract:{signed.contract.id}", ("合同", "contract")
    until = f"{contract.id} v{contract.version}, 至 until {contract.expires:%Y-%m-%d}"
    if contract.expires <= now:
        return StatusLine(item, label, f"{until}: 已到期 over")
    if signed.bureau_signature is None:
        return StatusLine(item, label, f"{until}: 等待数据局批准 the bureau has to approve it")
    if ends_soon(contract.starts, contract.expires, now):
        step = f"ask the bureau for a contract that follows {contract.id}"
        return StatusLine(item, label, f"{until}: 即将到期 ends soon", step, True)
    return StatusLine(item, label, f"{until}: 双方已签 signed by both")


def _state_at_bureau(home: BankHome, signed: SignedContract, options: StatusOptions) -> StatusLine:
    """The state of a contract at its bureau; one that does not answer is a line too."""
    name, item = signed.contract.id, f"state:{signed.contract.id}"
    label = ("数据局处状态", "state at the bureau")
    try:
        with options.connect_for(home, open_keys(home), signed) as client:
            versions = client.contract_versions(name)
            refused = _ask_for_register(home, client, signed) if any(one.state == "active" for one in versions) else ""
    except ShulabError as error:
        return StatusLine(item, label, f"{name}: {error.detail}", error.next_step, True)
    to_sign = [one for one in versions if one.signable and not one.signed_by_bank]
    states = ", ".join(f"v{one.version} {one.state}" for one in versions)
    step = f"`lab bank sign {name}`: a new version waits for your signature" if to_sign else ""
    return StatusLine(item, label, f"{name}: {states}{refused}", step, bool(to_sign))


def _ask_for_register(home: BankHome, client: BureauClient, signed: SignedContract) -> str:
    """Keep which versions of its registers a record was put right in; returns what stood in the way, or nothing."""
    for model in signed.contract.models:
        try:
            state = client.register_state(signed.contract.id, model.name, model.version)
        except ShulabError as error:
            return f"; {model.name}@{model.version}: {error.detail}"
        keep_superseded(home.folder, signed.contract.id, state)
    return ""


def _run_lines(home: BankHome) -> Iterator[StatusLine]:
    from lab.bank.retention.overdue import check_retention
    from lab.bank.runs.delivery import was_given_out

    done = finished_runs(home.runs, home.matches)
    yield StatusLine("runs", ("运行", "runs"), f"{len(done)} 已完成 finished")
    kept = [run.folder.name for run in done if "job" in run.manifest and not was_given_out(run)]
    if kept:
        step = f"`lab bank runs {kept[0]} --out FILE` writes results that were paid for, at no charge"
        yield StatusLine("not-given-out", ("结果未取出", "results not written yet"), listed(kept), step, True)
    since = [run for run in done if superseded_warning(home.folder, run.folder.name, run.manifest)]
    if since:
        words = superseded_warning(home.folder, since[0].folder.name, since[0].manifest)
        names = f"{len(since)} 次运行 runs: {words}"
        step = f"`lab bank rescore {since[0].folder.name}`, once the bureau has a newer register (--online asks)"
        yield StatusLine("put-right-since", ("失信记录已修复", "a record was put right since"), names, step, True)
    unfinished = unfinished_run_folders(home.runs, home.matches)
    if unfinished:
        step = "run the commands that began them again: they resume at no new charge (`lab bank runs` says more)"
        yield StatusLine("unfinished", ("未完成", "unfinished"), listed(map(_describe_run, unfinished)), step, True)
    due = check_retention(home, None, now=datetime.now(UTC)).due
    if due:
        step = "`lab bank tidy` shows them, `lab bank tidy --remove` removes them"
        yield StatusLine("past-its-time", ("过期数据", "data past its time"), f"{len(due)} 项 items", step, True)
    if not done and not unfinished and any((home.folder / "contracts").glob("*.json")):
        step = "`lab bank score PORTFOLIO --contract CONTRACT --id COLUMN --out scores.xlsx`"
        yield StatusLine("first-score", ("首次评分", "first score"), "尚未评分 nothing scored yet", step)


def _describe_run(folder: Path) -> str:
    metadata = read_run_metadata(folder)
    return folder.name if metadata is None else f"{folder.name} ({metadata.kind.value}, {metadata.contract})"
