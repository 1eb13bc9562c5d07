"""What one submission may use inside its sandbox."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class SandboxLimits:
    """Seconds, MiB and counts for everything that one submission does, all its checks together.

    `wall_seconds` pass while somebody waits for the code, not while they judge what it returned;
    `memory_mib` is address space on top of Python with NumPy imported; `files_mib` is the size of
    the private /tmp and of any one file, with room for 1,024 files a MiB; `threads` counts all
    threads of the process.
    """

    cpu_seconds: int = 10
    wall_seconds: float = 20.0
    memory_mib: int = 256
    output_kib: int = 256
    answer_mib: int = 64
    files_mib: int = 16
    threads: int = 16
