"""Checks of the bank's and the bureau's home from outside: the settings can be read, and other users can read nothing.

No secret is opened and no key file is read; only the owner and the mode of each file are checked. The parties' own
modules are not used: the doctor belongs to neither party and runs where one of them is absent.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab.cli.doctor.findings import NO_TEXT, DoctorFinding, DoctorVerdict
from lab.disk.private_files import PrivacyFault, find_privacy_fault
from lab.process.optional_extras import extra_command
from lab.terms.text.bilingual import BilingualText

_SQLITE = b"SQLite format 3\x00"
_Fault = tuple[DoctorVerdict, BilingualText, BilingualText]
"""The verdict, what was found, what to do."""


@dataclass(frozen=True, slots=True)
class HomeLayout:
    """A party's home: its default folder, and what its settings must contain."""

    check: str
    label: BilingualText
    settings_file: str
    required_settings: tuple[str, ...]
    environment_variable: str
    default_path: str
    init_command: str

    def resolve_folder(self, named: Path | None) -> Path:
        """The folder given, or else that of the environment, or else the default."""
        return (
            (named or Path(os.environ.get(self.environment_variable) or Path.home() / self.default_path))
            .expanduser()
            .absolute()
        )


BANK_HOME = HomeLayout(
    *("bank", ("银行目录", "the bank's home"), "bank.toml", ("name", "public_key")),
    *("SHULAB_BANK_HOME", ".shulab/bank", "lab bank init --name NAME"),
)
BUREAU_HOME = HomeLayout(
    *("bureau", ("数据局目录", "the bureau's home"), "bureau.toml", ("name",)),
    *("SHULAB_BUREAU_HOME", ".shulab/bureau", "lab bureau init --name NAME"),
)


def check_home(party: HomeLayout, folder: Path) -> DoctorFinding:
    """The line of a home: everything that is wrong with it, or that there is none."""
    name = f"home_{party.check}"
    try:
        exists = (folder / party.settings_file).exists()
    except OSError:
        exists = True  # in a folder that this user may not enter
    if not exists:
        return DoctorFinding(
            name,
            party.label,
            DoctorVerdict.NOTE,
            (f"{folder} 中没有", f"none in {folder}"),
            (f"需要时：{party.init_command}", f"if it is needed: {party.init_command}"),
        )
    try:
        faults = list(_find_faults(party, folder))
    except OSError:
        step = ("用其所有者运行", "run it as the user who owns the home")
        faults = [(DoctorVerdict.WRONG, ("本用户打不开", "this user cannot open it"), step)]
    if not faults:
        found = (f"{folder}：设置与权限正常", f"{folder}: settings and permissions are in order")
        return DoctorFinding(name, party.label, DoctorVerdict.OK, found)
    return _join_faults(DoctorFinding(name, party.label, DoctorVerdict.NOTE, NO_TEXT), folder, faults)


def _join_faults(line: DoctorFinding, folder: Path, faults: Sequence[_Fault]) -> DoctorFinding:
    """One line of several faults: the worst verdict, all that was found, each next step once."""
    worst = DoctorVerdict.WRONG if any(fault[0] is DoctorVerdict.WRONG for fault in faults) else DoctorVerdict.NOTE
    zh, en = ([fault[1][language] for fault in faults] for language in (0, 1))
    step_zh, step_en = (list(dict.fromkeys(fault[2][language] for fault in faults)) for language in (0, 1))
    found = (f"{folder}：{'；'.join(zh)}", f"{folder}: {'; '.join(en)}")
    return replace(line, verdict=worst, found=found, next_step=("；".join(step_zh), "; ".join(step_en)))


def _find_faults(party: HomeLayout, folder: Path) -> Iterator[_Fault]:
    yield from _describe_privacy_fault(folder, folder, is_folder=True)
    settings = _read(folder / party.settings_file)
    if settings is None or not all(isinstance(settings.get(name), str) for name in party.required_settings):
        yield (
            DoctorVerdict.WRONG,
            (
                f"{party.settings_file} 缺少必填设置",
                f"{party.settings_file} does not give {', '.join(party.required_settings)}",
            ),
            ("从备份恢复该文件", f"restore {party.settings_file} from a backup"),
        )
        return
    keys = folder / "keys"
    if not keys.is_dir():
        yield (
            DoctorVerdict.WRONG,
            ("没有 keys/", "there is no keys/"),
            ("从备份恢复 keys/", "restore keys/ from a backup"),
        )
        return
    yield from _describe_privacy_fault(keys, folder, is_folder=True)
    for path in sorted(keys.rglob("*")):
        yield from _describe_privacy_fault(path, folder, is_folder=path.is_dir() and not path.is_symlink())
    if party is BANK_HOME:
        named = settings.get("key_file")
        yield from _check_key_file(Path(named), folder) if isinstance(named, str) else ()
    else:
        yield from _check_seal(settings, folder)
        yield from _check_database(settings, folder)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except ValueError:  # neither TOML nor text
        return None


