"""``lab bureau`` commands for the bureau's secrets: key epochs, pseudonyms, and the key that seals the secrets."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.consents.pseudonym_rotation import rotate_all_pseudonyms
from lab.bureau.exchange.matching.key_epochs import Epoch, EpochState
from lab.bureau.key_management.pkcs11_token import SCHEME
from lab.bureau.ledger import record
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput

_EPOCH_STATE_LABELS = {
    EpochState.PREPARING: "准备中 preparing",
    EpochState.CURRENT: "使用中 current",
    EpochState.CLOSING: "收尾 closing",
    EpochState.DESTROYED: "已销毁 destroyed",
}
SEAL_HELP = (
    "封存方式 What seals the keys: file, environment (SHULAB_BUREAU_SEAL_KEY), "
    "or pkcs11:module=FILE;token=LABEL;object=LABEL[;pin-file=FILE] (PIN: SHULAB_BUREAU_PIN)."
)


def rotate_keys(home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """更换求交密钥 New matching keys: evaluate registers under them, then let new jobs use them.

    服务不停;中断后再次执行即可继续。 The service keeps running, and open jobs end under their own keys. If the command
    is interrupted, run it again: it continues where it stopped.
    """
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        bureau.epochs.prepare(out.progress)
        number = bureau.epochs.switch()
        known = bureau.epochs.list_epochs()
    closing = [epoch for epoch in known if epoch.state is EpochState.CLOSING]
    out.say(f"新密钥期 New key epoch: {number}")
    for epoch in closing:
        out.say(f"收尾 Closing: {epoch.number}, 未完作业 open jobs: {epoch.open_jobs}")
    out.say("旧密钥在其作业结束后销毁 Old keys are destroyed once their jobs have ended: lab bureau close-epochs")
    out.print_result({"current": number, "epochs": [_facts(epoch) for epoch in known]})


def rotate_pseudonyms(home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """更换企业假名 Give all enterprises in the database new pseudonyms; the counts of each are kept.

    旧密钥可能泄露时执行;期间评分与授权操作须等待。 Run it if an old key may have leaked, at a quiet hour: scoring and
    consents wait for it. It is safe to interrupt: then nothing has changed.
    """
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        done = rotate_all_pseudonyms(bureau.store, bureau.keys, by="local", progress=out.progress)
    out.say(f"已更换 Renamed: {done.inquiries} 查询记录 inquiries, {done.consents} 授权 consents")
    if not done.cleared:
        out.say("数据库文件仍含旧行 The file still holds old rows: stop the service and run it again, or VACUUM.")
    out.say("旧备份仍用旧假名 Earlier backups still use the old pseudonyms; remove those that you no longer need.")
    out.print_result(asdict(done))


def epochs(home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """密钥期列表 List the epochs of the matching keys, and the open jobs of each."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        known = bureau.epochs.list_epochs()
    out.table(
        "密钥期 Key epochs",
        ("编号 number", "状态 state", "开始 began", "结束 ended", "未完作业 jobs"),
        [
            (
                epoch.number,
                _EPOCH_STATE_LABELS[epoch.state],
                f"{epoch.began_at:%Y-%m-%d %H:%M}",
                f"{epoch.ended_at:%Y-%m-%d %H:%M}" if epoch.ended_at else "",
                epoch.open_jobs,
            )
            for epoch in known
        ],
    )
    out.print_result({"epochs": [_facts(epoch) for epoch in known]})


def close_epochs(
    force_after: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="DAYS",
            help="强制 Cut off jobs opened more than DAYS days ago, which otherwise keep their keys.",
            show_default=False,
        ),
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """销毁旧密钥 Destroy the keys of closing epochs whose jobs have ended, and all data made under these keys.

    服务每日自动执行(不强制)。 The service does this every day, without force.
    """
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        cut = timedelta(days=force_after) if force_after is not None else None
        closed = bureau.epochs.destroy_closing(force_after=cut, by="local")
        known = bureau.epochs.list_epochs()
    out.say(f"已销毁密钥期 Destroyed epochs: {', '.join(map(str, closed)) or '无 none'}")
    for epoch in known:
        if epoch.state is EpochState.CLOSING:
            out.say(f"仍在收尾 Still closing: {epoch.number}, 未完作业 open jobs: {epoch.open_jobs}")
    out.print_result({"destroyed": closed, "epochs": [_facts(epoch) for epoch in known]})


def reseal(
    seal: Annotated[str, typer.Option(help=SEAL_HELP)],
    key_file: Annotated[
        Path | None,
        typer.Option(help="密钥文件 With `file`: the file, made if absent [default: HOME/keys/seal.key]."),
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """重新封存密钥 Seal all the bureau's secrets under another key.

    随时中断都安全。 It is safe to interrupt: the old key is valid until the last secret is sealed, then the new one.
    """
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        done = bureau.keys.reseal(seal, key_file, out.progress)
        source = "pkcs11" if seal.startswith(SCHEME) else seal
        with bureau.store.begin() as session:
            record(session, "keys.resealed", None, {"secrets": done, "source": source}, by="local")
    out.say(f"已重新封存 Sealed again: {done} ({source})")
    out.say("旧密钥只为旧备份保留 Keep the old seal key only as long as you keep backups that it opens.")
    out.print_result({"secrets": done, "source": source})


def _facts(epoch: Epoch) -> dict[str, object]:
    return {
        "number": epoch.number,
        "state": epoch.state.value,
        "began": epoch.began_at.isoformat(timespec="seconds"),
        "ended": epoch.ended_at.isoformat(timespec="seconds") if epoch.ended_at else None,
        "jobs": epoch.open_jobs,
    }
