"""``lab bank rotate-key``: the bank's next signing key takes the place of its old one."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.bank.connection.client import BureauClient
from lab.bank.home import BankHome, PinnedBureau, default_home
from lab.bank.key_rotation import NEXT_CARD_FILE, select_pinned_bureaus
from lab.bank.key_rotation import rotate_key as rotate
from lab.cli.bank.options import BankHomeOption, CaFile, InsecureHttp, JsonOption, open_keys
from lab.cli.terminal.output import CommandOutput
from protocols.wire.http_signatures import Signer


def rotate_key(
    bureaus: Annotated[
        list[str] | None,
        typer.Option(
            "--bureau",
            help="数据局服务地址(可重复) Tell only the bureaus at these addresses now [default: all pinned ones].",
            show_default=False,
        ),
    ] = None,
    home: BankHomeOption = None,
    ca_file: CaFile = None,
    insecure_http: InsecureHttp = False,
    as_json: JsonOption = False,
) -> None:
    """更换签名密钥 Make the bank's next signing key, tell the bureaus, and use it from then on.

    随时中断都安全,再次执行即可完成。 Safe to interrupt: the same command finishes it. A bureau accepts the old key for
    another 24 hours; jobs under way and contracts signed with it go on.
    """
    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    keys = open_keys(opened)

    def connect(pin: PinnedBureau, signer: Signer) -> BureauClient:
        return BureauClient(
            pin.url, signer, bureau_key=pin.bureau.public_key, ca_file=ca_file, insecure_http=insecure_http
        )

    def card_at(url: str) -> str:
        with BureauClient(url, keys, ca_file=ca_file, insecure_http=insecure_http) as client:
            return client.bureau_card().public_key

    done = rotate(opened, keys, select_pinned_bureaus(opened, bureaus or [], card_at), connect)
    output.say(f"旧指纹 old fingerprint: {done.old.fingerprint}")
    output.say(f"新指纹 new fingerprint: {done.new.fingerprint}")
    for name in done.notified:
        output.say(f"已告知 told: {name}")
    for name in done.pending:
        output.say(f"尚未告知 not told yet: {name}")
    if done.failure is not None:
        if not done.is_complete:
            output.say(f"新名片 card of the next key: {opened.folder / NEXT_CARD_FILE}")
        raise done.failure
    if done.is_complete:
        output.say("已启用新密钥 The new key is in use; keep backups of the folder up to date")
    else:
        output.say("再次执行以完成 Run the same command for the others")
    output.print_result(
        {
            "old_key": done.old.public_key,
            "new_key": done.new.public_key,
            "fingerprint": done.new.fingerprint,
            "told": list(done.notified),
            "waiting": list(done.pending),
            "done": done.is_complete,
        }
    )
