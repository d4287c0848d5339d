"""Writes the test vectors anew with the product: ``python -m tests.vectors.generate [NAME ...]``.

What is made without chance comes out the same every time, and ``test_product`` holds the files to it. The vectors of
``DRAWN`` hold randomness (nonces, keys), so they are made anew only when they are named.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vectors.making import checkpoint, ledger, matching, papers, scoring, secrets

HERE = Path(__file__).parent
FORMAT = "shulab-vectors/1"

Make = Callable[[], dict[str, Any]]
FIXED: dict[str, Make] = {
    "hash-to-curve": matching.hash_to_curve,
    "x25519": matching.x25519,
    "oprf": matching.oprf,
    "coded-set": matching.coded_set,
    "matching-frames": matching.frames,
    "contract": papers.contract,
    "succession": papers.succession,
    "request-signature": papers.request,
    "ledger": ledger.tree,
    "receipt": ledger.receipt,
    "checkpoint": checkpoint.checkpoint,
    "scoring": scoring.scoring,
}
DRAWN: dict[str, Make] = {"sealed": secrets.sealed}


def written(name: str, content: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps({"format": FORMAT, "name": name, **content}, ensure_ascii=False, indent=1) + "\n"


def path_of(name: str) -> Path:
    """Where the vectors of this name are kept."""
    return HERE / f"{name}.json"


def main() -> None:
    """Write the files named, or every one that has no randomness."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    for name in parser.parse_args().names or FIXED:
        path_of(name).write_text(written(name, (FIXED | DRAWN)[name]()), encoding="utf-8")
        print(path_of(name).name)


if __name__ == "__main__":
    main()
