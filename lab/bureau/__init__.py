"""The bureau: what it knows (catalogue, register), decides (contracts), does (exchange) and writes down (ledger).

No web framework here: the service and the command line open it as a ``lab.bureau.bureau.Bureau``. Nothing in this
package imports anything that runs in a bank.
"""
