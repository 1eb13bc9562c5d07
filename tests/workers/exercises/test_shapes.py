"""The exercise of shapes: right, wrong in the ways that people are wrong, and cheating."""

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises import EXERCISES

KEY = "exercise-shapes"

LOOPS = """
import math

import numpy as np


def softmax(x):
    flat = x.reshape(-1, x.shape[-1])
    rows = []
    for row in flat:
        most = max(row)
        logarithm = most + math.log(sum(math.exp(score - most) for score in row))
        rows.append([math.exp(score - logarithm) for score in row])
    return np.array(rows).reshape(x.shape)


def positional_encoding(n, d):
    table = np.zeros((n, d))
    for position in range(n):
        for column in range(d):
            angle = position * math.exp(-(column - column % 2) / d * math.log(10000))
            table[position, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return table


def shapes(n, d, heads):
    x = np.zeros((n, d))
    q = x @ np.zeros((d, d // heads))
    scores = q @ q.T
    head = scores @ q
    concat = np.hstack([head] * heads)
    w_o = np.zeros((concat.shape[1], d))
    one = {name: q.shape for name in "qkv"}
    return one | {
        "x": list(x.shape),
        "scores": scores.shape,
        "head": head.shape,
        "concat": concat.shape,
        "w_o": w_o.shape,
        "out": np.array((concat @ w_o).shape),
        "hidden": (n, int(4 * d)),
    }


def llama_shapes(meta, n):
    wide = meta["n_embd"]
    size = np.int64(wide) // meta["n_head"]
    keys = (meta["n_head_kv"], n, size)
    return dict(
        x=(n, wide), q=(meta["n_head"], n, size), k=keys, v=keys, scores=(meta["n_head"], n, n),
        heads=(n, wide), gate=(n, meta["n_ff"]), up=(n, meta["n_ff"]), out=(n, wide),
        logits=(n, meta["n_vocab"]),
    )
"""