def _describe_privacy_fault(path: Path, folder: Path, *, is_folder: bool) -> Iterator[_Fault]:
    """What is wrong with a folder (mode 0700) or file (mode 0600) that must be private, if anything."""
    name = str(path.relative_to(folder)) if path != folder and path.is_relative_to(folder) else str(path)
    found = path.lstat()
    match find_privacy_fault(found, folder=is_folder):
        case PrivacyFault.KIND:
            step = ("放回原件", "put the file or folder itself there; links are not accepted")
            yield DoctorVerdict.WRONG, (f"{name} 是链接或其他类型", f"{name} is a link or of another kind"), step
        case PrivacyFault.OWNER:
            step = (f"更正所有者：{path}", f"chown it, or run as its owner: {path}")
            yield DoctorVerdict.WRONG, (f"{name} 属于其他用户", f"{name} belongs to another user"), step
        case PrivacyFault.MODE:
            mode = stat.S_IMODE(found.st_mode)
            command = f"chmod {0o700 if is_folder else 0o600:o} {path}"
            words = (f"{name} 可被他人读取（{mode:04o}）", f"other users can read {name} (mode {mode:04o})")
            yield DoctorVerdict.WRONG, words, (command, f"{command}, and find out who could read it until now")


def _check_key_file(path: Path, folder: Path) -> Iterator[_Fault]:
    if not path.is_file():
        step = ("找回密钥文件", "bring the key file back, or correct key_file in the settings")
        yield DoctorVerdict.WRONG, (f"密钥文件 {path} 不存在", f"the key file {path} is missing"), step
        return
    yield from _describe_privacy_fault(path, folder, is_folder=False)


def _check_seal(settings: Mapping[str, Any], folder: Path) -> Iterator[_Fault]:
    """The key that seals the bureau's secrets must be present; it is not tried."""
    seal = _setting(settings, "seal") or "file"
    if seal == "file":
        yield from _check_key_file(Path(_setting(settings, "key_file") or folder / "keys" / "seal.key"), folder)
    elif seal == "environment" and "SHULAB_BUREAU_SEAL_KEY" not in os.environ:
        yield (
            DoctorVerdict.NOTE,
            ("此处环境中没有封存密钥", "the seal key is not in this environment"),
            ("启动服务时设置 SHULAB_BUREAU_SEAL_KEY", "set SHULAB_BUREAU_SEAL_KEY where the service is started"),
        )
    elif seal.startswith("pkcs11:") and find_spec("pkcs11") is None:
        yield (
            DoctorVerdict.WRONG,
            (
                "密钥由加密机封存，但未安装 PKCS#11 组件",
                "the keys are sealed by a hardware token, whose library is not installed",
            ),
            (extra_command("hsm"), extra_command("hsm")),
        )


def _check_database(settings: Mapping[str, Any], folder: Path) -> Iterator[_Fault]:
    """The database in the folder. A database elsewhere has a password and is not checked."""
    if _setting(settings, "database_url"):
        step = ("用 lab bureau serve 检查其是否应答", "start `lab bureau serve` to see whether it answers")
        yield DoctorVerdict.NOTE, ("数据库在别处，未检查", "its database is elsewhere and was not checked"), step
        return
    path = folder / "bureau.db"
    if not path.is_file():
        step = ("从备份恢复", "restore it from a backup")
        yield DoctorVerdict.WRONG, ("没有 bureau.db", "there is no bureau.db"), step
        return
    with path.open("rb") as file:
        begins = file.read(len(_SQLITE))
    if begins != _SQLITE or not os.access(path, os.R_OK | os.W_OK):
        step = ("检查该文件或从备份恢复", "check the file, or restore it from a backup")
        yield DoctorVerdict.WRONG, ("bureau.db 打不开", "bureau.db is not a database that can be written"), step


def _setting(settings: Mapping[str, Any], name: str) -> str:
    """A setting's value; the environment takes precedence, as it does for the bureau."""
    found = os.environ.get(f"SHULAB_BUREAU_{name.upper()}") or settings.get(name)
    return found if isinstance(found, str) else ""
