"""R12, shapes by hand: Vaswani et al. 2017, "Attention Is All You Need", sections 3.2 to 3.5."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workers import forward
from workers.exercises import oracle
from workers.exercises.base import Answer, Array, Example, Exercise, Student
from workers.exercises.showing import describe, show

Shape = tuple[int, ...]
# For each name, the wrong shapes that are known and the hint that each deserves.
WrongShapes = Mapping[str, Mapping[str, Shape]]

# Fields of forward.Block; the logits come after them.
MEASURED = ("x", "q", "k", "v", "scores", "heads", "gate", "up", "out")

SMALL = {"n_embd": 96, "n_head": 6, "n_head_kv": 2, "n_ff": 160, "n_vocab": 500}

exercise = Exercise(
    key="exercise-shapes",
    folder=Path(__file__).parent,
    examples=(
        # Scores of The Illustrated Transformer, after the division by 8.
        Example("softmax", (np.array([14.0, 12.0]),), np.array([0.880797, 0.119203]), atol=1e-6),
        Example(
            "positional_encoding",
            (3, 4),
            np.array(
                [
                    [0.0, 1.0, 0.0, 1.0],
                    [0.841471, 0.540302, 0.00999983, 0.99995],
                    [0.909297, -0.416147, 0.0199987, 0.9998],
                ]
            ),
            atol=1e-6,
        ),
        Example(
            "shapes",
            (6, 512, 8),
            {
                "x": (6, 512),
                "q": (6, 64),
                "k": (6, 64),
                "v": (6, 64),
                "scores": (6, 6),
                "head": (6, 64),
                "concat": (6, 512),
                "w_o": (512, 512),
                "out": (6, 512),
                "hidden": (6, 2048),
            },
        ),
        Example(
            "llama_shapes",
            (SMALL, 5),
            {
                "x": (5, 96),
                "q": (6, 5, 16),
                "k": (2, 5, 16),
                "v": (2, 5, 16),
                "scores": (6, 5, 5),
                "heads": (5, 96),
                "gate": (5, 160),
                "up": (5, 160),
                "out": (5, 96),
                "logits": (5, 500),
            },
        ),
    ),
)


def reference(x: Array, axis: int | None = -1) -> Array:
    """Softmax, over the last axis unless another is named."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return np.asarray(powers / np.sum(powers, axis=axis, keepdims=True))


@exercise.check(
    "Softmax over the last axis",
    points=2,
    hint="Divide the exponential of each score by the sum of those in its own row: axis=-1.",
)
def rows(student: Student, rng: np.random.Generator) -> None:
    h, n, m = (int(size) for size in rng.permutation(np.arange(3, 12))[:3])
    for shape in ((m,), (n, m), (h, n, m)):
        x = rng.standard_normal(shape) * 3
        powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
        student.call("softmax", x).close_to(
            reference(x),
            atol=1e-12,
            mistakes={
                "Your weights add up to 1 over the whole array. Each row has its own sum: axis=-1, "
                "with keepdims=True so that the division fits.": reference(x, None),
                "Your weights add up to 1 along the first axis. One query's scores lie along the "
                "last.": reference(x, 0),
                "You divide by the sum over the whole array. Each row has its own: axis=-1, with "
                "keepdims=True.": powers / np.sum(powers),
                "You divide by sums along the first axis. One query's scores lie along the "
                "last.": powers / np.sum(powers, axis=0, keepdims=True),
                "Those are exponentials: divide them by their sum.": powers,
                "Those are the exponentials: divide them by their sum.": np.exp(x),
            },
        )


@exercise.check(
    "Softmax of large scores",
    points=2,
    hint=(
        "exp(710) is more than float64 can hold, and exp(-750) is 0. Which number may you subtract "
        "from all scores of a row without changing its weights?"
    ),
)
def large(student: Student, rng: np.random.Generator) -> None:
    n, m = int(rng.integers(4, 9)), int(rng.integers(5, 20))
    # Multiples of 1/64, so that adding the offsets is exact and cannot change a weight.
    x = np.round(rng.standard_normal((n, m)) * 64) / 64
    offset = rng.integers(1000, 10_001, (n, 1)) * rng.choice([-1.0, 1.0], (n, 1))
    offset[:2, 0] = -10_000.0, 10_000.0
    cut = np.full((n, m), 1 / m)
    student.call("softmax", x + offset).close_to(
        reference(x),
        # Near 10,000 float64 counts in steps of 2e-12: a logarithm of the sum, subtracted
        # instead of a division, is rounded to that.
        atol=1e-11,
        mistakes={
            "You cut large scores off, and what lay above the limit is all the same now. Subtract "
            "from a row, so that differences stay.": cut,
        },
    )
    x = np.full(m, -10_000.0)
    x[rng.integers(m)] = 10_000.0
    student.call("softmax", x).close_to((x > 0).astype(np.float64), atol=1e-12)


