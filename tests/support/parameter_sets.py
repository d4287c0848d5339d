"""A parameter set that no contract can name, to show that the code does not depend on the one that is offered."""

from __future__ import annotations

from protocols.scoring.parameters import ParameterSet

NARROW = ParameterSet(
    name="test-4096",
    degree=4096,
    primes=(35184371884033, 281474976694273, 40961),
    plain_modulus=65537,
    flood_bits=73,
    statistical_security_bits=30,
    max_weights=4096,
    max_outputs=512,
    security="none that is promised: 120 bits of core-SVP",
)
"""Half the degree, and primes of 45 and 48 bits, so that residues begin at many bit positions of a byte."""
