"""The client of people who use the bureau's service from another machine: sign in, then send requests."""

from lab.sdk.client import ServiceClient
from lab.sdk.session_file import SavedSession, default_session_file

__all__ = ["SavedSession", "ServiceClient", "default_session_file"]
