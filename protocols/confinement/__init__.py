"""What a process that runs native code on strangers' bytes may do: given up by itself, before it touches them.

``Confinement`` needs no privilege and cannot be undone. What every process with keys gives up:
``lab.process.memory_protection``.
"""

from protocols.confinement.process_confinement import Confinement, ConfinementUnavailable

__all__ = ["Confinement", "ConfinementUnavailable"]
