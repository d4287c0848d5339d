"""Settings of the service: from the environment (``SHULAB_SERVICE_*``), then ``service.toml`` in the bureau's folder,
then the defaults here. The one secret among them is the provider's client secret, never shown; the TLS key is a path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from lab.bureau.configuration.settings import FileSettings

SETTINGS_FILE = "service.toml"
_MIB = 1024 * 1024
Bytes = Annotated[int, Field(ge=1, le=1024 * _MIB)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class ServiceSettings(FileSettings):
    """Limits of the running service. Sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="SHULAB_SERVICE_", extra="forbid", frozen=True)

    document_bytes: Bytes = 16 * 1024
    """A small JSON text (a countersignature is 145 bytes)."""
    context_bytes: Bytes = 2 * _MIB + 65_536
    """A public context; what the frame allows."""
    match_bytes: Bytes = 64 * _MIB + 65_536
    """A matching request; what the frame allows, more than a million blinded identifiers."""
    batch_bytes: Bytes = 512 * _MIB
    """A scoring batch: 142 kB a column of 8,192 enterprises, so about 3,700 columns."""
    consent_bytes: Bytes = 64 * _MIB
    """A file of consents: 200,000 signed rows."""

    heavy_places: Annotated[int, Field(ge=1, le=256)] = 4
    """Matching and scoring requests worked on at once; the next one is told to come back (503, Retry-After). A request
    takes one when its body has been received whole."""
    heavy_places_per_bank: Annotated[int, Field(ge=1, le=256)] = 3
    """Those of one bank; its next request is told to come back (429, Retry-After)."""
    place_seconds: Seconds = 60.0
    """How long a request whose body has been received waits for its place."""
    retry_after: Annotated[int, Field(ge=1, le=3600)] = 2
    """What Retry-After says, in seconds."""
    body_idle_seconds: Seconds = 30.0
    """The longest silence while a body is being received."""
    body_bytes_per_second: Annotated[int, Field(ge=0)] = 16 * 1024
    """The slowest that a large body may come, on the average, once ``body_idle_seconds`` have passed."""
    request_seconds: Seconds = 900.0
    """The longest time from a request's first byte to its answer."""
    linger_seconds: Seconds = 30.0
    """How long the rest of a refused body is let run out, unread, so that the caller hears why."""
    drain_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """How long requests under way may go on after SIGTERM."""
    keep_alive_seconds: Annotated[int, Field(ge=1, le=600)] = 15

    upload_bytes: Annotated[int, Field(ge=1)] = 4096 * _MIB
    """Room on the bureau's disk for bodies on their way in, by what has come; beyond it, 503."""
    upload_bytes_per_bank: Bytes = 1024 * _MIB
    """That of one bank; beyond it, 429. No body can be larger."""
    uploads_per_bank: Annotated[int, Field(ge=1, le=1000)] = 8
    """Bodies of one bank that are received at once; the next one is told to come back (429)."""
    reply_waits_per_bank: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Requests of one bank that wait for a reply at once; the next one is told at once that there is none yet."""
    event_streams: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Streams of a job's progress that are open at once."""
    event_seconds: Seconds = 600.0
    """How long a stream of progress goes on; shorter than ``request_seconds``."""
    metrics_token: Annotated[SecretStr, Field(repr=False)] = SecretStr("")
    """Bearer token that /metrics asks for; empty: the one in the file ``metrics.token`` of the bureau's folder."""

    sign_in_places: Annotated[int, Field(ge=1, le=64)] = 2
    """Passwords checked at once, 64 MiB each; the next one is told to come back."""
    local_accounts: bool = True
    """Whether people may sign in by a password of the bureau's; false makes sense only with a provider."""
    public_url: Annotated[str, Field(pattern=r"^(https?://[^/?#@\s]+)?$")] = ""
    """The service's origin as browsers see it (``https://bureau.example``); needed with a provider."""
    oidc_issuer: Annotated[str, Field(pattern=r"^(https?://[^?#@\s]+)?$")] = ""
    """OpenID Connect provider that people sign in at; empty: none."""
    oidc_client_id: Annotated[str, Field(max_length=500)] = ""
    oidc_client_secret: Annotated[SecretStr, Field(repr=False)] = SecretStr("")
    """Best given as ``SHULAB_SERVICE_OIDC_CLIENT_SECRET`` or in a file of its own; empty for a public client."""
    oidc_client_secret_file: Path | None = None
    oidc_ca_file: Path | None = None
    """PEM certificates that the provider's is checked against, instead of the system's."""

    head_entries: Annotated[int, Field(ge=1)] = 256
    """A tree head of the ledger is signed when so many entries have come since the last one,"""
    head_seconds: Seconds = 60.0
    """or when there is a new one and so long has passed."""

    sweep_seconds: Seconds = 3600.0
    """How often terms that ended are recorded and files past their time removed."""
    log_bytes: Annotated[int, Field(ge=65_536)] = 10 * _MIB
    """Size at which the log file is turned over; five are kept."""

    tls_certificate: Path | None = None
    """PEM chain. Without it the service speaks plain HTTP: to this machine, or behind a proxy that ends TLS."""
    tls_key: Path | None = None


def load_settings(home: Path) -> ServiceSettings:
    """The settings for a bureau's folder; raises ``InvalidInput`` naming what does not fit, never its value."""
    return ServiceSettings.read(home / SETTINGS_FILE)
