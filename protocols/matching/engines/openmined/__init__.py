"""Engine ``openmined``: openmined-psi as it is, ECDH on NIST P-256 (Meadows 1986; Huberman, Franklin, Hogg 1999).

The library's own set-up messages (Raw or Golomb-coded set) and its own intersection are used. Its request and response
are lists of compressed points, which travel in our frames.
"""
