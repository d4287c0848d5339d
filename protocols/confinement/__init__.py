"""What a process may do, given up by the process itself, before it touches bytes from strangers; and no memory dumps.

``forbid_dumps``: for every process that holds keys. ``Confinement``: for a process that runs native code on bytes from
strangers. Neither needs a privilege, and neither can be undone.
"""

from protocols.confinement.dumps import forbid_dumps
from protocols.confinement.worker import Confinement, NotConfined

__all__ = ["Confinement", "NotConfined", "forbid_dumps"]
