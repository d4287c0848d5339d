"""Settings in a TOML file of the bureau's folder, which the environment overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from lab.terms.errors import InvalidInput
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
    """Base of all settings: environment, then file, then defaults; no ``.env`` and no secrets folder."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings in ``path`` (absent: defaults); raises ``InvalidInput``, naming what is wrong."""
        try:
            values = TomlConfigSettingsSource(cls, path)()
        except ValueError:  # TOMLDecodeError is one
            raise InvalidInput(f"Expected {path.name} to be TOML; it is not.", next_step=f"correct {path}") from None
        return cls.from_values(values, path)

    @classmethod
    def from_values(cls, values: dict[str, Any], path: Path) -> Self:
        """Settings from ``values``, those of ``path``; raises ``InvalidInput``, naming no value."""
        try:
            return cls(**values)
        except ValidationError as error:
            names = ", ".join(sorted({".".join(str(part) for part in fault["loc"]) for fault in error.errors()}))
            prefix = cls.model_config.get("env_prefix", "")
            raise InvalidInput(
                f"Expected settings that fit; these of {path.name} do not: {names}.",
                next_step=f"correct {path}, or {prefix}<NAME> in the environment",
            ) from None

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
