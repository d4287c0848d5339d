"""``lab bureau backup``, ``verify-backup``, ``restore``, ``upgrade`` and ``backup-key``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.bureau.configuration.home import default_folder
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
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import NotFound

if TYPE_CHECKING:
    from lab.bureau.data.backup.home_backup import BureauBackup
    from lab.bureau.data.backup.home_restore import BureauRestoration
    from lab.terms.ledger.tree import SignedTreeHead


@dataclass(frozen=True, kw_only=True)
class BureauBackupOptions(BackupWritingOptions):
    """Options of ``lab bureau backup``."""

    to: BackupTargetArgument
    home: BureauHomeOption = None
    as_json: JsonOption = False


@take_options(BureauBackupOptions)
def backup(options: BureauBackupOptions) -> None:
    """备份 Back up the bureau into one encrypted file while the service runs, and verify it by reading it back.

    含数据库、登记、模型、批次与封存的密钥。 It holds the database and the files that it names, as of one moment, and
    the sealed secrets. Keep the file on another machine, and the key that opens it on a third.
    """
    from lab.bureau.data.backup.home_backup import back_up_bureau

    output = CommandOutput(options.as_json)
    path = backup_path(options.to, "bureau")
    made = back_up_bureau(options.home or default_folder(), path, options.recipients(), output.progress)
    _show_bureau_backup(output, path, made)
    output.print_result(backup_facts(path, made.backup) | {"damaged": list(made.damaged)})


def _show_bureau_backup(output: CommandOutput, path: Path, made: BureauBackup) -> None:
    show_backup(output, path, made.backup)
    output.say(f"台账 ledger: {made.snapshot.size} 条 entries; 根 root {made.snapshot.root}")
    if made.damaged:
        output.alert(
            f"数据库所指的文件缺失或已损坏 Files that the database names are missing or damaged: {len(made.damaged)}; "
            "the backup has them as they are. See: lab doctor --deep"
        )
        for file in made.damaged:
            output.say(f"— {file}")


@dataclass(frozen=True, kw_only=True)
class BureauVerifyOptions(BackupOpeningOptions):
    """Options of ``lab bureau verify-backup``."""

    as_json: JsonOption = False


@take_options(BureauVerifyOptions)
def verify_backup(options: BureauVerifyOptions) -> None:
    """核验备份 Check a backup from end to end; writes nothing."""
    from lab.disk.backup.archive import verify_backup as verify

    output = CommandOutput(options.as_json)
    found = verify(options.backup, options.opener(), "bureau", progress=output.progress)
    show_verified(output, options.backup, found)
    output.print_result(backup_facts(options.backup, found))


@dataclass(frozen=True, kw_only=True)
class BureauRestoreOptions(BackupOpeningOptions):
    """Options of ``lab bureau restore``."""

    home: BureauHomeOption = None
    database_url: Annotated[
        str | None,
        typer.Option(
            help="数据库 An empty database to restore into; `sqlite`: the one in the folder "
            "[default: as the backup's settings say].",
            show_default=False,
        ),
    ] = None
    key_file: Annotated[
        Path | None, typer.Option(help="封存密钥文件 Where the seal key's file is on this machine, if it has moved.")
    ] = None
    known_head: Annotated[
        list[Path] | None,
        typer.Option(
            "--known-head",
            metavar="FILE",
            help="已知树头(可重复) A later tree head that somebody kept (`lab audit head --out`); repeatable.",
        ),
    ] = None
    fingerprint: FingerprintOption = None
    as_json: JsonOption = False


@take_options(BureauRestoreOptions)
def restore(options: BureauRestoreOptions) -> None:
    """恢复 Restore a bureau into a new or empty folder. The next entry of its ledger is a signed statement of it.

    先全部核验，再写入。 Everything is checked before anything is written. The old machine must not run any more.
    """
    from lab.bureau.data.backup.home_restore import RestoreOptions, restore_bureau

    output = CommandOutput(options.as_json)
    chosen = RestoreOptions(
        database_url=options.database_url,
        key_file=options.key_file,
        known_heads=tuple(_read_head(file) for file in options.known_head or ()),
        fingerprint=options.fingerprint,
    )
    done = restore_bureau(options.backup, options.opener(), options.home or default_folder(), chosen, output.progress)
    _show_restoration(output, done)
    output.print_result(
        backup_facts(options.backup, done.backup)
        | {"home": str(done.folder), "statement": done.statement.as_dict(), "entry": done.statement.entry_number}
    )


def _read_head(file: Path) -> SignedTreeHead:
    from lab.terms.ledger.tree import SignedTreeHead

    if not file.is_file():
        raise NotFound(f"Expected a tree head in {file.name}; there is none.", next_step="check --known-head")
    return SignedTreeHead.read(file.read_bytes())


def _show_restoration(output: CommandOutput, done: BureauRestoration) -> None:
    facts, made = done.statement.facts, done.backup.manifest.made
    hours = (datetime.now(UTC) - made).total_seconds() / 3600
    output.say(f"已恢复 Restored: {done.folder}")
    output.say(f"{done.backup.manifest.name}; 指纹 fingerprint: {done.backup.manifest.fingerprint}")
    output.say(f"台账保留 Ledger entries kept: {facts.size}; 声明 statement: entry {done.statement.entry_number}")
    output.alert(
        f"备份之后 {hours:.1f} 小时内的一切已丢失 What happened in the {hours:.1f} hours since the backup is lost"
        + (f": 至少 at least entries {facts.size + 1}–{facts.known_size}" if facts.known_size else "")
    )
    output.say(
        "启动服务之前，请重做期间的撤回、停用与吊销 Before you serve: repeat what was stopped since then: consents "
        "withdrawn, contracts suspended, accounts disabled, bank keys revoked"
    )
    output.say("下一步 Next: lab bureau evaluate; lab bureau serve; tell banks and witnesses (docs/operations)")


@dataclass(frozen=True, kw_only=True)
class BureauUpgradeOptions(BackupWritingOptions):
    """Options of ``lab bureau upgrade``."""

    to: Annotated[
        Path, typer.Option("--backup", metavar="TO", help="备份 File or folder for the backup that is made first.")
    ]
    home: BureauHomeOption = None
    as_json: JsonOption = False


@take_options(BureauUpgradeOptions)
def upgrade(options: BureauUpgradeOptions) -> None:
    """升级 Bring the database to this version: back up, migrate, check. Stop the service first.

    退回旧版 To go back: restore that backup with the former version.
    """
    from lab.bureau.data.backup.upgrade import find_upgrade, upgrade_bureau

    output, folder = CommandOutput(options.as_json), options.home or default_folder()
    before, after = find_upgrade(folder)
    if before == after:
        output.say(f"已是最新 Nothing to do: the database has migration {after}")
        output.print_result({"from": before, "to": after, "backup": None})
        return
    path = backup_path(options.to, "bureau")
    done = upgrade_bureau(folder, path, options.recipients(), output.progress)
    _show_bureau_backup(output, path, done.backup)
    output.say(f"已升级 Upgraded from migration {done.before} to {done.after}")
    output.print_result({"from": done.before, "to": done.after, "backup": str(path)})


def backup_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="写入文件 New file for the secret key.")],
    with_passphrase: KeyPassphraseOption = False,
    as_json: JsonOption = False,
) -> None:
    """备份密钥 Make a key pair for backups: the machine that backs up needs only the public half.

    私钥文件与 age 工具通用。 The file is an identity of the tool `age`, which opens the encryption of backups too.
    """
    write_backup_key(CommandOutput(as_json), file, with_passphrase=with_passphrase)