@pytest.mark.parametrize("seed", range(5))
def test_loops_and_logarithms_and_lists_pass_as_well(seed: int) -> None:
    assert failed(graded(KEY, LOOPS, seed=seed)) == []


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        (
            "np.sum(powers, axis=-1, keepdims=True)",
            "np.sum(powers)",
            "Softmax over the last axis",
            "the sum over the whole array",
        ),
        (
            "np.sum(powers, axis=-1, keepdims=True)",
            "np.sum(powers, axis=0, keepdims=True)",
            "Softmax over the last axis",
            "along the first axis",
        ),
        (
            " - np.max(x, axis=-1, keepdims=True)",
            "",
            "Softmax of large scores",
            "more than float64 can hold",
        ),
        (
            "np.max(x, axis=-1, keepdims=True)",
            "np.max(x)",
            "Softmax of large scores",
            "Which number may you subtract",
        ),
        (
            "x - np.max(x, axis=-1, keepdims=True)",
            "np.clip(x, -500, 500)",
            "Softmax of large scores",
            "You cut large scores off",
        ),
        (
            "np.max(x, axis=-1, keepdims=True)",
            "np.mean(x, axis=-1, keepdims=True)",
            "Softmax inside the model",
            "-inf",
        ),
        ("-2 * pair / d", "-pair / d", "The encoding of the paper", "Yours is i / d"),
        ("-2 * pair / d", "-4 * pair / d", "The encoding of the paper", "in steps of two"),
        (
            "encoding[:, 0::2] = np.sin(angle)",
            "encoding[:, 0::2], angle = np.sin(angle), angle * 10000 ** (-1 / d)",
            "Only the distance counts",
            "of the same angle",
        ),
        (
            "encoding[:, 0::2] = np.sin(angle)\n    encoding[:, 1::2] = np.cos(angle)",
            "encoding[:, : d // 2] = np.sin(angle)\n    encoding[:, d // 2 :] = np.cos(angle)",
            "The encoding of the paper",
            "they alternate",
        ),
        ("np.arange(n)[:", "np.arange(1, n + 1)[:", "The encoding of the paper", "is 0, not 1"),
        ("angle = ", "angle = 1.0 + 0.1 * ", "Only the distance counts", "sum of cos"),
        ("d // heads", "d", "One head, and all of them", "all heads together"),
        ("d // heads", "d / heads", "One head, and all of them", "// gives an int"),
        ('"scores": (n, n)', '"scores": (d_k, d_k)', "One head, and all of them", "over tokens"),
        (
            "(n, heads * d_k)",
            "(n * heads, d_k)",
            "One head, and all of them",
            "not one below the other",
        ),
        ("(n, 4 * d)", "(n, 2048)", "One head, and all of them", "inner"),
        ("d // h ", "d // h_kv ", "Heads that share their keys", "query heads share the n_embd"),
        (
            '"k": (h_kv, n, head_dim)',
            '"k": (h, n, head_dim)',
            "Heads that share their keys",
            "none repeated",
        ),
        (
            '"scores": (h, n, n)',
            '"scores": (h_kv, n, n)',
            "Heads that share their keys",
            "share keys, not scores",
        ),
        (
            '"up": (n, meta["n_ff"])',
            '"up": (n, 4 * d)',
            "Measured in the model",
            "n_ff, from meta",
        ),
        (
            '"logits": (n, meta["n_vocab"])',
            '"logits": (meta["n_vocab"],)',
            "Measured in the model",
            "Every position has logits",
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


def test_a_dict_that_is_not_as_asked_says_what_is_missing() -> None:
    lacking = graded(KEY, edited(KEY, '        "up": (n, meta["n_ff"]),\n', ""))
    renamed = graded(KEY, edited(KEY, '"up"', '"Up"'))
    another = graded(KEY, edited(KEY, '"hidden": (n, 4 * d)', '"hidden": (n, 4 * d), "d": (d,)'))
    no_shape = graded(KEY, edited(KEY, '"x": (n, d),\n        "q": (n', '"x": n,\n        "q": (n'))
    an_array = graded(KEY, edited(KEY, '"w_o": (heads * d_k, d)', '"w_o": np.zeros((d, d))'))

    assert "lacks 'up'" in check(lacking, "Measured in the model").message
    assert "lacks 'up'" in check(renamed, "Measured in the model").message
    assert "unknown key 'd'" in check(another, "One head, and all of them").message
    assert "not a tuple of sizes" in check(no_shape, "One head, and all of them").message
    assert "an array of shape" in check(an_array, "One head, and all of them").message
    assert "not a tuple of sizes" in check(an_array, "One head, and all of them").message


def test_the_sizes_of_one_model_are_found_out() -> None:
    source = (
        EXERCISES[KEY].solution.replace('meta["n_ff"]', "512").replace('meta["n_vocab"]', "1024")
    )

    verdict = graded(KEY, source)

    assert "Measured in the model" not in failed(verdict)
    assert "Heads that share their keys" in failed(verdict)


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    examples = {example.function: example for example in EXERCISES[KEY].examples}
    verdict = graded(
        KEY,
        "import numpy as np\n"
        f"def softmax(x):\n    return np.{examples['softmax'].expected!r}\n"
        "def positional_encoding(n, d):\n"
        f"    return np.array({examples['positional_encoding'].expected.tolist()})\n"
        f"def shapes(n, d, heads):\n    return {examples['shapes'].expected}\n"
        f"def llama_shapes(meta, n):\n    return {examples['llama_shapes'].expected}\n",
    )

    assert verdict.points == 2
    assert len(failed(verdict)) == len(EXERCISES[KEY].checks)


def test_looking_for_the_answer_in_the_machinery_earns_nothing() -> None:
    """There is no forward pass inside the sandbox, and no frame that holds what is expected."""
    verdict = graded(
        KEY,
        "import gc, sys\n"
        "def found(name):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for place in (frame.f_locals, frame.f_globals):\n"
        "            if name in place:\n"
        "                return place[name]\n"
        "        frame = frame.f_back\n"
        "    for thing in gc.get_objects():\n"
        "        if isinstance(thing, dict) and name in thing and 'scores' in thing:\n"
        "            return thing\n"
        "def softmax(x):\n    return found('expected')\n"
        "def positional_encoding(n, d):\n    return found('expected')\n"
        "def shapes(n, d, heads):\n    return found('concat')\n"
        "def llama_shapes(meta, n):\n"
        "    from workers import forward\n"
        "    return found('logits')\n",
    )

    assert verdict.points == 0
