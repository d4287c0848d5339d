"""What a process sets for itself: no memory dumps, rare garbage collection, and confinement before it reads strangers'
bytes in native code.
"""
