"""What a reply says beside its sums: attacks carried out, which succeed on bare sums and find nothing in a reply.

Protection is left out by calling the parts (``add_products`` on a sum that starts from nothing); there is no switch.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import bureau, key_proof, mask, messages
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS, SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import ring, sampling
from protocols.scoring.seal import binding
from protocols.wire.frame import FrameKind, MalformedFrame, unpack_frame
from tests.support.insider import (
    CONTRACT,
    Insider,
    as_element,
    at_level,
    coefficients,
    column_of,
    head_of,
    integers,
    output_of,
    polynomials,
    seeded,
    slots,
    terms_of,
    transformed,
    values_of,
    zero,
)

SETS = pytest.mark.parametrize("params", PARAMETERS.values(), ids=lambda p: p.name)
BANKS = {params.name: Insider(params) for params in PARAMETERS.values()}
DEFAULT = PARAMETERS[DEFAULT_PARAMETERS]


def tags(rows: int) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(n.to_bytes(16, "big") for n in range(rows)), dtype=np.uint8).reshape(rows, 16)


def of_reply(frame: bytes, params: ParameterSet) -> Any:
    return output_of(unpack_frame(frame, FrameKind.REPLY).parts[1], params)


def bare(insider: Insider, head: messages.ParsedBatch, weights: messages.QuantizedWeights) -> Any:
    sums = [insider.nothing()]
    bureau.add_products(sums, head, weights, insider.params)
    return sums[0]


def masked(insider: Insider, head: messages.ParsedBatch, weights: messages.QuantizedWeights, pk: Any = None) -> Any:
    sums = [mask.draw_mask(insider.pk if pk is None else pk, insider.params)]
    bureau.add_products(sums, head, weights, insider.params)
    return sums[0]


class TwoModels:
    """Two models that give every enterprise of a batch the same score, and differ where an answer is 0."""

    def __init__(self, insider: Insider, columns: int = 3) -> None:
        params, random = insider.params, np.random.default_rng(11)
        rows, limit = params.slots, params.value_limit // (columns + 1)
        self.insider = insider
        self.indicators = random.integers(0, 2, (columns, rows)).astype(np.uint8)
        first = random.integers(-limit, limit + 1, (columns, rows))
        second = np.where(self.indicators == 1, first, random.integers(-limit, limit + 1, (columns, rows)))
        self.weights = (terms_of(first), terms_of(second))
        self.batch = insider.holder.encrypt(tags(rows), self.indicators, contract=CONTRACT)
        self.head = bureau.read_batch(self.batch, params, contract=CONTRACT)
        loaded = [column_of(part, params) for part in self.head.ciphertexts]
        inside = [as_element(insider.inside(column), params) for column in loaded]
        halves = [polynomials(column, params)[1] for column in loaded]
        weights = [[coefficients(row, params) for row in model.weights] for model in self.weights]
        self.expected = [integers(_sum(inside, one, params), params) for one in weights]
        """What each model makes of the columns' insides: message and noise, exactly."""
        self.halves = [_sum(halves, one, params) for one in weights]
        """What each model makes of the columns' second halves."""


def _sum(elements: list[ring.RingElement], weights: list[NDArray[np.int64]], params: ParameterSet) -> ring.RingElement:
    total = zero(params)
    for element, weight in zip(elements, weights, strict=True):
        total = ring.add_elements(total, ring.multiply_by_small(element, weight, params), params)
    return total


