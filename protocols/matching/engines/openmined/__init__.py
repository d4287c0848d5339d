"""Engine ``openmined``: blinding and evaluation by openmined-psi, on NIST P-256 (Meadows 1986; Huberman, Franklin, Hogg
1999). F(x) is the x-coordinate of H(x)^s.

The service does not use the library's own set-up and intersection, because they are made anew for every bank. The tests
compare both engines with them.
"""
