"""The ggml graph exercise: right, wrong in the ways that people are wrong, and cheating.

A graph that is none must come back as a message, since ggml's assertions would end the process.
"""

from typing import Any

import numpy as np
import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers import ggml_graph
from workers.exercises import EXERCISES
from workers.ggml_graph import GraphError

KEY = "exercise-ggml-graph"


ANOTHER = """
import numpy as np

SIZES = {"F32": (1, 4), "F16": (1, 2), "Q8_0": (32, 34), "Q5_0": (32, 22), "Q4_0": (32, 18),
         "Q6_K": (256, 210), "Q4_K": (256, 144)}

def nb(type_name, ne):
    block, size = SIZES[type_name]
    blocks, rest = divmod(ne[0], block)
    if rest:
        raise ValueError("half a block")
    steps = [size]
    for count in (blocks, ne[1], ne[2]):
        steps.append(steps[-1] * count)
    return tuple(steps)

def mul_mat_ne(a, b):
    if a[0] != b[0] or any(y % x for x, y in zip(a[2:], b[2:])):
        raise ValueError("no")
    return np.array([a[1], *b[1:]])

def mul_mat(a, b):
    if a.ndim == 2:
        return mul_mat(a[None], b[None])[0]
    out = np.zeros((len(b), b.shape[1], a.shape[1]))
    for h in range(len(b)):
        for j in range(b.shape[1]):
            for i in range(a.shape[1]):
                out[h, j, i] = sum(a[h * len(a) // len(b), i].astype(float) * b[h, j])
    return out

def execution_order(nodes, result):
    # Forwards from what is ready, not backwards from the result.
    reads = {name: [o for o in operands if isinstance(o, str)] for name, _, operands in nodes}
    needed, fresh = set(), [result]
    while fresh:
        name = fresh.pop()
        if name in reads and name not in needed:
            needed.add(name)
            fresh += reads[name]
    done = []
    while len(done) < len(needed):
        for name in sorted(needed):
            if name not in done and all(o in done or o not in reads for o in reads[name]):
                done.append(name)
    return done

def build_ffn(eps):
    return [["a", "rms_norm", ["x", eps]], ["b", "mul", ["a", "norm"]],
            ["never", "scale", ["b", 3]],
            ["c", "mul_mat", ["up", "b"]], ["d", "mul_mat", ["gate", "b"]], ["e", "silu", ["d"]],
            ["f", "mul", ["c", "e"]], ["g", "mul_mat", ["down", "f"]], ["h", "add", ["g", "x"]]]

def build_attention(head_dim):
    return (("half", "scale", ("q", head_dim ** -0.25)), ("third", "scale", ("k", head_dim**-0.25)),
            ("s", "mul_mat", ("third", "half")), ("m", "add", ("s", "mask")),
            ("p", "soft_max", ("m",)), ("t", "transpose", ("v",)), ("c", "cont", ("t",)),
            ("o", "mul_mat", ("c", "p")))
"""


