"""A witness of bureaus' ledgers (C2SP tlog-witness): sees one history of each, and cosigns no other.

It belongs to neither side: an auditor, a second bureau or a bank may run it. It learns sizes and hashes.
"""
