"""``lab bank backup``, ``verify-backup``, ``restore``, ``upgrade`` and ``backup-key``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.bank.home import FOLDER_FORMAT, default_home
from lab.cli.bank.options import BankHomeOption, HomeOptions, open_keys
from lab.cli.terminal.backup_options import (
    BackupOpeningOptions,
    BackupTargetArgument,
    BackupWritingOptions,
    FingerprintOption,
    KeyPassphraseOption,
    backup_facts,
    backup_path,
    show_backup,
    show_verified,
    write_backup_key,
)
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption
from lab.cli.terminal.output import CommandOutput


@dataclass(frozen=True, kw_only=True)
class BankBackupOptions(BackupWritingOptions, HomeOptions):
    """Options of ``lab bank backup``."""

    to: BackupTargetArgument


@take_options(BankBackupOptions)
def backup(options: BankBackupOptions) -> None:
    """备份 Back up the bank's folder into one encrypted file, also while jobs run, and verify it by reading it back.

    不含封存密钥的文件或口令。 It does not hold the passphrase or key file that seals the keys: keep that apart. Keep
    the backup on another machine.
    """
    from lab.bank.backup.home_backup import back_up_bank

    output, home = CommandOutput(options.as_json), options.open_home(earlier=True)
    path = backup_path(options.to, "bank")
    made = back_up_bank(home, open_keys(home), path, options.recipients(), output.progress)
    show_backup(output, path, made)
    if home.key_file is not None:
        output.say(f"密钥文件不在备份中，请另行保存 Not in the backup, keep it apart: {home.key_file}")
    output.print_result(backup_facts(path, made))


@dataclass(frozen=True, kw_only=True)
class BankVerifyOptions(BackupOpeningOptions):
    """Options of ``lab bank verify-backup``."""

    as_json: JsonOption = False


@take_options(BankVerifyOptions)
def verify_backup(options: BankVerifyOptions) -> None:
    """核验备份 Check a backup from end to end; writes nothing."""
    from lab.disk.backup.archive import verify_backup as verify

    output = CommandOutput(options.as_json)
    found = verify(options.backup, options.opener(), "bank", progress=output.progress)
    show_verified(output, options.backup, found)
    output.print_result(backup_facts(options.backup, found))


@dataclass(frozen=True, kw_only=True)
class BankRestoreOptions(BackupOpeningOptions):
    """Options of ``lab bank restore``."""

    home: BankHomeOption = None
    fingerprint: FingerprintOption = None
    as_json: JsonOption = False


@take_options(BankRestoreOptions)
def restore(options: BankRestoreOptions) -> None:
    """恢复 Restore a bank's folder into a new or empty one.

    先全部核验，再写入。 Everything is checked before anything is written. The old machine must not run any more.
    """
    from lab.bank.backup.home_backup import restore_bank

    output, folder = CommandOutput(options.as_json), options.home or default_home()
    done = restore_bank(
        options.backup, options.opener(), folder, fingerprint=options.fingerprint, progress=output.progress
    )
    output.say(f"已恢复 Restored: {folder}")
    show_verified(output, options.backup, done)
    output.alert(
        f"{done.manifest.made:%Y-%m-%d %H:%M} UTC 之后的运行已丢失，再次评分将再次计费 Runs after that time are lost; "
        "scoring their enterprises again is charged again"
    )
    if done.manifest.facts.get("key_file"):
        output.say(f"需要密钥文件 It needs the key file at its former place: {done.manifest.facts['key_file']}")
    output.say("下一步 Next: lab bank runs")
    output.print_result(backup_facts(options.backup, done) | {"home": str(folder)})


@dataclass(frozen=True, kw_only=True)
class BankUpgradeOptions(BackupWritingOptions, HomeOptions):
    """Options of ``lab bank upgrade``."""

    to: Annotated[
        Path, typer.Option("--backup", metavar="TO", help="备份 File or folder for the backup that is made first.")
    ]


@take_options(BankUpgradeOptions)
def upgrade(options: BankUpgradeOptions) -> None:
    """升级 Bring the folder to this version: check that all of it can be read, back up, then change its format.

    退回旧版 To go back: restore that backup with the former version.
    """
    from lab.bank.backup.home_backup import check_readable, upgrade_bank

    output, home = CommandOutput(options.as_json), options.open_home(earlier=True)
    check_readable(home)
    if home.format == FOLDER_FORMAT:
        output.say(f"已是最新 Nothing to do: the folder has format {home.format}, and all of it can be read")
        output.print_result({"from": home.format, "to": FOLDER_FORMAT, "backup": None})
        return
    path = backup_path(options.to, "bank")
    made = upgrade_bank(home, open_keys(home), path, options.recipients(), output.progress)
    show_backup(output, path, made)
    output.say(f"已升级 Upgraded from format {home.format} to {FOLDER_FORMAT}")
    output.print_result({"from": home.format, "to": FOLDER_FORMAT, "backup": str(path)})


def backup_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="写入文件 New file for the secret key.")],
    with_passphrase: KeyPassphraseOption = False,
    as_json: JsonOption = False,
) -> None:
    """备份密钥 Make a key pair for backups: the machine that backs up needs only the public half.

    私钥文件与 age 工具通用。 The file is an identity of the tool `age`, which opens the encryption of backups too.
    """
    write_backup_key(CommandOutput(as_json), file, with_passphrase=with_passphrase)
