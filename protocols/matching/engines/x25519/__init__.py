"""Engine ``x25519``: an oblivious pseudorandom function on Curve25519's u-coordinates, made of standard parts only.

``hash_to_curve`` hashes to the curve (RFC 9380). ``openssl`` and ``multibuffer`` compute X25519 (RFC 7748) with
the same results; ``backend`` chooses one. ``scalars`` makes the pair that blinds and unblinds. ``element_checks`` says
which received elements are refused. All arithmetic on points is in libraries.
"""
