"""Parameter sets of the scoring protocol, each with the reasons for its numbers.

The scheme is BGV (Brakerski, Gentry and Vaikuntanathan, IACR ePrint 2011/277) in its RNS form, as Microsoft SEAL
computes it. It holds the same integers as BFV with the same room for noise, and its ciphertexts travel in the form in
which they are multiplied, which saves the bureau two thirds of its transforms. The only multiplication is one by a
plaintext. A set is judged by five numbers, and ``tests/protocol/test_scoring_parameters.py`` recomputes each:

* **security**: degree and total modulus are within the table of the Homomorphic Encryption Standard (2018, ternary
  secret, classical, 128 bits: 218 bits at 8192), beyond which SEAL refuses a context; 128 bits of core-SVP (README).
* **exactness**: the result is exact while the noise, in units of t, stays below q / 2t at every step.
* **flooding**: how far the noise of a reply can tell two models apart (``statistical_distance``).
* **precision**: sums are within ``value_limit`` quanta, so the finest quantum is a model's largest sum divided by it.
* **bytes**: a column is one polynomial modulo q, and the seed of another.

**Noise**, in units of t, infinity norm, N the degree. A fresh symmetric encryption has |e| <= 21 (centred binomial, 42
coins, variance 10.5). The product with a plaintext W whose coefficients are within t/2 has the noise W*e and the carry
of W*m over t: at most N * 21 * t/2 and N * t/4, together N * 21.5 * t/2. A sum of K products has K times that.
``worst_noise`` adds the mask. Exactness is judged by it, because no honest encryption exceeds it.

**What the flood hides.** The flood is the sum of three uniform values on [-2^b, 2^b). It is bounded, so exactness is
certain. It is smooth, so a shift is hidden in proportion to its Euclidean length and not to its sum over coefficients.
For independent flood coefficients and a shift d, total variation <= sqrt(I) / 2 * |d|_2 / 2^b, by way of the Hellinger
distance, where I = sqrt(3) * artanh(1 / sqrt(3)) = 1.1405 is the Fisher information of location of a sum of three
uniform values on [-1, 1]. (With a uniform flood the bound is the sum: a factor sqrt(coefficients) more.) The shift that
a model makes has length at most

    sqrt(coefficients of all replies) * (carry + 9 standard deviations of the e part)

The carry is K * N * t/4 in the worst case. The bank's e are random and the weights are not chosen after them, so the
e part has a standard deviation of sqrt(K * N * 10.5) * t/2 (sub-Gaussian; nine of them are exceeded with probability
2^-57). ``statistical_distance(..., worst=True)`` takes e in its worst case as well. Literature: noise flooding, Gentry,
"A fully homomorphic encryption scheme" (2009), section 4.3; Asharov et al., EUROCRYPT 2012 (ePrint 2011/613), lemma 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.terms.errors import InvalidInput
from protocols.scoring.packing import packed_size

SEED_BYTES = 32
"""Length of the seed from which the second polynomial of a column or a key is expanded (``rlwe.seed_expansion``)."""
FRESH_NOISE = 21
"""Largest coefficient of a fresh encryption's noise: SEAL's centred binomial distribution with 42 coins."""
FRESH_VARIANCE = 10.5
FLOOD_FISHER_INFORMATION = math.sqrt(3) * math.atanh(1 / math.sqrt(3))
"""Fisher information of location of the sum of three uniform values on [-1, 1]."""
TAIL_DEVIATIONS = 9
"""Standard deviations that a sub-Gaussian noise exceeds with probability 2 exp(-40.5) < 2^-57."""
KEY_SOUNDNESS_BITS = 128
"""Bits of soundness of the proof that a public key is well formed (``key_proof``)."""
KEY_MASK_SECRET_BITS, KEY_MASK_NOISE_BITS = 18, 22
"""Bits of the masks in that proof, for the secret and for the noise. About half of the attempts are rejected."""


@dataclass(frozen=True)
class ParameterSet:
    """One named choice of parameters, which a contract names and both parties hold."""

    name: str
    degree: int
    """N: slots of a ciphertext, and so the most enterprises of a batch."""
    primes: tuple[int, ...]
    """The coefficient modulus. The last is SEAL's key-switching prime, which is never used and not part of q."""
    plain_modulus: int
    """t: a prime that is 1 modulo 2N, so that N integers fit the slots."""
    flood_bits: int
    """b: the flood is the sum of three uniform values on [-2^b, 2^b)."""
    max_weights: int
    """The most products that may be added to one output."""
    max_outputs: int
    """The most outputs (totals and subtotals) of a reply."""
    statistical_security_bits: int
    """All replies of a model to one bank stay within a distance of 2^-bits. The bureau stops there."""
    security: str

    @property
    def slots(self) -> int:
        """The most enterprises of a batch."""
        return self.degree

    @property
    def value_limit(self) -> int:
        """Every sum, in quanta, must lie within [-value_limit, value_limit]."""
        return (self.plain_modulus - 1) // 2

    @property
    def data_primes(self) -> tuple[int, ...]:
        """The primes of q."""
        return self.primes[:-1]

    @property
    def modulus(self) -> int:
        """q, the product of the data primes."""
        return math.prod(self.data_primes)

    @property
    def column_bytes(self) -> int:
        """A column or a public key (``messages``): the seed of one polynomial and the residues of the other."""
        return SEED_BYTES + packed_size(self.data_primes, self.degree)

    @property
    def output_bytes(self) -> int:
        """An output of a reply as it travels: two polynomials modulo the smallest modulus."""
        return 2 * packed_size(self.primes[:1], self.degree)

    def correction_factor(self, primes: int) -> int:
        """SEAL's correction factor of a ciphertext with ``primes`` data primes left.

        Switching down multiplies the message by it, modulo t. At the highest level it is 1.
        """
        dropped = math.prod(self.data_primes[primes:])
        return pow(dropped, -1, self.plain_modulus)

    def worst_noise(self, weight_count: int) -> float:
        """Worst-case noise of a coefficient of a sum of ``weight_count`` products with its mask, before the flood."""
        product = self.degree * (FRESH_NOISE + 0.5) * (self.plain_modulus / 2)
        return weight_count * product + self.mask_noise()

    def mask_noise(self, *, honest: bool = True) -> float:
        """Worst-case noise of the mask 2 (u pk + e): for an honest key, or for any key with a valid ``key_proof``.

        A proof shows 2 pk0 = -(pk1 s + t e) with |s|, |e| up to 2 N times the proof's masks. The mask's noise is then
        2 e0 + s e1 - u e, where u (ternary) and e1, both the bureau's own, are sub-Gaussian (``TAIL_DEVIATIONS``).
        """
        if honest:
            return 2 * FRESH_NOISE + self.degree * (2 * FRESH_NOISE + 2 * FRESH_NOISE)
        secret, noise = 2 * self.degree * 2.0**KEY_MASK_SECRET_BITS, 2 * self.degree * 2.0**KEY_MASK_NOISE_BITS
        return 2 * FRESH_NOISE + TAIL_DEVIATIONS * math.sqrt(self.degree * (secret**2 * FRESH_VARIANCE + noise**2))

    def statistical_distance(self, weight_count: int, replies: int, *, worst: bool = False) -> float:
        """Bound on the statistical distance of the noise of ``replies`` replies from noise that is free of the model.

        Each reply is a sum of ``weight_count`` products. ``worst``: the encryption noise in its worst case too.
        """
        carry = weight_count * self.degree * self.plain_modulus / 4
        random = math.sqrt(weight_count * self.degree * FRESH_VARIANCE) * self.plain_modulus / 2
        shift = self.worst_noise(weight_count) if worst else carry + TAIL_DEVIATIONS * random + self.mask_noise()
        return self._distance(shift, replies)

    def dishonest_key_distance(self, replies: int) -> float:
        """The same bound for the noise of masks under a dishonest public key with a valid ``key_proof``."""
        return self._distance(self.mask_noise(honest=False), replies)

    def leakage_share(self, weight_counts: Sequence[int]) -> float:
        """The share of the distance 2^-``statistical_security_bits`` that one batch uses up.

        ``weight_counts``: the number of weights of each output. Squares of distances add up over replies, because the
        bound is the length of all shifts taken as one vector.
        """
        allowed = 2.0**-self.statistical_security_bits
        return sum((self.statistical_distance(count, 1) / allowed) ** 2 for count in weight_counts)

    def max_replies(self, weight_count: int) -> int:
        """How many outputs, each of ``weight_count`` weights, stay within the allowed distance together."""
        return int(1 / self.leakage_share([weight_count]))

    def _distance(self, shift: float, replies: int) -> float:
        return math.sqrt(FLOOD_FISHER_INFORMATION) / 2 * math.sqrt(replies * self.degree) * shift / 2.0**self.flood_bits


