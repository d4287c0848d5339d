"""Rehearsal: both parties on one machine, to show the whole job (demo) or to try it on two files (trial).

The parties run here as they run anywhere: as separate processes of the ``lab`` command that meet over HTTP. This room
starts them and reads what they print; it imports neither ``lab.bank`` nor ``lab.bureau``.
"""
