"""Processes for native code that reads bytes from banks: a fork server that has loaded it, and one process a job.

The fork server never sees a job. A job's process is a fork of it, confines itself, runs the one job and ends. So
nothing of one job is in the memory of another, no key is in a process that parses ciphertexts, and an attacker in a
process has no files, no network, no other process, and no second job. The result comes back as plain data
(``results``): the service never unpickles what such a process wrote.
"""
