"""A person's client of the bureau's service, from another machine: sign in, then ask. It imports words alone."""

from lab.sdk.client import ServiceClient
from lab.sdk.session_file import SavedSession, default_session_file

__all__ = ["SavedSession", "ServiceClient", "default_session_file"]
