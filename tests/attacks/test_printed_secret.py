"""A colleague of the bank's reads what a program leaves behind: logs, a crash report, a pickled job, a core dump.

They want the signing key, the decryption key or the keys that blind. What stops it: objects that cannot be printed,
pickled, copied or written as JSON, files that are sealed, and a process without core dumps.
"""

from __future__ import annotations

import ctypes
import logging
import pickle
import resource
import traceback
from pathlib import Path

import pytest

from lab.bank.keys import BankKeys
from lab.bureau.key_management.keys import BureauKeys
from lab.terms.keys.sealing import SealKey
from protocols.scoring.bank import KeyHolder
from tests.support.bureau_scene import Scene
from tests.unit.lab.bank.test_keys import MATCHING, PARAMS, secrets_of

pytestmark = pytest.mark.threat(
    "Printed secret",
    who="somebody on the machine",
    wants="to find secrets in printed text, pickles, logs or crash reports",
    stopped_by={
        "unprintable keys": (
            "Each party's keys are in one module, whose objects cannot be printed, pickled or copied."
        ),
    },
    code=["lab.bank.keys", "lab.bureau.key_management.keys"],
)

_PR_GET_DUMPABLE = 3


class Open:
    """Keys as plain attributes of a plain object: what a program would have without any care."""

    def __init__(self, *secrets: bytes) -> None:
        self.secrets = secrets

    def __repr__(self) -> str:
        return f"Open({self.secrets!r})"


def left_behind(things: list[object], caplog: pytest.LogCaptureFixture) -> bytes:
    """The log, the crash report with its local variables, and what pickling gives: everything that a program leaves."""
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("bank").warning("job %s over %r", things, things)
    try:
        raise RuntimeError(things)
    except RuntimeError as error:
        report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    found = [caplog.text.encode(), report.encode()]
    for thing in things:
        try:
            found.append(pickle.dumps(thing))
        except TypeError:
            continue
    return b"".join(found)


def tells(text: bytes, secrets: list[bytes]) -> int:
    """How many secrets stand there, as they are, in hexadecimal or as Python writes bytes."""
    ways = lambda one: (one[:32], one[:32].hex().encode(), repr(one[:24])[2:-1].encode())  # noqa: E731
    return sum(any(way in text for way in ways(secret)) for secret in secrets)


@pytest.fixture
def keys(tmp_path: Path) -> BankKeys:
    return BankKeys.create(tmp_path / "keys", SealKey.from_file_bytes(b"k" * 32))


@pytest.mark.without_control("unprintable keys")
def test_without_the_care_every_secret_is_left_behind(keys: BankKeys, caplog: pytest.LogCaptureFixture) -> None:
    secrets = secrets_of(keys)
    assert tells(left_behind([Open(*secrets)], caplog), secrets) == len(secrets)


@pytest.mark.with_control("unprintable keys")
def test_nothing_is_left_behind(keys: BankKeys, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    secrets = secrets_of(keys)
    bureau: BureauKeys = scene.bureau.keys
    secrets.append(bureau.with_matching_key("x25519", 1, "c-0001", "match", bytes))
    things: list[object] = [keys, keys.current_key(), keys.key_holder(PARAMS), keys.blinding(*MATCHING), bureau]
    assert isinstance(things[2], KeyHolder)
    assert tells(left_behind(things, caplog), secrets) == 0


def core_dumps() -> tuple[int, int]:
    """The limit for core files, and whether the process can be dumped or traced by others of its user."""
    return resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)


@pytest.mark.with_control("unprintable keys")
def test_a_process_that_opened_a_banks_keys_leaves_no_core_dump(keys: BankKeys) -> None:
    assert keys.public_key_hex and core_dumps() == (0, 0)
