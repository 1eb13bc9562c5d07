"""R15, building llama.cpp: a command line is judged by the configuration that it makes.

Two lines are equal if they leave every option with the same value, so their order, the spelling of
ON and defaults that are said again do not matter. How the configuration reads its flags was tried
with CMake 3.25 on the sources of llama-cpp-python 0.3.36; the options are theirs.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from workers.exercises.base import Answer, Example, Exercise, Failure, Mistakes, Student
from workers.exercises.build_flags.options import DEFAULTS, ON_MACOS, OTHERS, RENAMED
from workers.exercises.showing import describe, show, shown_call
from workers.llama_log import start

Machine = dict[str, Any]
Flags = Mapping[str, str]

exercise = Exercise(
    key="exercise-build-flags",
    folder=Path(__file__).parent,
    examples=(
        Example("flags", ("cmake -B build -DGGML_CUDA=ON",), {"GGML_CUDA": "ON"}),
        Example(
            "backend",
            ({"GGML_CUDA": "ON"}, {"system": "linux", "gpu": "nvidia", "wants": []}),
            "CUDA",
        ),
        Example("enabled", ("CPU : SSE3 = 1 | AVX = 0 | ",), {"CPU": {"SSE3": True, "AVX": False}}),
    ),
)

OFF = ("", "0", "OFF", "NO", "N", "FALSE", "IGNORE", "NOTFOUND")
COMPILERS = {"CMAKE_C_COMPILER": "", "CMAKE_CXX_COMPILER": ""}
FOR_GPU: dict[str | None, Flags] = {
    "nvidia": {"GGML_CUDA": "ON"},
    "amd": {"GGML_HIP": "ON"},
    "intel": {"GGML_SYCL": "ON", "CMAKE_C_COMPILER": "icx", "CMAKE_CXX_COMPILER": "icpx"},
    "qualcomm": {"GGML_OPENCL": "ON"},
    "apple": {},
    None: {},
}
FOR_WISH: dict[str, Flags] = {
    "vulkan": {"GGML_VULKAN": "ON"},
    "openblas": {"GGML_BLAS": "ON", "GGML_BLAS_VENDOR": "OpenBLAS"},
    "no-metal": {"GGML_METAL": "OFF"},
    "static": {"BUILD_SHARED_LIBS": "OFF"},
    "portable": {"GGML_NATIVE": "OFF"},
    "variants": {"GGML_BACKEND_DL": "ON", "GGML_CPU_ALL_VARIANTS": "ON"},
    "rpc": {"GGML_RPC": "ON"},
    "debug": {"CMAKE_BUILD_TYPE": "Debug"},
}
# GGML_BACKEND_DL needs shared libraries, and variants are portable already.
EXCLUDED = {frozenset(("static", "variants")), frozenset(("portable", "variants"))}
BACKENDS = {
    "CUDA": ("nvidia",),
    "HIP": ("amd",),
    "METAL": ("apple",),
    "SYCL": ("intel",),
    "VULKAN": ("nvidia", "amd", "intel"),
    "OPENCL": ("qualcomm",),
}

# What to think about where this option lacks the value that it needs.
LACKING = {
    "GGML_BLAS_VENDOR": "BLAS is on; which library is it to be? That is its vendor.",
    "GGML_BACKEND_DL": "Variants are files that are loaded, so backends are files: two flags.",
    "GGML_CPU_ALL_VARIANTS": "Backends as files are one half; the CPU's variants are the other.",
    "CMAKE_C_COMPILER": "SYCL has compilers of its own, for C and C++: docs/backend/SYCL.md.",
    "CMAKE_CXX_COMPILER": "SYCL has compilers of its own, for C and C++: docs/backend/SYCL.md.",
    "CMAKE_BUILD_TYPE": "Release and Debug are build types of CMake's, no options of llama.cpp.",
}


def _is_on(value: str) -> bool:
    """As CMake's if() reads a variable."""
    return value.upper() not in OFF


def defaults(system: str) -> dict[str, str]:
    """What a configuration without any flag gives."""
    return {**DEFAULTS, **COMPILERS, **(ON_MACOS if system == "macos" else {})}


@dataclass(frozen=True)
class Slip:
    """Something wrong with a command line, and what to think about."""

    message: str
    hint: str = ""


