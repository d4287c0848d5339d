"""The numbers of each parameter set, recomputed; and the flood, measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tenseal.sealapi as seal

from protocols.scoring import bank, native
from protocols.scoring.params import PARAMETERS, ParameterSet

# Homomorphic Encryption Standard (2018), table 1: ternary secret, classical, 128 bits.
STANDARD_128 = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}
SETS = pytest.mark.parametrize("params", PARAMETERS.values(), ids=lambda p: p.name)


@SETS
def test_security_level_is_that_of_the_standard(params: ParameterSet) -> None:
    total = sum(prime.bit_length() for prime in params.primes)
    assert total <= STANDARD_128[params.degree]
    assert native.context(params.name).parameters_set()


@SETS
def test_primes_suit_the_ring(params: ParameterSet) -> None:
    for prime in (*params.primes, params.plain_modulus):
        assert prime % (2 * params.degree) == 1
        assert all(pow(base, prime - 1, prime) == 1 for base in (2, 3, 5, 7, 11))


@SETS
def test_the_sum_stays_exact_at_both_levels_with_the_most_terms(params: ParameterSet) -> None:
    worst = params.noise_bound(params.max_terms) + 2**params.flood_bits
    assert worst < params.modulus / (2 * params.plain_modulus)
    smallest = params.primes[0]
    switched = worst * smallest / params.modulus + (params.degree + 1) / 2 + 1
    assert switched < smallest / (2 * params.plain_modulus)


@SETS
def test_the_flood_is_at_least_2_to_40_times_the_worst_noise(params: ParameterSet) -> None:
    assert params.flood_ratio(params.max_terms) >= 2**40


@SETS
def test_flood_coefficients_are_uniform_in_their_range(params: ParameterSet) -> None:
    residues = native._flood(params)
    modulus = params.modulus
    weights = [modulus // p * pow(modulus // p, -1, p) for p in params.primes[:-1]]
    values = [sum(w * int(r) for w, r in zip(weights, column, strict=True)) % modulus for column in residues.T]
    centred = np.array([(v - modulus if v > modulus // 2 else v) / 2**params.flood_bits for v in values])
    assert -1 <= centred.min() < -0.99 and 0.99 < centred.max() < 1
    # Mean of n uniform values on [-1, 1): standard deviation 1 / sqrt(3 n); six of them.
    assert abs(centred.mean()) < 6 / math.sqrt(3 * params.degree)
    assert abs((centred**2).mean() - 1 / 3) < 6 * math.sqrt(4 / 45 / params.degree)
    assert len(set(values)) == params.degree


@SETS
def test_the_noise_ciphertext_decrypts_to_zero_and_carries_the_flood(params: ParameterSet) -> None:
    key = native.load(seal.SecretKey, bank.generate_secret(params), params)
    decryptor = seal.Decryptor(native.context(params.name), key)
    noise = native.noise_ciphertext(params)
    plain = seal.Plaintext()
    decryptor.decrypt(noise, plain)
    assert plain.is_zero()
    # SEAL's budget is log2(q) - log2(2 |t * noise|): what the flood leaves of it.
    expected = math.log2(params.modulus) - 1 - math.log2(params.plain_modulus) - params.flood_bits
    assert abs(decryptor.invariant_noise_budget(noise) - expected) <= 1


@SETS
def test_every_model_fits_every_set(params: ParameterSet) -> None:
    from models.training import VALUE_LIMIT

    assert params.value_limit >= VALUE_LIMIT
