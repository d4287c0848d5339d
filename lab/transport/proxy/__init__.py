"""The way through a proxy: which proxy, which addresses it is not for, and the tunnel through it."""
