"""What every reply starts from: an encryption of zero that no bank can know, with the flood in its noise.

    2 (u pk + t (e0, e1)) + (t f, 0)      u ternary, e0 and e1 centred binomial, f the flood, all fresh for each reply

It hides the model from a bank that knows the secret key and the randomness of its request and of its public key. The
README has the argument in full; in short:

* The second half, 2 (u pk1 + t e1), is a sample of ring learning with errors with secret u, under a pk1 that nobody
  chose. So it looks uniform, and it hides the sum of columns that is added to it.
* Given the second half, the first half says what decryption says and no more: a value whose noise is f plus terms that
  f drowns.

This needs a well-formed public key, hence ``key_proof``. The factor 2 is the one that its proof leaves.
"""

from __future__ import annotations

from typing import Any

import tenseal.sealapi as seal

from protocols.scoring.parameters import ParameterSet
from protocols.scoring.rlwe import ring, sampling
from protocols.scoring.seal import binding


def draw_mask(pk: Any, params: ParameterSet) -> Any:
    """A fresh, flooded encryption of zero under the public key ``pk``: a SEAL ciphertext at the highest level."""
    context = binding.seal_context(params.name)
    evaluator = seal.Evaluator(context)
    u = binding.plaintext_from_coefficients(sampling.sample_ternary(params.degree), params)
    evaluator.transform_to_ntt_inplace(u, context.first_parms_id())
    product, doubled = seal.Ciphertext(), seal.Ciphertext()
    evaluator.multiply_plain(pk, u, product)
    evaluator.add(product, product, doubled)
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
