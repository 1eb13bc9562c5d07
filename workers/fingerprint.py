"""What makes one machine's numbers comparable with another's, or not."""

import functools
import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llama_cpp

from workers.llama_log import start

MIB = 1 << 20


@functools.cache
def fingerprint() -> dict[str, Any]:
    """This machine as a JSON object; measurements are compared only where `key` is the same.

    Memory is in MiB, rounded to whole GiB for the key, because kernels reserve different amounts.
    """
    start()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    identity = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count() or 1,
        "architecture": platform.machine(),
        "llama_cpp": llama_cpp.llama_version().decode(),
        "llama_cpp_python": version("llama-cpp-python"),
        "backends": "GPU" if llama_cpp.llama_supports_gpu_offload() else "CPU",
        "features": llama_cpp.llama_print_system_info().decode().strip(" |\n"),
    }
    digest = hashlib.sha256(
        json.dumps([identity, round(memory / 1024)], sort_keys=True).encode()
    ).hexdigest()
    return {**identity, "memory_mib": memory, "key": digest[:12]}


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")
