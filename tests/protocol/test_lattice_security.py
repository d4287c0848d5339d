"""How hard the lattice problems behind scoring are, by a short formula, and that they are the problems stated.

The formula is the primal attack's (Alkim, Ducas, Pöppelmann, Schwabe 2016, section 6.3; Albrecht, Göpfert, Virdia,
Wunderer 2017, section 4): BKZ with blocks of b finds the short vector once

    sigma sqrt(b)  <=  delta(b)^(2 b - d - 1) * Vol^(1 / d)

in the embedding of Bai and Galbraith (2014) of m samples, d = m + N + 1, Vol = q^m xi^N, where xi makes the ternary
secret as long as the noise. Core-SVP then counts 2^(0.292 b) steps, and 2^(0.265 b) with a quantum computer (Becker,
Ducas, Gama, Laarhoven 2016; Laarhoven 2015). The table in ``protocols/scoring/README.md``, the lattice estimator's,
is held to this.
"""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from protocols.scoring import messages
from protocols.scoring.bank import KeyHolder, generate_secret_key
from protocols.scoring.encryption import SymmetricEncryptor
from protocols.scoring.parameters import (
    FRESH_NOISE,
    FRESH_VARIANCE,
    PARAMETERS,
    SEED_BYTES,
    ParameterSet,
)
from protocols.scoring.rlwe import ring
from protocols.scoring.seal import binding
from tests.support.parameter_sets import NARROW

ROOT = Path(__file__).parents[2]
TERNARY_VARIANCE = 2 / 3
CLASSICAL, QUANTUM = 0.292, 0.265
WANTED = 128
SETS = pytest.mark.parametrize("params", PARAMETERS.values(), ids=lambda p: p.name)


def log_delta(block: int) -> float:
    """log2 of the root-Hermite factor that BKZ with blocks of this size reaches (Chen 2013)."""
    return math.log2(block / (2 * math.pi * math.e) * (math.pi * block) ** (1 / block)) / (2 * (block - 1))


def reaches(block: int, samples: int, degree: int, modulus: int) -> bool:
    dimension = samples + degree + 1
    volume = samples * math.log2(modulus) + degree * math.log2(FRESH_VARIANCE / TERNARY_VARIANCE) / 2
    short = (math.log2(FRESH_VARIANCE) + math.log2(block)) / 2
    return short <= (2 * block - dimension - 1) * log_delta(block) + volume / dimension


@cache
def block_size(degree: int, modulus: int) -> int:
    """The smallest block size that any number of samples lets succeed."""
    low, high = 60, 4 * degree
    while low < high:
        block = (low + high) // 2
        if any(reaches(block, samples, degree, modulus) for samples in range(degree // 2, 2 * degree, 4)):
            high = block
        else:
            low = block + 1
    return low


def table() -> dict[str, dict[str, float]]:
    """The rows of the README's table by their sets."""
    text = (ROOT / "protocols/scoring/README.md").read_text(encoding="utf-8")
    section = text.partition("## Security level")[2].partition("\n## ")[0]
    lines = [[cell.strip(" `*") for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line]
    sets = lines[0][1:]
    return {
        name: {line[0]: float(found[0]) for line in lines[2:] if (found := re.findall(r"^[\d.]+", line[column]))}
        for column, name in enumerate(sets, start=1)
    }


@pytest.mark.parametrize(
    ("degree", "modulus", "block"),
    [(1024, 2**27, 347), (4096, 2**109, 327), (4096, 2**88, 445), (8192, 2**218, 325)],
)
def test_the_formula_gives_the_block_sizes_that_the_estimator_gives(degree: int, modulus: int, block: int) -> None:
    assert abs(block_size(degree, modulus) - block) <= 1


@SETS
def test_the_table_is_what_the_formula_gives(params: ParameterSet) -> None:
    row, block = table()[params.name], block_size(params.degree, params.modulus)
    assert row["N"] == params.degree
    assert row["q, bits"] == pytest.approx(math.log2(params.modulus), abs=0.5)
    assert abs(row["block size, primal attack"] - block) <= 1
    assert row["core-SVP, classical, primal"] == pytest.approx(CLASSICAL * block, abs=0.4)
    assert row["core-SVP, quantum, primal"] == pytest.approx(QUANTUM * block, abs=0.4)


@SETS
def test_every_set_that_is_offered_stands_up_to_core_svp(params: ParameterSet) -> None:
    assert CLASSICAL * block_size(params.degree, params.modulus) > WANTED
    assert QUANTUM * block_size(params.degree, params.modulus) > WANTED


def test_the_set_that_was_dropped_does_not_and_its_row_says_so() -> None:
    text = (ROOT / "protocols/scoring/README.md").read_text(encoding="utf-8")
    row = re.search(r"^\| `bgv-4096-a` \| 93 \| ([\d.]+), [\d.]+ \| ([\d.]+), ", text, re.MULTILINE)
    assert row is not None and round(math.log2(NARROW.modulus)) == 93
    block = block_size(NARROW.degree, NARROW.modulus)
    assert CLASSICAL * block < WANTED
    assert float(row[1]) == pytest.approx(CLASSICAL * block, abs=0.4)
    assert float(row[2]) == pytest.approx(QUANTUM * block, abs=0.4)
    assert (
        2**-35.5 <= NARROW.statistical_distance(80, 1) <= 2**-35.4
        and 2**-30.5 <= NARROW.statistical_distance(80, 1000) <= 2**-30.4
    )


@SETS
def test_no_ciphertext_is_ever_modulo_the_special_prime(params: ParameterSet) -> None:
    """Keys and columns are residues modulo the data primes; what would use the special prime is never made."""
    context = binding.seal_context(params.name)
    assert context.first_parms_id() != context.key_parms_id()
    key, _ = SymmetricEncryptor(secret_of(params), params).make_public_key()
    assert len(key) == SEED_BYTES + sum(prime.bit_length() * params.degree // 8 for prime in params.data_primes)
    first, second = messages.read_seeded_ciphertext(key, params)
    made = binding.ciphertext_from_ntt(first, second, params)
    assert made.coeff_modulus_size() == len(params.data_primes) == len(params.primes) - 1
    assert made.parms_id() == context.first_parms_id()
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "protocols").rglob("*.py"))
    assert not re.findall(r"RelinKeys|GaloisKeys|relin_keys|galois_keys|create_public_key|seal\.PublicKey", source)


@SETS
def test_secret_and_noise_are_distributed_as_the_formula_takes_them(params: ParameterSet) -> None:
    secret = secret_of(params)
    counts = np.array([(secret == value).sum() for value in (-1, 0, 1)])
    assert counts.sum() == params.degree
    assert np.abs(counts - params.degree / 3).max() < 6 * math.sqrt(params.degree * 2 / 9)
    key, told = SymmetricEncryptor(secret, params).make_public_key()
    first, second = binding.ciphertext_coefficients(
        binding.ciphertext_from_ntt(*messages.read_seeded_ciphertext(key, params), params), params
    )
    prime = params.primes[0]
    row = [int(x) for x in ring.add_elements(first, ring.multiply_by_small(second, secret, params), params)[0]]
    centred = np.array([x - prime if x > prime // 2 else x for x in row])
    assert (centred % params.plain_modulus == 0).all()
    error = -centred // params.plain_modulus
    assert (error == told).all()
    assert np.abs(error).max() <= FRESH_NOISE
    assert error.var() == pytest.approx(FRESH_VARIANCE, rel=6 * math.sqrt(2 / params.degree))


def secret_of(params: ParameterSet) -> NDArray[np.int64]:
    return KeyHolder(params, generate_secret_key(params))._secret()
