"""The build flags exercise: right, wrong in the ways that people are wrong, and cheating.

What a command line makes of a build is judged without CMake, so the judging has tests of its own.
"""

import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers import native
from workers.exercises.build_flags.exercise import _parsed, slip_in, system_info
from workers.exercises.build_flags.options import DEFAULTS, OTHERS
from workers.ggml import LIBRARY

KEY = "exercise-build-flags"


ANOTHER = r"""
import re, shlex

def configure(machine):
    wants = machine["wants"]
    d = {"GGML_RPC": "0", "GGML_METAL": "on" if machine["system"] == "macos" else "OFF",
         "BUILD_SHARED_LIBS": 1}
    own = {"nvidia": "CUDA", "amd": "HIP", "intel": "SYCL", "qualcomm": "OPENCL"}
    if "vulkan" in wants:
        d["GGML_VULKAN"] = "yes"
    elif machine["gpu"] in own:
        d["GGML_" + own[machine["gpu"]]] = "1"
        if machine["gpu"] == "intel":
            d.update(CMAKE_CXX_COMPILER="icpx", CMAKE_C_COMPILER="icx")
    if "openblas" in wants: d.update(GGML_BLAS_VENDOR="OpenBLAS", GGML_BLAS="True")
    if "no-metal" in wants: d["GGML_METAL"] = "false"
    if "static" in wants: d["BUILD_SHARED_LIBS"] = "0"
    if "portable" in wants: d["GGML_NATIVE"] = "no"
    if "variants" in wants: d.update(GGML_CPU_ALL_VARIANTS="Y", GGML_BACKEND_DL="ON", GGML_NATIVE=0)
    if "rpc" in wants: d["GGML_RPC"] = "TRUE"
    d["CMAKE_BUILD_TYPE"] = "Debug" if "debug" in wants else "Release"
    settings = " ".join("-D %s:STRING='%s'" % item for item in d.items())
    return "cmake -G Ninja " + settings + " -S . -Bbuild"

def flags(command):
    text = shlex.join(shlex.split(command)) + " "
    words = re.sub(r" -D ", " -D", text)
    out = {}
    for word in shlex.split(words):
        found = re.match(r"-D(\w+)(?::\w+)?=(.*)$", word, re.S)
        if found:
            out[found[1]] = found[2]
    return out

def on(given, name, default="off"):
    return given.get(name, default).lower() not in ("", "0", "off", "no", "n", "false", "ignore",
                                                    "notfound")

def backend(given, machine):
    variants, loaded = on(given, "GGML_CPU_ALL_VARIANTS"), on(given, "GGML_BACKEND_DL")
    shared = on(given, "BUILD_SHARED_LIBS", "on")
    if on(given, "LLAMA_CUBLAS") or variants > loaded or loaded > shared:
        return None
    gpu = machine["gpu"]
    if gpu == "apple":
        default = "on" if machine["system"] == "macos" else "off"
        return "METAL" if on(given, "GGML_METAL", default) else "CPU"
    own = {"nvidia": "CUDA", "amd": "HIP", "intel": "SYCL", "qualcomm": "OPENCL", None: "NONE"}[gpu]
    for name in (own, "VULKAN"):
        if gpu not in (None, "qualcomm") or name != "VULKAN":
            if on(given, "GGML_" + name):
                return name
    return "CPU"

def enabled(system_info):
    out, current = {}, None
    for name, value in re.findall(r"([\w :]+?) = (\S+) \|", system_info):
        *backend, feature = name.strip().split(" : ")
        if backend:
            current = out.setdefault(backend[0], {})
        current[feature] = value != "0"
    return out
"""


