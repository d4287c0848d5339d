"""A bureau that uses many keys, to learn how a bank's unmatched clients are spread over regions.

Who: the bureau. What it wants: unmatched clients are to stay hidden, but a code begins with its region. If a bank asks
in the order of its codes, the bureau answers stretch after stretch of the request under another key, plants a mark of
each register entry under every key, and reads from the tag that comes back to be scored under which key, so in which
stretch, that client was: how many of the bank's clients stand before it. With one matched client a region it knows the
number of clients in each.

What stops it: the secret order of a request (``lab.bank.keys.BankKeys.order``), so that a stretch says nothing; the
canaries in it (``protocols.matching.request_composition``), so that another key is noticed; and the number of entries,
which planted marks multiply and the bureau's signed statement bounds (``lab.bank.matching.key_pins``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.bank.keys import BankKeys
from lab.terms.errors import InvalidInput, NotAuthentic
from protocols.matching import bank as bank_protocol
from protocols.matching import bureau
from tests.support.protocol_bureau import CONTRACT, Registry
from tests.unit.lab.bank.matching.test_matcher import Party

pytestmark = pytest.mark.threat(
    "Many matching keys",
    who="the bureau",
    wants=(
        "to learn how a bank's unmatched clients are spread over regions, by answering parts of a request under"
        " different keys"
    ),
    stopped_by={
        "order and canaries": (
            "Identifiers are sent in a secret order over the whole match, among canaries whose results the bank knows."
        ),
    },
    code=["protocols.matching.bank", "lab.bank.matching.oprf_client"],
)

REGIONS = {"11": 400, "31": 30, "33": 120, "44": 250}
"""The bank's clients in each region: what the bureau wants to know."""
KEYS = 20
MATCHED = [f"{region}-{number:04d}" for region, count in REGIONS.items() for number in (0, count - 1)]
"""The register holds the first and the last of each."""
CLIENTS = [f"{region}-{number:04d}" for region, count in REGIONS.items() for number in range(count)]


class ManyKeys(Registry):
    """Answers each stretch of a request under another key, and knows every tag under every key."""

    def __init__(self, identifiers: Sequence[str]) -> None:
        super().__init__(identifiers)
        self.keys = [self.key(CONTRACT, "match"), *(bureau.generate_key(self.engine) for _ in range(KEYS - 1))]
        known = sorted(identifiers)
        values = [bureau.evaluate_register(self.engine, key, known) for key in self.keys]
        digests = [bureau.derive_tags_and_marks(CONTRACT, known, one) for one in values]
        self.planted = np.concatenate(digests)[:, 16:]
        self.tags = {
            tag.tobytes(): (code, stretch)
            for stretch, one in enumerate(digests)
            for code, tag in zip(known, one[:, :16], strict=True)
        }

    def matching_setup(self, contract: str, job: str, *, counting: bool = False) -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                bureau, "derive_tags_and_marks", lambda *_: np.concatenate([self.planted, self.planted], axis=1)
            )
            patch.setattr(self, "identifiers", ["planted"] * len(self.planted))
            return super().matching_setup(contract, job, counting=counting)

    def evaluate(self, key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        stretches = np.array_split(blinded, KEYS)
        pairs = zip(self.keys, stretches, strict=True)
        return np.concatenate([bureau.evaluate_elements(self.engine, own, part) for own, part in pairs])

    def spread(self, tags: NDArray[np.uint8]) -> dict[str, int]:
        """Clients in each region, from the stretches of the first and last one of it."""
        found = dict(self.tags[tag.tobytes()] for tag in tags)
        width = len(CLIENTS) / KEYS
        return {
            region: round((found[f"{region}-{count - 1:04d}"] - found[f"{region}-0000"]) * width)
            for region, count in REGIONS.items()
        }


def unchecked(
    blinding: bank_protocol.Blinding, evaluated: NDArray[np.uint8], count: int, *_: object
) -> NDArray[np.int64]:
    """A bank that looks at no canary."""
    places = bank_protocol.canary_positions(blinding._seed, count)  # type: ignore[attr-defined]
    return np.setdiff1d(np.arange(len(evaluated)), places)


def in_order(_: object, engine: str, contract: str, epoch: int, codes: Sequence[str], **more: object) -> object:
    """A bank that asks in the order of its codes."""
    return np.arange(len(codes))


@pytest.fixture
def party(tmp_path: Path) -> Party:
    return Party(tmp_path)


@pytest.mark.without_control("order and canaries")
def test_without_order_and_canaries_the_spread_is_read(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_protocol.Blinding, "_identifier_positions", unchecked)
    monkeypatch.setattr(BankKeys, "request_order", in_order)
    hostile = ManyKeys(MATCHED)
    found = party.match(hostile, CLIENTS)
    assert [CLIENTS[index] for index in found.intersection.indices] == MATCHED  # the bank notices nothing
    read = hostile.spread(found.intersection.tags)
    assert all(abs(read[region] - count) <= 2 * len(CLIENTS) / KEYS for region, count in REGIONS.items()), read
    assert sorted(read, key=lambda region: read[region]) == sorted(REGIONS, key=lambda region: REGIONS[region])


@pytest.mark.with_control("order and canaries")
def test_without_canaries_the_secret_order_alone_leaves_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stretches of matched clients have nothing to do with their codes: over banks they are uniform."""
    monkeypatch.setattr(bank_protocol.Blinding, "_identifier_positions", unchecked)
    first, last, read = [], [], []
    hostile = ManyKeys(MATCHED)
    for number in range(30):
        found = Party(tmp_path / str(number)).match(hostile, CLIENTS)
        stretches = dict(hostile.tags[tag.tobytes()] for tag in found.intersection.tags)
        first.append(stretches[MATCHED[0]])
        last.append(stretches[MATCHED[-1]])
        read.append(hostile.spread(found.intersection.tags))
    # In the order of codes these are always 0 and KEYS - 1; a region's estimate, 400 and 30 clients, has one sign.
    middle, off = (KEYS - 1) / 2, 5 * KEYS / np.sqrt(12 * 30)
    assert abs(np.mean(first) - middle) < off and abs(np.mean(last) - middle) < off
    for region in ("11", "31"):
        estimates = [one[region] for one in read]
        assert min(estimates) < 0 < max(estimates) and abs(np.mean(estimates)) < 5 * len(CLIENTS) / np.sqrt(6 * 30)


@pytest.mark.with_control("order and canaries")
def test_the_spread_is_not_read_and_the_bureau_is_caught(party: Party) -> None:
    hostile = ManyKeys(MATCHED)
    with pytest.raises(NotAuthentic, match="canaries were not answered under the published key") as caught:
        party.match(hostile, CLIENTS)
    assert "nothing more is sent" in (caught.value.next_step or "")
    with party.store() as store:
        assert len(store) == 0  # nothing of that answer is kept, so no tag of it is ever sent


@pytest.mark.with_control("order and canaries")
def test_planted_marks_show_in_the_number_of_entries(party: Party) -> None:
    """A bureau that states its register's true size can't hold marks under many keys."""
    register = [f"99-{number:04d}" for number in range(500)]
    hostile = ManyKeys(register)
    hostile.register_entries = len(register)
    with pytest.raises(InvalidInput, match="10000 entries; what the bureau signed"):
        party.match(hostile, CLIENTS)
    assert "match" not in hostile.calls
