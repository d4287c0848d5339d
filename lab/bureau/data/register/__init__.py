"""The register: importing it, its immutable versions, and reading them back."""

from lab.bureau.data.register.importing import Imported, import_register
from lab.bureau.data.register.snapshot import Snapshot, Snapshots, find_snapshot

__all__ = ["Imported", "Snapshot", "Snapshots", "find_snapshot", "import_register"]
