"""A person's client of the bureau's service, from another machine: sign in, then ask. It imports words alone."""

from lab.sdk.client import Desk
from lab.sdk.session_file import Held, default_file

__all__ = ["Desk", "Held", "default_file"]