def read(command: str) -> list[tuple[str, str]] | Slip:  # noqa: PLR0911  # one for each slip
    """The settings of a command that configures in the folder build, in their order."""
    command = command.replace("\\\n", " ")  # a line that goes on in the next one
    try:
        words = shlex.split(command)
    except ValueError:
        return Slip("A quotation mark in the command is not closed.")
    if {"--build", "&&", ";", "|"} & set(words) or "\n" in command.strip():
        return Slip(
            "The command does more than configure.",
            "Flags belong to the first command, which configures; the one with --build compiles. "
            "Only the first is asked for.",
        )
    if not words or words[0] != "cmake":
        return Slip(
            "The command does not start with cmake.",
            "The make build is gone, and a variable before the command is none of CMake's options.",
        )
    settings, folder, rest = [], "", iter(words[1:])
    for word in rest:
        if word == "-D" or word.startswith("-D"):
            setting = next(rest, "") if word == "-D" else word.removeprefix("-D")
            name, equals, value = setting.partition("=")
            if not equals:
                return Slip(f"{word} has no value, and CMake stops at that.", "-DNAME=VALUE")
            settings.append((name.partition(":")[0], value))
        elif word.startswith("-B"):
            folder = word.removeprefix("-B") or next(rest, "")
        elif word in ("-S", "-G"):
            next(rest, "")
        elif word in ("--config", "-j", "--parallel"):
            return Slip(
                f"{word} belongs to the second command.",
                "What the build is made for, debugging too, is said with -D while configuring.",
            )
        elif word != ".":
            return Slip(
                f"cmake is given the word {word}, which is no setting.",
                "CMake takes its options as -DNAME=VALUE.",
            )
    if Path(folder) != Path("build"):
        return Slip("The build is not configured in the folder build.", "That is what -B is for.")
    return settings


def slip_in(command: str, machine: Machine) -> Slip | None:
    """The first thing that is wrong with a command for this machine, or None."""
    settings = read(command)
    if isinstance(settings, Slip):
        return settings
    names = [name for name, _ in settings]
    for name in names:
        if found := _slip_in_name(name, names.count(name)):
            return found
    return _difference(dict(settings), machine)


def _slip_in_name(name: str, count: int) -> Slip | None:
    if count > 1:
        return Slip(
            f"{name} is set {count} times.",
            "The last setting wins without a word. Set each option once.",
        )
    if name in RENAMED:
        return Slip(
            f"{name} is an old name.",
            "Options of the library begin with GGML_ now. Of the old names one stops the "
            "configuration and the others draw a warning.",
        )
    if name in defaults("linux") or name in OTHERS:
        return None
    hint = "Look the name up in docs/build.md or in ggml/CMakeLists.txt."
    if "FLASH" in name or name.endswith("_FA"):
        hint = "Flash attention is no flag of the build: it is switched when a program runs."
    elif not name.startswith(("GGML_", "LLAMA_", "CMAKE_", "BUILD_")):
        hint = "The options of the library begin with GGML_."
    return Slip(f"Nothing in llama.cpp reads {name}; CMake may not even warn.", hint)


def _difference(given: Flags, machine: Machine) -> Slip | None:
    """Where the configuration differs from the one that the machine needs."""
    asked = {f'"{wish}" is wanted': FOR_WISH[wish] for wish in machine["wants"]}
    if "vulkan" not in machine["wants"]:
        asked[f'The GPU is "{machine["gpu"]}"'] = FOR_GPU[machine["gpu"]]
    untouched = defaults(machine["system"])
    have = {**untouched, **given}
    for reason, wanted in asked.items():
        for name, value in wanted.items():
            if not _alike(have[name], value):
                return Slip(
                    f"{reason}, and this command does not provide for it.", _lacking(name, given)
                )
    needed = {name for wanted in asked.values() for name in wanted}
    if "variants" in machine["wants"]:
        needed.add("GGML_NATIVE")  # every variant switches it off for itself
    for name, value in given.items():
        if name not in needed and not _alike(value, untouched.get(name, "")):
            return Slip(f"{name} was not asked for.", _superfluous(name, machine))
    return None


