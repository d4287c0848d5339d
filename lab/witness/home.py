"""A witness's folder: its name and key, the ledgers that it watches, and the last cosigned checkpoint of each.

Layout: ``witness.toml`` (name, public key, how the key is sealed), ``witness.sealed``, ``seal.key`` (unless a
passphrase seals), ``logs/<hash of the origin>/``: ``log.json`` (whose ledger), ``cosigned`` (the last checkpoint with
the cosignature), ``refused-N`` (evidence), ``unproven-N`` (no evidence by itself), ``lock``. Only the owner may read
the folder and its files.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from lab.disk.private_files import check_private, read_private, replace_private
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.keys.party import Party
from lab.terms.keys.sealing import SealKey
from lab.terms.text.known_names import check_known_names
from lab.terms.witnessing.checkpoint import ledger_origin, log_key
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey, is_key_name
from lab.witness.keys import WitnessKey

ENVIRONMENT_HOME = "SHULAB_WITNESS_HOME"
_SETTINGS, _SEAL, _LOG = "witness.toml", "seal.key", "log.json"
_SETTING_NAMES = ("name", "public_key", "sealed_by")


def default_folder() -> Path:
    """``SHULAB_WITNESS_HOME``, or ``~/.shulab/witness``."""
    named = os.environ.get(ENVIRONMENT_HOME)
    return Path(named) if named else Path.home() / ".shulab" / "witness"


@dataclass(frozen=True, slots=True)
class WitnessHome:
    """An existing witness's folder, from ``create`` or ``open``."""

    folder: Path
    name: str
    public_key: str
    is_passphrase_sealed: bool

    @classmethod
    def create(cls, folder: Path, *, name: str, passphrase: str | None = None) -> WitnessHome:
        """Make a witness with a fresh key, sealed under ``passphrase`` or else under a key file beside it (mode 0600).

        Raises ``Conflict`` if the folder holds a witness, ``InvalidInput`` for a name that a signed note cannot hold.
        """
        if not is_key_name(name) or len(name) > 100:
            raise InvalidInput(
                "Expected a witness's name of at most 100 printable ASCII characters without space and plus.",
                next_step="take one like audit.example/witness",
            )
        folder = folder.expanduser().absolute()
        if (folder / _SETTINGS).exists():
            raise Conflict("This folder holds a witness already.", next_step="use it, or choose another --home")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(folder)
        (folder / "logs").mkdir(mode=0o700, exist_ok=True)
        if passphrase is None and not (folder / _SEAL).exists():
            replace_private(folder / _SEAL, os.urandom(32))
        key = WitnessKey.create(folder, name, _seal_key(folder, passphrase))
        home = cls(folder, name, key.note_key.public_key, passphrase is not None)
        # A JSON string of printable ASCII is a TOML basic string. The settings are written last: a folder with settings
        # is complete.
        lines = [f"name = {json.dumps(name)}", f"public_key = {json.dumps(home.public_key)}"]
        lines.append(f"sealed_by = {json.dumps('passphrase' if home.is_passphrase_sealed else 'file')}")
        replace_private(folder / _SETTINGS, ("\n".join(lines) + "\n").encode())
        return home

    @classmethod
    def open(cls, folder: Path) -> WitnessHome:
        """The witness in ``folder``; raises ``NotFound``, ``NotAllowed`` if others may read it, or ``InvalidInput``."""
        folder = folder.expanduser().absolute()
        if not (folder / _SETTINGS).is_file():
            raise NotFound("This folder holds no witness.", next_step="run `lab witness init`, or give --home")
        check_private(folder)
        try:
            found = tomllib.loads(read_private(folder / _SETTINGS).decode())
            check_known_names(found, _SETTING_NAMES, where=_SETTINGS, next_step=f"correct {folder / _SETTINGS}")
            sealed_by = str(found["sealed_by"])
            party = Party(name=found["name"], public_key=found["public_key"])
            if sealed_by not in ("file", "passphrase"):
                raise ValueError
        except (KeyError, ValueError, TypeError):
            raise InvalidInput(
                f"Expected settings with name, public_key and sealed_by in {_SETTINGS}; found otherwise.",
                next_step="restore the file from a backup",
            ) from None
        return cls(folder, party.name, party.public_key, sealed_by == "passphrase")

    def open_key(self, passphrase: str | None = None) -> WitnessKey:
        """The opened key; ``passphrase`` if one seals it. Raises ``NotAuthentic`` for a wrong seal key,
        ``InvalidInput`` if the settings name another key."""
        key = WitnessKey.open(
            self.folder, self.name, _seal_key(self.folder, passphrase if self.is_passphrase_sealed else None)
        )
        if key.note_key.public_key != self.public_key:
            raise InvalidInput(
                f"The sealed key is not the one named in {_SETTINGS}.", next_step="restore either from a backup"
            )
        return key

    @property
    def note_key(self) -> NoteKey:
        """Name and public key, as contracts and bureaus name the witness."""
        return NoteKey(self.name, self.public_key, SIGNATURE_COSIGNATURE)

    def watch_bureau(self, bureau: Party) -> str:
        """Watch this bureau's ledger from now on; returns its origin. Raises ``Conflict`` for a known name with another
        key."""
        if any(log.name == bureau.name and log.public_key != bureau.public_key for log in self.watched_bureaus()):
            raise Conflict(
                "A bureau of this name has another key here.",
                next_step="ask the bureau by another channel; a new key is a new ledger, and needs a name of its own",
            )
        folder = self.log_folder(ledger_origin(bureau.public_key))
        folder.mkdir(mode=0o700, exist_ok=True)
        replace_private(folder / _LOG, json.dumps(bureau.model_dump(), ensure_ascii=False).encode())
        return ledger_origin(bureau.public_key)

    def watched_bureaus(self) -> tuple[Party, ...]:
        """The bureaus whose ledgers are watched."""
        return tuple(self._log(path) for path in sorted((self.folder / "logs").glob(f"*/{_LOG}")))

    def find_log_key(self, origin: str) -> NoteKey | None:
        """The key that signs checkpoints of this origin, or None for a ledger that is not watched."""
        path = self.log_folder(origin) / _LOG
        if not path.is_file():
            return None
        key = log_key(self._log(path).public_key)
        return key if key.name == origin else None

    def log_folder(self, origin: str) -> Path:
        """The folder of a ledger's state."""
        return self.folder / "logs" / hash_origin(origin)

    def _log(self, path: Path) -> Party:
        try:
            return Party.model_validate_json(read_private(path))
        except ValueError:
            raise InvalidInput(
                f"Expected a bureau's name and key in {path.parent.name}/{path.name}; found otherwise.",
                next_step="restore the file from a backup",
            ) from None


def hash_origin(origin: str) -> str:
    """SHA-256 of an origin, hexadecimal: how the protocol names a log in an address."""
    return hashlib.sha256(origin.encode()).hexdigest()


def _seal_key(folder: Path, passphrase: str | None) -> SealKey:
    if passphrase is not None:
        return SealKey.from_passphrase(passphrase)
    return SealKey.from_file_bytes(read_private(folder / _SEAL))
