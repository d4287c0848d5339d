"""The bureau: what it knows (catalogue, register), decides (contracts), does (exchange) and writes down (ledger).

No web framework here: ``lab.bureau.bureau.Bureau`` is the one door through which the service and the command line come
in. Nothing in this package imports anything that runs in a bank.
"""
