"""The register: importing it, its immutable versions, and reading them back."""

from lab.bureau.register.intake import Imported, import_register
from lab.bureau.register.snapshot import Snapshot, Snapshots, find_snapshot

__all__ = ["Imported", "Snapshot", "Snapshots", "find_snapshot", "import_register"]
