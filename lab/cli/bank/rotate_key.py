"""``lab bank rotate-key``: the bank's next signing key replaces its old one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from lab.bank.connection.client import BureauClient
from lab.bank.home import PinnedBureau
from lab.bank.key_rotation import NEXT_CARD_FILE, select_pinned_bureaus
from lab.bank.key_rotation import rotate_key as rotate
from lab.cli.bank.options import ConnectionOptions, open_keys
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
from protocols.wire.http_signatures import Signer


@dataclass(frozen=True, kw_only=True)
class RotateKeyOptions(ConnectionOptions):
    """What ``lab bank rotate-key`` takes."""

    bureaus: Annotated[
        list[str] | None,
        typer.Option(
            "--bureau",
            help="数据局服务地址(可重复) Inform only the bureaus at these addresses now [default: all pinned ones].",
            show_default=False,
        ),
    ] = None


@take_options(RotateKeyOptions)
def rotate_key(options: RotateKeyOptions) -> None:
    """更换签名密钥 Create the bank's next signing key, inform the bureaus, and use it from then on.

    随时中断都安全，再次执行即可完成。 Safe to interrupt: the same command finishes it. A bureau accepts the old key for
    another 24 hours. Running jobs and contracts signed with the old key continue.
    """
    output, home = CommandOutput(options.as_json), options.open_home()
    keys = open_keys(home)

    def connect(pin: PinnedBureau, signer: Signer) -> BureauClient:
        return options.connect(pin.url, signer, pin.bureau.public_key)

    def key_at(url: str) -> str:
        with options.connect(url, keys) as client:
            return client.bureau_card().public_key

    done = rotate(home, keys, select_pinned_bureaus(home, options.bureaus or [], key_at), connect)
    output.say(f"旧指纹 old fingerprint: {done.old.fingerprint}")
    output.say(f"新指纹 new fingerprint: {done.new.fingerprint}")
    for name in done.notified:
        output.say(f"已告知 informed: {name}")
    for name in done.pending:
        output.say(f"尚未告知 not informed yet: {name}")
    if done.failure is not None:
        if not done.is_complete:
            output.say(f"新名片 card of the next key: {home.folder / NEXT_CARD_FILE}")
        raise done.failure
    if done.is_complete:
        output.say("已启用新密钥 The new key is in use; back up the bank's folder again")
    else:
        output.say("再次执行以完成 Run the same command again for the others")
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
