"""The engine as a program: its contract on stdout, stderr and exit code."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workers import catalogue
from workers.errors import EngineError

ROOT = Path(__file__).parents[2]


def workers(*arguments: str | Path) -> tuple[int, Any, str]:
    """Exit code, the JSON object of the last line of stdout, and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "workers", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_inspect_prints_one_object_and_progress_goes_to_stderr(model: Path) -> None:
    code, seen, stderr = workers("inspect", "--model", model, "--json")
    assert code == 0
    assert seen["file_bytes"] == seen["expected_bytes"] == model.stat().st_size
    assert json.loads(stderr.splitlines()[0]) == {"type": "phase", "name": "Reading the header"}


def test_quantize_then_perplexity_against_the_original(
    model: Path, text: Path, tmp_path: Path
) -> None:
    out = tmp_path / "q8.gguf"
    code, made, _ = workers("quantize", "--model", model, "--type", "Q8_0", "--out", out, "--json")
    assert code == 0
    assert made["bytes"] == out.stat().st_size
    options = ("--text", text, "--n-ctx", "64", "--chunks", "2", "--threads", "1")
    code, loss, stderr = workers(
        "perplexity", "--model", out, *options, "--base-model", model, "--json"
    )
    assert code == 0
    assert loss["tokens"] == 62
    assert loss["kl_mean"] > 0
    assert {"perplexity", "stderr", "seconds", "kl_stderr", "top1_agreement"} < set(loss)
    kinds = [json.loads(line)["type"] for line in stderr.splitlines() if line.startswith("{")]
    assert {"phase", "progress", "point"} == set(kinds)


def test_bench_and_generate(model: Path) -> None:
    options = ("--n-prompt", "16", "--n-gen", "2", "--repetitions", "2", "--threads", "1")
    code, speed, _ = workers("bench", "--model", model, *options, "--json")
    assert code == 0
    assert len(speed["pp"]["samples"]) == len(speed["tg"]["samples"]) == 2
    assert speed["fingerprint"]["llama_cpp_python"]
    options = ("--prompt", "The fox", "--n-predict", "4", "--seed", "1", "--temperature", "0")
    code, said, stderr = workers("generate", "--model", model, *options, "--json")
    assert code == 0
    assert len(said["tokens"]) == 4
    assert stderr.count('"type": "token"') == 4


def test_models_prints_absolute_paths() -> None:
    code, listed, _ = workers("models", "--json")
    assert code == 0
    roles = [entry["role"] for entry in listed["models"]]
    assert roles == ["main", "draft"]
    paths = [entry["path"] for entry in listed["models"]] + list(listed["texts"].values())
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in paths)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["inspect", "--model", "absent.gguf"], "absent.gguf cannot be read: no such file"),
        (["inspect"], "The parameter model is missing."),
        (["bench", "--model", "m", "--n-gen", "many"], "invalid int value: 'many'"),
        (["bench", "--model", "m", "--repetitions", "0"], "repetitions must lie between"),
        (["quantize", "--model", "m", "--type", "Q9", "--out", "o"], "no file type called Q9"),
        (["dance"], "invalid choice: 'dance'"),
        (["inspect", "--modle", "m"], "--modle"),
        ([], "command"),
    ],
)
def test_a_failure_is_one_object_with_exit_code_1(arguments: list[str], complaint: str) -> None:
    code, said, _ = workers(*arguments, *(["--json"] if arguments else []))
    assert code == 1
    assert list(said) == ["error"]
    assert complaint in said["error"]


def test_an_interrupt_ends_it_at_once_and_cleanly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "workers", "sleep", "--steps", "1000", "--seconds", "1", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # A suite in the background ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert process.stderr is not None
    assert "Sleeping" in process.stderr.readline()
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 1
    assert json.loads(stdout) == {"error": "Interrupted."}
    assert "Traceback" not in stderr


def test_the_catalogue_says_when_the_models_are_missing(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="teaching models are not installed"):
        catalogue.models(tmp_path)
