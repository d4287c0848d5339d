"""A bank that has one enterprise scored once, for its total, and reads many columns' weights out of the reply.

Its key is honest, its columns have seeds like any others, and what it encrypts is no answer: column j is t q / 2^j, so
that with t taken out again a reply is

    sum over j of W_j q / 2^j, modulo q  +  the flood      W_j the polynomial whose slots are the weights of column j

Its coefficients show 24 bits above the flood, and the lowest of them is the parity of a coefficient of W_24 alone. With
one enterprise in the batch and nothing in the other slots, every coefficient of W_24 is the one weight times a number
that everybody knows, modulo t: a hundred and sixty parities tell which weight it is. It is taken away, and W_23 is
next. A full batch that is named again serves as well, once all enterprises but one are dropped from it: they have left
the register, or the bank has used up their scores.

What stops it: slots that no enterprise has, and slots of dropped ones, get random weights, fresh for each column and
the base. Then no part of a polynomial says anything of the one weight in it, and the whole of one polynomial, which is
as much as a reply can show, gives one weight, as any honest score does.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from protocols.scoring import bureau, messages
from protocols.scoring.messages import QuantizedWeights
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS, SEED_BYTES
from protocols.scoring.rlwe import sampling
from protocols.scoring.seal import binding
from protocols.wire.frame import TAG_BYTES
from tests.support.insider import CONTRACT, Insider, at_level, coefficients

pytestmark = pytest.mark.threat(
    "Weights of a small batch",
    who="a bank",
    wants="to read more weights from one reply than there are scores, by sending few enterprises",
    stopped_by={
        "random fill": (
            "Slots without an enterprise, and those of enterprises dropped from a batch that is named again, get"
            " random weights, fresh for each column and base."
        ),
    },
    code=["protocols.scoring.bureau"],
)

PARAMS = PARAMETERS[DEFAULT_PARAMETERS]
COLUMNS, LIMIT = 24, 1 << 13
LOOKED_AT = 160  # a wrong base passes one coefficient in 0.8 of cases: all of 160, for any of 2^14 bases, in 10^-11
_RANDOM = np.random.default_rng(29)
WEIGHTS, BASE = (_RANDOM.integers(-LIMIT, LIMIT, (count, 1)) for count in (COLUMNS, 1))


@pytest.fixture(scope="module")
def bank() -> Insider:
    return Insider(PARAMS)


def centred(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Modulo t, as SEAL lifts a weight's coefficients."""
    rest, t = values % PARAMS.plain_modulus, PARAMS.plain_modulus
    return np.where(rest > t // 2, rest - t, rest)


def ask(bank: Insider, rows: int = 1, place: int = 0) -> NDArray[np.float64]:
    """One enterprise, one total: the first coefficients of what is within the reply, with t taken out, as shares of the
    modulus. ``rows``: of the batch; all but ``place`` are dropped."""
    nothing, columns = np.zeros(PARAMS.degree, dtype=np.int64), []
    t, q, prime = PARAMS.plain_modulus, PARAMS.modulus, PARAMS.primes[0]
    for power in range(1, COLUMNS + 1):
        column = bank.craft(nothing, nothing)
        first = messages.read_seeded_ciphertext(column, PARAMS)[0]
        number = t * (q // 2**power)
        parts = [(row.astype(object) + number) % p for row, p in zip(first, PARAMS.data_primes, strict=True)]
        columns.append(messages.pack_seeded_ciphertext(column[:SEED_BYTES], np.array(parts).astype(np.uint64), PARAMS))
    context = bank.holder.public_context()
    assert bureau.check_context(context, PARAMS)  # nothing is wrong with the key
    tags = np.arange(rows, dtype=">u8").view(np.uint8).reshape(rows, 8).repeat(TAG_BYTES // 8, axis=1)
    batch = messages.pack_batch(PARAMS, CONTRACT, messages.frame_sha256(context), tags, columns)
    terms = QuantizedWeights(np.arange(COLUMNS, dtype=np.int32), ((0,),) * COLUMNS, WEIGHTS, BASE)
    reply = bureau.evaluate_batch(context, batch, terms, PARAMS, CONTRACT, places=np.array([place]))
    (output,) = messages.read_reply(reply, PARAMS, batch=messages.frame_sha256(batch), rows=rows).outputs
    inside = bank.inside(binding.reply_ciphertext(*messages.read_output(output, PARAMS), PARAMS))
    assert len(inside) == at_level(PARAMS, 1).degree
    return np.array([int(value) * pow(t, -1, prime) % prime / prime for value in inside[:LOOKED_AT]])


def read(seen: NDArray[np.float64], place: int = 0) -> tuple[int, dict[int, int]]:
    """The base, and the weight of each column but the first (of which only the amount shows), of the enterprise in slot
    ``place``; what does not fit any weight ends it."""
    t, q = PARAMS.plain_modulus, PARAMS.modulus
    one = np.zeros(PARAMS.degree, dtype=np.int64)
    one[place] = 1
    powers = coefficients(one, PARAMS)[:LOOKED_AT]  # of the polynomial that is 1 in this slot and 0 elsewhere

    def of_base(base: NDArray[np.int64], at: int | slice) -> NDArray[np.float64]:
        return np.asarray(centred(base * powers[at]) * (-pow(q, -1, t) % t) % t / t)

    bases = np.arange(-LIMIT, LIMIT)
    for at in range(LOOKED_AT):  # without the base, all that is seen is a multiple of 2^-24
        rest = (seen[at] - of_base(bases, at)) * 2**COLUMNS
        bases = bases[np.abs(rest - np.rint(rest)) < 0.4]
    if len(bases) != 1:
        return 0, {}
    seen = (seen - of_base(bases, slice(None))) % 1

    def amounts(seen: NDArray[np.float64], column: int) -> NDArray[np.int64]:
        bits, found = np.rint(seen * 2**column).astype(np.int64) & 1, np.arange(LIMIT + 1)
        for at in range(LOOKED_AT):
            found = found[centred(found * powers[at]) & 1 == bits[at]]
        return found

    above, weights = amounts(seen, COLUMNS), dict[int, int]()
    for column in range(COLUMNS, 1, -1):
        for weight in (int(sign * amount) for amount in above for sign in (1, -1)):
            rest = (seen - centred(weight * powers) / 2**column) % 1
            following = amounts(rest, column - 1)
            if len(following):  # the right sign leaves something that is possible
                weights[column], above, seen = weight, following, rest
                break
        else:
            return int(bases[0]), weights
    return int(bases[0]), weights


@pytest.mark.without_control("random fill")
def test_with_empty_slots_one_total_of_one_enterprise_gives_many_weights(
    bank: Insider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "sample_modulo", lambda modulus, count: np.zeros(count, dtype=np.int64))
    base, weights = read(ask(bank))
    assert base == int(BASE[0, 0])
    assert weights == {column: int(WEIGHTS[column - 1, 0]) for column in range(2, COLUMNS + 1)}


@pytest.mark.with_control("random fill")
def test_one_total_of_one_enterprise_gives_no_weight_beside_the_score(bank: Insider) -> None:
    assert read(ask(bank)) == (0, {})


@pytest.mark.without_control("random fill")
def test_with_empty_slots_a_full_batch_gives_the_weights_of_the_one_that_is_not_dropped(
    bank: Insider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "sample_modulo", lambda modulus, count: np.zeros(count, dtype=np.int64))
    base, weights = read(ask(bank, PARAMS.slots, 5000), 5000)
    assert base == int(BASE[0, 0])
    assert weights == {column: int(WEIGHTS[column - 1, 0]) for column in range(2, COLUMNS + 1)}


@pytest.mark.with_control("random fill")
def test_a_full_batch_gives_no_weight_of_the_one_that_is_not_dropped(bank: Insider) -> None:
    assert read(ask(bank, PARAMS.slots, 5000), 5000) == (0, {})


@pytest.mark.with_control("random fill")
def test_what_fills_the_slots_is_uniform_and_no_two_draws_are_the_same() -> None:
    drawn = sampling.sample_modulo(PARAMS.plain_modulus, 200_000)
    assert len(drawn) == 200_000 and drawn.min() >= 0 and drawn.max() < PARAMS.plain_modulus
    counts = np.bincount(drawn * 64 // PARAMS.plain_modulus, minlength=64)
    assert ((counts - 3125) ** 2 / 3125).sum() < 140  # chi square with 63 degrees: passed with probability 10^-7
    assert len(np.unique(drawn)) > 190_000
    assert not len(sampling.sample_modulo(PARAMS.plain_modulus, 0))
