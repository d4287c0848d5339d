"""Confinement of a process that runs native code on strangers' bytes: it gives up rights before it reads them.

``Confinement`` needs no privilege and cannot be undone. Every process with keys gives up memory dumps as well
(``lab.process.memory_protection``).
"""

from lab.process.confinement.process_confinement import Confinement, ConfinementUnavailable

__all__ = ["Confinement", "ConfinementUnavailable"]
