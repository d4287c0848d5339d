"""Settings of the service: from the environment (``SHULAB_SERVICE_*``), then ``service.toml`` in the bureau's folder,
then the defaults here. The two secrets, the client secret and the token for metrics, are never shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from lab.bureau.configuration.settings import FileSettings
from lab.transport.proxy.network_settings import NetworkSettings

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
    """A public context; as large as its frame allows."""
    match_bytes: Bytes = 64 * _MIB + 65_536
    """A matching request; as large as its frame allows, which is more than a million blinded identifiers."""
    batch_bytes: Bytes = 512 * _MIB
    """A scoring batch: 142 kB for each column of 8,192 enterprises, so about 3,700 columns."""
    consent_bytes: Bytes = 64 * _MIB
    """A file of consents: 200,000 signed rows."""

    heavy_places: Annotated[int, Field(ge=1, le=256)] = 4
    """Matching and scoring requests that are processed at once; the next one gets 503 with Retry-After. A request takes
    a slot once its whole body has been received."""
    heavy_places_per_bank: Annotated[int, Field(ge=1, le=256)] = 3
    """The same for one bank; its next request gets 429 with Retry-After."""
    place_seconds: Seconds = 60.0
    """How long a received request waits for a slot."""
    retry_after: Annotated[int, Field(ge=1, le=3600)] = 2
    """The value of Retry-After, in seconds."""
    request_head_seconds: Seconds = 10.0
    """How long the head of a request, or the start of TLS, may take; then the connection is closed."""
    body_idle_seconds: Seconds = 30.0
    """The longest pause while a body is being received."""
    body_bytes_per_second: Annotated[int, Field(ge=0)] = 16 * 1024
    """The lowest average speed of a large body, once ``body_idle_seconds`` have passed."""
    request_seconds: Seconds = 900.0
    """The longest time from a request's first byte to its response."""
    linger_seconds: Seconds = 30.0
    """How long the rest of a refused body is received and dropped, so that the caller gets the response."""
    drain_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """How long open requests may continue after SIGTERM."""
    keep_alive_seconds: Annotated[int, Field(ge=1, le=600)] = 15

    upload_bytes: Annotated[int, Field(ge=1)] = 4096 * _MIB
    """Disk space for bodies that are being received, by the bytes received so far; beyond it, 503."""
    upload_bytes_per_bank: Bytes = 1024 * _MIB
    """The same for one bank; beyond it, 429. No body can be larger."""
    uploads_per_bank: Annotated[int, Field(ge=1, le=1000)] = 8
    """Bodies of one bank that are received at once; the next one gets 429."""
    reply_waits_per_bank: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Requests of one bank that wait for a reply at once; the next one gets 202 immediately."""
    event_streams: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Progress streams that are open at once."""
    event_seconds: Seconds = 600.0
    """How long a progress stream lasts; shorter than ``request_seconds``."""
    proxy: Annotated[SecretStr, Field(repr=False)] = SecretStr("")
    """Proxy for the service's own https requests, to witnesses and the provider: ``http://[user:password@]host:port``,
    or ``environment`` for that of HTTPS_PROXY and NO_PROXY; empty for none."""
    no_proxy: str = ""
    """Names, addresses and ranges that are reached without the proxy, with commas between them."""
    ca_file: Path | None = None
    """PEM certificates that verify witnesses and the provider, instead of the system's; one of their own goes first."""

    metrics_token: Annotated[SecretStr, Field(repr=False)] = SecretStr("")
    """Bearer token for /metrics; if empty, the one in the file ``metrics.token`` of the bureau's folder."""

    sign_in_places: Annotated[int, Field(ge=1, le=64)] = 2
    """Passwords that are checked at once, 64 MiB each; the next one gets 503."""
    local_accounts: bool = True
    """Whether people may sign in with a password kept at the bureau; false needs a provider."""
    public_url: Annotated[str, Field(pattern=r"^(https?://[^/?#@\s]+)?$")] = ""
    """The service's origin as browsers see it (``https://bureau.example``); needed with a provider."""
    oidc_issuer: Annotated[str, Field(pattern=r"^(https?://[^?#@\s]+)?$")] = ""
    """OpenID Connect provider at which people sign in; empty for none."""
    oidc_client_id: Annotated[str, Field(max_length=500)] = ""
    oidc_client_secret: Annotated[SecretStr, Field(repr=False)] = SecretStr("")
    """Better given as ``SHULAB_SERVICE_OIDC_CLIENT_SECRET`` or in its own file; empty for a public client."""
    oidc_client_secret_file: Path | None = None
    oidc_ca_file: Path | None = None
    """PEM certificates that verify the provider alone."""

    head_entries: Annotated[int, Field(ge=1)] = 256
    """A tree head of the ledger is signed after this many new entries,"""
    head_seconds: Seconds = 60.0
    """or after this time if there is any new entry."""

    sweep_seconds: Seconds = 3600.0
    """How often expired contracts are recorded and expired files removed."""
    log_bytes: Annotated[int, Field(ge=65_536)] = 10 * _MIB
    """Size at which the log file is rotated; five are kept."""

    tls_certificate: Path | None = None
    """PEM chain. Without it the service uses plain HTTP: for this machine, or behind a proxy that ends TLS."""
    tls_key: Path | None = None
    """Its PEM key, without a password."""

    def network_settings(self) -> NetworkSettings:
        """The proxy and the authorities for requests of the service; raises ``InvalidInput``."""
        proxy = self.proxy.get_secret_value()
        found = NetworkSettings.from_texts(proxy, self.no_proxy, where=f"proxy of {SETTINGS_FILE}")
        return found.with_ca_file(self.ca_file, f"ca_file of {SETTINGS_FILE}")


def load_settings(home: Path) -> ServiceSettings:
    """The settings for a bureau's folder; raises ``InvalidInput`` that names a wrong setting, never its value."""
    return ServiceSettings.read(home / SETTINGS_FILE)
