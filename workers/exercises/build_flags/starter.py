"""Configuring llama.cpp: write the command for a machine, and say what a command will give.

A machine is a dict with three entries:

    "system"   "linux" or "macos"
    "gpu"      "nvidia", "amd", "intel", "qualcomm", "apple" or None
    "wants"    a list of wishes, often empty:
               "vulkan"     the Vulkan backend in place of the one that the GPU's maker has
               "openblas"   OpenBLAS for prompts on the CPU
               "no-metal"   no Metal, although it is a Mac
               "static"     the libraries inside the programs
               "portable"   a program for processors older than the one that compiles
               "variants"   backends as files, with every variant of the CPU's
               "rpc"        the RPC backend, to use other machines' devices
               "debug"      a debug build
"""

# What CMake takes for off, in capitals or not. Everything else is on, but for what ends in
# -NOTFOUND, which does not occur here.
OFF = {"", "0", "OFF", "NO", "N", "FALSE", "IGNORE", "NOTFOUND"}

# The GPU backends in the order in which llama.cpp asks them for devices, and whose GPUs they run
# on. The flag of each is GGML_ and its name.
BACKENDS = {
    "CUDA": ["nvidia"],
    "HIP": ["amd"],
    "METAL": ["apple"],
    "SYCL": ["intel"],
    "VULKAN": ["nvidia", "amd", "intel"],
    "OPENCL": ["qualcomm"],
}


def configure(machine: dict) -> str:
    """The command that configures a build for this machine in the folder build.

    The first of the two commands only, e.g. "cmake -B build". It asks for the backend of the GPU
    and for what the machine wants, and for nothing else.
    """
    raise NotImplementedError("write configure")


def flags(command: str) -> dict[str, str]:
    """What a cmake command line sets, by name: {"GGML_CUDA": "ON"}. Values stay text as they are.

    Settings are written -DNAME=VALUE, -D NAME=VALUE or with a type, -DNAME:BOOL=VALUE. Of several
    for one name the last counts. Words are quoted as in a shell, and Python's shlex.split reads
    them like one.
    """
    raise NotImplementedError("write flags")


def backend(given: dict[str, str], machine: dict) -> str | None:
    """The backend that computes the layers on this machine: a key of BACKENDS, or "CPU".

    `given` is what `flags` returns. None where the configuration stops: with LLAMA_CUBLAS on, with
    GGML_CPU_ALL_VARIANTS but no GGML_BACKEND_DL, and with GGML_BACKEND_DL but no BUILD_SHARED_LIBS.
    The machine's wants do not matter here, only what was given.
    """
    raise NotImplementedError("write backend")


def enabled(system_info: str) -> dict[str, dict[str, bool]]:
    """What llama.cpp says of its own build, by backend and feature.

    "CPU : SSE3 = 1 | AVX = 0 | " gives {"CPU": {"SSE3": True, "AVX": False}}. Several backends
    follow one another in the line. A feature is off if its value is 0 and on with any other.
    """
    raise NotImplementedError("write enabled")