@pytest.mark.parametrize("seed", range(3))
def test_another_right_solution_passes(seed: int) -> None:
    assert failed(graded(KEY, ANOTHER, seed=seed)) == []


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("(ne[0] // weights)", "ne[0]", "Strides as ggml sets them", "a block for every weight"),
        (
            "return [size, row, row * ne[1], row * ne[1] * ne[2]]",
            "return [row * ne[1] * ne[2], row * ne[1], row, size]",
            "Strides as ggml sets them",
            "The order is ggml's",
        ),
        ("[a[1], b[1], b[2]", "[b[1], a[1], b[2]", "The shape of a product", "exchanged"),
        ("b[1], b[2], b[3]]", "b[1], a[2], a[3]]", "The shape of a product", "A is what is"),
        ("if a[0] != b[0]:", "if False:", "What ggml refuses", "before you compute"),
        ("b[2] % a[2]", "a[2] % b[2]", "What ggml refuses", "before you compute"),
        ("if ne[0] % weights:", "if False:", "What ggml refuses", "before you compute"),
        (
            "np.repeat(a, len(b) // len(a), axis=0)",
            "np.tile(a, (len(b) // len(a), 1, 1))",
            "Products as ggml computes them",
            "Neighbours share",
        ),
        (
            "return b @ np.swapaxes(a, -1, -2)",
            "return a @ np.swapaxes(b, -1, -2)",
            "Products as ggml computes them",
            "Rows of B meet rows of A",
        ),
        (" or name in visited", "", "Only what the result needs, in order", "computed once"),
        (
            "    visit(result)",
            "    for name in operands:\n        visit(name)",
            "Only what the result needs, in order",
            "computes nothing",
        ),
        (
            "name not in operands or",
            "isinstance(name, float) or",
            "Only what the result needs, in order",
            "",
        ),
        (
            "    return order",
            "    return order[::-1]",
            "Only what the result needs, in order",
            "go back to what it reads",
        ),
        ('"silu", ["gated"]', '"silu", ["raised"]', "A feed-forward network", ""),
        (
            '("active", "silu", ["gated"]),  # (n_ff, n)\n'
            '        ("product", "mul", ["active", "raised"])',
            '("active", "silu", ["raised"]),  # (n_ff, n)\n'
            '        ("product", "mul", ["active", "gated"])',
            "A feed-forward network",
            "on the wrong branch",
        ),
        ('["x", "lowered"]', '["y", "lowered"]', "A feed-forward network", "x itself"),
        ('["x", eps]', '["x", 1e-5]', "A feed-forward network", "Your eps is fixed"),
        ('"mul", ["rms", "norm"]', '"scale", ["rms", 1]', "A feed-forward network", "gain"),
        (
            '        ("out", "add", ["x", "lowered"]),  # (d, n)\n',
            "",
            "A feed-forward network",
            "residual is missing",
        ),
        ("1 / sqrt(head_dim)", "1.0", "Attention", "are not scaled"),
        ("1 / sqrt(head_dim)", "1 / head_dim", "Attention", "It is the root"),
        ('["masked"]', '["scaled"]', "Attention", "Nothing is masked"),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mul_mat", ["v_rows"', '"mul_mat", ["v_turned"', "cont copies it into order"),
        ('"mul_mat", ["v_rows"', '"mul_mat", ["v"', "contracts ne[0] of both operands"),
        ('["k", "q"]', '["q", "k"]', "is no multiple of"),
        ('"soft_max"', '"softmax"', "there is no operation softmax"),
        ('["masked"]', '["maskd"]', "reads maskd, which is neither"),
        ('["dots", 1 / sqrt(head_dim)]', '["dots"]', "scale takes 1 tensor, then a number"),
        ('["scaled", "mask"]', '["mask", "scaled"]', "does not fit into mask"),
        ('("scaled", "scale"', '("dots", "scale"', "two tensors called dots"),
        ("1 / sqrt(head_dim)]", 'float("nan")]', "a finite number"),
    ],
)
def test_a_graph_that_ggml_would_abort_on_is_told_as_a_message(
    old: str, new: str, message: str
) -> None:
    result = check(graded(KEY, edited(KEY, old, new)), "Attention")

    assert not result.passed
    assert message in result.message
    assert result.line is not None


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [("a", "silu")],
        ["abc"],
        [("a", "silu", "x")],
        [("a", "silu", [None])],
        [("", "silu", ["x"])],
        [("ä", "silu", ["x"])],
        [("a" * 64, "silu", ["x"])],
        [("a", "scale", ["x", 10**400])],
        [("a", "scale", ["x", True])],
        [("a", "scale", [2.0, "x"])],
        [("a", "rms_norm", ["x", -1.0])],
        [("a", "silu", ["a"])],
        [("x", "silu", ["x"])],
        [("a", "transpose", ["x"])],
        [(f"t{i}", "silu", ["x"]) for i in range(65)],
        [("t", "transpose", ["x"]), ("a", "add", ["t", "t"])],
        [("t", "transpose", ["x"]), ("a", "mul_mat", ["x", "t"])],
    ],
)
def test_no_description_reaches_ggml_that_it_would_stop_at(value: Any) -> None:
    with pytest.raises(GraphError):
        ggml_graph.compute(ggml_graph.read(value), {"x": np.ones((3, 3), np.float32)})


def test_a_refusal_of_what_ggml_takes_is_told_with_the_arguments() -> None:
    source = edited(KEY, "b[2] % a[2] or b[3] % a[3]", "b[2] != a[2] or b[3] != a[3]")

    result = check(graded(KEY, source), "The shape of a product")

    assert result.message.startswith("mul_mat_ne([")
    assert "]) is possible in ggml. Line " in result.message
    assert "Put these numbers into" in result.hint


def test_a_result_of_a_graph_points_at_the_function_that_describes_it() -> None:
    source = edited(KEY, "1 / sqrt(head_dim)", "1.0")

    result = check(graded(KEY, source), "Attention")

    assert result.line is not None
    assert source.splitlines()[result.line - 1].strip() == "return ["


def test_results_too_large_for_a_check_are_refused_before_they_are_made() -> None:
    column = np.ones((1 << 13, 1), np.float32)

    with pytest.raises(GraphError, match="256 MiB"):
        ggml_graph.compute(ggml_graph.read([("a", "mul_mat", ["x", "x"])]), {"x": column})


def test_transposing_twice_is_in_order_again() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    nodes = ggml_graph.read(
        [("a", "transpose", ["x"]), ("b", "transpose", ["a"]), ("c", "scale", ["b", 2])]
    )

    assert np.array_equal(ggml_graph.compute(nodes, {"x": x}), 2 * x)


def test_a_graph_of_numbers_worked_out_beforehand_is_none() -> None:
    """Building describes: a result that was computed in Python has nowhere to go."""
    verdict = graded(
        KEY,
        edited(KEY, '("dots", "mul_mat", ["k", "q"])', '("dots", np.ones((5, 5)), ["k", "q"])'),
    )

    assert "is not of the form" in check(verdict, "Attention").message


def test_neither_ggml_nor_the_examples_by_heart_earn_more_than_the_examples() -> None:
    answers = {
        f"{example.function}": example.expected
        if not isinstance(example.expected, np.ndarray)
        else example.expected.tolist()
        for example in EXERCISES[KEY].examples
    }
    verdict = graded(
        KEY,
        "import numpy as np\n"
        + "\n".join(
            f"def {name}(*arguments):\n    return np.array({value!r})\n"
            if name == "mul_mat"
            else f"def {name}(*arguments):\n    return {value!r}\n"
            for name, value in answers.items()
        )
        + "def build_ffn(eps):\n    import llama_cpp\n"
        + "def build_attention(head_dim):\n    import gguf\n",
    )

    assert verdict.points == 2
    assert "No module named" in check(verdict, "Attention").message
