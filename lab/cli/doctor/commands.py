"""``lab doctor``: checks this machine and this installation, one line a check, each with a next step if it fails.

It belongs to neither party and opens no secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.doctor.confinement import check_confinement
from lab.cli.doctor.digests import check_digests
from lab.cli.doctor.findings import VERDICT_LABELS, DoctorFinding, DoctorVerdict
from lab.cli.doctor.homes import BANK_HOME, BUREAU_HOME, HomeLayout, check_home
from lab.cli.doctor.installation import check_installation
from lab.cli.doctor.machine import check_machine
from lab.cli.doctor.record_check import check_records
from lab.cli.doctor.status import BankFolderOption, BureauFolderOption, ask_party
from lab.cli.terminal.option_types import JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.text.bilingual import BilingualText
from lab.terms.text.escaping import escape_hidden, join_visible_lines

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="体检 Doctor.")


@app.callback()
def group() -> None:
    """体检 Doctor."""


@app.command("doctor")
def doctor(
    bank_home: BankFolderOption = None,
    bureau_home: BureauFolderOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="读取并核对每个文件的摘要 Read every file and compare its digest.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """体检 Check this machine and this installation: a verdict and a next step for each check.

    不打开任何密钥。退出码：都正常为 0，否则为 1。 Opens no key. Exit code 0 if everything that is needed works, else 1.
    """
    out = CommandOutput(as_json)
    homes = {
        party.check: party.resolve_folder(named)
        for party, named in ((BANK_HOME, bank_home), (BUREAU_HOME, bureau_home))
    }
    findings = check_machine(homes) + check_installation()
    findings += check_confinement(serves=(homes[BUREAU_HOME.check] / BUREAU_HOME.settings_file).is_file())
    findings += [_check_opens(party, homes[party.check]) for party in (BANK_HOME, BUREAU_HOME)]
    if deep:
        findings += check_digests(homes, out.progress) + check_records(homes)
    wrong = [finding for finding in findings if finding.verdict is DoctorVerdict.WRONG]
    _show_findings(out, findings)
    if wrong:
        named = ", ".join(dict.fromkeys(finding.check for finding in wrong))
        out.say(f"有 {len(wrong)} 项需要处理 To be corrected: {named}")
    else:
        out.say("需要的都正常 Everything that is needed works")
    out.print_result({"ok": not wrong, "findings": [finding.as_dict() for finding in findings]})
    if wrong:
        raise typer.Exit(1)


def _check_opens(party: HomeLayout, folder: Path) -> DoctorFinding:
    """The line of a home; where nothing is wrong from outside, the party's own program reads settings and database.

    It runs in a process of its own, as for ``lab status``, and opens no secret.
    """
    finding = check_home(party, folder)
    if finding.verdict is not DoctorVerdict.OK or find_spec(f"lab.{party.check}") is None:
        return finding
    answer = ask_party(party, folder)
    if "error" in answer:
        found, step = answer["detail"], answer["next_step"]
        if answer["error"] == "fault":
            step = f"lab {party.check} status"
    else:
        database = next((line for line in answer["lines"] if line["item"] == "database" and line["waits"]), None)
        if database is None:
            return finding
        found, step = database["found"], database["next_step"]
    return replace(finding, verdict=DoctorVerdict.WRONG, found=(f"{folder}: {found}",) * 2, next_step=(step, step))


def _show_findings(out: CommandOutput, findings: Sequence[DoctorFinding]) -> None:
    """A table of verdicts, and below it what to do: beside them it would not fit on a narrow screen."""
    out.table("体检 Doctor", ("检查 check", "结论 verdict", "情况 found"), [*map(_finding_row, findings)])
    for finding in findings:
        if any(finding.next_step):
            check, step = finding.label, finding.next_step
            out.say(f"下一步 next step: {check[0]}：{step[0]}")
            out.print_text(f"    {escape_hidden(f'{check[1]}: {step[1]}')}")


def _finding_row(finding: DoctorFinding) -> tuple[str, ...]:
    return (
        join_visible_lines(finding.label),
        VERDICT_LABELS[finding.verdict],
        _join_languages(finding.found),
    )


def _join_languages(words: BilingualText) -> str:
    zh, en = words
    return zh if zh == en else join_visible_lines((zh, en))
