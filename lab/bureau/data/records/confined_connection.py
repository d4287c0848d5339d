"""DuckDB connections that see nothing but the files they were opened for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from lab.terms.errors import MachineFault

_NEVER = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What a connection may use: MiB of memory, beyond which it works on disk, and threads. One thread also fixes the
    order in which numbers are added up, and so their last digit."""

    memory_mib: int = 1024
    threads: int = 2


@contextmanager
def confined_connection(
    scratch: Path, files: Sequence[Path], limits: QueryLimits
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty database in memory that may read ``files``, and read and write in ``scratch`` (also what
    does not fit in memory); nothing else of this machine, and no extension. Its settings are locked.

    Raises ``MachineFault`` where memory and disk are not enough, also in the block.
    """
    connection = duckdb.connect(
        ":memory:", config={**_NEVER, "memory_limit": f"{limits.memory_mib}MiB", "threads": limits.threads}
    )
    try:
        connection.execute("SET temp_directory = ?", [str(scratch)])
        connection.execute("SET allowed_directories = ?", [[f"{scratch}/"]])
        connection.execute("SET allowed_paths = ?", [[str(path) for path in files]])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    except duckdb.OutOfMemoryException:
        raise MachineFault(
            f"Expected to work within {limits.memory_mib} MiB of memory and the room on the disk; it was not enough.",
            next_step="make room on the disk of the bureau's folder, or stop other programs; nothing was changed",
        ) from None
    except duckdb.IOException:
        # The text may hold a path or a value. What is missing or damaged was found before, by its hash.
        raise MachineFault(
            "Expected to read and write in the bureau's folder; the system refused.",
            next_step="check the room on its disk and its owner; nothing was changed",
        ) from None
    finally:
        connection.close()
