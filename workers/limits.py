"""What one run may use. Apart from child.py, so that saying it does not import the engine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Wall time, and address space beyond what the engine itself maps."""

    seconds: float
    memory_mib: int
