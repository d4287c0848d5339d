"""A public key shows that it is one: a non-interactive proof of small s and e with pk0 = -(pk1 s + t e).

A reply is masked by 2 (u pk + e). That hides nothing if a bank makes its key so that the mask says what u is: with
pk = (0, 0) there is no mask at all, and with pk = (2^90, a) the first half shows u in its high bits. So the bureau
takes a key only with this proof, and pk1 only as what a seed expands to (``expansion``): nobody can choose it.

It is the proof of knowledge of Lyubashevsky (EUROCRYPT 2012, ePrint 2011/537: masks and rejection) with the monomial
challenges of Benhamouda, Camenisch, Krenn, Lyubashevsky and Neven (ASIACRYPT 2014, ePrint 2014/889), made
non-interactive by a hash (Fiat and Shamir):

    prover    y_s, y_e uniform in their ranges; w = pk1 y_s + t y_e; turn c in [0, 2N) from the hash of key and every w
              z_s = y_s + X^c s, z_e = y_e + X^c e; begins anew unless all lie in ranges that depend on no secret
    verifier  |z_s|, |z_e| in range, and the hash of key and every  pk1 z_s + t z_e + X^c pk0  gives the turns again

run often enough that guessing every turn succeeds with at most 2^-128. From two answers to one w with turns c and d,
and as 2 / (X^c - X^d) has coefficients -1, 0 and 1, come s' and e' with 2 pk0 = -(pk1 s' + t e') and
|s'| <= 2 N 2^18, |e'| <= 2 N 2^22. The factor 2 is why the mask is doubled: pk0 halved modulo q would otherwise show
the parity of u. ``ParameterSet.key_distance`` says what such s' and e' let the mask's noise say of u.
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
    """How often the proof runs: guessing one turn succeeds with probability 1 / 2N = 2^-(bit length of N)."""
    return -(-KEY_SOUNDNESS_BITS // params.degree.bit_length())


def proof_bytes(params: ParameterSet) -> int:
    """The length of a proof: the turns (4 bytes each) and two small polynomials a run."""
    return proof_rounds(params) * (4 + 2 * params.degree * 4)


def prove_key(
    key: bytes,
    pk: tuple[RingElement, RingElement],
    secret: NDArray[np.int64],
    error: NDArray[np.int64],
    params: ParameterSet,
) -> bytes:
    """The proof for the key that travels as ``key`` and has polynomials ``pk`` = (-(a secret + t error), a)."""
    for _ in range(_ATTEMPTS):
        masks = [
            (
                sampling.sample_uniform(KEY_MASK_SECRET_BITS, params.degree),
                sampling.sample_uniform(KEY_MASK_NOISE_BITS, params.degree),
            )
            for _ in range(proof_rounds(params))
        ]
        turns = _turns(key, [_image(pk[1], one, other, params) for one, other in masks], params)
        answers = np.stack(
            [
                (one + ring.multiply_by_monomial(secret, turn), other + ring.multiply_by_monomial(error, turn))
                for (one, other), turn in zip(masks, turns, strict=True)
            ]
        )
        if _in_range(answers):
            return np.asarray(turns, dtype="<u4").tobytes() + answers.astype("<i4").tobytes()
    raise InvalidKeyProof("no proof was found: the key's secret or noise is not small")


def verify_key_proof(key: bytes, pk: tuple[RingElement, RingElement], proof: bytes, params: ParameterSet) -> None:
    """Raise ``InvalidKeyProof`` unless ``proof`` is one for this key."""
    runs, degree = proof_rounds(params), params.degree
    if len(proof) != proof_bytes(params):
        raise InvalidKeyProof(f"a key's proof has {proof_bytes(params)} bytes; found {len(proof)}")
    turns = np.frombuffer(proof, dtype="<u4", count=runs).tolist()
    answers = np.frombuffer(proof, dtype="<i4", offset=4 * runs).astype(np.int64).reshape(runs, 2, degree)
    if max(turns) >= 2 * degree or not _in_range(answers):
        raise InvalidKeyProof("the proof's turns or answers are out of range")
    commitments = [
        ring.add_elements(
            _image(pk[1], one, other, params), ring.multiply_element_by_monomial(pk[0], turn, params), params
        )
        for (one, other), turn in zip(answers, turns, strict=True)
    ]
    if _turns(key, commitments, params) != turns:
        raise InvalidKeyProof("the proof does not belong to this key")


def _image(a: RingElement, one: NDArray[np.int64], other: NDArray[np.int64], params: ParameterSet) -> RingElement:
    """a * one + t * other."""
    scaled = ring.scale_element(ring.to_residues(other, params), params.plain_modulus, params)
    return ring.add_elements(ring.multiply_by_small(a, one, params), scaled, params)


def _turns(key: bytes, commitments: list[RingElement], params: ParameterSet) -> list[int]:
    """The verifier's part, by a hash: one number below 2N a run."""
    state = hashlib.shake_256(_DOMAIN + params.name.encode() + b"\0" + hashlib.sha256(key).digest())
    for commitment in commitments:
        state.update(commitment.astype("<u8").tobytes())
    words = np.frombuffer(state.digest(4 * len(commitments)), dtype="<u4")
    return [int(word) % (2 * params.degree) for word in words]  # 2N is a power of two: no bias


def _in_range(answers: NDArray[np.int64]) -> bool:
    """Whether every coefficient could come from any secret of 1 and any noise of 21: [runs, 2, degree]."""
    return bool(np.abs(answers[:, 0]).max() <= _SECRET_RANGE and np.abs(answers[:, 1]).max() <= _NOISE_RANGE)
