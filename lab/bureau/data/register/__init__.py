"""The register: importing it, its immutable versions, and reading them back."""

from lab.bureau.data.register.comparison import DriftPolicy
from lab.bureau.data.register.importing import RegisterImport, import_register
from lab.bureau.data.register.preparation import RegisterLayout
from lab.bureau.data.register.snapshot import Snapshot, SnapshotReader, find_snapshot

__all__ = [
    "DriftPolicy",
    "RegisterImport",
    "RegisterLayout",
    "Snapshot",
    "SnapshotReader",
    "find_snapshot",
    "import_register",
]
