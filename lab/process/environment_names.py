"""The names of our variables in the environment; an unknown one is refused, because it would be passed over in silence.

The settings of the bureau and of its service have names of their own behind ``SHULAB_BUREAU_`` and ``SHULAB_SERVICE_``;
whoever reads these settings checks them (``check_setting_variables``). All other names are listed here.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from lab.terms.errors import InvalidInput

PREFIX = "SHULAB_"
SETTING_PREFIXES = ("SHULAB_BUREAU_", "SHULAB_SERVICE_")
COMMAND_VARIABLES = (
    "SHULAB_BACKUP_PASSPHRASE",
    "SHULAB_BANK_HOME",
    "SHULAB_CA_FILE",
    "SHULAB_LANG",
    "SHULAB_NEW_PASSWORD",
    "SHULAB_NO_PROXY",
    "SHULAB_PASSPHRASE",
    "SHULAB_PASSWORD",
    "SHULAB_PROXY",
    "SHULAB_SESSION",
    "SHULAB_SOURCE_PASSWORD",
    "SHULAB_WITNESS_HOME",
    "SHULAB_WITNESS_PASSPHRASE",
    "SHULAB_X25519",
)
"""What the commands of all parties read."""
BUREAU_VARIABLES = ("SHULAB_BUREAU_HOME", "SHULAB_BUREAU_PIN", "SHULAB_BUREAU_SEAL_KEY")
"""What the bureau reads beside its settings: these are not allowed in its file."""
TEST_VARIABLES = ("SHULAB_FUZZ_SECONDS", "SHULAB_NOTEBOOK_OUT", "SHULAB_NOTEBOOK_ROWS", "SHULAB_SOAK_JOBS")
"""What the tests and the notebooks read; commands that they start see these too."""
_NEXT = "correct the name, or unset the variable (docs/formats/settings.md lists all)"


def check_command_variables() -> None:
    """Raise ``InvalidInput`` for a variable ``SHULAB_…`` that no command knows, with the nearest known name.

    Settings of the bureau and its service are left to ``check_setting_variables``.
    """
    known = (*COMMAND_VARIABLES, *TEST_VARIABLES)
    unknown = [name for name in _ours() if name not in known and not name.upper().startswith(SETTING_PREFIXES)]
    if unknown:
        _refuse(unknown, (*known, *BUREAU_VARIABLES))


def check_setting_variables(prefix: str, settings: Iterable[str]) -> None:
    """Raise ``InvalidInput`` for a variable that begins with ``prefix`` and names none of ``settings``.

    Upper and lower case count as the same, as they do where the settings are read; so no name may come in two
    spellings, of which one would be passed over.
    """
    known = [prefix + name.upper() for name in settings]
    known += [name for name in BUREAU_VARIABLES if name.startswith(prefix)]
    ours = [name for name in _ours() if name.upper().startswith(prefix)]
    # A letter that only becomes ASCII in capitals is another letter where the settings are read.
    unknown = [name for name in ours if name.upper() not in known or not name.isascii()]
    if unknown:
        _refuse(unknown, known)
    spellings = Counter(name.upper() for name in ours)
    twice = ", ".join(sorted(name for name, count in spellings.items() if count > 1))
    if twice:
        raise InvalidInput(
            f"Expected each variable once in the environment; found two spellings of {twice}.",
            next_step="unset one of them: upper and lower case count as the same",
        )


def _ours() -> list[str]:
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX))


def _refuse(unknown: Iterable[str], known: Iterable[str]) -> None:
    from lab.terms.text.known_names import describe_unknown_name  # every command checks; few have to say something

    names = tuple(known)
    words = ", ".join(describe_unknown_name(name, _nearest(name, names)) for name in unknown)
    raise InvalidInput(f"Expected only known variables {PREFIX}… in the environment; found {words}.", next_step=_NEXT)


def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    """The known name that was perhaps meant. All names begin alike, so only what follows is compared; a misspelt word
    for the party is corrected first."""
    from lab.terms.text.nearest_name import nearest_name

    party, _, rest = name.upper().removeprefix(PREFIX).partition("_")
    parties = {part.removeprefix(PREFIX).rstrip("_") for part in SETTING_PREFIXES}
    meant = nearest_name(party, parties)
    if rest and meant and party != meant:
        return f"{PREFIX}{meant}_{rest}"
    beginning = next((prefix for prefix in SETTING_PREFIXES if name.upper().startswith(prefix)), PREFIX)
    found = nearest_name(name[len(beginning) :], [one[len(beginning) :] for one in known if one.startswith(beginning)])
    return beginning + found if found else None