def _alike(one: str, other: str) -> bool:
    """The same to CMake: both off, both on, or the same text."""
    if other in ("ON", "OFF"):
        return _is_on(one) == _is_on(other)
    return one.upper() == other.upper()


def _lacking(name: str, given: Flags) -> str:
    """What to think about where an option has not the value that it needs."""
    if name == "BUILD_SHARED_LIBS" and "GGML_STATIC" in given:
        return (
            "GGML_STATIC asks the linker for a program without any shared library. That the "
            "project's own libraries are not shared is another option, of CMake itself."
        )
    return LACKING.get(name, "")


def _superfluous(name: str, machine: Machine) -> str:
    """Why somebody may have put this option there, and need not."""
    if "vulkan" in machine["wants"] and name in FOR_GPU[machine["gpu"]]:
        return "Vulkan is wanted in place of the maker's own backend, not beside it."
    for gpu, wanted in FOR_GPU.items():
        if name in wanted and gpu != machine["gpu"]:
            return f"That backend is for another GPU: {gpu}."
    return "Everything that nobody asked for is left at its default."


@exercise.check(
    "The GPU of each maker",
    points=2,
    hint="Which backend has the maker of this GPU? docs/build.md has a section for each.",
)
def makers(student: Student, rng: np.random.Generator) -> None:
    machines: list[Machine] = [
        {"system": "macos" if gpu == "apple" else "linux", "gpu": gpu, "wants": []}
        for gpu in FOR_GPU
    ]
    for number in rng.permutation(len(machines)):
        _judge_command(student, machines[number])


@exercise.check(
    "What else is wanted",
    points=3,
    hint="Each wish has flags of its own, whatever the GPU; only Vulkan takes another's place.",
)
def wishes(student: Student, rng: np.random.Generator) -> None:
    """Every wish once, in the company of others."""
    for number in rng.permutation(len(FOR_WISH)):
        first = list(FOR_WISH)[number]
        _judge_command(student, _draw_machine(rng, first))


def _draw_machine(rng: np.random.Generator, first: str) -> Machine:
    gpus: list[str | None] = ["nvidia", "amd", "intel"]
    if first == "no-metal":
        gpus = ["apple"]
    elif first != "vulkan":
        gpus = list(FOR_GPU)
    gpu = gpus[int(rng.integers(len(gpus)))]
    wants = [first]
    others = ["openblas", "static", "portable", "variants", "rpc", "debug"]
    for number in rng.permutation(len(others))[: int(rng.integers(0, 3))]:
        other = others[number]
        if other not in wants and not any(frozenset((other, wish)) in EXCLUDED for wish in wants):
            wants.append(other)
    return {
        "system": "macos" if gpu == "apple" else "linux",
        "gpu": gpu,
        "wants": [wants[i] for i in rng.permutation(len(wants))],
    }


def _judge_command(student: Student, machine: Machine) -> None:
    answer = student.call("configure", machine)
    if not isinstance(answer.value, str):
        answer.fail(
            f"configure returned {describe(answer.value)}, not the command as one text.",
            expected="str",
            got=show(answer.value),
            hint='" ".join(words) makes one text of a list of words.',
        )
    if slip := slip_in(answer.value, machine):
        answer.fail(
            f"configure({machine!r}): {slip.message}", got=answer.value[:300], hint=slip.hint
        )


@dataclass(frozen=True)
class Setting:
    """One setting of a command line, and how it is written."""

    name: str
    value: str
    kind: str = ""  # "BOOL" in -DNAME:BOOL=VALUE
    apart: bool = False  # -D NAME=VALUE

    @property
    def words(self) -> list[str]:
        """The setting as a shell takes it."""
        text = f"{self.name}{self.kind and ':'}{self.kind}={self.value}"
        return ["-D", text] if self.apart else [f"-D{text}"]


def _judge_entries(
    answer: Answer, argument: str, expected: dict[str, Any], *, mistakes: Mistakes
) -> None:
    """Hold a dict against the expected one: a failure shows the argument and what differs first."""
    try:
        answer.equals(expected, mistakes=mistakes)
    except Failure as found:
        found.message = f"{answer.function}({argument!r}) returned something else than expected."
        difference = _difference_of(answer.value, expected)
        found.expected, found.got = difference or (found.expected, found.got)
        raise


