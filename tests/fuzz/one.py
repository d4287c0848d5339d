"""One target under libFuzzer, in a process of its own: ``python -m tests.fuzz.one NAME [libFuzzer's arguments]``."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(
    include=["lab", "protocols", "models", "rfc8785", "http_message_signatures", "http_sfv", "pymerkle"]
):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    name = sys.argv[1]
    again = f"{sys.executable} -m tests.fuzz.one {name}"  # merging starts itself anew, by the shell
    atheris.Setup([again, *sys.argv[2:]], TARGETS[name].attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
