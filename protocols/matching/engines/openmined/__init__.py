"""Engine ``openmined``: blinding and evaluation by openmined-psi, on NIST P-256 (Meadows 1986; Huberman, Franklin, Hogg
1999). F(x) is the x-coordinate of H(x)^s.

The library's own set-up and intersection are not used by the service, because they are made anew for every bank; the
tests hold both engines against them.
"""
