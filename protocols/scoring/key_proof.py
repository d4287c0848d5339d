"""The proof that a public key is well formed: knowledge of small s and e with pk0 = -(pk1 s + t e).

A reply is masked by 2 (u pk + e). That hides nothing if a bank makes its key so that the mask shows u. With pk = (0, 0)
there is no mask at all; with pk = (2^90, a) the first half shows u in its high bits. So the bureau accepts a key only
with this proof, and pk1 only as the expansion of a seed (``rlwe.seed_expansion``), which nobody can choose.

It is the proof of knowledge of Lyubashevsky (EUROCRYPT 2012, ePrint 2011/537: masking and rejection) with the monomial
challenges of Benhamouda, Camenisch, Krenn, Lyubashevsky and Neven (ASIACRYPT 2014, ePrint 2014/889), made
non-interactive by a hash (Fiat and Shamir):

    prover    y_s, y_e uniform in their ranges; w = pk1 y_s + t y_e; challenges c in [0, 2N) from the hash of the key
              and every w; z_s = y_s + X^c s, z_e = y_e + X^c e; begins anew unless all of them are in ranges that do
              not depend on any secret
    verifier  |z_s|, |z_e| in range, and the hash of the key and every pk1 z_s + t z_e + X^c pk0 gives the same
              challenges

It is run in so many rounds that guessing every challenge succeeds with a chance of at most 2^-128. Two responses to one
w with challenges c and d give s' and e' with 2 pk0 = -(pk1 s' + t e'), |s'| <= 2 N 2^18 and |e'| <= 2 N 2^22, because
2 / (X^c - X^d) has coefficients -1, 0 and 1. The factor 2 is why the mask is doubled: pk0 halved modulo q would
otherwise show the parity of u. ``ParameterSet.dishonest_key_distance`` bounds what such s' and e' let the mask's noise
say of u.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from protocols.scoring.parameters import (
    FRESH_NOISE,
    KEY_MASK_NOISE_BITS,
    KEY_MASK_SECRET_BITS,
    KEY_SOUNDNESS_BITS,
    ParameterSet,
)
from protocols.scoring.rlwe import ring, sampling
from protocols.scoring.rlwe.ring import RingElement

_DOMAIN = b"shulab scoring key proof v2\0"
_ATTEMPTS = 200  # each is rejected with probability about 1/2
_SECRET_RANGE = (1 << KEY_MASK_SECRET_BITS) - 2
_NOISE_RANGE = (1 << KEY_MASK_NOISE_BITS) - FRESH_NOISE - 1


class InvalidKeyProof(ValueError):
    """A public key without a valid proof that it is well formed."""


def proof_rounds(params: ParameterSet) -> int:
    """How many rounds a proof has: guessing one challenge succeeds with probability 1 / 2N = 2^-(bit length of N)."""
    return -(-KEY_SOUNDNESS_BITS // params.degree.bit_length())


def proof_bytes(params: ParameterSet) -> int:
    """The length of a proof: for each round a challenge (4 bytes) and two small polynomials (4 bytes a coefficient)."""
    return proof_rounds(params) * (4 + 2 * params.degree * 4)


def prove_key(
    key: bytes,
    pk: tuple[RingElement, RingElement],
    secret: NDArray[np.int64],
    error: NDArray[np.int64],
    params: ParameterSet,
) -> bytes:
    """The proof for the key that travels as ``key`` and has the coefficients ``pk`` = (-(a secret + t error), a).

    ``secret`` and ``error``: int64 [N]. Raises ``InvalidKeyProof`` if they are not small.
    """
    for _ in range(_ATTEMPTS):
        masks = [
            (
                sampling.sample_uniform(KEY_MASK_SECRET_BITS, params.degree),
                sampling.sample_uniform(KEY_MASK_NOISE_BITS, params.degree),
            )
            for _ in range(proof_rounds(params))
        ]
        commitments = [_commit(pk[1], secret_mask, noise_mask, params) for secret_mask, noise_mask in masks]
        challenges = _challenges(key, commitments, params)
        responses = np.stack(
            [
                (
                    secret_mask + ring.multiply_by_monomial(secret, challenge),
                    noise_mask + ring.multiply_by_monomial(error, challenge),
                )
                for (secret_mask, noise_mask), challenge in zip(masks, challenges, strict=True)
            ]
        )
        if _in_range(responses):
            return np.asarray(challenges, dtype="<u4").tobytes() + responses.astype("<i4").tobytes()
    raise InvalidKeyProof("no proof was found: the key's secret or noise is not small")


def verify_key_proof(key: bytes, pk: tuple[RingElement, RingElement], proof: bytes, params: ParameterSet) -> None:
    """Raise ``InvalidKeyProof`` unless ``proof`` shows that the key is well formed; ``key`` and ``pk`` as proven."""
    rounds, degree = proof_rounds(params), params.degree
    if len(proof) != proof_bytes(params):
        raise InvalidKeyProof(f"a key's proof has {proof_bytes(params)} bytes; found {len(proof)}")
    challenges = np.frombuffer(proof, dtype="<u4", count=rounds).tolist()
    responses = np.frombuffer(proof, dtype="<i4", offset=4 * rounds).astype(np.int64).reshape(rounds, 2, degree)
    if max(challenges) >= 2 * degree or not _in_range(responses):
        raise InvalidKeyProof("the proof's challenges or responses are out of range")
    commitments = [
        ring.add_elements(
            _commit(pk[1], secret_part, noise_part, params),
            ring.multiply_element_by_monomial(pk[0], challenge, params),
            params,
        )
        for (secret_part, noise_part), challenge in zip(responses, challenges, strict=True)
    ]
    if _challenges(key, commitments, params) != challenges:
        raise InvalidKeyProof("the proof does not belong to this key")


def _commit(
    a: RingElement, secret_part: NDArray[np.int64], noise_part: NDArray[np.int64], params: ParameterSet
) -> RingElement:
    """a * secret_part + t * noise_part."""
    scaled = ring.scale_element(ring.to_residues(noise_part, params), params.plain_modulus, params)
    return ring.add_elements(ring.multiply_by_small(a, secret_part, params), scaled, params)


def _challenges(key: bytes, commitments: list[RingElement], params: ParameterSet) -> list[int]:
    """The verifier's part, by a hash: one number below 2N for each round."""
    state = hashlib.shake_256(_DOMAIN + params.name.encode() + b"\0" + hashlib.sha256(key).digest())
    for commitment in commitments:
        state.update(commitment.astype("<u8").tobytes())
    words = np.frombuffer(state.digest(4 * len(commitments)), dtype="<u4")
    return [int(word) % (2 * params.degree) for word in words]  # 2N is a power of two: no bias


def _in_range(responses: NDArray[np.int64]) -> bool:
    """Whether every coefficient could come from any secret of 1 and any noise of 21: [rounds, 2, degree]."""
    return bool(np.abs(responses[:, 0]).max() <= _SECRET_RANGE and np.abs(responses[:, 1]).max() <= _NOISE_RANGE)
