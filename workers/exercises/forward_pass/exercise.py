"""R1, the capstone: a forward pass held against llama.cpp's own logits.

The order of the steps is that of llama.cpp's src/models/llama.cpp; the oracle is llama.cpp itself.
"""

from pathlib import Path
from typing import Any

import numpy as np

from workers import forward
from workers.exercises import oracle
from workers.exercises.base import Answer, Array, Example, Exercise, Student
from workers.exercises.forward_pass.mistakes import wrong_blocks, wrong_logits
from workers.exercises.showing import show
from workers.forward import Model
from workers.sandbox import SandboxLimits

BOS = 1
# Where two logits of llama.cpp are closer than this, rounding may decide which is the larger.
LEAD = 1e-3
# A block of the teaching model, over 40 draws of 17 tokens: float32 and float64 differ by up to
# 3.5e-4 where activations reach 1,400, and a wrong epsilon changes the first block by 0.10 or more.
BLOCK_TOLERANCE = 2e-3
# Of the largest logit. Not bit for bit: for another number of rows a matrix product may add up in
# another order, and then a right pass differs by some 1e-6 of its largest logit.
SAME = 1e-5


def numbers(model: Model) -> dict[str, Any]:
    """The numbers of a model as the student gets them, `meta`."""
    return {
        "n_layer": model.n_layer,
        "n_embd": model.n_embd,
        "n_head": model.n_head,
        "n_head_kv": model.n_head_kv,
        "n_ff": model.n_ff,
        "n_vocab": len(model.tensors["token_embd.weight"]),
        "eps": model.epsilon,
        "rope_base": model.rope_base,
    }


# No block at all: the embeddings are normalised and meet the output matrix. With eps 0.5 the roots
# are whole: token 0 gives sqrt(0.5 + 0.5), token 2 gives sqrt(8.5 + 0.5).
_NO_BLOCKS = {
    "token_embd.weight": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 4.0]]),
    "output_norm.weight": np.array([1.0, 2.0]),
    "output.weight": np.array([[4.0, 1.0], [5.0, 0.0], [0.0, 1.2]]),
}
_META = {
    "n_layer": 0,
    "n_embd": 2,
    "n_head": 1,
    "n_head_kv": 1,
    "n_ff": 1,
    "n_vocab": 3,
    "eps": 0.5,
    "rope_base": 10000.0,
}
_ONE_BLOCK = {
    **{f"blk.0.{name}_norm.weight": np.ones(2) for name in ("attn", "ffn")},
    **{f"blk.0.attn_{name}.weight": np.eye(2) for name in ("q", "k", "v", "output")},
    "blk.0.ffn_gate.weight": np.array([[1.0, 0.0]]),
    "blk.0.ffn_up.weight": np.array([[0.0, 1.0]]),
    "blk.0.ffn_down.weight": np.array([[1.0], [1.0]]),
}

exercise = Exercise(
    key="exercise-forward-pass",
    folder=Path(__file__).parent,
    examples=(
        Example(
            "forward",
            ([0, 2], _NO_BLOCKS, _META),
            np.array([[4.0, 5.0, 0.0], [4.0, 1.666667, 3.2]]),
            atol=1e-5,
        ),
        Example("generate", ([0], 4, _NO_BLOCKS, _META), [1, 2, 0, 1]),
        Example(
            "block",
            (np.array([[1.0, 0.0], [0.0, 1.0]]), _ONE_BLOCK, 0, {**_META, "n_layer": 1}),
            np.array([[2.0, 0.0], [0.310572, 1.882954]]),
            atol=1e-5,
        ),
    ),
    limits=SandboxLimits(cpu_seconds=20, wall_seconds=40.0, memory_mib=384),
    parts=(
        ("rms_norm", "exercise-rmsnorm"),
        ("rope", "exercise-rope"),
        ("attend_gqa", "exercise-gqa"),
        ("swiglu", "exercise-swiglu"),
    ),
)