@exercise.check(
    "Softmax inside the model",
    points=1,
    hint=(
        "The scores here are (heads, n, n), and whatever lies in a token's future has the score "
        "-inf: it must get the weight 0."
    ),
)
def whole(student: Student, rng: np.random.Generator) -> None:
    """The softmax of all four blocks of the teaching model is the student's; the rest is ours."""

    def attend(q: Array, k: Array, v: Array) -> Array:
        share = len(q) // len(k)
        keys, values = np.repeat(k, share, axis=0), np.repeat(v, share, axis=0)
        scores = q @ keys.transpose(0, 2, 1) / np.float32(np.sqrt(q.shape[-1]))  # (h, n, n)
        future = np.triu(np.ones(scores.shape[1:], dtype=bool), k=1)
        masked = np.where(future, np.float32(-np.inf), scores)
        return np.asarray(student.call("softmax", masked).array(masked.shape) @ values)

    tokens = oracle.draw_tokens(rng)
    oracle.judge_logits(
        oracle.forward_with(tokens, oracle.Steps(attend=attend)), oracle.logits(tokens)
    )


@exercise.check(
    "The encoding of the paper",
    points=2,
    hint="Even columns hold sines, odd ones cosines, of position / 10000**(2i / d), in float64.",
)
def encoding(student: Student, rng: np.random.Generator) -> None:
    n, d = int(rng.integers(20, 60)), 2 * int(rng.integers(4, 40))
    position, pair = np.arange(n)[:, None], np.arange(d // 2)

    def interleaved(even: Array, odd: Array) -> Array:
        return np.stack([even, odd], axis=-1).reshape(n, d)

    angle = position / 10000 ** (2 * pair / d)
    half = position / 10000 ** (pair / d)
    double = position / 10000 ** (4 * pair / d)
    column = position / 10000 ** (np.arange(d) / d)
    later = (position + 1) / 10000 ** (2 * pair / d)
    student.call("positional_encoding", n, d).close_to(
        interleaved(np.sin(angle), np.cos(angle)),
        atol=1e-12,
        along="position",
        mistakes={
            "You put all sines into one half and all cosines into the other. In the paper they "
            "alternate.": np.concatenate([np.sin(angle), np.cos(angle)], axis=-1),
            "Sine and cosine have changed places: the sine comes first.": interleaved(
                np.cos(angle), np.sin(angle)
            ),
            "The exponent is 2i / d, where i counts pairs. Yours is i / d.": interleaved(
                np.sin(half), np.cos(half)
            ),
            "The exponent is 2i / d, where i counts pairs: 0, 1, 2. Yours is 4i / d. Does your i "
            "go in steps of two?": interleaved(np.sin(double), np.cos(double)),
            "The two columns of a pair share one frequency. You give every column its own.": (
                interleaved(np.sin(column[:, 0::2]), np.cos(column[:, 1::2]))
            ),
            "The first position is 0, not 1.": interleaved(np.sin(later), np.cos(later)),
        },
    )


@exercise.check(
    "Only the distance counts",
    points=1,
    hint=(
        "The product of two rows should be the sum of cos(distance * frequency). It is, when each "
        "pair of columns is a sine and a cosine of the same angle."
    ),
)
def distance(student: Student, rng: np.random.Generator) -> None:
    """Two positions' product is the sum over pairs of cos((p - q) * frequency)."""
    n, d = int(rng.integers(20, 60)), 2 * int(rng.integers(4, 40))
    answer = student.call("positional_encoding", n, d)
    rows = answer.array((n, d)).astype(np.float64)
    apart = np.arange(n)[:, None, None] - np.arange(n)[:, None]  # (n, n, 1)
    product = np.cos(apart / 10000 ** (2 * np.arange(d // 2) / d)).sum(axis=-1)  # (n, n)
    Answer(
        "The product of two rows of positional_encoding", replace(answer.reply, value=rows @ rows.T)
    ).close_to(product, atol=1e-10, along="position")


@exercise.check(
    "One head, and all of them",
    points=2,
    hint="Write each product down as (rows, inner) @ (inner, columns): what is left is its shape.",
)
def paper(student: Student, rng: np.random.Generator) -> None:
    """The block of 2017, with sizes among which no two are equal."""
    heads, d_k = (int(rng.choice(sizes)) for sizes in ([3, 4, 6], [20, 32, 40]))
    n, d = int(rng.integers(7, 20)), heads * d_k
    whole_q = {
        "That is all heads together. One head has an equal share of the features.": (n, d),
        "That is all heads in one array, and one head is asked for.": (heads, n, d_k),
        "Rows are tokens and columns are features: this is the transpose.": (d_k, n),
    }
    expected: dict[str, Shape] = {
        "x": (n, d),
        "q": (n, d_k),
        "k": (n, d_k),
        "v": (n, d_k),
        "scores": (n, n),
        "head": (n, d_k),
        "concat": (n, d),
        "w_o": (d, d),
        "out": (n, d),
        "hidden": (n, 4 * d),
    }
    judge_shapes(
        student.call("shapes", n, d, heads),
        expected,
        {
            "q": whole_q,
            "k": whole_q,
            "v": whole_q,
            "head": whole_q,
            "scores": {
                "Every query meets every key: a row for each token that asks, a column for each "
                "that answers.": (n, d_k),
                "You multiply over tokens. Q @ K.T multiplies over features.": (d_k, d_k),
                "One head is asked for, so there is no axis of heads.": (heads, n, n),
            },
            "concat": {
                "Side by side, not one below the other: the number of rows stays n.": (
                    heads * n,
                    d_k,
                ),
                "Side by side, the heads fill one row for each token: no axis of heads is left.": (
                    heads,
                    n,
                    d_k,
                ),
                "That is one head. All of them stand side by side.": (n, d_k),
            },
            "w_o": {"It reads the row of all heads, not that of one.": (d_k, d)},
            "hidden": {"The hidden layer is four times as wide as d.": (n, d)},
        },
    )


@exercise.check(
    "Heads that share their keys",
    points=2,
    hint=(
        "n_head query heads read n_head_kv heads of keys and values. All of these heads are "
        "equally wide."
    ),
)
def grouped(student: Student, rng: np.random.Generator) -> None:
    """Llama models of drawn sizes, built and run: the shapes are those of their arrays."""
    for share in rng.permutation([1, 2, 3, 4])[:3]:
        h_kv, head_dim = (int(rng.choice(sizes)) for sizes in ([2, 3], [20, 26, 34]))
        h = h_kv * int(share)
        meta = {
            "n_embd": h * head_dim,
            "n_head": h,
            "n_head_kv": h_kv,
            "n_ff": 10 * int(rng.integers(41, 60)) + 1,
            "n_vocab": int(rng.integers(700, 900)),
        }
        judge_llama(student, meta, empty_model(meta), int(rng.integers(7, 20)))


@exercise.check(
    "Measured in the model",
    points=1,
    hint="Take every number from meta: models differ.",
)
def measured(student: Student, rng: np.random.Generator) -> None:
    """The arrays of the teaching model's own forward pass."""
    model = oracle.model()
    meta = {
        "n_embd": model.n_embd,
        "n_head": model.n_head,
        "n_head_kv": model.n_head_kv,
        "n_ff": model.n_ff,
        "n_vocab": len(model.tensors["output.weight"]),
    }
    judge_llama(student, meta, model, int(rng.integers(5, 31)))


def empty_model(meta: Mapping[str, int]) -> forward.Model:
    """A llama model of one block, every weight 0: shapes do not depend on values."""
    d, head_dim = meta["n_embd"], meta["n_embd"] // meta["n_head"]
    d_kv, n_ff, n_vocab = meta["n_head_kv"] * head_dim, meta["n_ff"], meta["n_vocab"]
    tensors: dict[str, Shape] = {
        "token_embd": (n_vocab, d),
        "blk.0.attn_norm": (d,),
        "blk.0.attn_q": (d, d),
        "blk.0.attn_k": (d_kv, d),
        "blk.0.attn_v": (d_kv, d),
        "blk.0.attn_output": (d, d),
        "blk.0.ffn_norm": (d,),
        "blk.0.ffn_gate": (n_ff, d),
        "blk.0.ffn_up": (n_ff, d),
        "blk.0.ffn_down": (d, n_ff),
        "output_norm": (d,),
        "output": (n_vocab, d),
    }
    return replace(
        oracle.model(),
        n_layer=1,
        n_embd=d,
        n_ff=n_ff,
        n_head=meta["n_head"],
        n_head_kv=meta["n_head_kv"],
        head_dim=head_dim,
        tensors={f"{name}.weight": np.zeros(shape, np.float32) for name, shape in tensors.items()},
    )


def judge_llama(student: Student, meta: Mapping[str, int], model: forward.Model, n: int) -> None:
    """Hold a student's shapes for n tokens against those of the arrays of a forward pass."""
    tokens = np.arange(n, dtype=np.int32)
    block = forward.block(model, 0, model.tensors["token_embd.weight"][tokens])
    expected: dict[str, Shape] = {name: getattr(block, name).shape for name in MEASURED}
    expected["logits"] = forward.logits(model, tokens).shape

    d, h, h_kv, head_dim = model.n_embd, model.n_head, model.n_head_kv, model.head_dim
    shared = {
        "Keys and values have n_head_kv heads, and each is as wide as a query head.": (
            h_kv,
            n,
            d // h_kv,
        ),
        "Keys and values have fewer heads than queries have: n_head_kv, none repeated.": (
            h,
            n,
            head_dim,
        ),
        "The heads come first, then the tokens.": (n, h_kv, head_dim),
        "The features of all heads are cut into heads here.": (n, h_kv * head_dim),
    }
    judge_shapes(
        student.call("llama_shapes", dict(meta), n),
        expected,
        {
            "q": {
                "The n_head query heads share the n_embd features.": (h, n, d // h_kv),
                "The heads come first, then the tokens.": (n, h, head_dim),
                "The features of all heads are cut into heads here.": (n, d),
            },
            "k": shared,
            "v": shared,
            "scores": {
                "Query heads share keys, not scores: each of the n_head has its own.": (
                    h_kv,
                    n,
                    n,
                ),
                "All heads are asked for, not one.": (n, n),
            },
            "heads": {
                "The heads stand side by side here: one row for each token.": (h, n, head_dim),
                "Each of the n_head query heads has an output, not just each head of keys.": (
                    n,
                    h_kv * head_dim,
                ),
            },
            "gate": {"The width of the feed-forward network is n_ff, from meta.": (n, 4 * d)},
            "up": {"The width of the feed-forward network is n_ff, from meta.": (n, 4 * d)},
            "out": {"What leaves a block is what enters the next.": expected["gate"]},
            "logits": {
                "Every position has logits, not just the last.": expected["logits"][1:],
                "Logits are scores of all tokens of the vocabulary.": (n, d),
            },
        },
    )


def judge_shapes(answer: Answer, expected: Mapping[str, Shape], wrong: WrongShapes) -> None:
    """Raise Failure unless the answer is a dict of just these shapes, naming the first that isn't.

    A list is as good as a tuple, a NumPy integer as good as an int; 64.0 is no size.
    """
    got = answer.value
    if not isinstance(got, dict):
        answer.fail(f"{answer.function} returned {describe(got)}, not a dict of shapes.")
    for names, what in (
        ([name for name in expected if name not in got], "lacks"),
        ([name for name in got if name not in expected], "has an unknown key"),
    ):
        if names:
            answer.fail(
                f"The dict of {answer.function} {what} {', '.join(map(repr, names))}.",
                expected=f"the keys {', '.join(map(repr, expected))}",
                got=f"the keys {', '.join(map(repr, got))}",
            )
    for name, shape in expected.items():
        sizes = _sizes(got[name])
        if sizes is None:
            answer.fail(
                f'{answer.function}: "{name}" is {describe(got[name])}, not a tuple of sizes.'
            )
        if any(not isinstance(size, int) or isinstance(size, bool) for size in sizes):
            answer.fail(
                f'{answer.function}: "{name}" has a size that is no whole number.',
                expected=f"{name}: {shape}",
                got=f"{name}: {show(sizes)}",
                hint="In Python / gives a float, even where nothing is left over. // gives an int.",
            )
        if sizes != shape:
            known = (hint for hint, other in wrong.get(name, {}).items() if sizes == other)
            answer.fail(
                f'{answer.function}: "{name}" has another shape.',
                expected=f"{name}: {shape}",
                got=f"{name}: {sizes}",
                hint=next(known, ""),
            )


def _sizes(value: Any) -> tuple[Any, ...] | None:
    """A shape as a tuple of Python's numbers, or None where it is no sequence of numbers."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return None
    return tuple(
        size.item() if isinstance(size, np.ndarray) and size.ndim == 0 else size for size in value
    )
