"""Records in a store with the interface of S3 (setting ``records_url``), by fsspec: the folder is then a cache of it.

Endpoint and credentials come from the environment under their usual names (``AWS_ENDPOINT_URL_S3``,
``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_DEFAULT_REGION``), never from the settings. An object is named
by its hash and checked by it when it comes back, so the store needs to be trusted with nothing but keeping. A prefix
belongs to one bureau: an object in it names the bureau's key, and another bureau is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.process.optional_extras import extra_command
from lab.terms.errors import Conflict, NotFound, Unreachable

SCHEME = "s3://"
_OWNER = "owner"
_SECONDS = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 4, "mode": "standard"}}


class RemoteFiles:
    """The objects of one bureau under a URL. Safe to use from several threads."""

    def __init__(self, url: str, owner: str) -> None:
        """``owner``: the bureau's public key, hexadecimal."""
        self._root, self._owner = url.removeprefix(SCHEME).rstrip("/"), owner
        self._system: Any = None

    def put(self, path: Path, name: str) -> None:
        """Store a file under ``name`` (such as ``segments/SHA256.parquet``); one of that name is replaced.

        Raises ``Unreachable``, and ``Conflict`` if the prefix belongs to another bureau.
        """
        with self._faults():
            self._open().put_file(str(path), f"{self._root}/{name}")

    def get(self, name: str, path: Path) -> bool:
        """Write an object to the file ``path``; False if there is none. Raises ``Unreachable``."""
        with self._faults():
            try:
                self._open().get_file(f"{self._root}/{name}", str(path))
            except FileNotFoundError:
                return False
            return True

    def list_names(self, folder: str) -> set[str]:
        """The names of the objects in a folder, without it. Raises ``Unreachable``."""
        with self._faults():
            try:
                found = self._open().ls(f"{self._root}/{folder}", detail=False)
            except FileNotFoundError:
                return set()
            return {str(one).rpartition("/")[2] for one in found}

    def remove(self, name: str) -> None:
        """Remove an object; nothing happens if there is none. Raises ``Unreachable``."""
        with self._faults():
            try:
                self._open().rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return

    def _open(self) -> Any:
        if self._system is None:
            import fsspec  # type: ignore[import-untyped]

            system = fsspec.filesystem(
                "s3", skip_instance_cache=True, use_listings_cache=False, config_kwargs=dict(_SECONDS)
            )
            self._claim(system)
            self._system = system
        return self._system

    def _claim(self, system: Any) -> None:
        place = f"{self._root}/{_OWNER}"
        try:
            found = system.cat_file(place).decode("ascii", errors="replace").strip()
        except FileNotFoundError:
            system.pipe_file(place, self._owner.encode())
            return
        if found != self._owner:
            raise Conflict(
                "The store of records at records_url belongs to another bureau.",
                next_step="give records_url a prefix of its own",
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except ImportError:
            raise NotFound(
                "Expected the library for stores with the interface of S3; it is not installed.",
                next_step=extra_command("s3"),
            ) from None
        except PermissionError as error:
            raise Unreachable(
                "The store of records refuses the credentials.",
                next_step="check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do with the bucket",
            ) from error
        except (OSError, ValueError) as error:
            raise _silent() from error
        except Exception as error:
            # botocore's errors have no common root but Exception that an installation without it could name.
            if type(error).__module__.partition(".")[0] not in ("botocore", "aiobotocore", "aiohttp"):
                raise
            raise _silent() from error


def _silent() -> Unreachable:
    return Unreachable(
        "The store of records does not answer.",
        next_step="check records_url, AWS_ENDPOINT_URL_S3 and the store; nothing was lost",
    )