def _difference_of(got: Any, expected: Any, place: str = "") -> tuple[str, str] | None:
    """The first entry of nested dicts that is not the same: as it should be, and as it is."""
    if isinstance(got, dict) and isinstance(expected, dict):
        for key in [*expected, *got]:
            there = f"{place}[{key!r}]"
            if key not in got:
                return f"{there} is {show(expected[key])}", f"no {there}"
            if key not in expected:
                return f"no {there}", f"{there} is {show(got[key])}"
            if found := _difference_of(got[key], expected[key], there):
                return found
        return None
    if isinstance(got, bool | int | str) and got == expected:
        return None
    prefix = f"{place} is " if place else ""
    return f"{prefix}{show(expected)}", f"{prefix}{show(got)}"


def _line(rng: np.random.Generator, settings: list[Setting]) -> str:
    """A command line with these settings in this order, and other words between them."""
    parts = [["-B", "build"], *(setting.words for setting in settings)]
    for extra in (["-G", "Ninja"], ["-S", "."]):
        parts.insert(int(rng.integers(len(parts) + 1)), extra)
    return shlex.join(["cmake", *(word for part in parts for word in part)])


def _draw_settings(rng: np.random.Generator) -> list[Setting]:
    bools = rng.permutation(["GGML_CUDA", "GGML_RPC", "GGML_VULKAN", "GGML_NATIVE", "GGML_LTO"])[:4]
    words = rng.permutation(["ON", "OFF", "1", "0", "TRUE", "no"])
    ways = [("", False), ("BOOL", False), ("", True), ("BOOL", True)]
    settings = [
        Setting(str(name), str(word), *way)
        for name, word, way in zip(bools, words, ways, strict=False)
    ]
    kinds = [str(kind) for kind in rng.permutation(["STRING", "STRING", ""])]
    texts = {
        "CMAKE_CUDA_ARCHITECTURES": f"{rng.integers(60, 87)};89",
        "CMAKE_CXX_FLAGS": f"-O{rng.integers(2, 4)} -march=x86-64-v{rng.integers(2, 5)}",
        "CMAKE_INSTALL_RPATH": f"/opt/cuda-{rng.integers(11, 14)}/lib64:/usr/lib",
    }
    settings += [
        Setting(name, value, kind) for (name, value), kind in zip(texts.items(), kinds, strict=True)
    ]
    settings.append(Setting("GGML_CCACHE", ""))
    return [settings[i] for i in rng.permutation(len(settings))]


@exercise.check(
    "A command line, read",
    points=2,
    hint="Cut the line into words as a shell does; a setting is a name, perhaps a type, a value.",
)
def reading(student: Student, rng: np.random.Generator) -> None:
    for _ in range(3):
        settings = _draw_settings(rng)
        command = _line(rng, settings)
        _judge_entries(
            student.call("flags", command),
            command,
            {each.name: each.value for each in settings},
            mistakes={
                "The type is no part of the name: NAME:BOOL=VALUE sets NAME.": {
                    f"{each.name}{each.kind and ':'}{each.kind}": each.value for each in settings
                },
                "You miss settings that stand apart from their -D: -D NAME=VALUE.": {
                    each.name: each.value for each in settings if not each.apart
                },
                "A value may have an equals sign of its own: cut at the first one only.": {
                    each.name: each.value.split("=")[0] for each in settings
                },
                "A value may have a colon of its own: look for a type in the name only.": {
                    each.name: each.value.rpartition(":")[2] for each in settings
                },
                "Quotation marks belong to the shell, and shlex.split takes them away.": {
                    setting.partition("=")[0].partition(":")[0]: setting.partition("=")[2]
                    for word, after in zip(command.split(), [*command.split()[1:], ""], strict=True)
                    for setting in [after if word == "-D" else word.removeprefix("-D")]
                    if word.startswith("-D")
                },
            },
        )


