"""The SwiGLU exercise: right, wrong in the ways that people are wrong, and cheating."""

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded

KEY = "exercise-swiglu"
LOOPS = """
import math
import numpy as np

def silu(x):
    flat = [v / (1 + math.exp(-v)) if v > -700 else 0.0 for v in x.ravel().tolist()]
    return np.array(flat).reshape(x.shape)

def swiglu(x, gate, up, down):
    rows = []
    for token in x:
        rows.append(down @ (silu(gate @ token) * (up @ token)))
    return np.stack(rows)

def hidden_size(d, multiple):
    return math.ceil(int(2 / 3 * 4 * d) / multiple) * multiple
"""


@pytest.mark.parametrize("seed", range(3))
def test_loops_pass_as_well(seed: int) -> None:
    assert failed(graded(KEY, LOOPS, seed=seed)) == []


@pytest.mark.parametrize(
    "formula",
    [
        "x / (1 + np.exp(-x))",  # NumPy warns of an overflow, and the value is right
        "x / (1 + np.exp(np.clip(-x, -80, 80)))",
        "x * np.exp(-np.logaddexp(0, -x))",
        "x * (1 + np.tanh(x / 2)) / 2",
    ],
)
def test_any_form_of_silu_with_right_values_passes(formula: str) -> None:
    source = edited(KEY, "x * np.where(x >= 0, 1, small) / (1 + small)", formula)

    assert failed(graded(KEY, source)) == []


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("x * np.where", "np.where", "SiLU, element by element", "the sigmoid alone"),
        ("x >= 0", "x < 0", "SiLU, element by element", "the wrong sign"),
        (
            "x * np.where(x >= 0, 1, small) / (1 + small)",
            "np.maximum(x, 0)",
            "SiLU, element by element",
            "That is ReLU",
        ),
        (
            "x * np.where(x >= 0, 1, small) / (1 + small)",
            "x * np.exp(x) / (1 + np.exp(x))",
            "Far from zero",
            "infinity divided by itself",
        ),
        (
            "gate: np.ndarray, up: np.ndarray",
            "up: np.ndarray, gate: np.ndarray",
            "Gate, up and down",
            "have changed places",
        ),
        (
            "gate: np.ndarray, up: np.ndarray",
            "up: np.ndarray, gate: np.ndarray",
            "The model's own tensors",
            "have changed places",
        ),
        ("silu(x @ gate.T)", "x @ gate.T", "Gate, up and down", "the bilinear layer"),
        ("= x @ up.T", "= silu(x @ up.T)", "Gate, up and down", "activate both"),
        ("= x @ up.T", "= silu(x @ up.T)", "Token by token, and linear in up", "only ever multi"),
        ("opened * passed", "opened + passed", "Gate, up and down", "You add the two paths"),
        ("(opened * passed)", "opened", "Gate, up and down", "The up path is missing"),
        (
            "x @ gate.T",
            "x.astype(np.float32) @ gate.T",
            "The model's own tensors",
            "Keep the precision of x",
        ),
        (") @ down.T", ") @ down.T + x", "Gate, up and down", "You add x"),
        ("ideal + multiple - 1", "ideal", "The hidden width of LLaMA-1", "You round down"),
        ("8 * d // 3", "-(-8 * d // 3)", "The hidden width of LLaMA-1", "You keep the fraction"),
        (
            "ideal + multiple - 1",
            "ideal + multiple",
            "The hidden width of LLaMA-1",
            "even from a number that is one",
        ),
        ("8 * d // 3", "4 * d", "The hidden width of LLaMA-1", "Two thirds are missing"),
        (
            "(ideal + multiple - 1) // multiple * multiple",
            "ideal",
            "The hidden width of LLaMA-1",
            "not raised to a multiple",
        ),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_rounding_to_the_nearest_multiple_is_found_out() -> None:
    source = edited(
        KEY, "(ideal + multiple - 1) // multiple * multiple", "round(ideal / multiple) * multiple"
    )
    result = check(graded(KEY, source), "The hidden width of LLaMA-1")

    assert not result.passed
    assert "You round to the nearest multiple" in result.hint
    assert (result.expected, result.got) == ("13824", "13568")


def test_swapped_tensors_are_found_inside_the_model_too() -> None:
    source = edited(KEY, "gate: np.ndarray, up: np.ndarray", "up: np.ndarray, gate: np.ndarray")

    assert "Inside the model" in failed(graded(KEY, source))


def test_tokens_that_are_mixed_fail_the_law() -> None:
    source = edited(KEY, "= x @ up.T", "= x @ up.T - (x @ up.T).mean(axis=0)")
    verdict = graded(KEY, source)

    assert "Token by token, and linear in up" in failed(verdict)
    assert "depends on that token alone" in check(verdict, "Token by token, and linear in up").hint


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    verdict = graded(
        KEY,
        "import numpy as np\n"
        "def silu(x):\n"
        "    return np.array([0.0, -0.278465, 0.0, 1.761594])\n"
        "def swiglu(x, gate, up, down):\n"
        "    return np.array([[1.761594, -0.537883]])\n"
        "def hidden_size(d, multiple):\n"
        "    return {4096: 11008, 5120: 13824, 6656: 17920, 8192: 22016}.get(d, 0)\n",
    )

    assert verdict.points == 2
    assert failed(verdict)[0] == "SiLU, element by element"


def test_the_answers_are_not_to_be_found_in_the_sandbox() -> None:
    verdict = graded(
        KEY,
        "import sys\n"
        "def search(x):\n"
        "    frame = sys._getframe()\n"
        "    while frame is not None:\n"
        "        for name in ('expected', 'reference', 'network', 'mistakes'):\n"
        "            found = frame.f_locals.get(name, frame.f_globals.get(name))\n"
        "            if found is not None:\n"
        "                return found\n"
        "        frame = frame.f_back\n"
        "    return x\n"
        "def silu(x):\n"
        "    return search(x)\n"
        "def swiglu(x, gate, up, down):\n"
        "    return search(x)\n"
        "def hidden_size(d, multiple):\n"
        "    return search(d)\n",
    )

    assert verdict.points == 1  # it gives the same again
    assert "The examples" in failed(verdict)