PARAMETERS: dict[str, ParameterSet] = {
    # q has 120 bits in two primes of 60, the largest that SEAL takes: two of 60 cost a third less than three of 40.
    # With the smallest third prime that is 137 of the 218 bits that the standard allows; more bits would make every
    # ciphertext longer. t has 24 bits, so a raw score range of +-64 is cut into steps of 2^-17.
    # Exactness: the flood is below 3 * 2^92 = 2^93.6 and q / 2t = 2^95, which leaves the last bit of SEAL's noise
    # budget, by which a bank recognises a damaged reply. After switching down to one prime,
    # 3 * 2^32 + (N + 1) / 2 < 2^60 / 2t = 2^35.
    # Flooding, 80 weights: one reply within 2^-45, and a thousand together (8 million scores) within 2^-40. With the
    # encryption noise in its worst case too: 2^-39.7 and 2^-34.7.
    "bgv-8192-a": ParameterSet(
        name="bgv-8192-a",
        degree=8192,
        primes=(1152921504606748673, 1152921504606830593, 114689),
        plain_modulus=16760833,
        flood_bits=92,
        statistical_security_bits=40,
        max_weights=4096,
        max_outputs=512,
        security="128 bits, classical (Homomorphic Encryption Standard 2018: 137 of 218 bits at N = 8192)",
    ),
}

DEFAULT_PARAMETERS = "bgv-8192-a"


def find_parameters(name: str) -> ParameterSet:
    """The parameter set of that name; raises ``InvalidInput`` for a name that is not offered."""
    found = PARAMETERS.get(name)
    if found is None:
        raise InvalidInput(
            f"Expected one of the parameter sets {', '.join(PARAMETERS)}; found {name}, which is not offered "
            "(any more).",
            next_step="name one of these; a contract that names another has to be amended (term: parameters) "
            "by `lab officer amend`, and signed by the bank",
        )
    return found