@exercise.check(
    "The last one counts",
    points=1,
    hint="CMake reads from left to right, and a setting replaces the one before it.",
)
def repeated(student: Student, rng: np.random.Generator) -> None:
    values = [str(value) for value in rng.permutation(["ON", "OFF", "1", "FALSE"])]
    repeats = [
        Setting("GGML_CUDA", value, kind="BOOL" if number % 2 else "", apart=bool(number % 3))
        for number, value in enumerate(values[:3])
    ]
    settings = [repeats[0], Setting("GGML_BLAS", "ON"), *repeats[1:]]
    command = _line(rng, settings)
    _judge_entries(
        student.call("flags", command),
        command,
        {"GGML_CUDA": values[2], "GGML_BLAS": "ON"},
        mistakes={
            "You keep the first value of a name. CMake keeps the last.": {
                "GGML_CUDA": values[0],
                "GGML_BLAS": "ON",
            }
        },
    )


def _backend(given: Flags, machine: Machine) -> str:
    """The first backend that is built and finds a device."""
    have = {**defaults(machine["system"]), **given}
    names = (name for name, gpus in BACKENDS.items() if machine["gpu"] in gpus)
    return next((name for name in names if _is_on(have[f"GGML_{name}"])), "CPU")


@exercise.check(
    "Which backend runs",
    points=2,
    hint="A backend computes if it was built and if it finds a GPU that it can use.",
)
def running(student: Student, rng: np.random.Generator) -> None:
    on = [str(word) for word in rng.permutation(["ON", "1", "TRUE", "yes", "on", "Y"])]
    off = [
        str(word)
        for word in rng.permutation(["OFF", "0", "FALSE", "no", "off", "N", "ignore", "NotFound"])
    ]
    cases: list[tuple[dict[str, str], str, str | None]] = [
        ({"GGML_CUDA": on[0]}, "linux", "nvidia"),
        ({"GGML_CUDA": on[1]}, "linux", str(rng.choice(["amd", "intel"]))),
        ({"GGML_CUDA": on[2]}, "linux", None),
        ({"GGML_VULKAN": on[3], "GGML_CUDA": on[4]}, "linux", "nvidia"),
        ({"GGML_VULKAN": on[3], "GGML_HIP": on[0]}, "linux", "amd"),
        ({"GGML_VULKAN": on[5], "GGML_CUDA": off[0]}, "linux", "nvidia"),
        ({"GGML_VULKAN": on[5]}, "linux", str(rng.choice(["amd", "intel"]))),
        ({"GGML_SYCL": on[2]}, "linux", "intel"),
        ({"GGML_OPENCL": on[1]}, "linux", str(rng.choice(["qualcomm", "amd"]))),
        ({"GGML_RPC": on[0]}, "macos", "apple"),
        ({"GGML_METAL": off[1]}, "macos", "apple"),
        ({"GGML_METAL": ""}, "macos", "apple"),
        ({"GGML_NATIVE": off[4]}, "linux", "apple"),  # Linux runs on such machines too
        ({"GGML_BLAS": on[3], "GGML_BLAS_VENDOR": "OpenBLAS"}, "linux", "nvidia"),
        ({str(rng.choice(["GGML_CUUDA", "GGML_CUBLAS", "CUDA"])): on[4]}, "linux", "nvidia"),
        ({"GGML_HIP": off[2], "LLAMA_CUBLAS": off[3]}, "linux", "amd"),
    ]
    for number in rng.permutation(len(cases)):
        given, system, gpu = cases[number]
        wants = ["no-metal"] if gpu == "apple" else ["vulkan"]  # neither is given by that
        machine: Machine = {"system": system, "gpu": gpu, "wants": wants}
        given = {str(name): given[name] for name in rng.permutation(list(given))}
        _judge_backend(student, given, machine)


def _judge_backend(student: Student, given: dict[str, str], machine: Machine) -> None:
    answer, right = _called_backend(student, given, machine), _backend(given, machine)
    try:
        answer.equals(right)
    except Failure as found:
        found.hint = _wrong_backend(answer.value, right, given, machine)
        raise


def _called_backend(student: Student, given: dict[str, str], machine: Machine) -> Answer:
    """The answer of backend, named with its arguments."""
    answer = student.call("backend", given, machine)
    return Answer(shown_call("backend", (given, machine)), answer.reply)


