"""The key that seals the bureau's secrets, as the setting ``seal`` names it.

===============  =====================================================================================================
``file``         random bytes in ``key_file`` (the default)
``environment``  base64 of at least 32 random bytes in ``SHULAB_BUREAU_SEAL_KEY``, as a secret store provides it
``pkcs11:...``   a key that stays in a token: ``pkcs11:module=FILE;token=LABEL;object=LABEL[;pin-file=FILE]``
===============  =====================================================================================================
"""

from __future__ import annotations

import os
from pathlib import Path

from lab.bureau.configuration.home import BureauHome
from lab.bureau.key_management.pkcs11_token import SCHEME, HsmKeyLocation, open_hsm_key
from lab.disk.private_files import read_private, replace_private
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.keys.sealing import SealKey

FILE_SEAL, ENVIRONMENT_SEAL = "file", "environment"
SEAL_KEY_VARIABLE = "SHULAB_BUREAU_SEAL_KEY"
_FILE_BYTES = 32


def check_seal_setting(seal: str) -> None:
    """Raise ``InvalidInput`` unless ``seal`` names a source of the key."""
    if seal.startswith(SCHEME):
        HsmKeyLocation.parse(seal)
    elif seal not in (FILE_SEAL, ENVIRONMENT_SEAL):
        raise InvalidInput(
            f"Expected `{FILE_SEAL}`, `{ENVIRONMENT_SEAL}` or `{SCHEME}...` to seal the bureau's secrets; "
            "found another word.",
            next_step="correct --seal, or `seal` in the settings",
        )


def check_seal_source(seal: str) -> None:
    """Raise what ``find_seal_key`` raises unless the environment or token has a key; a token makes one."""
    check_seal_setting(seal)
    if seal != FILE_SEAL:
        find_seal_key(seal, Path(), make=True)


def open_seal_key(home: BureauHome) -> SealKey:
    """The seal key of this bureau; raises ``NotFound``, ``InvalidInput``, ``NotAuthentic`` or what a token raises."""
    return find_seal_key(home.settings.seal, home.key_file)


def find_seal_key(seal: str, key_file: Path, *, make: bool = False) -> SealKey:
    """The seal key that ``seal`` names; ``make``: make one if the file or token has none. Raises as
    ``open_seal_key``."""
    check_seal_setting(seal)
    if seal.startswith(SCHEME):
        return open_hsm_key(HsmKeyLocation.parse(seal), make=make)
    if seal == ENVIRONMENT_SEAL:
        value = os.environ.get(SEAL_KEY_VARIABLE)
        if value is None:
            raise NotFound(
                "The bureau's secrets are sealed under a key in the environment; there is none.",
                next_step=f"set {SEAL_KEY_VARIABLE}, for example from your secret store",
            )
        return SealKey.from_environment(value)
    if make and not key_file.exists():
        key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_private(key_file, os.urandom(_FILE_BYTES))
    if not key_file.is_file():
        raise NotFound(f"The bureau's key file {key_file} is missing.", next_step="restore it, or set key_file")
    return SealKey.from_file_bytes(read_private(key_file, follow_links=True))
