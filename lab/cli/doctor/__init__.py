"""``lab doctor``: what this machine and this installation can do. It belongs to neither party."""
