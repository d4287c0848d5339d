"""Loads ``sandbox.oidc.provider`` if the settings name an OpenID provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.terms.errors import InvalidInput
from sandbox.settings import ServiceSettings

if TYPE_CHECKING:
    from sandbox.oidc.provider import OidcProvider


def load_oidc_provider(settings: ServiceSettings) -> OidcProvider | None:
    """The provider that the settings name, or None; raises ``InvalidInput`` if nobody could sign in."""
    if not settings.oidc_issuer:
        if not settings.local_accounts:
            raise InvalidInput(
                "Expected a way to sign in; local_accounts is false, and oidc_issuer is empty.",
                next_step="set one of them in service.toml",
            )
        return None
    if not settings.public_url or not settings.oidc_client_id:
        raise InvalidInput(
            "Expected public_url and oidc_client_id beside oidc_issuer; one is missing.",
            next_step="set them in service.toml",
        )
    from sandbox.oidc.provider import (  # its libraries take as long to load as all the routes
        OidcProvider,
        is_secure_url,
    )

    if not is_secure_url(settings.oidc_issuer):
        raise InvalidInput("Expected an OpenID issuer with https; found plain http.", next_step="correct oidc_issuer")
    return OidcProvider(settings)