def _likelihood(inside: NDArray[np.object_], models: TwoModels, scale: float) -> float:
    """How much more the noise looks like the second model's than like the first's, in standard deviations of a flood.

    The likelihood ratio of a normal flood: the noise less the mean of both expectations, along their difference.
    """
    one, other = models.expected
    difference = ((other - one) / scale).astype(np.float64)
    found = ((inside - (one + other) // 2) / scale).astype(np.float64)
    return float(found @ difference / np.linalg.norm(difference))


# --- the noise --------------------------------------------------------------------------------------------------------


@pytest.mark.property("Circuit privacy")
@SETS
def test_noise_tells_two_models_apart_on_a_bare_sum_and_not_in_replies(params: ParameterSet) -> None:
    insider = BANKS[params.name]
    models = TwoModels(insider)
    assert (models.expected[0] - models.expected[1]).any()
    flood = float(params.plain_modulus * 2**params.flood_bits)  # one standard deviation of the flood

    # Without protection the noise *is* the model's: an exact match with one and with no other.
    for which in (0, 1):
        found = insider.inside(bare(insider, models.head, models.weights[which]))
        assert (found == models.expected[which]).all() and (found != models.expected[1 - which]).any()

    # With the mask but no flood the likelihood still decides, by far.
    small = params.plain_modulus * params.mask_noise()
    for which, sign in ((0, -1), (1, 1)):
        sums = [_mask_without_flood(insider)]
        bureau.add_products(sums, models.head, models.weights[which], params)
        assert sign * _likelihood(insider.inside(sums[0]), models, small) > 100

    # With it: sums before they are switched down, and replies as they are returned.
    context, seen = insider.holder.public_context(), []
    for trial in range(16):
        which = trial % 2
        inside = insider.inside(masked(insider, models.head, models.weights[which]))
        seen.append((which, _likelihood(inside, models, flood)))
        reply = of_reply(bureau.evaluate_batch(context, models.batch, models.weights[which], params, CONTRACT), params)
        dropped = params.modulus // at_level(params, 1).modulus
        # Switching down divides by the other primes: multiplied again it is the sum but for its lowest bits.
        seen.append((which, _likelihood(_undo(insider, reply, dropped, models), models, flood)))
    values = np.array([value if which else -value for which, value in seen])
    assert abs(values.mean()) < 5 / math.sqrt(len(values)), "the noise leans to the model that made it"
    assert 0.3 < values.std() < 2  # a flood of the size that is claimed
    assert 3 <= (values > 0).sum() <= len(values) - 3  # 32 guesses: outside with probability 2.5e-7


def _undo(insider: Insider, reply: Any, dropped: int, models: TwoModels) -> NDArray[np.object_]:
    """The inside of a reply at the level of its sum; its message is scaled back by the sum's, which the bank knows."""
    inside, t = insider.inside(reply), insider.params.plain_modulus
    message = models.expected[0] % t
    assert ((inside * dropped - message) % t == 0).all()  # both models, the same scores
    return inside * dropped


def _mask_without_flood(insider: Insider) -> Any:
    params = insider.params
    evaluator, u = (
        seal.Evaluator(insider.context),
        binding.plaintext_from_coefficients(sampling.sample_ternary(params.degree), params),
    )
    evaluator.transform_to_ntt_inplace(u, insider.context.first_parms_id())
    made = seal.Ciphertext()
    evaluator.multiply_plain(insider.pk, u, made)
    halves = [ring.to_residues(sampling.sample_centred_binomial(params.degree), params) for _ in range(2)]
    first, second = (ring.scale_element(half, params.plain_modulus, params) for half in halves)
    evaluator.add_inplace(made, binding.ciphertext_from_coefficients(first, second, params))
    return made


@SETS
def test_the_noise_of_honest_sums_is_within_the_bound_that_the_flood_is_measured_against(params: ParameterSet) -> None:
    models = TwoModels(BANKS[params.name])
    found = BANKS[params.name].noise(bare(models.insider, models.head, models.weights[0]))
    count = len(models.weights[0].columns)
    hidden = params.statistical_distance(count, 1) * 2**params.flood_bits / math.sqrt(params.degree)
    assert np.linalg.norm(found.astype(np.float64)) / math.sqrt(params.degree) < hidden * 2
    assert np.abs(found).max() < params.worst_noise(count)


# --- exactness, for inputs made to break it ---------------------------------------------------------------------------


@pytest.mark.property(
    "Error bound",
    claim="The error bound holds for inputs made to break it.",
    topic="scoring",
    code=["protocols.scoring.parameters"],
)
@SETS
def test_the_error_bound_holds_and_is_reached_by_inputs_made_for_it(params: ParameterSet) -> None:
    """Every coefficient of message, noise and weight at its limit, with signs that add up in one coefficient."""
    insider, count, half = BANKS[params.name], 6, params.value_limit
    ones = np.ones(params.degree, dtype=np.int64)
    worst = [insider.craft(half * ones, 21 * ones) for _ in range(count)]
    weights = np.tile(slots(half * ones, params), (count, 1))
    assert np.abs(weights).max() <= params.value_limit
    job, head = terms_of(weights), head_of(worst, params.slots)
    job.check(params, columns=count, rows=params.slots)
    found = int(np.abs(insider.noise(bare(insider, head, job))).max())
    assert 0.99 * count * params.degree * 21.5 * params.plain_modulus / 2 < found <= params.worst_noise(count)


@pytest.mark.property("Error bound")
@SETS
@pytest.mark.parametrize("signs", ["all", "random", "alternating"])
def test_the_most_terms_at_every_limit_are_still_exact(params: ParameterSet, signs: str) -> None:
    insider, half = BANKS[params.name], params.value_limit
    random = np.random.default_rng(7)
    ones = np.ones(params.degree, dtype=np.int64)
    signed = {
        "all": ones,
        "random": random.choice([-1, 1], params.degree),
        "alternating": ones * (-1) ** np.arange(params.degree),
    }[signs]
    message, weight = half * signed, slots(half * signed, params)
    column = insider.craft(message, 21 * signed)
    count = params.max_weights
    job = messages.QuantizedWeights(
        np.zeros(count, dtype=np.int32), ((0,),) * count, np.tile(weight, (count, 1)), np.full((1, params.slots), half)
    )
    sums = [masked(insider, head_of([column], params.slots), job)]
    reply = output_of(bureau.finalize_sums(sums, job, params)[0], params)
    plain = seal.Plaintext()
    insider.decryptor.decrypt(reply, plain)
    assert insider.decryptor.invariant_noise_budget(reply) >= 1
    found = np.asarray(seal.BatchEncoder(insider.context).decode_int64(plain))
    expected = slots(message, params).astype(object) * weight.astype(object) * count + half
    assert ((found.astype(object) - expected) % params.plain_modulus == 0).all()


# --- the smallest modulus ---------------------------------------------------------------------------------------------


@SETS
def test_replies_are_switched_down_to_one_prime_and_others_are_refused(params: ParameterSet) -> None:
    insider = BANKS[params.name]
    batch = insider.holder.encrypt(tags(2), np.ones((1, 2), dtype=np.uint8), contract=CONTRACT)
    weights = terms_of(np.array([[5, 6]]))
    frame = bureau.evaluate_batch(insider.holder.public_context(), batch, weights, params, CONTRACT)
    reply = of_reply(frame, params)
    assert reply.coeff_modulus_size() == 1 and reply.parms_id() == insider.context.last_parms_id()
    assert len(unpack_frame(frame, FrameKind.REPLY).parts[1]) == params.output_bytes <= 15 * params.slots
    head = bureau.read_batch(batch, params, contract=CONTRACT)
    long = messages.pack_reply(params, head.sha256, 2, [binding.save_object(masked(insider, head, weights))])
    with pytest.raises(MalformedFrame):
        insider.holder.decrypt(long, rows=2, batch=batch)


# --- the request's randomness -----------------------------------------------------------------------------------------


@pytest.mark.property(
    "Request randomness",
    claim="Dividing a reply by the request's randomness gives no weight.",
    topic="scoring",
    code=["protocols.scoring.mask"],
)
@SETS
def test_dividing_by_the_requests_randomness_gives_the_weights_of_a_bare_sum_and_nothing_of_a_reply(
    params: ParameterSet,
) -> None:
    insider = BANKS[params.name]
    random = np.random.default_rng(5)
    weights = random.integers(-params.value_limit, params.value_limit + 1, (1, params.slots))
    batch = insider.holder.encrypt(tags(params.slots), np.ones((1, params.slots), np.uint8), contract=CONTRACT)
    head = bureau.read_batch(batch, params, contract=CONTRACT)
    randomness = messages.read_seeded_ciphertext(head.ciphertexts[0], params)[1].astype(object)

    def divided(second: NDArray[np.object_]) -> NDArray[np.object_]:
        """The polynomial w with w * (the request's second half) = ``second``, coefficients between -q/2 and q/2."""
        quotient = np.array(
            [
                [int(v) * pow(int(a), -1, p) % p for v, a in zip(row, own, strict=True)]
                for row, own, p in zip(second, randomness, params.data_primes, strict=True)
            ],
            dtype=np.uint64,
        )
        return integers(polynomials(transformed(quotient, params), params)[0], params)

    def recovered(polynomial: NDArray[np.object_]) -> float:
        guess = slots(np.array([int(v) % params.plain_modulus for v in polynomial], dtype=np.int64), params)
        return float((guess == weights[0]).mean())

    job = terms_of(weights)
    bare_quotient = divided(values_of(bare(insider, head, job), 1, params))
    assert np.abs(bare_quotient).max() <= params.plain_modulus // 2 and recovered(bare_quotient) == 1.0

    sums = divided(values_of(masked(insider, head, job), 1, params))
    reply = of_reply(bureau.evaluate_batch(insider.holder.public_context(), batch, job, params, CONTRACT), params)
    small = polynomials(reply, params)[1]
    dropped = params.modulus // params.primes[0]
    lifted = as_element(integers(small, at_level(params, 1)) * dropped, params)
    returned = divided(values_of(binding.ciphertext_from_coefficients(lifted, lifted, params), 1, params))
    for quotient in (sums, returned):
        assert recovered(quotient) < 0.01
        # What comes out is spread over all of q like any element drawn at random: 16 bins, chi squared, 15 degrees.
        counts = np.histogram((quotient / params.modulus).astype(np.float64), bins=16, range=(-0.5, 0.5))[0]
        expected = params.degree / 16
        assert ((counts - expected) ** 2 / expected).sum() < 60  # passed by chance with probability 2e-7


# --- public keys that are none ----------------------------------------------------------------------------------------


def _fit(insider: Insider, second: ring.RingElement, model: ring.RingElement, scale: int = 1) -> float:
    """How far from a model's sum the second half of a reply is, as a share of q: 1/4 on average if unrelated."""
    params = insider.params
    ours = integers(second, at_level(params, len(second))) * scale
    difference = (ours - integers(model, params)) % params.modulus
    distance = np.minimum(difference, params.modulus - difference)
    return float((distance / params.modulus).astype(np.float64).mean())


@SETS
def test_a_key_without_randomness_would_let_a_bank_test_guesses_on_replies_and_an_honest_one_does_not(
    params: ParameterSet,
) -> None:
    insider = BANKS[params.name]
    models = TwoModels(insider)
    one = zero(params)
    one[:, 0] = 1
    dropped = params.modulus // params.primes[0]
    with pytest.raises(RuntimeError, match="transparent"):
        mask.draw_mask(binding.ciphertext_from_coefficients(zero(params), zero(params), params), params)
    for pk, told in ((binding.ciphertext_from_coefficients(zero(params), one, params), True), (insider.pk, False)):
        for which in (0, 1):
            masking = masked(insider, models.head, models.weights[which], pk)
            second = polynomials(
                output_of(bureau.finalize_sums([masking], models.weights[which], params)[0], params), params
            )[1]
            right, wrong = (_fit(insider, second, models.halves[guess], dropped) for guess in (which, 1 - which))
            assert 0.24 < wrong < 0.26
            assert (right < 2**-20) if told else (0.24 < right < 0.26)


def test_a_key_that_shows_the_masks_randomness_would_undo_it_and_an_honest_one_does_not(monkeypatch) -> None:
    """pk0 a third of q over two: the first half says u, by which the mask of the second half is known."""
    params, insider = DEFAULT, BANKS[DEFAULT.name]
    drawn: list[NDArray[np.int64]] = []
    ternary = sampling.sample_ternary

    def listened(degree: int) -> NDArray[np.int64]:
        drawn.append(ternary(degree))
        return drawn[-1]

    monkeypatch.setattr(sampling, "sample_ternary", listened)
    constant = np.zeros(params.degree, dtype=object)
    constant[0] = params.modulus // 6
    shown = binding.ciphertext_from_coefficients(
        as_element(constant, params), polynomials(insider.pk, params)[1], params
    )
    for pk, told in ((shown, True), (insider.pk, False)):
        first = polynomials(mask.draw_mask(pk, params), params)[0]
        guess = np.rint((integers(first, params) / (params.modulus / 3)).astype(np.float64)).astype(np.int64)
        share = float((guess == drawn[-1]).mean())
        assert (share > 0.99) if told else (share < 0.4)


def crafted(first: NDArray[np.object_], params: ParameterSet) -> tuple[bytes, Any]:
    """A seeded key with this first half (transformed form), which is outwardly all right."""
    key = seeded(first, os.urandom(SEED_BYTES), params)
    return key, column_of(key, params)


@pytest.mark.property(
    "Proven public keys",
    claim="The bureau accepts a public key only with a proof that it is well formed.",
    topic="scoring",
    code=["protocols.scoring.key_proof"],
)
@SETS
def test_keys_that_are_none_are_refused_and_so_are_proofs_of_other_keys(
    params: ParameterSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    insider = BANKS[params.name]
    honest, proof = unpack_frame(insider.holder.public_context(), FrameKind.CONTEXT).parts
    degree, primes = params.degree, params.data_primes
    one = np.ones((len(primes), degree), dtype=object)
    nobody = np.zeros(degree, dtype=np.int64)
    tried: list[tuple[bytes, bytes]] = [(honest, bytes(len(proof))), (honest, os.urandom(len(proof)))]
    for first in (one, one * (params.modulus // 6), one * (params.modulus // 2), one * 2**90):
        key, made = crafted(first, params)
        tried += [
            (key, proof),
            (key, key_proof.prove_key(key, binding.ciphertext_coefficients(made, params), nobody, nobody, params)),
        ]
    # An honest form with a noise that is not small: the prover who keeps to the rules cannot begin.
    key, made = crafted(one, params)
    second = polynomials(made, params)[1]
    huge = np.full(degree, 1 << 30, dtype=np.int64)
    inside = ring.scale_element(ring.to_residues(huge, params), params.plain_modulus, params)
    half = ring.add_elements(ring.multiply_by_small(second, -insider.secret, params), inside, params)
    values = values_of(binding.ciphertext_from_coefficients(half, half, params), 0, params)
    tried.append((seeded(values, os.urandom(SEED_BYTES), params), proof))
    for wrong_key, wrong_proof in tried:
        with pytest.raises(key_proof.InvalidKeyProof):
            bureau.check_context(messages.pack_context(params, wrong_key, wrong_proof), params)
    with pytest.raises(key_proof.InvalidKeyProof), monkeypatch.context() as patch:
        patch.setattr(key_proof, "_ATTEMPTS", 20)  # one attempt is like the other, and all of them take many seconds
        key_proof.prove_key(key, (half, second), insider.secret, huge, params)
    # Keys that are not seeded, whatever they hold.
    for first, other in (
        (zero(params), zero(params)),
        (zero(params), as_element(np.eye(1, degree, dtype=np.int64)[0], params)),
    ):
        with pytest.raises(MalformedFrame):
            bureau.check_context(
                messages.pack_context(
                    params, binding.save_object(binding.ciphertext_from_coefficients(first, other, params)), proof
                ),
                params,
            )
    assert bureau.check_context(messages.pack_context(params, honest, proof), params)
    # The key of the secret 0 without noise is one: what it masks is masked, and its holder reads only first halves.
    key, made = crafted(one * 0, params)
    nothing = key_proof.prove_key(key, binding.ciphertext_coefficients(made, params), nobody, nobody, params)
    assert bureau.check_context(messages.pack_context(params, key, nothing), params)


@SETS
def test_a_changed_proof_is_none_and_a_proof_says_nothing_of_the_secret(params: ParameterSet) -> None:
    insider = BANKS[params.name]
    key, proof = unpack_frame(insider.holder.public_context(), FrameKind.CONTEXT).parts
    rounds = key_proof.proof_rounds(params)
    assert (2 * params.degree) ** -rounds <= 2**-128
    random = np.random.default_rng(9)
    for place in (0, 4 * rounds, len(proof) - 4, *random.integers(0, len(proof), 5).tolist()):
        changed = bytearray(proof)
        changed[place] ^= 1
        with pytest.raises(key_proof.InvalidKeyProof):
            bureau.check_context(messages.pack_context(params, key, bytes(changed)), params)
    # Turned back, a response is mask plus secret; its mean along the secret is what it would be without it.
    challenges = np.frombuffer(proof, dtype="<u4", count=rounds)
    responses = np.frombuffer(proof, dtype="<i4", offset=4 * rounds).astype(np.int64).reshape(rounds, 2, params.degree)
    back = [
        ring.multiply_by_monomial(response, 2 * params.degree - int(challenge))
        for response, challenge in zip(responses[:, 0], challenges, strict=True)
        if challenge
    ]
    along = np.array([float(response @ insider.secret) for response in back])
    spread = 2**18 / math.sqrt(3) * math.sqrt(float((insider.secret**2).sum()))
    assert abs(along.mean()) < 5 * spread / math.sqrt(len(along))
