"""The bank's folder: who the bank is, which bureaus it trusts, its contracts, its runs.

Layout: ``bank.toml`` (name, public key, former public keys, how keys are sealed), ``keys/``,
``bureaus/<fingerprint>.json`` (pins), ``contracts/<id>.v<version>.json``, ``runs/<run id>/`` (scoring),
``matches/<run id>/`` (matching and counting), ``evaluations/`` (of identifiers), ``setups/<contract>/`` (of registers),
``matching-keys/`` (of bureaus, as first seen), ``superseded/`` (register versions in which a record was put right
since), ``leaving/`` (what is being removed). Only the owner can read it.
"""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.bank.keys import BankKeys
from lab.disk.checked_files import DamagedFile, file_identity, read_sealed_json, seal_json
from lab.disk.private_files import check_private, read_private, replace_private, sync_folder, write_private
from lab.terms.contract.document import SignedContract, parse_contract
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic, NotFound
from lab.terms.keys.fingerprint import key_fingerprint, legacy_fingerprint
from lab.terms.keys.party import Party
from lab.terms.keys.sealing import SealKey
from lab.terms.text.known_names import check_known_names
from lab.terms.text.visible_line import check_visible_line

_SETTINGS = "bank.toml"
_SETTING_NAMES = ("name", "public_key", "created", "key_file", "former", "format")
_KEY_FILE_BYTES = 32
PINS = "bureaus"
"""The identity of a pin: its folder alone, because its name follows from its bureau's key (``_rename_pins``)."""
FOLDER_FORMAT = 1
"""The format of a bank's folder: kept files carry digests. ``lab bank upgrade`` brings one of format 0, which names
none, to it (``lab.bank.backup.folder_upgrade``)."""


def default_home() -> Path:
    """``SHULAB_BANK_HOME``, else ``~/.shulab/bank``."""
    return Path(os.environ.get("SHULAB_BANK_HOME") or Path.home() / ".shulab" / "bank")


@dataclass(frozen=True)
class PinnedBureau:
    """A bureau that this bank trusts: its name, its key, its last address, and the file of its own certificate
    authority if it needs one."""

    bureau: Party
    url: str
    pinned_at: str
    ca_file: Path | None = None


