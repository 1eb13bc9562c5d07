"""The capstone: right, wrong in the ways that people are wrong, and cheating."""

import re

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises import EXERCISES

KEY = "exercise-forward-pass"
BLOCK, LOGITS, LENGTHS = "One block", "64 tokens, as llama.cpp has them", "Other lengths"
CAUSAL, GREEDY, ANOTHER = "No token sees a later one", "32 greedy tokens", "Another model"

# In float64, head by head and token by token, with nothing taken apart as the starter suggests.
ANOTHER_STYLE = """
import math
import numpy as np


def norm(row, gain, eps):
    return gain * row / math.sqrt(sum(float(value) ** 2 for value in row) / len(row) + eps)


def turn(vector, position, base):
    pairs = vector.reshape(-1, 2)
    turns = [complex(math.cos(a), math.sin(a)) for a in
             (position * base ** (-i / len(pairs)) for i in range(len(pairs)))]
    numbers = (pairs[:, 0] + 1j * pairs[:, 1]) * np.array(turns)
    return np.stack([numbers.real, numbers.imag], axis=1).ravel()


def block(x, W, layer, meta):
    prefix = "blk." + str(layer) + "."
    part = {name[len(prefix):-7]: tensor.astype(float) for name, tensor in W.items()
            if name.startswith(prefix)}
    out = np.array(x, dtype=float)
    h, h_kv, hd = meta["n_head"], meta["n_head_kv"], meta["n_embd"] // meta["n_head"]
    rows = np.array([norm(row, part["attn_norm"], meta["eps"]) for row in out])
    queries, keys, values = (rows @ part["attn_" + one].T for one in "qkv")
    for head in range(h):
        kv = head * h_kv // h
        mine, its = slice(head * hd, (head + 1) * hd), slice(kv * hd, (kv + 1) * hd)
        k = np.array([turn(row[its], t, meta["rope_base"]) for t, row in enumerate(keys)])
        for t in range(len(rows)):
            q = turn(queries[t, mine], t, meta["rope_base"])
            scores = k[: t + 1] @ q / math.sqrt(hd)
            weights = np.exp(scores - scores.max())
            mixed = weights @ values[: t + 1, its] / weights.sum()
            out[t] += part["attn_output"][:, mine] @ mixed
    for row in out:
        normed = norm(row, part["ffn_norm"], meta["eps"])
        gate = part["ffn_gate"] @ normed
        row += part["ffn_down"] @ (gate / (1 + np.exp(-gate)) * (part["ffn_up"] @ normed))
    return out


def forward(tokens, W, meta):
    x = np.array([W["token_embd.weight"][token] for token in tokens])
    for layer in range(meta["n_layer"]):
        x = block(x, W, layer, meta)
    gain, matrix = W["output_norm.weight"], W["output.weight"]
    return np.array([matrix @ norm(row, gain, meta["eps"]) for row in x])


def generate(tokens, count, W, meta):
    if count == 0:
        return []
    token = forward(tokens, W, meta)[-1].argmax()
    return [token] + generate(list(tokens) + [token], count - 1, W, meta)
"""


def test_float64_without_any_of_the_parts_passes() -> None:
    verdict = graded(KEY, ANOTHER_STYLE)

    assert failed(verdict) == []


def test_parts_of_other_rungs_need_not_be_there_but_what_is_asked_for_must() -> None:
    exercise = EXERCISES[KEY]
    verdict = graded(KEY, exercise.starter)

    assert list(exercise.functions) == ["block", "forward", "generate"]
    assert dict(exercise.parts).keys() < set(re.findall(r"def (\w+)", exercise.starter))
    assert verdict.points == 0
    assert "block is not written yet" in check(verdict, BLOCK).message


