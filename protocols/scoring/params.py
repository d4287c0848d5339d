"""Parameter sets of the scoring protocol, each with the reasons for its numbers.

The scheme is BFV (Fan and Vercauteren, IACR ePrint 2012/144) in its RNS form as Microsoft SEAL computes it. One
multiplication by a plaintext is all the depth there is, so a set is judged by four numbers:

* **security**: degree and total modulus within the table of the Homomorphic Encryption Standard (2018, ternary secret,
  classical, 128 bits: 109 bits at 4096, 218 bits at 8192). SEAL refuses a context beyond it.
* **exactness**: the result is exact while the noise stays under q / 2t at every step.
* **flooding**: what the bureau adds to the noise of a reply, against the worst noise a batch can have.
* **bytes**: a seeded ciphertext is one polynomial modulo q.

Worst-case noise, in the infinity norm, N the degree: a fresh symmetric encryption has |e| <= 21 (centred binomial with
42 coins), and its scaled message another 1/2 of rounding; multiplying by a plaintext whose coefficients lie within t/2
gives at most N * 21.5 * t/2; T terms add up to T times that; the fresh encryption of zero under the public key that
re-randomises the reply adds at most 21 * (2N + 1). ``noise_bound`` is that sum, ``flood_ratio`` compares it with the
flood, and ``tests/protocol/test_scoring_parameters.py`` recomputes every inequality below.
"""

from __future__ import annotations

from dataclasses import dataclass

FRESH_NOISE = 21.5
"""Largest coefficient of a fresh symmetric encryption's noise, message rounding included."""


@dataclass(frozen=True)
class ParameterSet:
    """One named choice of parameters, which a contract names and both parties hold."""

    name: str
    degree: int
    """N: slots of a ciphertext, so enterprises of a batch."""
    primes: tuple[int, ...]
    """The coefficient modulus; the last prime is SEAL's key-switching prime and not part of q."""
    plain_modulus: int
    """t: a prime that is 1 modulo 2N, so that N integers fit the slots."""
    flood_bits: int
    """The flood is uniform on [-2^flood_bits, 2^flood_bits)."""
    max_terms: int
    """The most products that may be added into one reply."""
    max_outputs: int
    """The most replies (subtotals) of a batch."""
    security: str

    @property
    def slots(self) -> int:
        """Enterprises of a batch."""
        return self.degree

    @property
    def value_limit(self) -> int:
        """Every sum, in quanta, must lie within [-value_limit, value_limit]."""
        return (self.plain_modulus - 1) // 2

    @property
    def modulus(self) -> int:
        """q, the product of the data primes."""
        product = 1
        for prime in self.primes[:-1]:
            product *= prime
        return product

    def noise_bound(self, terms: int) -> float:
        """Worst-case noise (infinity norm) of a sum of ``terms`` products, re-randomised, before flooding."""
        product = self.degree * FRESH_NOISE * (self.plain_modulus / 2)
        return terms * product + 21 * (2 * self.degree + 1) + 0.5

    def flood_ratio(self, terms: int) -> float:
        """How many times the flood exceeds the worst-case noise of ``terms`` products."""
        return float(2**self.flood_bits / self.noise_bound(terms))


PARAMETERS: dict[str, ParameterSet] = {
    # q has 120 bits in three primes, the key-switching prime 41 more: 161 of the 218 bits that the standard allows.
    # t has 24 bits, so a raw score range of +-64 is cut into steps of 2^-17. 2^93 + noise < q / 2t = 2^95, and after
    # switching down to one prime 2^93 / 2^80 + (N + 1) / 2 = 12,288 < 2^40 / 2t = 2^15: exact at both levels.
    # Flooding: 2^46 times the worst noise for 80 terms, 2^40.5 for the 4,096 terms allowed.
    "bfv-8192-a": ParameterSet(
        name="bfv-8192-a",
        degree=8192,
        primes=(1099510824961, 1099510890497, 1099511480321, 2199023190017),
        plain_modulus=16760833,
        flood_bits=93,
        max_terms=4096,
        max_outputs=512,
        security="128 bits, classical (Homomorphic Encryption Standard 2018: 161 of 218 bits at N = 8192)",
    ),
}

DEFAULT_PARAMETERS = "bfv-8192-a"
