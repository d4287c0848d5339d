"""Fuzzing by coverage (atheris, libFuzzer) of every parser that strangers reach.

``python -m tests.fuzz.run`` runs the targets for a while each; ``corpus/`` keeps the smallest inputs that reach what
was reached so far, and ``test_corpus`` reads them again in every run of the tests, without atheris.
"""