@dataclass(frozen=True)
class BankHome:
    """An existing folder of a bank. Use ``create`` or ``open``."""

    folder: Path
    name: str
    public_key: str
    key_file: Path | None
    former_public_keys: tuple[str, ...] = ()
    """Public keys that this bank signed with before; contracts that name them are still its own."""
    format: int = FOLDER_FORMAT
    """The format of the folder (``FOLDER_FORMAT``)."""

    @classmethod
    def create(
        cls, folder: Path, *, name: str, passphrase: str | None = None, key_file: Path | None = None
    ) -> tuple[BankHome, BankKeys]:
        """Create a folder with new keys, sealed under ``passphrase`` or ``key_file`` (created if absent, mode 0600).

        Raises ``Conflict`` if there is a bank already, ``InvalidInput`` unless exactly one of the two is given.
        """
        name = check_visible_line(name.strip(), "a bank's name")
        folder = folder.expanduser().absolute()
        if (folder / _SETTINGS).exists():
            raise Conflict("A bank's folder exists here already.", next_step="use it, or choose another --home")
        if key_file is not None:
            key_file = key_file.expanduser().absolute()
        if key_file is not None and not key_file.exists():
            key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(key_file, secrets.token_bytes(_KEY_FILE_BYTES))
        seal_key = _seal_key(passphrase, key_file)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(folder)
        keys = BankKeys.create(folder / "keys", seal_key)
        for part in ("bureaus", "contracts", "runs"):
            (folder / part).mkdir(mode=0o700, exist_ok=True)
        home = cls(folder, name.strip(), keys.public_key_hex, key_file)
        write_private(folder / _SETTINGS, home._settings().encode())
        return home, keys

    @classmethod
    def open(cls, folder: Path, *, earlier: bool = False) -> BankHome:
        """Open a folder; raises ``NotFound`` without one, ``NotAllowed`` when others may read it, ``Conflict`` for one
        of another format. ``earlier``: one of an earlier format is opened, to be backed up, restored or upgraded."""
        folder = folder.expanduser().absolute()
        path = folder / _SETTINGS
        if not path.is_file():
            raise NotFound(
                "Expected a bank's folder; there is none here.", next_step="run `lab bank init`, or give --home"
            )
        check_private(folder)
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
            check_known_names(settings, _SETTING_NAMES, where=_SETTINGS, next_step=f"correct {path}")
            key_file = settings.get("key_file")
            party = Party(name=settings["name"], public_key=settings["public_key"])
            found_format = settings.get("format", 0)
            if type(found_format) is not int or found_format < 0:
                raise ValueError
            former = tuple(Party(name=party.name, public_key=key).public_key for key in settings.get("former", ()))
        except (KeyError, ValueError, TypeError):
            raise InvalidInput(
                f"Expected settings with name and public_key in {_SETTINGS}; found something else.",
                next_step="restore the file from a backup",
            ) from None
        if found_format > FOLDER_FORMAT:
            raise Conflict(
                f"The bank's folder is of a later version of this program: it has format {found_format}, this one "
                f"knows {FOLDER_FORMAT}.",
                next_step="run that version or a later one, or restore the backup from before it (`lab bank restore`)",
            )
        home = cls(folder, party.name, party.public_key, Path(key_file) if key_file else None, former, found_format)
        if found_format == FOLDER_FORMAT:
            home._rename_pins()
        elif not earlier:
            raise Conflict(
                f"The bank's folder is of an earlier version of this program: it has format {found_format}, this one "
                f"needs {FOLDER_FORMAT}.",
                next_step="run `lab bank upgrade --backup FILE --recipient age1...`, which backs it up first",
            )
        return home

    def open_keys(self, passphrase: str | None = None) -> BankKeys:
        """The opened keys; ``passphrase`` unless they are sealed under a key file.

        Finishes a rotation that was interrupted after the settings named the new key. Raises what ``BankKeys.open``
        raises, and ``NotAuthentic`` if settings and keys do not fit.
        """
        keys = BankKeys.open(self.folder / "keys", _seal_key(None if self.key_file else passphrase, self.key_file))
        named = BankHome.open(
            self.folder, earlier=True
        ).public_key  # a rotation may have ended since this folder was read
        if keys.public_key_hex != named and not keys.promote_next_key(named):
            raise NotAuthentic(
                f"The key in the key folder is not the one named in {_SETTINGS}.",
                next_step="restore either from a backup",
            )
        return keys

    def complete_rotation(self, keys: BankKeys) -> BankHome:
        """Replace the current key by the next one; returns the bank's folder as it is then.

        The settings are replaced first, in one step. Then the new key is the bank's; ``open_keys`` moves its file
        if this process does not.
        """
        next_key = keys.next_key()
        if next_key is None:
            raise NotFound("Expected a next key; there is none.", next_step="run `lab bank rotate-key`")
        settings = tomllib.loads((self.folder / _SETTINGS).read_text(encoding="utf-8"))
        former = [*self.former_public_keys, self.public_key]
        settings |= {"public_key": next_key.public_key_hex, "former": list(dict.fromkeys(former))}
        replace_private(self.folder / _SETTINGS, _toml(settings).encode())
        keys.promote_next_key(next_key.public_key_hex)
        return BankHome.open(self.folder)

    def set_format(self, number: int) -> None:
        """Record that the folder has this format now."""
        settings = tomllib.loads((self.folder / _SETTINGS).read_text(encoding="utf-8"))
        replace_private(self.folder / _SETTINGS, _toml(settings | {"format": number}).encode())

    @property
    def own_public_keys(self) -> frozenset[str]:
        """The current public key and all former ones."""
        return frozenset({self.public_key, *self.former_public_keys})

    @property
    def card(self) -> Party:
        """What a bureau must know of this bank: its name and public key."""
        return Party(name=self.name, public_key=self.public_key)

    @property
    def runs(self) -> Path:
        """The folder of scoring runs."""
        return self.folder / "runs"

    @property
    def matches(self) -> Path:
        """The folder of runs that match or count without scoring."""
        return self.folder / "matches"

    @property
    def evaluations(self) -> Path:
        """The folder of evaluated identifiers."""
        return self.folder / "evaluations"

    @property
    def setups(self) -> Path:
        """The folder of registers' set-ups, by contract."""
        return self.folder / "setups"

    @property
    def matching_keys(self) -> Path:
        """The folder of the bureaus' matching keys as first seen, and of keys that contradict them."""
        return self.folder / "matching-keys"

    @property
    def trash(self) -> Path:
        """The folder of what is being removed."""
        return self.folder / "leaving"

    def pins(self) -> tuple[PinnedBureau, ...]:
        """All pinned bureaus."""
        return tuple(self._read_pin(path) for path in sorted((self.folder / "bureaus").glob("*.json")))

    def find_pin(self, bureau: Party) -> PinnedBureau | None:
        """The pin of this bureau's key, or None.

        Raises ``NotAuthentic`` if another key is pinned under this name, even if this key is pinned under another name:
        no bureau may take another's name.
        """
        pins = self.pins()
        if any(pin.bureau.name == bureau.name and pin.bureau.public_key != bureau.public_key for pin in pins):
            raise NotAuthentic(
                f"This bureau's key (fingerprint {bureau.fingerprint}) is not the one pinned under its name.",
                next_step="ask the bureau by another channel; if it changed its key, delete the old pin in bureaus/",
            )
        return next((pin for pin in pins if pin.bureau.public_key == bureau.public_key), None)

    def pin(self, bureau: Party, url: str, *, ca_file: Path | None = None) -> None:
        """Trust this bureau's key from now on; ``ca_file`` None keeps the one that was remembered."""
        remembered = (pin.ca_file for pin in self.pins() if pin.bureau.public_key == bureau.public_key)
        ca_file = ca_file or next(remembered, None)
        facts = {"name": bureau.name, "public_key": bureau.public_key, "url": url, "pinned": _now()}
        facts |= {"ca_file": str(ca_file.absolute())} if ca_file is not None else {}
        path = self.folder / "bureaus" / f"{bureau.fingerprint}.json"
        replace_private(path, json.dumps(seal_json(facts, PINS), ensure_ascii=False, indent=1).encode())

    def _rename_pins(self) -> None:
        """Rename files that have a bureau's former fingerprint (64 bits) in their names.

        Raises ``Conflict`` where both names exist, because one of two tree heads would be lost. The pin is renamed
        last, so that an interrupted renaming is repeated.
        """
        for path in sorted((self.folder / "bureaus").glob("*.json")):
            key = self._read_pin(path).bureau.public_key
            present, former = key_fingerprint(key), legacy_fingerprint(key)
            if path.stem == present:
                continue
            if path.stem != former:
                raise InvalidInput(
                    f"Expected {path.name} to have its bureau's fingerprint as its name; it has another name.",
                    next_step="restore bureaus/ from a backup, or delete the file and pin the bureau again",
                )
            for ending in (".head", ".contradiction", ".json"):
                old, new = path.with_name(former + ending), path.with_name(present + ending)
                if old.exists() and new.exists():
                    raise Conflict(
                        f"This bureau has two files: {old.name}, by its former fingerprint, and {new.name}.",
                        next_step="keep the later one under the new name, and remove the other",
                    )
                if old.exists():
                    old.rename(new)
            sync_folder(path.parent)

    def _read_pin(self, path: Path) -> PinnedBureau:
        try:
            facts = read_sealed_json(path, identity=PINS)
            party, ca_file = Party(name=facts["name"], public_key=facts["public_key"]), facts.get("ca_file")
            return PinnedBureau(party, facts["url"], facts["pinned"], Path(ca_file) if ca_file else None)
        except (DamagedFile, KeyError, TypeError, ValueError):
            raise InvalidInput(
                f"Expected a pinned bureau in {path.name}; found something else.",
                next_step="delete it and pin the bureau again",
            ) from None

    def contract(self, contract: str, version: int | None = None) -> SignedContract:
        """A stored version of a contract, or the newest; raises ``NotFound``, ``DamagedFile``."""
        stored = self.versions(contract)
        wanted = version if version is not None else max(stored, default=0)
        if wanted not in stored:
            which = f"version {version} of this id" if stored else "this id"
            raise NotFound(
                f"Expected a contract that this bank signed; there is none with {which}.",
                next_step="run `lab bank sign ID --bureau URL`",
            )
        path = self._contract_file(contract, wanted)
        hint = "restore the folder contracts/ from a backup, or run `lab bank sign ID --bureau URL` again"
        facts = read_sealed_json(path, identity=file_identity(path, 2), next_step=hint)
        return parse_contract(json.dumps(facts), kept=True)

    def versions(self, contract: str) -> tuple[int, ...]:
        """The versions of a contract that this bank has signed, ascending."""
        found = (self.folder / "contracts").glob(f"{Path(contract).name}.v*.json")
        return tuple(sorted(int(path.name.split(".")[1][1:]) for path in found))

    def store_contract(self, signed: SignedContract) -> None:
        """Store the contract in a file named by its id and version."""
        path = self._contract_file(signed.contract.id, signed.contract.version)
        sealed = seal_json(json.loads(signed.model_dump_json(by_alias=True)), file_identity(path, 2))
        replace_private(path, json.dumps(sealed, ensure_ascii=False, indent=1).encode())

    def _contract_file(self, contract: str, version: int) -> Path:
        return self.folder / "contracts" / f"{Path(contract).name}.v{version}.json"

    def _settings(self) -> str:
        lines: dict[str, Any] = {"name": self.name, "public_key": self.public_key, "created": _now()}
        lines["format"] = FOLDER_FORMAT
        if self.key_file is not None:
            lines["key_file"] = str(self.key_file)
        return _toml(lines)


def _seal_key(passphrase: str | None, key_file: Path | None) -> SealKey:
    if (passphrase is None) == (key_file is None):
        raise InvalidInput(
            "Expected either a passphrase or a key file for the keys; found both or neither.",
            next_step="set SHULAB_PASSPHRASE, answer the prompt, or give --key-file",
        )
    if key_file is not None:
        return SealKey.from_file_bytes(read_private(key_file))
    return SealKey.from_passphrase(passphrase or "")


def _toml(settings: dict[str, Any]) -> str:
    # A JSON string of printable characters is a TOML basic string, and a JSON list of them is a TOML array.
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in settings.items())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
