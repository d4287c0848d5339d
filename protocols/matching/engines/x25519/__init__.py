"""Engine ``x25519``: an oblivious pseudorandom function on Curve25519's u-coordinates, made of standard parts only.

``encoding`` hashes to the curve (RFC 9380), ``multiplication`` is X25519 (RFC 7748) by one of two libraries that give
the same bytes (``path`` chooses), ``scalars`` makes the pair that blinds and unblinds, ``elements`` says which elements
received are refused. No curve arithmetic is ours.
"""