@exercise.check(
    "One block",
    points=3,
    hint=(
        "Norm, q, k and v, rotation, attention, attn_output, and a sum; norm, feed-forward "
        "network, and a sum. Compare with the reading's drawing, step by step."
    ),
)
def one_block(student: Student, rng: np.random.Generator) -> None:
    """The first block, whose small input shows a wrong eps, and one of the others."""
    model = oracle.model()
    tensors, meta = student.keep("W", dict(model.tensors)), numbers(model)
    x: Array = model.tensors["token_embd.weight"][oracle.draw_tokens(rng, 17)]  # (n, d)
    asked = (0, int(rng.integers(1, model.n_layer)))
    for layer in range(asked[-1] + 1):
        out = forward.block(model, layer, x).out
        if layer in asked:
            student.call("block", x, tensors, layer, meta).close_to(
                out,
                atol=BLOCK_TOLERANCE,
                along="token",
                mistakes=wrong_blocks(x, layer, model),
            )
        x = out


@exercise.check(
    "64 tokens, as llama.cpp has them",
    points=3,
    hint=(
        "If the block is right, what remains is around it: the rows of token_embd, every block "
        "once and in order, output_norm, and output."
    ),
)
def sixty_four(student: Student, rng: np.random.Generator) -> None:
    model = oracle.model()
    tokens = oracle.draw_tokens(rng)
    tensors = student.keep("W", dict(model.tensors))
    student.call("forward", tokens, tensors, numbers(model)).close_to(
        oracle.logits(tokens),
        atol=oracle.tolerance(),
        along="token",
        mistakes=wrong_logits(tokens, model),
    )


@exercise.check(
    "Other lengths",
    points=1,
    hint=(
        "The number of tokens is len(tokens), and may be 1: positions and mask follow from it, and "
        "no axis disappears."
    ),
)
def lengths(student: Student, rng: np.random.Generator) -> None:
    model = oracle.model()
    tensors = student.keep("W", dict(model.tensors))
    for count in (1, 17):
        tokens = oracle.draw_tokens(rng, count)
        student.call("forward", tokens, tensors, numbers(model)).close_to(
            oracle.logits(tokens),
            atol=oracle.tolerance(),
            along="token",
            mistakes=wrong_logits(tokens, model),
        )


@exercise.check(
    "No token sees a later one",
    points=2,
    hint=(
        "The logits of a token follow from it and from those before it. Is the mask on the right "
        "side of the diagonal, and set before the softmax? Do tokens keep their rows where heads "
        "are cut and joined?"
    ),
)
def causal(student: Student, rng: np.random.Generator) -> None:
    """A law of the student's own logits, whatever else may be wrong with them."""
    model = oracle.model()
    tensors, meta = student.keep("W", dict(model.tensors)), numbers(model)
    first, second = oracle.draw_tokens(rng, 9), oracle.draw_tokens(rng, 8)
    other = [token - 1 for token in second]
    n, n_vocab = len(first) + len(second), meta["n_vocab"]
    logits = student.call("forward", first + second, tensors, meta).array((n, n_vocab))
    known = logits[: len(first)]

    changed = student.call("forward", first + other, tensors, meta)
    _unmoved(changed, changed.array((n, n_vocab)), known, "when only later tokens change")
    short = student.call("forward", first, tensors, meta)
    _unmoved(short, short.array(known.shape), known, "when the later tokens are left out")

    # What does not look back at all keeps the law too, and is no forward pass.
    begun = student.call("forward", [first[0] - 1, *first[1:], *second], tensors, meta)
    if not _moved(begun.array((n, n_vocab))[-1:], logits[-1:]).any():
        begun.fail(
            "The last token's logits stay the same when the first token changes.",
            expected="other logits",
            got="the same logits",
            hint="A token sees all those before it. Does attention reach your result?",
        )


def _moved(logits: Array, known: Array) -> Array:
    """Which tokens' logits differ by more than rounding."""
    by = np.abs(logits.astype(np.float64) - known.astype(np.float64)).max(axis=1)
    return np.asarray(by > SAME * np.abs(known).max())


