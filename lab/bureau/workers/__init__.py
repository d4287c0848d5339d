"""Processes for native code that reads bytes from banks: a template that has loaded it, and one confined process a job.

The template never sees a job; a job's process is a fork of it, confines itself, does the one job and ends. So nothing
of one job is in the memory of another, no key is in a process that parses ciphertexts, and what took over a process
has no files, no network, no other process, and no second job. The answer comes back as plain data (``answers``): the
service never unpickles what such a process wrote.
"""