@pytest.mark.parametrize("seed", range(3))
def test_another_right_solution_passes(seed: int) -> None:
    assert failed(graded(KEY, ANOTHER, seed=seed)) == []


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("-DGGML_CUDA=ON", "-DLLAMA_CUBLAS=ON", "The GPU of each maker", "GGML_ now"),
        ("-DGGML_HIP=ON", "-DGGML_CUDA=ON", "The GPU of each maker", ""),
        ("-DGGML_HIP=ON", "-DGGML_HIPBLAS=ON", "The GPU of each maker", "Look the name up"),
        (
            '["-DGGML_CUDA=ON"]',
            '["-DGGML_CUDA=ON", "-DGGML_FLASH_ATTN=ON"]',
            "The GPU of each maker",
            "when a program runs",
        ),
        ("-DGGML_CUDA=ON", "-DCUDA=ON", "The GPU of each maker", "begin with GGML_"),
        ("-DGGML_CUDA=ON", "-DGGML_CUDA", "The GPU of each maker", "-DNAME=VALUE"),
        ("-DGGML_CUDA=ON", "GGML_CUDA=ON", "The GPU of each maker", "-DNAME=VALUE"),
        (', "-DCMAKE_CXX_COMPILER=icpx"', "", "The GPU of each maker", "compilers of its own"),
        (
            "return shlex.join(words)",
            'return shlex.join(words) + " && cmake --build build"',
            "The GPU of each maker",
            "Only the first",
        ),
        ('["cmake", "-B", "build"]', '["cmake", ".."]', "The GPU of each maker", ""),
        (
            '    if "vulkan" not in machine["wants"]:\n        words',
            "    words",
            "What else is wanted",
            "in place of",
        ),
        (', "-DGGML_BLAS_VENDOR=OpenBLAS"', "", "What else is wanted", "which library"),
        ('"-DGGML_BACKEND_DL=ON", ', "", "What else is wanted", "two flags"),
        (
            "-DBUILD_SHARED_LIBS=OFF",
            "-DGGML_STATIC=ON",
            "What else is wanted",
            "of CMake itself",
        ),
        (
            "words += FOR_WISH[wish]",
            'words += FOR_WISH[wish] + FOR_WISH["rpc"]',
            "What else is wanted",
            "",
        ),
        (
            'name, _, _ = name.partition(":")\n',
            "\n",
            "A command line, read",
            "The type is no part",
        ),
        ("setting = following", "continue", "A command line, read", "stand apart"),
        (
            'name, _, value = setting.partition("=")',
            'name, value, *_ = setting.split("=")',
            "A command line, read",
            "equals sign of its own",
        ),
        ("shlex.split(command)", "command.split()", "A command line, read", "to the shell"),
        (
            "        given[name] = value",
            "        given.setdefault(name, value)",
            "The last one counts",
            "keeps the last",
        ),
        (
            ' and machine["gpu"] in gpus',
            "",
            "Which backend runs",
            "no device here",
        ),
        (
            "return given[name].upper() not in OFF",
            'return given[name] == "ON"',
            "Which backend runs",
            "more words for on",
        ),
        (
            "return given[name].upper() not in OFF",
            "return True",
            "Which backend runs",
            "switches the backend off",
        ),
        (
            "in BACKENDS.items()",
            "in reversed(BACKENDS.items())",
            "Which backend runs",
            "asked first",
        ),
        (
            'on_by_default.add("GGML_METAL")',
            "pass",
            "Which backend runs",
            "on by default under macOS",
        ),
        (
            '    if machine["system"] == "macos":\n    ',
            "",
            "Which backend runs",
            "under macOS alone",
        ),
        (
            "        if name in given:\n",
            '        if "vulkan" in machine["wants"] and name == "GGML_VULKAN":\n'
            "            return True\n        if name in given:\n",
            "Which backend runs",
            "what the machine wants switches nothing on",
        ),
        (
            "        if name in given:\n",
            '        if "no-metal" in machine["wants"] and name == "GGML_METAL":\n'
            "            return False\n        if name in given:\n",
            "Which backend runs",
            "whatever is wanted",
        ),
        (
            "if name in given:",
            "if given.get(name):",
            "Which backend runs",
            "switches the backend off",
        ),
        (
            'name, _, _ = name.partition(":")',
            'name = name.removesuffix(":BOOL")',
            "A command line, read",
            "",
        ),
        (
            'if is_on("LLAMA_CUBLAS"):',
            "if False:",
            "Where the configuration stops",
            "no build at all",
        ),
        (
            'on_by_default = {"BUILD_SHARED_LIBS"}',
            "on_by_default = set()",
            "Where the configuration stops",
            "",
        ),
        ('value != "0"', "bool(value)", "What a real build says", 'bool("0")'),
        ('value != "0"', 'value == "1"', "What a real build says", "others than 1 are on"),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_a_backend_switched_on_by_a_misspelt_name_is_found_out() -> None:
    verdicts = [
        graded(
            KEY,
            edited(
                KEY,
                "        if name in given:\n",
                "        name = name if name in given else "
                'name.replace("GGML_CUDA", "GGML_CUUDA")\n        if name in given:\n',
            ),
            seed=seed,
        )
        for seed in range(8)
    ]
    caught = [v for v in verdicts if "Which backend runs" in failed(v)]

    assert caught
    assert "passed over in silence" in check(caught[0], "Which backend runs").hint


@pytest.mark.parametrize("value", ["np.array([1.0, 2.0])", "['CUDA']", "{'CUDA': 1}", "3.5"])
def test_no_backend_at_all_is_a_wrong_one(value: str) -> None:
    source = edited(KEY, 'return "CPU"', f"return {value}").replace(
        "import shlex", "import shlex\nimport numpy as np"
    )

    assert "Which backend runs" in failed(graded(KEY, source))


def test_what_differs_is_shown_with_what_it_was_read_from() -> None:
    source = edited(KEY, "given[name] = value", "given[name] = value.upper()")

    found = check(graded(KEY, source), "A command line, read")

    assert found.message.startswith(("flags('cmake ", 'flags("cmake '))
    assert found.expected.startswith("['")
    assert found.got == found.expected.upper().replace(" IS ", " is ")


