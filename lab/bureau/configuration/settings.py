"""Settings in a TOML file of the bureau's folder, which the environment overrides."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

from lab.process.environment_names import check_setting_variables
from lab.terms.errors import InvalidInput
from lab.terms.text.escaping import escape_hidden
from lab.terms.text.known_names import describe_unknown_names
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey


class WitnessSetting(BaseModel):
    """A witness to ask: its verifier key (``name+id+base64``, as `lab witness show` prints it) and its address.

    Plain http is safe here: checkpoints are public, and cosignatures are verified.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    url: Annotated[str, Field(pattern=r"^https?://[^?#@\s]+$", max_length=500)]
    ca_file: Path | None = None
    """PEM certificates to check the witness's certificate with, instead of the system's."""

    @field_validator("key")
    @classmethod
    def _check_key(cls, value: str) -> str:
        try:
            return str(NoteKey.parse(value, kind=SIGNATURE_COSIGNATURE))
        except InvalidInput as error:
            raise ValueError(error.detail) from None

    @property
    def verifier_key(self) -> NoteKey:
        """The key."""
        return NoteKey.parse(self.key, kind=SIGNATURE_COSIGNATURE)


class FileSettings(BaseSettings):
    """Base of all settings: environment, then file, then defaults; no ``.env`` and no secrets folder. Unknown names are
    refused in both."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings in ``path`` (absent: defaults); raises ``InvalidInput``, naming what is wrong."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except ValueError:  # TOMLDecodeError is one
            raise InvalidInput(f"Expected {path.name} to be TOML; it is not.", next_step=f"correct {path}") from None
        except OSError as error:
            raise InvalidInput(
                f"Expected to read {path.name}; found: {error.strerror}.", next_step=f"check the owner of {path}"
            ) from None
        # The library would take a name in any case, and of two spellings the first: the other is passed over.
        misspelt = [name for name in values if name not in cls.model_fields]
        if misspelt:
            raise _unknown_settings(path, describe_unknown_names(misspelt, cls.model_fields))
        return cls.from_values(values, path)

    @classmethod
    def from_values(cls, values: dict[str, Any], path: Path) -> Self:
        """Settings from ``values``, those of ``path``; raises ``InvalidInput``, naming no value."""
        prefix = str(cls.model_config.get("env_prefix", ""))
        check_setting_variables(prefix, cls.model_fields)
        next_step = f"correct {path}, or {prefix}<NAME> in the environment"
        try:
            return cls(**values)
        except SettingsError:  # a list or table in the environment that is not JSON
            raise InvalidInput(
                f"Expected JSON in {prefix}<NAME> for a setting that is a list or a table; found something else.",
                next_step="correct the variable, or give the setting in the file",
            ) from None
        except ValidationError as error:
            faults = error.errors()
        unknown = [fault for fault in faults if fault["type"] == "extra_forbidden"]
        if unknown:
            raise _unknown_settings(path, ", ".join(cls._describe_unknown(fault) for fault in unknown))
        names = ", ".join(sorted({_dotted(fault) for fault in faults}))
        raise InvalidInput(f"Expected settings that fit; these of {path.name} do not: {names}.", next_step=next_step)

    @classmethod
    def _describe_unknown(cls, fault: ErrorDetails) -> str:
        """An unknown setting, with the nearest known one: of the settings, or of the table that holds it."""
        *table, name = fault["loc"]
        known = WitnessSetting.model_fields if table else cls.model_fields
        words = describe_unknown_names([str(name)], known)
        return f"{words} in [[{table[0]}]]" if table else words

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file, whose values arrive as ``init``."""
        return env_settings, init_settings


def _unknown_settings(path: Path, words: str) -> InvalidInput:
    return InvalidInput(f"Expected only known settings in {path.name}; found {words}.", next_step=f"correct {path}")


def _dotted(fault: ErrorDetails) -> str:
    """The place of a fault, as ``witnesses.0.url``."""
    return str(escape_hidden(".".join(str(part) for part in fault["loc"])[:200]))