def _wrong_backend(got: Any, right: str, given: Flags, machine: Machine) -> str:  # noqa: PLR0911
    """Why somebody may have taken `got` for the backend that computes."""
    if got is None:
        return "Nothing stops this one: an old name stops it only where it is on."
    if not isinstance(got, str) or got not in (*BACKENDS, "CPU"):
        return ""
    if got == "CPU" and right == "METAL":
        return "Metal is on by default under macOS, without any flag and whatever is wanted."
    if got == "CPU":
        return "CMake knows more words for on than ON, in small letters too."
    value = given.get(f"GGML_{got}")
    if value is not None and not _is_on(value):
        return "That flag is given, and its value switches the backend off."
    if got == "METAL" and machine["system"] != "macos":
        return "Metal is on by default under macOS alone."
    if machine["gpu"] not in BACKENDS[got]:
        return "That backend is built, but it finds no device here, so it computes nothing."
    if value is None:
        return (
            "No flag of that name was given. A misspelt one is passed over in silence, and what "
            "the machine wants switches nothing on."
        )
    return "Two backends see the same GPU: the one that is asked first gets it."


@exercise.check(
    "Where the configuration stops",
    points=1,
    hint="Look for the three conflicts first: where one of them is on, there is no build at all.",
)
def stopping(student: Student, rng: np.random.Generator) -> None:
    machine: Machine = {"system": "linux", "gpu": "nvidia", "wants": []}
    on = str(rng.choice(["ON", "1", "true"]))
    off = str(rng.choice(["OFF", "0", "false"]))
    cases: list[tuple[dict[str, str], str | None]] = [
        ({"LLAMA_CUBLAS": on}, None),
        ({"GGML_CUDA": on, "GGML_CPU_ALL_VARIANTS": on}, None),
        ({"GGML_CUDA": on, "GGML_CPU_ALL_VARIANTS": on, "GGML_BACKEND_DL": off}, None),
        ({"GGML_CUDA": on, "GGML_BACKEND_DL": on, "BUILD_SHARED_LIBS": off}, None),
        ({"GGML_CUDA": on, "GGML_BACKEND_DL": on, "GGML_CPU_ALL_VARIANTS": on}, "CUDA"),
        ({"GGML_CUDA": on, "GGML_CPU_ALL_VARIANTS": off, "BUILD_SHARED_LIBS": off}, "CUDA"),
    ]
    for number in rng.permutation(len(cases)):
        given, expected = cases[number]
        _called_backend(student, given, machine).equals(expected)


def _parsed(line: str) -> dict[str, dict[str, bool]]:
    """The features of a line of llama_print_system_info (src/llama.cpp), by backend."""
    found: dict[str, dict[str, bool]] = {}
    backend = ""
    for part in filter(None, (part.strip() for part in line.split("|"))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if ":" in name:
            backend, name = (piece.strip() for piece in name.split(":"))
        found.setdefault(backend, {})[name] = value != "0"
    return found


def system_info() -> str:
    """What the installed llama.cpp says of itself."""
    start()
    return str(llama_cpp.llama_print_system_info().decode())


@exercise.check(
    "What a real build says",
    points=1,
    hint="Parts are separated by bars; the first of each backend has its name and a colon before.",
)
def real(student: Student, rng: np.random.Generator) -> None:
    line = system_info()
    _judge_features(student, line)
    # Some features of this machine gone, others off, as other machines and older builds say it.
    parts = [part for part in line.split(" | ") if part.strip()]
    kept = [parts[0]] + [part for part in parts[1:] if rng.random() < 0.7]
    changed = [part.replace("= 1", "= 0") if rng.random() < 0.4 else part for part in kept]
    _judge_features(student, " | ".join(changed) + " | ")
    gpu = [
        f"CUDA : ARCHS = {rng.integers(50, 87)}0,890",
        "USE_GRAPHS = 1",
        "FA_QUANTS = q4_0-q4_0;q8_0-q8_0;f16-f16;bf16-bf16",
    ]
    _judge_features(student, " | ".join([*gpu, *changed]) + " | ")


def _judge_features(student: Student, line: str) -> None:
    right = _parsed(line)
    _judge_entries(
        student.call("enabled", line),
        line,
        right,
        mistakes={
            "Only a value of 0 is off; others than 1 are on.": {
                backend: {
                    name: on and name not in ("ARCHS", "FA_QUANTS") for name, on in features.items()
                }
                for backend, features in right.items()
            },
            'A value is a text, and bool("0") is True. Compare it.': {
                backend: dict.fromkeys(features, True) for backend, features in right.items()
            },
        },
    )
