"""Publishing features as a version of a register, and what such a version comes from."""
