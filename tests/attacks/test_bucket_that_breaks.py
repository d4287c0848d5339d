"""A bureau asks of single clients of a bank, by a bucket of the set-up that is made to break.

Who: the bureau, under a contract that allows a match or a count alone, so that it is to learn numbers and nothing of
who. What it wants: whether a certain enterprise, which matches or not, is in the bank's portfolio. It knows where the
marks of every enterprise fall, spreads the register over as many buckets as it likes, and makes the one bucket in which
that enterprise's mark would fall such that it has the hash that the manifest names and cannot be decoded. A bank that
decodes buckets where it has identifiers stops if and only if it has one there: the bureau sees whether the job ends.

What stops it: every bucket is decoded when it comes, before anything is sent; one that breaks stops every bank.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.bank.matching.setup_store import StoredSetup
from lab.terms.errors import InvalidInput, ShulabError
from protocols.matching import bureau
from protocols.matching.bank import check_bucket
from tests.support.protocol_bureau import CONTRACT, Registry
from tests.unit.lab.bank.matching.test_matcher import CODES, Party

pytestmark = pytest.mark.threat(
    "Bucket that breaks",
    who="the bureau",
    wants="to learn whether one client is in the portfolio, by breaking the bucket where its mark would be",
    stopped_by={
        "decode on arrival": (
            "Each bucket is decoded when it arrives, before anything is sent, so that a broken one stops every bank."
        ),
    },
    code=["lab.bank.matching.setup_store"],
)


class Breaking(Registry):
    """Its bucket ``broken`` has a hash as named, a true number of entries, and a code that is none."""

    broken = 3

    def matching_setup(self, contract: str, job: str, *, counting: bool = False) -> bytes:
        honest, made = bureau.encode_bucket, [0]

        def encode(values):
            coded = honest(values)
            made[0] += 1
            return coded[:9] + bytes([coded[9] ^ 0x80]) + coded[10:] if made[0] == self.broken + 1 else coded

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bureau, "encode_bucket", encode)
            return super().matching_setup(contract, job, counting=counting)

    def is_there(self, code: str) -> bool:
        """Whether the mark of an enterprise falls into the broken bucket: the bureau can work that out for all."""
        values = bureau.evaluate_register(self.engine, self.key(CONTRACT, "match"), [code])
        marks = bureau.derive_tags_and_marks(CONTRACT, [code], values)[:, 16:]
        assert self._geometry is not None
        return int(bureau.locate_marks(self._geometry, marks)[0][0]) == self.broken


def ends(folder: Path, hostile: Breaking, codes: list[str]) -> bool:
    """Whether a bank's job ends well, which the bureau sees."""
    try:
        Party(folder).match(hostile, codes)
    except ShulabError:
        return False
    return True


@pytest.mark.without_control("decode on arrival")
def test_without_the_look_when_it_comes_each_job_answers_for_one_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(self: StoredSetup, number: int, coded: bytes) -> None:
        check_bucket(self.setup, number, coded)
        os.pwrite(self.descriptor, coded, self.offsets[number])

    monkeypatch.setattr(StoredSetup, "_write", write)
    hostile = Breaking(CODES)
    ends(tmp_path / "first", hostile, ["nowhere"])  # the set-up is drawn, and with it where each mark falls
    clients = [*CODES[:100], *(f"nowhere-{number}" for number in range(100))]  # matched or not
    there = [client for client in clients if hostile.is_there(client)][:4]
    asked = [*there, *(client for client in clients if client not in there)][:8]
    told = [not ends(tmp_path / client, hostile, [client]) for client in asked]
    assert told == [hostile.is_there(client) for client in asked]
    assert set(told) == {True, False}


@pytest.mark.with_control("decode on arrival")
@pytest.mark.parametrize("counting", [False, True])
def test_it_stops_every_bank_before_anything_is_sent(tmp_path: Path, counting: bool) -> None:
    for client in CODES[:3]:
        hostile, party = Breaking(CODES), Party(tmp_path / client)
        codes = CODES[:150] if counting else [client]
        with pytest.raises(InvalidInput, match="set-up response does not fit"):
            (party.count if counting else party.match)(hostile, codes)
        assert hostile.used == 0 and not {"match", "count"} & set(hostile.calls)