def _unmoved(answer: Answer, logits: Array, known: Array, when: str) -> None:
    """Raise Failure unless the first logits are those known, to rounding."""
    logits = logits[: len(known)]
    if (moved := _moved(logits, known)).any():
        token = int(np.argmax(moved))
        by = float(np.abs(logits[token] - known[token]).max())
        answer.fail(
            f"The logits of token {token} change by {by:.3g} {when}.",
            expected="no change beyond rounding",
            got=f"a change of {by:.3g}",
        )


@exercise.check(
    "32 greedy tokens",
    points=2,
    hint=(
        "If the logits are right, what remains is the loop: run forward on everything there is so "
        "far, take the argmax of the last row, append it, and go on."
    ),
)
def greedy(student: Student, rng: np.random.Generator) -> None:
    """llama.cpp reads what the student generated, and says what it would have taken."""
    model, count = oracle.model(), 32
    tokens = [BOS, *oracle.draw_tokens(rng, 5)]
    tensors, meta = student.keep("W", dict(model.tensors)), numbers(model)
    answer = student.call("generate", tokens, count, tensors, meta)
    made = _tokens(answer, meta["n_vocab"])
    if len(made) == len(tokens) + count and made[: len(tokens)] == tokens:
        answer.fail(
            f"generate returned {len(made)} tokens, and {count} are asked for.",
            expected=f"{count} tokens",
            got=f"{len(made)} tokens",
            hint="Return only what is new, without the tokens that were given.",
        )
    if len(made) != count:
        answer.fail(
            f"generate returned {len(made)} tokens, and {count} are asked for.",
            expected=f"{count} tokens",
            got=f"{len(made)} tokens",
        )
    rows = oracle.logits(tokens + made)[len(tokens) - 1 : -1]  # (count, n_vocab)
    lead = rows.max(axis=1) - rows[np.arange(count), made]
    if (lead > LEAD).any():
        place = int(np.argmax(lead > LEAD))
        best = int(np.argmax(rows[place]))
        answer.fail(
            f"New token {place + 1} of {count} is {made[place]}; for llama.cpp it is {best}, "
            f"ahead by {lead[place]:.3g} in logits.",
            expected=str([*made[:place], best]),
            got=str(made[: place + 1]),
            hint=_forgetful(tokens, made, model),
        )


def _tokens(answer: Answer, n_vocab: int) -> list[int]:
    """The answer as tokens: whole numbers of any kind, in a list or an array of one axis."""
    try:
        tokens = np.asarray(answer.value)
    except ValueError:  # lists of different lengths
        tokens = np.zeros(())
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu" or not (tokens // n_vocab == 0).all():
        answer.fail(
            f"generate returned no list of tokens, which are whole numbers below {n_vocab}.",
            expected="a list of tokens",
            got=show(answer.value),
            hint="int(np.argmax(row)) is a token.",
        )
    return [int(token) for token in tokens]


def _forgetful(tokens: list[int], made: list[int], model: Model) -> str:
    """What to say where each step sees too little of what stands before."""

    def best(seen: list[int]) -> int:
        return int(np.argmax(forward.logits(model, np.array(seen))[-1]))

    text = tokens + made
    if all(best([text[place - 1]]) == text[place] for place in range(len(tokens), len(tokens) + 8)):
        return "Each of your steps sees the newest token alone. It needs all of them."
    if len(set(made)) == 1 and made[0] == best(tokens):
        return "You ask for the same token again and again: append each to what forward gets."
    return ""


@exercise.check(
    "Another model",
    points=2,
    hint=(
        "Layers, heads, widths, eps and base are other ones here: take each of them from meta, or "
        "from a shape."
    ),
)
def another(student: Student, rng: np.random.Generator) -> None:
    """A random model, drawn now, of which nobody can know anything."""
    with oracle.drawn_model(rng) as model:
        tokens = oracle.draw_tokens(rng, 24, of=model)
        tensors = student.keep("W", dict(model.tensors))
        student.call("forward", tokens, tensors, numbers(model)).close_to(
            oracle.logits(tokens, of=model),
            atol=oracle.DRAWN_TOLERANCE,
            along="token",
            mistakes=wrong_logits(tokens, model),
        )