def test_reading_the_line_from_somewhere_else_than_the_arguments_earns_nothing() -> None:
    verdict = graded(
        KEY,
        edited(
            KEY,
            "    features: dict[str, dict[str, bool]] = {}\n",
            "    import llama_cpp\n"
            "    system_info = llama_cpp.llama_print_system_info().decode()\n"
            "    features = {}\n",
        ),
    )

    assert "What a real build says" in failed(verdict)
    assert "No module named" in check(verdict, "What a real build says").message


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    verdict = graded(
        KEY,
        "def configure(machine): return 'cmake -B build'\n"
        "def flags(command): return {'GGML_CUDA': 'ON'}\n"
        "def backend(given, machine): return 'CUDA'\n"
        "def enabled(line): return {'CPU': {'SSE3': True, 'AVX': False}}\n",
    )

    assert verdict.points == 2


def machine(gpu: str | None, *wants: str) -> dict[str, Any]:
    system = "macos" if gpu == "apple" else "linux"
    return {"system": system, "gpu": gpu, "wants": list(wants)}


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("cmake -B build", machine(None)),
        ("cmake -B build", machine("apple")),
        ("cmake -B build -DGGML_METAL=1", machine("apple")),
        ("cmake . -Bbuild -D GGML_CUDA:BOOL=yes", machine("nvidia")),
        ("cmake -S . -B build -G Ninja -DGGML_CUDA=on -DGGML_NATIVE=ON", machine("nvidia")),
        ("cmake -B build -DGGML_NATIVE=OFF", machine("apple", "portable")),
        ("cmake -B build -DGGML_BLAS_VENDOR=OpenBLAS", machine("apple", "openblas")),
        ("cmake -B build -DGGML_VULKAN=ON", machine("intel", "vulkan")),
        ("cmake -B build '-DCMAKE_BUILD_TYPE=Debug'", machine(None, "debug")),
        ("cmake -B ./build/ \\\n  -DGGML_CUDA=ON", machine("nvidia")),
    ],
)
def test_commands_that_make_the_same_build_are_equal(command: str, wanted: dict[str, Any]) -> None:
    assert slip_in(command, wanted) is None


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "does not start with cmake"),
        ("make GGML_CUDA=1", "does not start with cmake"),
        ('cmake -B build "-DGGML_CUDA=ON', "quotation mark"),
        ("cmake -DGGML_CUDA=ON", "not configured in the folder build"),
        ("cmake -B out -DGGML_CUDA=ON", "not configured in the folder build"),
        ("cmake -B build -DGGML_CUDA=ON -DGGML_CUDA=ON", "set 2 times"),
        ("cmake -B build -DGGML_CUUDA=ON", "Nothing in llama.cpp reads GGML_CUUDA"),
        ("cmake -B build -DLLAMA_CUDA=ON", "old name"),
        ("cmake -B build -DLLAMA_METAL=ON", "old name"),
        ("cmake -B build --cuda", "no setting"),
        ("cmake -B build -DGGML_CUDA=OFF", "does not provide for it"),
        ("cmake -B build -DGGML_CUDA=ON --config Debug", "belongs to the second command"),
        ("cmake -B build -DGGML_CUDA=ON -DGGML_LTO=ON", "GGML_LTO was not asked for"),
        ("cmake -B build -DGGML_CUDA=ON -DGGML_AVX2=ON", "GGML_AVX2 was not asked for"),
        ("cmake -B build -DGGML_CUDA=ON -D", "has no value"),
        ("cmake -B build -DGGML_CUDA=ON && cmake --build build", "more than configure"),
        ("cmake -B build -DGGML_CUDA=ON\ncmake --build build", "more than configure"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(command: str, message: str) -> None:
    slip = slip_in(command, machine("nvidia"))

    assert slip is not None
    assert message in slip.message


def test_features_are_those_that_ggml_itself_reports() -> None:
    features = _parsed(system_info())["CPU"]
    asked = {name: f"ggml_cpu_has_{name.lower()}" for name in features}
    known = {name: getattr(LIBRARY, f)() for name, f in asked.items() if hasattr(LIBRARY, f)}

    assert known
    assert {name: bool(value) for name, value in known.items()} == {
        name: features[name] for name in known
    }


def test_the_options_are_those_of_the_sources() -> None:
    archives = list(Path(native.FOLDER).glob("llama_cpp_python-*.tar.gz"))
    if not archives:
        pytest.skip("the sources are there after `make native`")
    with tarfile.open(archives[0]) as archive:
        named = (
            archive.extractfile(member)
            for member in archive.getmembers()
            if re.search(r"vendor/llama\.cpp/(ggml/)?CMakeLists\.txt$", member.name)
        )
        text = "\n".join(file.read().decode() for file in named if file)
    options = set(re.findall(r"^\s*option\(\s*(\w+)\s", text, re.MULTILINE))
    options |= set(re.findall(r"^\s*set\s*\(\s*(\w+)\s+\S+\s+CACHE", text, re.MULTILINE))

    assert options <= {*DEFAULTS, *OTHERS}
    assert {*DEFAULTS, *OTHERS} - options == {"GGML_CANN"}  # found by its name alone
