"""The register: importing it, its immutable versions, and reading them back."""

from lab.bureau.data.register.importing import RegisterImport, RegisterLayout, import_register
from lab.bureau.data.register.snapshot import Snapshot, SnapshotReader, find_snapshot

__all__ = ["RegisterImport", "RegisterLayout", "Snapshot", "SnapshotReader", "find_snapshot", "import_register"]
