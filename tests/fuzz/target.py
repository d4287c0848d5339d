"""What a target is: a parser that strangers reach, what it may raise, and good examples of what it reads."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors"


@dataclass(frozen=True)
class Target:
    """``read`` takes any bytes and raises nothing but ``refusals``. What it takes it may check further, by ``assert``.

    ``longest``: bytes of an input at most.
    """

    name: str
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], Sequence[bytes]]
    longest: int = 4096

    def attempt(self, data: bytes) -> None:
        """Read ``data``; whatever comes out beside the refusals is a finding."""
        try:
            self.read(data)
        except self.refusals:
            return


@cache
def vectors(name: str) -> Any:
    """The published vectors of this name."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


@cache
def _place() -> tempfile.TemporaryDirectory[str]:
    """Removed with the process; libFuzzer ends its own at once, so ``run`` gives it a folder to leave things in."""
    return tempfile.TemporaryDirectory(prefix="shulab-fuzz-")


def as_file(read: Callable[[Path], object], suffix: str = "") -> Callable[[bytes], object]:
    """A parser of files as one of bytes."""

    def read_bytes(data: bytes) -> object:
        path = Path(_place().name, f"input{suffix}")
        path.write_bytes(data)
        return read(path)

    return read_bytes
