"""llama.cpp's own tools, built from the sources of the installed llama-cpp-python, as the oracle.

    python -m workers.native build    # llama-bench, llama-perplexity, llama-quantize
    python -m workers.native record   # what they say about the shipped model -> native.json

The build lies outside the tracked files, in var/native, or where CAMPUS_NATIVE says.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workers import catalogue
from workers.errors import EngineError
from workers.fingerprint import fingerprint
from workers.quantize import FILE_TYPES

FOLDER = Path(os.environ.get("CAMPUS_NATIVE", Path(__file__).parents[1] / "var" / "native"))
RECORDED = Path(__file__).with_suffix(".json")
TOOLS = ("llama-bench", "llama-perplexity", "llama-quantize")
# The library's own options stay at their defaults, as in the installed build: Release, shared,
# -march=native. Left out is only what the three tools do not need.
CMAKE_OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=ON",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DGGML_CCACHE=OFF",
)
N_CTX, CHUNKS = 512, 16
ATTEMPTS = 8
RECORDED_PERPLEXITIES = ("F32", "Q8_0", "Q4_K_M", "Q2_K")


class NativeToolsMissingError(EngineError):
    """The native tools are not built."""


def tool(name: str) -> Path:
    """The path of a built tool; NativeToolsMissingError names the command that builds it."""
    path = FOLDER / "build" / "bin" / name
    if not path.is_file():
        raise NativeToolsMissingError(f"{name} is not built here: run `make native`.")
    return path


def build(jobs: int) -> None:
    """Download the sources with pip, unless they are there, and build the tools with cmake."""
    cmake = shutil.which("cmake")
    if cmake is None:
        raise EngineError("cmake is missing: run `apt-get install -y cmake ninja-build`.")
    release = f"llama-cpp-python=={version('llama-cpp-python')}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not list(FOLDER.glob("llama_cpp_python-*.tar.gz")):
        pip = [sys.executable, "-m", "pip", "download", "--no-deps"]
        _run([*pip, "--no-binary", "llama-cpp-python", "--dest", str(FOLDER), release])
    sources = FOLDER / f"llama_cpp_python-{version('llama-cpp-python')}"
    if not sources.is_dir():
        with tarfile.open(FOLDER / f"{sources.name}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    tree, out = sources / "vendor" / "llama.cpp", FOLDER / "build"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    _run([cmake, *generator, "-S", str(tree), "-B", str(out), *CMAKE_OPTIONS])
    _run([cmake, "--build", str(out), "--parallel", str(jobs), "--target", *TOOLS])


@dataclass(frozen=True)
class NativePerplexity:
    """What llama-perplexity found; `seconds` from the first chunk's start to the end."""

    perplexity: float
    stderr: float
    seconds: float


def quantize(model: Path, file_type: str, out: Path) -> None:
    """Run llama-quantize; EngineError with its last words if it refuses."""
    done = subprocess.run(
        [tool("llama-quantize"), model, out, file_type],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        out.unlink(missing_ok=True)
        raise EngineError(f"llama-quantize refused {file_type}: {_last_line(done)}")


def perplexity(
    model: Path, text: Path, *, n_ctx: int = N_CTX, chunks: int = CHUNKS, threads: int = 0
) -> NativePerplexity:
    """Run llama-perplexity."""
    command = [tool("llama-perplexity"), "-m", model, "-f", text]
    command += ["-c", str(n_ctx), "--chunks", str(chunks)]
    command += ["-t", str(threads)] if threads else []
    for _ in range(ATTEMPTS):
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        found = re.search(r"Final estimate: PPL = ([\d.]+) \+/- ([\d.]+)", done.stdout)
        # The tool's log is written by a thread, and on a busy machine its end can get lost.
        if found or done.returncode:
            break
    if not found:
        raise EngineError(f"llama-perplexity failed: {_last_line(done)}")
    began, ended = (
        _logged_at(done.stdout, message) for message in ("calculating perplexity", "Final estimate")
    )
    return NativePerplexity(float(found[1]), float(found[2]), ended - began)


@dataclass(frozen=True)
class NativeBench:
    """llama-bench's repetitions in tokens/s, and the CPU seconds of the whole process."""

    samples: tuple[float, ...]
    cpu_seconds: float


def bench(model: Path, *, n_prompt: int, n_gen: int, repetitions: int, threads: int) -> NativeBench:
    """Run llama-bench for one of pp (n_gen 0) or tg (n_prompt 0)."""
    command = [tool("llama-bench"), "-m", model, "-p", n_prompt, "-n", n_gen]
    command += ["-r", repetitions, "-t", threads, "-o", "json"]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=output, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            raise EngineError(f"llama-bench failed with exit code {process.returncode}.")
        (test,) = json.load(output)
    return NativeBench(tuple(test["samples_ts"]), usage.ru_utime + usage.ru_stime)


def record() -> dict[str, Any]:
    """What the tools say about the shipped main model; a refused file type is null."""
    model, text = Path(catalogue.main_model().path), Path(catalogue.texts().heldout)
    files: dict[str, dict[str, Any] | None] = {}
    perplexities = {}
    with tempfile.TemporaryDirectory() as folder:
        for file_type in FILE_TYPES:
            out = Path(folder) / "model.gguf"
            try:
                quantize(model, file_type, out)
            except NativeToolsMissingError:
                raise
            except EngineError:
                files[file_type] = None
                continue
            files[file_type] = {"bytes": out.stat().st_size, "sha256": sha256(out)}
            if file_type in RECORDED_PERPLEXITIES:
                found = perplexity(model if file_type == "F32" else out, text)
                perplexities[file_type] = {"perplexity": found.perplexity, "stderr": found.stderr}
            out.unlink()
    machine = fingerprint()
    return {
        "model_sha256": sha256(model),
        "text_sha256": sha256(text),
        "llama_cpp": machine["llama_cpp"],
        "llama_cpp_python": machine["llama_cpp_python"],
        "architecture": platform.machine(),
        "fingerprint": machine["key"],
        "n_ctx": N_CTX,
        "chunks": CHUNKS,
        "files": files,
        "perplexities": perplexities,
    }


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _logged_at(log: str, message: str) -> float:
    """Seconds since its start at which a tool logged a message: "0.01.143.691 I …"."""
    stamp = re.search(rf"(\d+)\.(\d\d)\.(\d{{3}})\.(\d{{3}}) \w [^\n]*{message}", log)
    if not stamp:
        raise EngineError(f"The tool's log has no time for “{message}”.")
    minutes, seconds, milliseconds, microseconds = map(int, stamp.groups())
    return 60 * minutes + seconds + milliseconds / 1e3 + microseconds / 1e6


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"


def _run(command: list[str]) -> None:
    if subprocess.run(command, check=False).returncode:
        raise EngineError(f"{Path(command[0]).name} failed; its output above says why.")


def main(arguments: list[str]) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m workers.native", description=__doc__)
    parser.add_argument("command", choices=["build", "record"])
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args(arguments)
    try:
        if options.command == "build":
            build(options.jobs)
        else:
            RECORDED.write_text(json.dumps(record(), indent=1) + "\n")
    except EngineError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
