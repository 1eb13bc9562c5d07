"""Configuring llama.cpp: write the command for a machine, and say what a command will give.

The flags are those of docs/build.md. A backend computes if it was built and finds a device.
"""

import shlex

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

FOR_GPU = {
    "nvidia": ["-DGGML_CUDA=ON"],
    "amd": ["-DGGML_HIP=ON"],
    # SYCL needs the compilers of Intel's oneAPI.
    "intel": ["-DGGML_SYCL=ON", "-DCMAKE_C_COMPILER=icx", "-DCMAKE_CXX_COMPILER=icpx"],
    "qualcomm": ["-DGGML_OPENCL=ON"],
    "apple": [],  # Metal is on under macOS
    None: [],
}
FOR_WISH = {
    "vulkan": ["-DGGML_VULKAN=ON"],
    "openblas": ["-DGGML_BLAS=ON", "-DGGML_BLAS_VENDOR=OpenBLAS"],
    "no-metal": ["-DGGML_METAL=OFF"],
    "static": ["-DBUILD_SHARED_LIBS=OFF"],
    "portable": ["-DGGML_NATIVE=OFF"],
    "variants": ["-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON"],
    "rpc": ["-DGGML_RPC=ON"],
    "debug": ["-DCMAKE_BUILD_TYPE=Debug"],
}


def configure(machine: dict) -> str:
    """The command that configures a build for this machine in the folder build.

    The first of the two commands only, e.g. "cmake -B build". It asks for the backend of the GPU
    and for what the machine wants, and for nothing else.
    """
    words = ["cmake", "-B", "build"]
    if "vulkan" not in machine["wants"]:
        words += FOR_GPU[machine["gpu"]]
    for wish in machine["wants"]:
        words += FOR_WISH[wish]
    return shlex.join(words)


def flags(command: str) -> dict[str, str]:
    """What a cmake command line sets, by name: {"GGML_CUDA": "ON"}. Values stay text as they are.

    Settings are written -DNAME=VALUE, -D NAME=VALUE or with a type, -DNAME:BOOL=VALUE. Of several
    for one name the last counts. Words are quoted as in a shell.
    """
    words = shlex.split(command)
    given = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "-D":
            setting = following
        elif word.startswith("-D"):
            setting = word.removeprefix("-D")
        else:
            continue
        name, _, value = setting.partition("=")  # a value may hold "=" and ":" itself
        name, _, _ = name.partition(":")
        given[name] = value
    return given


def backend(given: dict[str, str], machine: dict) -> str | None:
    """The backend that computes the layers on this machine: a key of BACKENDS, or "CPU".

    `given` is what `flags` returns. None where the configuration stops: with LLAMA_CUBLAS on, with
    GGML_CPU_ALL_VARIANTS but no GGML_BACKEND_DL, and with GGML_BACKEND_DL but no BUILD_SHARED_LIBS.
    The machine's wants do not matter here, only what was given.
    """
    on_by_default = {"BUILD_SHARED_LIBS"}
    if machine["system"] == "macos":
        on_by_default.add("GGML_METAL")

    def is_on(name: str) -> bool:
        if name in given:
            return given[name].upper() not in OFF
        return name in on_by_default

    if is_on("LLAMA_CUBLAS"):
        return None
    if is_on("GGML_CPU_ALL_VARIANTS") and not is_on("GGML_BACKEND_DL"):
        return None
    if is_on("GGML_BACKEND_DL") and not is_on("BUILD_SHARED_LIBS"):
        return None
    for name, gpus in BACKENDS.items():
        if is_on(f"GGML_{name}") and machine["gpu"] in gpus:
            return name  # a later backend that finds the same GPU is not given it again
    return "CPU"  # BLAS belongs to it: it helps with prompts and is no place for layers


def enabled(system_info: str) -> dict[str, dict[str, bool]]:
    """What llama.cpp says of its own build, by backend and feature.

    "CPU : SSE3 = 1 | AVX = 0 | " gives {"CPU": {"SSE3": True, "AVX": False}}. Several backends
    follow one another in the line. A feature is off if its value is 0 and on with any other.
    """
    features: dict[str, dict[str, bool]] = {}
    section = ""
    for part in system_info.split(" | "):
        name, equals, value = part.partition(" = ")
        if not equals:
            continue  # what is left after the last bar
        if " : " in name:  # the first feature of a backend has its name before it
            section, _, name = name.partition(" : ")
            features[section] = {}
        features[section][name] = value != "0"
    return features