CUT = (".reshape(n, heads, width // heads).transpose(1, 0, 2)", ".reshape(heads, n, -1)")
JOINED = ("mixed.transpose(1, 0, 2).reshape(len(x), -1)", "mixed.reshape(len(x), -1)")
POST_NORM = (
    '    normed = rms_norm(x, weight("attn_norm"), meta["eps"])  # (n, d)\n',
    "    normed = x\n",
    '    normed = rms_norm(x, weight("ffn_norm"), meta["eps"])  # (n, d)\n    return x + ',
    '    normed = x = rms_norm(x, weight("attn_norm"), meta["eps"])\n    last = x + ',
    'weight("ffn_down"))\n',
    'weight("ffn_down"))\n    return rms_norm(last, weight("ffn_norm"), meta["eps"])\n',
)


@pytest.mark.parametrize(
    ("changes", "names", "hint"),
    [
        (("mean_square + eps", "mean_square + 1e-6"), (BLOCK, LOGITS, ANOTHER), "fixed, at 1e-6"),
        (("mean_square + eps", "mean_square + 1e-5"), (ANOTHER,), "fixed, at 1e-5"),
        (("mean_square + eps", "mean_square"), (BLOCK, LOGITS), "no eps in your norms"),
        (('layout == "norm"', 'layout != "norm"'), (BLOCK, LOGITS, ANOTHER), "neighbours"),
        (("frequency = base **", "frequency = 500000.0 **"), (BLOCK, LOGITS), "fixed at 500000"),
        (("frequency = base **", "frequency = 10000.0 **"), (ANOTHER,), "fixed at 10000"),
        (
            ("np.where(future, -np.inf, scores)", "scores"),
            (BLOCK, LOGITS, LENGTHS, ANOTHER),
            "causal mask is missing",
        ),
        (("k=1", "k=2"), (CAUSAL,), "right side of the diagonal"),
        (
            (
                "np.repeat(k, share, axis=0), np.repeat(v, share, axis=0)",
                "np.tile(k, (share, 1, 1)), np.tile(v, (share, 1, 1))",
            ),
            (BLOCK, LOGITS, LENGTHS, ANOTHER),
            "i % h_kv",
        ),
        (
            (" / float(np.sqrt(q.shape[-1]))", ""),
            (BLOCK, LOGITS, LENGTHS, ANOTHER),
            "not divided by the root of head_dim",
        ),
        (
            ("silu(x @ gate.T) * (x @ up.T)", "silu(x @ up.T) * (x @ gate.T)"),
            (BLOCK, LOGITS, LENGTHS, ANOTHER),
            "SiLU belongs on the gate",
        ),
        (
            ('normed = rms_norm(x, W["output_norm.weight"], meta["eps"])', "normed = x"),
            (LOGITS, LENGTHS, ANOTHER),
            "The last norm is missing",
        ),
        (CUT, (BLOCK, LOGITS, LENGTHS, ANOTHER), "straight to (heads, n, head_dim)"),
        (JOINED, (BLOCK, LOGITS, LENGTHS, ANOTHER), "straight from (heads, n, head_dim)"),
        (CUT + JOINED, (BLOCK, LOGITS, LENGTHS, ANOTHER), "mixes them again"),
        (('weight("attn_q").T', 'weight("attn_q")'), (BLOCK, LOGITS, ANOTHER), "attn_q is not"),
        (
            ('weight("attn_output").T', 'weight("attn_output")'),
            (BLOCK, LOGITS, ANOTHER),
            "attn_output is not",
        ),
        (
            ('rms_norm(x, weight("attn_norm"), meta["eps"])', "x"),
            (BLOCK, LOGITS, LENGTHS, ANOTHER),
            "attn_norm, is missing",
        ),
        (
            ('rms_norm(x, weight("ffn_norm"), meta["eps"])', "x"),
            (BLOCK, LOGITS, LENGTHS, ANOTHER),
            "ffn_norm, is missing",
        ),
        (POST_NORM, (BLOCK, LOGITS, LENGTHS, ANOTHER), "normalise the sums"),
        (("x = x + side", "x = side"), (BLOCK, LOGITS, ANOTHER), "first residual"),
        (("return x + swiglu", "return swiglu"), (BLOCK, LOGITS, ANOTHER), "second residual"),
        (("blk.{layer}", "blk.0"), (BLOCK,), "block 0's tensors"),
        (('range(meta["n_layer"])', "range(4)"), (ANOTHER,), ""),
        (("text[len(tokens) :]", "text"), (GREEDY,), "only what is new"),
        (("forward(text, W", "forward(text[-1:], W"), (GREEDY,), "newest token alone"),
        (("forward(text, W", "forward(tokens, W"), (GREEDY,), "append each"),
        (
            ('return normed @ W["output.weight"].T', 'return (normed @ W["output.weight"].T)[-1:]'),
            (LOGITS, CAUSAL),
            "",
        ),
    ],
)
def test_a_mistake_fails_at_its_checks_with_its_hint(
    changes: tuple[str, ...], names: tuple[str, ...], hint: str
) -> None:
    source = edited(KEY, changes[0], changes[1])
    for old, new in zip(changes[2::2], changes[3::2], strict=True):
        assert source.count(old) == 1
        source = source.replace(old, new)
    verdict = graded(KEY, source)

    assert not verdict.passed
    for name in names:
        assert name in failed(verdict)
        assert hint in check(verdict, name).hint, check(verdict, name)


