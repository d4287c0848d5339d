"""What the commands for backups share: options, what opens a backup, and how the outcome is shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.prompts.password_prompt import read_secret
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound

if TYPE_CHECKING:
    from lab.disk.backup.archive import VerifiedBackup
    from lab.disk.backup.backup_keys import BackupKey, BackupRecipient

PASSPHRASE_VARIABLE = "SHULAB_BACKUP_PASSPHRASE"
_LEFT_OUT_LABELS = {
    "database": "数据库(另存快照) database; the backup has a snapshot of it",
    "workflows": "作业调度表(可重建) workflows; made again from charged batches",
    "evaluated": "登记求值(可重算) evaluated registers; computed again from register and keys",
    "features": "特征表(可重算) feature tables; computed again from records",
    "machine": "日志与临时文件 logs and temporary files of this machine",
    "setups": "匹配数据(可重新下载) set-ups; fetched again from the bureau",
    "leaving": "正在删除 what is being removed",
}

BackupFileArgument = Annotated[Path, typer.Argument(metavar="BACKUP", help="备份文件 The backup.")]
BackupTargetArgument = Annotated[
    Path,
    typer.Argument(metavar="TO", help="写入 File to write, or a folder, in which it is named by party and time."),
]
RecipientOption = Annotated[
    list[str] | None,
    typer.Option(
        "--recipient",
        metavar="age1...",
        help="公钥(可重复) Encrypt for this public key (`backup-key` makes one); repeatable.",
        show_default=False,
    ),
]
IdentityOption = Annotated[
    Path,
    typer.Option(
        "--identity",
        metavar="FILE",
        help="私钥文件 File with the secret key that opens it.",
    ),
]
KeyPassphraseOption = Annotated[
    bool,
    typer.Option(
        "--passphrase",
        help=f"口令加密 Encrypt the file with a passphrase, which is asked for (or {PASSPHRASE_VARIABLE}).",
    ),
]
FingerprintOption = Annotated[
    str | None,
    typer.Option(
        "--fingerprint",
        help="指纹 The party's fingerprint, as you know it from elsewhere: the backup must be signed by this key.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class BackupWritingOptions:
    """The options of every command that writes a backup."""

    recipient: RecipientOption = None

    def recipients(self) -> list[BackupRecipient]:
        """Whom to encrypt for; raises ``InvalidInput`` if nobody is named."""
        from lab.disk.backup.backup_keys import BackupRecipient

        if not self.recipient:
            raise InvalidInput(
                "Expected a public key to encrypt the backup for; found none.",
                next_step="give --recipient age1...; `backup-key FILE` beside this command makes a key, whose file you "
                "keep on another machine",
            )
        return [BackupRecipient(text.strip()) for text in self.recipient]


@dataclass(frozen=True, kw_only=True)
class BackupOpeningOptions:
    """The options of every command that opens a backup."""

    backup: BackupFileArgument
    identity: IdentityOption

    def opener(self) -> BackupKey:
        """What opens the backup; asks for the passphrase of an encrypted key file."""
        from lab.disk.backup.backup_keys import BackupKey
        from lab.disk.private_files import read_private

        if not self.backup.is_file():
            raise NotFound(f"Expected a backup in {self.backup.name}; there is none.", next_step="check the path")
        content = read_private(self.identity, follow_links=True)
        return BackupKey.parse_file(content, lambda: _read_passphrase(confirm=False))


def backup_path(to: Path, party: str) -> Path:
    """The file to write: ``to``, or a file named by party and time in the folder ``to``.

    A name that is no folder must end with .age: a folder that is not there, such as a disk that is not mounted, would
    become a file of that name.

    Raises ``InvalidInput`` for another name, ``Conflict`` if it exists, ``NotFound`` or ``NotAllowed`` if its folder is
    missing or cannot be written.
    """
    file = to / f"shulab-{party}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.age" if to.is_dir() else to
    if file.exists():
        raise Conflict(f"Expected a new file to write; {file.name} exists.", next_step="name another, or a folder")
    if file.suffix != ".age":
        raise InvalidInput(
            f"Expected a folder that exists, or a new file whose name ends with .age; {file.name} is neither.",
            next_step="make the folder or mount its disk, or add .age to the name",
        )
    if not file.parent.is_dir():
        raise NotFound(f"Expected a folder to write into; {file.parent} is none.", next_step="make it, or name another")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise NotAllowed(f"Expected to write into {file.parent}; it cannot be written.", next_step="check its mode")
    return file


def show_backup(output: CommandOutput, path: Path, backup: VerifiedBackup) -> None:
    """Say what was backed up, what was left out, and that it was read back."""
    manifest = backup.manifest
    output.say(f"备份已写入并回读核验 Backed up, and verified by reading it back: {path}")
    _show_manifest(output, backup)
    for reason, left in manifest.left_out.items():
        label = _LEFT_OUT_LABELS.get(reason, reason)
        output.say(f"未备份 left out: {left.files} 个文件 files, {left.size / 1e6:.1f} MB: {label}")


def show_verified(output: CommandOutput, path: Path, backup: VerifiedBackup) -> None:
    """Say that a backup is whole."""
    output.say(f"备份完好 The backup is whole: {path}")
    _show_manifest(output, backup)


def backup_facts(path: Path, backup: VerifiedBackup) -> dict[str, Any]:
    """A backup as a command's JSON."""
    manifest = backup.manifest
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "party": manifest.party,
        "name": manifest.name,
        "fingerprint": manifest.fingerprint,
        "made": manifest.made.isoformat(timespec="seconds"),
        "program": manifest.program,
        "files": len(manifest.files),
        "content_bytes": manifest.size,
        "manifest_sha256": backup.sha256,
        "left_out": {reason: {"files": one.files, "bytes": one.size} for reason, one in manifest.left_out.items()},
        "facts": dict(manifest.facts),
    }


def write_backup_key(output: CommandOutput, file: Path, *, with_passphrase: bool) -> None:
    """Make a key for backups: the secret half into the new ``file``, the public half onto the screen."""
    from lab.disk.backup.backup_keys import BackupKey
    from lab.disk.private_files import write_private

    if not file.absolute().parent.is_dir():
        raise NotFound(f"Expected a folder to write into; {file.parent} is none.", next_step="make it, or name another")
    key = BackupKey.generate()
    write_private(file, key.write_file(_read_passphrase(confirm=True) if with_passphrase else None))
    output.say(f"私钥已写入，请离线保存 Secret key written; keep it away from this machine: {file}")
    output.say(f"公钥 Public key, for --recipient: {key.recipient}")
    output.print_result({"file": str(file), "recipient": key.recipient})


def _show_manifest(output: CommandOutput, backup: VerifiedBackup) -> None:
    manifest = backup.manifest
    output.say(f"{manifest.name}; 指纹 fingerprint: {manifest.fingerprint}")
    output.say(
        f"{manifest.made:%Y-%m-%d %H:%M:%S} UTC, {len(manifest.files)} 个文件 files, {manifest.size / 1e6:.1f} MB, "
        f"lab {manifest.program}"
    )


def _read_passphrase(*, confirm: bool) -> str:
    missing = InvalidInput(
        "Expected the passphrase of the key file; there is no terminal to ask on.",
        next_step=f"set {PASSPHRASE_VARIABLE}",
    )
    return read_secret(PASSPHRASE_VARIABLE, "密钥文件口令 passphrase of the key file", missing, confirm=confirm)
