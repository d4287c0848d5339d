"""A witness of bureaus' ledgers (C2SP tlog-witness): it cosigns one history of each ledger and no other.

It belongs to neither side: an auditor, a second bureau or a bank may run it. It learns sizes and hashes only.
"""
