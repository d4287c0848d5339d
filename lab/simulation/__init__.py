"""Both parties on one machine: a demo on made-up data, a trial on two files, and benchmarks.

The parties run as they do in use: as separate processes of the ``lab`` command that connect over HTTP. This package
starts them and reads their output; it imports neither ``lab.bank`` nor ``lab.bureau``.
"""
