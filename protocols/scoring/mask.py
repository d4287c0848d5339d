"""What every reply starts from: an encryption of zero that no bank can know, with the flood in its noise.

    2 (u pk + t (e0, e1)) + (t f, 0)      u ternary, e0 and e1 centred binomial, f the flood, all fresh for each reply

Why this hides a model from a bank that knows the secret key, the request's randomness and its own key's (README.md has
the argument in full): the second half is pk1 u + t e1 doubled, a sample of ring learning with errors with secret u
under a pk1 that nobody chose, so it looks uniform and hides the sum of columns it is added to. Given it, the first half
says what decryption says and no more: a value whose noise is f plus terms that f drowns. That needs a key that is one,
hence ``keyproof``, and the factor 2 is the one that its proof leaves.
"""

from __future__ import annotations

from typing import Any

import tenseal.sealapi as seal

from protocols.scoring.parameters import ParameterSet
from protocols.scoring.rlwe import ring, sampling
from protocols.scoring.seal import binding


def draw_mask(pk: Any, params: ParameterSet) -> Any:
    """A fresh masked and flooded encryption of zero under the public key ``pk``, at the highest level."""
    context = binding.seal_context(params.name)
    evaluator = seal.Evaluator(context)
    u = binding.plaintext_from_coefficients(sampling.sample_ternary(params.degree), params)
    evaluator.transform_to_ntt_inplace(u, context.first_parms_id())
    made, doubled = seal.Ciphertext(), seal.Ciphertext()
    evaluator.multiply_plain(pk, u, made)
    evaluator.add(made, made, doubled)
    evaluator.add_inplace(doubled, _errors(params))
    return doubled


def _errors(params: ParameterSet) -> Any:
    """(t (2 e0 + f), 2 t e1) as a ciphertext."""
    t = params.plain_modulus
    first, second = (
        ring.to_residues(2 * t * sampling.sample_centred_binomial(params.degree), params) for _ in range(2)
    )
    flood = ring.scale_element(sampling.sample_flood(params), t, params)
    return binding.ciphertext_from_coefficients(ring.add_elements(first, flood, params), second, params)
