"""A second implementation of every published format: standard library and plain integers, slow, short, and on its own.

Nothing here imports the product, nor a library that the product computes with; ``test_second_implementation`` looks.
"""