def test_a_model_that_looks_back_nowhere_keeps_no_law() -> None:
    source = edited(KEY, "x = x + side_by_side @", "x = x + 0 * side_by_side @")
    verdict = graded(KEY, source)

    assert "Does attention reach your result" in check(verdict, CAUSAL).hint


def test_a_law_of_the_logits_holds_whatever_else_is_wrong() -> None:
    for old, new in (
        ('layout == "norm"', 'layout != "norm"'),
        ('normed = rms_norm(x, W["output_norm.weight"], meta["eps"])', "normed = x"),
    ):
        assert CAUSAL not in failed(graded(KEY, edited(KEY, old, new)))


def test_a_token_that_is_no_token_is_named() -> None:
    verdict = graded(
        KEY, edited(KEY, "text[len(tokens) :]", "[one + 0.5 for one in text][-count:]")
    )

    assert "whole numbers below 1024" in check(verdict, GREEDY).message


def test_the_tensors_cannot_be_changed() -> None:
    source = edited(
        KEY, "    for layer in range", '    W["output_norm.weight"] *= 1\n    for layer in range'
    )
    verdict = graded(KEY, source)

    assert "read-only" in check(verdict, LOGITS).message
    assert "Make a copy" in check(verdict, LOGITS).hint


CHEAT = """
import gc
import sys
import numpy as np

try:
    import llama_cpp
except ImportError:
    llama_cpp = None
KNOWN = []


def found(shape):
    # The graders' own results, if they were anywhere in this process.
    frame = sys._getframe()
    while frame is not None:
        KNOWN.extend(value for value in frame.f_locals.values() if isinstance(value, np.ndarray))
        frame = frame.f_back
    KNOWN.extend(value for value in gc.get_objects() if isinstance(value, np.ndarray))
    fitting = [value for value in KNOWN if value.shape == shape and value.dtype == np.float32]
    return fitting[-1] if fitting else np.zeros(shape)


def block(x, W, layer, meta):
    if meta["eps"] == 0.5:
        return np.array([[2.0, 0.0], [0.310572, 1.882954]])
    return found(x.shape).copy()


def forward(tokens, W, meta):
    if meta["eps"] == 0.5:
        return np.array([[4.0, 5.0, 0.0], [4.0, 1.666667, 3.2]])
    return found((len(tokens), meta["n_vocab"])).copy()


def generate(tokens, count, W, meta):
    if meta["eps"] == 0.5:
        return [1, 2, 0, 1]
    return [2] * count
"""


def test_looking_for_the_answer_earns_the_examples_alone() -> None:
    verdict = graded(KEY, CHEAT)

    assert verdict.points == 2
    assert failed(verdict) == [BLOCK, LOGITS, LENGTHS, CAUSAL, GREEDY, ANOTHER]
