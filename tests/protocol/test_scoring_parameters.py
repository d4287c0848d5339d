"""The numbers of each parameter set, recomputed; and the randomness of the protocol, measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tenseal.sealapi as seal
from numpy.typing import NDArray

from lab.terms.errors import InvalidInput
from protocols.scoring import bank, mask
from protocols.scoring.parameters import (
    DEFAULT_PARAMETERS,
    FLOOD_FISHER_INFORMATION,
    PARAMETERS,
    TAIL_DEVIATIONS,
    ParameterSet,
    find_parameters,
)
from protocols.scoring.rlwe import ring, sampling
from protocols.scoring.seal import binding

# Homomorphic Encryption Standard (2018), table 1: ternary secret, classical, 128 bits.
STANDARD_128 = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}
SETS = pytest.mark.parametrize("params", PARAMETERS.values(), ids=lambda p: p.name)
TERMS = 80  # columns of the model that the figures in the reasons are for
THOUSAND = 1000


def integers(element: ring.RingElement, params: ParameterSet) -> list[int]:
    """Coefficients between -q/2 and q/2, by the Chinese remainder theorem."""
    q = params.modulus
    weights = [q // p * pow(q // p, -1, p) for p in params.data_primes]
    values = (sum(w * int(r) for w, r in zip(weights, row, strict=True)) % q for row in element.T)
    return [value - q if value > q // 2 else value for value in values]


@pytest.mark.property(
    "Security level",
    claim="The parameters keep the security level of the Homomorphic Encryption Standard.",
    topic="scoring",
    code=["protocols.scoring.parameters"],
)
@SETS
def test_security_level_is_that_of_the_standard(params: ParameterSet) -> None:
    total = sum(prime.bit_length() for prime in params.primes)
    assert total <= STANDARD_128[params.degree]
    assert f"{total} of {STANDARD_128[params.degree]} bits" in params.security
    assert binding.seal_context(params.name).parameters_set()


@SETS
def test_primes_suit_the_ring(params: ParameterSet) -> None:
    for prime in (*params.primes, params.plain_modulus):
        assert prime % (2 * params.degree) == 1
        assert all(pow(base, prime - 1, prime) == 1 for base in (2, 3, 5, 7, 11))
    assert len({*params.primes, params.plain_modulus}) == len(params.primes) + 1


@SETS
def test_the_context_computes_in_bgv(params: ParameterSet) -> None:
    context = binding.seal_context(params.name)
    fresh = seal.Ciphertext()
    seal.Encryptor(context, seal.KeyGenerator(context).secret_key()).encrypt_symmetric(seal.Plaintext("1"), fresh)
    assert fresh.is_ntt_form()  # BFV's are not, and CKKS takes no such plaintext


@pytest.mark.property("Exact scores")
@SETS
def test_the_sum_stays_exact_at_both_levels_with_the_most_terms(params: ParameterSet) -> None:
    worst = params.worst_noise(params.max_weights) + 3 * 2**params.flood_bits
    half = params.modulus / (2 * params.plain_modulus)
    assert worst < half / 2  # SEAL's noise budget keeps a bit, by which a bank knows a reply that is drowned
    smallest = params.primes[0]
    switched = worst * smallest / params.modulus + len(params.data_primes) * (params.degree + 1) / 2
    assert switched < smallest / (2 * params.plain_modulus) / 2


@pytest.mark.property(
    "Circuit privacy",
    claim=(
        "Replies are masked and flooded. A thousand of them are within a statistical distance of 2^-40 of "
        "replies made from the scores alone."
    ),
    topic="scoring",
    code=["protocols.scoring.mask", "protocols.scoring.parameters"],
)
def test_the_flood_of_the_default_set_hides_a_thousand_replies_within_2_to_minus_40() -> None:
    params = PARAMETERS[DEFAULT_PARAMETERS]
    assert params.max_replies(TERMS) >= THOUSAND
    assert params.statistical_distance(TERMS, 1) <= 2**-44.9
    assert params.statistical_distance(TERMS, 1, worst=True) <= 2**-39.6
    assert params.statistical_distance(params.max_weights, 1) <= 2**-39.3
    assert params.dishonest_key_distance(1) <= 2**-40 and params.dishonest_key_distance(THOUSAND) <= 2**-35


@SETS
def test_the_bounds_are_those_of_the_reasons(params: ParameterSet) -> None:
    n, t = params.degree, params.plain_modulus
    assert math.isclose(params.worst_noise(TERMS) - params.mask_noise(), TERMS * n * 21.5 * t / 2)
    for replies in (1, 7):
        carry, spread = TERMS * n * t / 4, math.sqrt(TERMS * n * 10.5) * t / 2
        length = math.sqrt(replies * n) * (carry + TAIL_DEVIATIONS * spread + params.mask_noise())
        expected = math.sqrt(1.14052) / 2 * length / 2**params.flood_bits
        assert math.isclose(params.statistical_distance(TERMS, replies), expected, rel_tol=1e-5)


def test_the_hellinger_distance_of_a_shifted_flood_is_what_the_fisher_information_says() -> None:
    """The claim behind ``distance``, for a flood small enough to write its distribution down."""
    width = 1 << 9
    once = np.full(2 * width, 1 / (2 * width))
    flood = np.convolve(np.convolve(once, once), once)
    for shift in (1, 3, 20):
        one, other = np.pad(flood, (0, shift)), np.pad(flood, (shift, 0))
        squared = 1 - np.sqrt(one * other).sum()
        bound = FLOOD_FISHER_INFORMATION / 8 * (shift / width) ** 2
        assert 0.85 * bound <= squared <= 1.01 * bound
        assert np.abs(one - other).sum() / 2 <= math.sqrt(2 * squared)
    # A uniform flood of the same reach pays by the coefficient: for many of them that is far more.
    many = 2**13
    uniform = 1 - (1 - 1 / (6 * width)) ** many
    smooth = math.sqrt(2 * many * FLOOD_FISHER_INFORMATION / 8) / width
    assert uniform > 0.9 and smooth < 0.1


@SETS
def test_flood_coefficients_are_the_sum_of_three_uniform_values(params: ParameterSet) -> None:
    values = integers(sampling.sample_flood(params), params)
    scaled = np.array([value / 2**params.flood_bits for value in values])
    assert -3 <= scaled.min() < -2.3 and 2.3 < scaled.max() < 3
    # Variance 1 and fourth moment 2.6 of three uniform values on [-1, 1); six standard deviations of each estimate.
    # The squares have variance 2.6 - 1, the fourth powers 44.73 - 2.6^2.
    n = params.degree
    assert abs(scaled.mean()) < 6 / math.sqrt(n)
    assert abs((scaled**2).mean() - 1) < 6 * math.sqrt(1.6 / n)
    assert abs((scaled**4).mean() - 2.6) < 6 * math.sqrt(37.98 / n)
    assert abs(np.corrcoef(scaled[:-1], scaled[1:])[0, 1]) < 6 / math.sqrt(n)
    assert len(set(values)) == n
    low = np.array([value & 0xFFFF for value in values])
    assert abs(low.mean() - 0x7FFF) < 6 * 0x10000 / math.sqrt(12 * n)


@SETS
def test_small_values_have_their_distributions(params: ParameterSet) -> None:
    n = params.degree
    signs = np.concatenate([sampling.sample_ternary(n) for _ in range(8)])
    assert set(signs) == {-1, 0, 1}
    assert all(abs((signs == sign).mean() - 1 / 3) < 6 * math.sqrt(2 / 9 / len(signs)) for sign in (-1, 0, 1))
    errors = np.concatenate([sampling.sample_centred_binomial(n) for _ in range(8)])
    assert np.abs(errors).max() <= 21
    assert abs(errors.var() - 10.5) < 6 * 10.5 * math.sqrt(2 / len(errors)) and abs(errors.mean()) < 0.2
    drawn = sampling.sample_uniform(18, n)
    assert -(2**18) <= drawn.min() < -0.99 * 2**18 and 0.99 * 2**18 < drawn.max() < 2**18


@SETS
def test_residues_are_computed_exactly(params: ParameterSet) -> None:
    random = np.random.default_rng(3)
    element = np.stack([random.integers(0, p, params.degree).astype(np.uint64) for p in params.data_primes])
    element[:, 0] = [p - 1 for p in params.data_primes]
    element[:, 1] = 0
    other = np.stack([np.full(params.degree, p - 1, dtype=np.uint64) for p in params.data_primes])
    for index, prime in enumerate(params.data_primes):
        row = [int(value) for value in element[index]]
        for factor in (0, 1, 2, params.plain_modulus, 2 * params.plain_modulus, 2**32 - 1, 2**32):
            assert ring.scale_element(element, factor, params)[index].tolist() == [v * factor % prime for v in row]
        assert ring.add_elements(element, other, params)[index].tolist() == [(v + prime - 1) % prime for v in row]


@SETS
def test_products_in_the_ring_are_those_of_the_transforms(params: ParameterSet) -> None:
    random = np.random.default_rng(4)
    element = np.stack([random.integers(0, p, params.degree).astype(np.uint64) for p in params.data_primes])
    bound = params.value_limit if params.value_limit < 2**22 else 2**22
    small = random.integers(-bound, bound + 1, params.degree)
    context = binding.seal_context(params.name)
    evaluator, weights, product = (
        seal.Evaluator(context),
        binding.plaintext_from_coefficients(small, params),
        seal.Ciphertext(),
    )
    evaluator.transform_to_ntt_inplace(weights, context.first_parms_id())
    evaluator.multiply_plain(binding.ciphertext_from_coefficients(element, element, params), weights, product)
    assert (binding.ciphertext_coefficients(product, params)[0] == ring.multiply_by_small(element, small, params)).all()
    turn = int(random.integers(1, params.degree))
    power: NDArray[np.int64] = np.zeros(params.degree, dtype=np.int64)
    power[turn] = 1
    assert (
        ring.multiply_element_by_monomial(element, turn, params) == ring.multiply_by_small(element, power, params)
    ).all()
    opposite = ring.multiply_element_by_monomial(element, turn + params.degree, params)
    assert (opposite == ring.multiply_by_small(element, -power, params)).all()
    assert (ring.multiply_by_monomial(small, turn + params.degree) == -ring.multiply_by_monomial(small, turn)).all()
    with pytest.raises(ValueError):
        ring.multiply_by_small(element, small * 0 + 2**24, params)


@SETS
def test_a_mask_decrypts_to_zero_and_carries_the_flood(params: ParameterSet) -> None:
    key = binding.load_secret_key(bank.generate_secret_key(params), params)
    context = binding.seal_context(params.name)
    pk, plain = seal.Ciphertext(), seal.Plaintext()
    seal.Encryptor(context, key).encrypt_zero_symmetric(pk)
    masked = mask.draw_mask(pk, params)
    decryptor = seal.Decryptor(context, key)
    decryptor.decrypt(masked, plain)
    assert plain.is_zero()
    # SEAL's budget is log2(q) - 1 - log2(t |noise|): the flood leaves between one bit and two.
    assert decryptor.invariant_noise_budget(masked) == 1
    assert decryptor.invariant_noise_budget(pk) > params.flood_bits - 40


def test_every_model_fits_the_default_set() -> None:
    from models.bureau.training.settings import VALUE_LIMIT

    assert PARAMETERS[DEFAULT_PARAMETERS].value_limit >= VALUE_LIMIT


def test_a_set_is_found_by_its_name_and_one_that_is_not_offered_is_refused_with_what_to_do() -> None:
    assert {name: find_parameters(name) for name in PARAMETERS} == PARAMETERS
    for name in ("bgv-4096-a", "BGV-8192-A", "bgv-8192-b", ""):
        with pytest.raises(InvalidInput, match=f"one of the parameter sets bgv-8192-a; found {name},") as refused:
            find_parameters(name)
        assert "amended (term: parameters)" in refused.value.next_step
        with pytest.raises(InvalidInput):
            binding.seal_context(name)
