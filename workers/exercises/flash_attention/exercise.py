"""R10, FlashAttention: Dao et al. 2022, algorithm 1, in the order of Dao 2023, algorithm 1."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from workers import llama
from workers.exercises import oracle
from workers.exercises.base import Array, Example, Exercise, Failure, Student
from workers.exercises.showing import shown_call
from workers.llama_log import LOG
from workers.sandbox import Fault, SandboxLimits

MIB = 1 << 20

exercise = Exercise(
    key="exercise-flash-attention",
    folder=Path(__file__).parent,
    examples=(
        # One row: scores 1 and 3 are behind it, 2 and 5 come.
        Example(
            "online_softmax_step",
            (np.array([3.0]), np.array([1.1353353]), np.array([[2.0, 5.0]])),
            (np.array([5.0]), np.array([1.203438])),
            atol=1e-6,
        ),
        # Two queries are 0 and find all keys alike; the one between them prefers the last.
        Example(
            "flash_attend",
            (
                np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 0.0]]),
                np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
                np.array([[3.0, 0.0], [0.0, 3.0], [3.0, 3.0]]),
                2,
            ),
            np.array([[2.0, 2.0], [2.509262, 2.509262], [2.0, 2.0]]),
            atol=1e-6,
        ),
        Example("score_bytes", (8, 512, 4096), 67_108_864),
    ),
    # Enough for tiles of the last check several times over, and not for half of its table.
    limits=SandboxLimits(memory_mib=96),
)


def softmax(scores: Array) -> Array:
    """Each row becomes positive and sums to 1."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def scores_of(q: Array, k: Array) -> Array:
    """q k^T / sqrt(head_dim): (n, m) for q (n, head_dim) and k (m, head_dim)."""
    return np.asarray(q @ k.T / np.sqrt(q.shape[-1]))


def exact(q: Array, k: Array, v: Array) -> Array:
    """Attention with the whole table of scores."""
    return np.asarray(softmax(scores_of(q, k)) @ v)


def causal(q: Array, k: Array, v: Array) -> Array:
    """The same, each query seeing the keys up to its own."""
    future = np.triu(np.ones((len(q), len(k)), dtype=bool), k=1)
    return np.asarray(softmax(np.where(future, -np.inf, scores_of(q, k))) @ v)


def forgetful(
    q: Array,
    k: Array,
    v: Array,
    block: int,
    *,
    mends_l: bool = True,
    mends_o: bool = True,
    divides: str = "at the end",
) -> Array:
    """The loop over tiles of keys with one of its steps left out or in the wrong place.

    It divides by l "at the end", "in every tile" or "never".
    """
    n = len(q)
    m, l, o = np.full((n, 1), -np.inf), np.zeros((n, 1)), np.zeros(q.shape)  # noqa: E741
    for start in range(0, n, block):
        scores = scores_of(q, k[start : start + block])
        m_new = np.maximum(m, scores.max(axis=-1, keepdims=True))
        factor, powers = np.exp(m - m_new), np.exp(scores - m_new)
        l = (factor if mends_l else 1) * l + powers.sum(axis=-1, keepdims=True)  # noqa: E741
        o = (factor if mends_o else 1) * o + powers @ v[start : start + block]
        if divides == "in every tile":
            o = o / l
        m = m_new
    return np.asarray(o / l if divides == "at the end" else o)


def draw_head(rng: np.random.Generator, n: int, head_dim: int) -> tuple[Array, Array, Array]:
    """q, k and v of one head, with scores that differ by some units."""
    q, k, v = rng.standard_normal((3, n, head_dim))
    return 1.5 * q, 1.5 * k, v


def draw_sizes(rng: np.random.Generator) -> tuple[int, int, int]:
    """Tokens, the width of a head, and a block that does not divide the tokens."""
    block = int(rng.integers(4, 12))
    n = block * int(rng.integers(3, 7)) + int(rng.integers(1, block))
    return n, int(rng.integers(2, 9)) * 2, block


@exercise.check(
    "One step: the maximum and the sum",
    points=2,
    hint="Find the new maximum first, then bring the old sum and the new scores to it.",
)
def step(student: Student, rng: np.random.Generator) -> None:
    n, seen, b = (int(count) for count in rng.integers(4, 12, 3))
    before, scores = rng.normal(0, 2, (n, seen)), rng.normal(0, 2, (n, b))
    # In some rows the new maximum is among the old scores, in others among the new.
    before[0, 0], scores[1, -1] = 9.0, 9.0
    m = before.max(axis=1)
    l = np.exp(before - m[:, None]).sum(axis=1)  # noqa: E741
    m_new = np.maximum(m, scores.max(axis=1))
    added = np.exp(scores - m_new[:, None]).sum(axis=1)
    largest, total = student.call("online_softmax_step", m, l, scores).items(2)
    largest.close_to(
        m_new,
        along="row",
        mistakes={
            "That is the maximum of the block alone. What came before counts too.": scores.max(1),
            "That is one maximum over all rows. Each row has its own.": np.full(n, m_new.max()),
        },
    )
    total.close_to(
        np.exp(m - m_new) * l + added,
        atol=1e-12,
        rtol=1e-12,
        along="row",
        mistakes={
            "The old sum is still relative to the old maximum. Which factor turns exp(s - m) into "
            "exp(s - m')?": l + added,
            "The factor is upside down: a larger maximum makes the old sum smaller.": (
                np.exp(m_new - m) * l + added
            ),
            "The block's scores have to be taken relative to the new maximum.": (
                np.exp(m - m_new) * l + np.exp(scores - scores.max(1, keepdims=True)).sum(axis=1)
            ),
            "The old sum is gone: the new one begins with it, rescaled.": added,
        },
    )


@exercise.check(
    "Any order, from nothing",
    points=1,
    hint=(
        "exp(-inf) is 0, so m = -inf and l = 0 need no case of their own. After all blocks, in any "
        "order, l is the sum of exp(score - m) over the whole row."
    ),
)
def any_order(student: Student, rng: np.random.Generator) -> None:
    n, width = int(rng.integers(3, 7)), int(rng.integers(12, 25))
    scores = rng.normal(0, 3, (n, width))
    cuts = np.sort(rng.choice(np.arange(1, width), 4, replace=False))
    blocks = np.split(scores, cuts, axis=1)
    for order in (range(len(blocks)), rng.permutation(len(blocks))):
        m, l = np.full(n, -np.inf), np.zeros(n)  # noqa: E741
        for index in order:
            answer = student.call("online_softmax_step", m, l, blocks[int(index)])
            m, l = (part.array((n,)) for part in answer.items(2))  # noqa: E741
        largest, total = answer.items(2)
        whole = scores.max(axis=1)
        largest.close_to(whole, along="row")
        total.close_to(np.exp(scores - whole[:, None]).sum(axis=1), rtol=1e-12, along="row")


@exercise.check(
    "Exact, whatever the block",
    points=3,
    hint=(
        "Follow one query by hand through two tiles: what are m, l and o after each, and what is "
        "o / l in the end?"
    ),
)
def tiles(student: Student, rng: np.random.Generator) -> None:
    n, head_dim, block = draw_sizes(rng)
    q, k, v = draw_head(rng, n, head_dim)
    whole = n - n % block
    parts = [exact(q, k[i : i + block], v[i : i + block]) for i in range(0, n, block)]
    student.call("flash_attend", q, k, v, block).close_to(
        exact(q, k, v),
        atol=1e-10,
        along="query",
        mistakes={
            "The last tile is missing, the one with fewer keys than block.": (
                exact(q, k[:whole], v[:whole])
            ),
            "The scores are not scaled: they are divided by sqrt(head_dim).": (
                exact(q * np.sqrt(head_dim), k, v)
            ),
            "You divide the scores by head_dim. It is its square root.": (
                exact(q / np.sqrt(head_dim), k, v)
            ),
            "You mask the future. Here every query sees every key.": causal(q, k, v),
            "o is not rescaled: when the maximum rises, all that was collected before shrinks, o "
            "as well as l.": forgetful(q, k, v, block, mends_o=False),
            "l is not rescaled: when the maximum rises, all that was collected before shrinks, l "
            "as well as o.": forgetful(q, k, v, block, mends_l=False),
            "Neither l nor o is rescaled when the maximum rises.": (
                forgetful(q, k, v, block, mends_l=False, mends_o=False)
            ),
            "The division by l is missing, after the last tile.": (
                forgetful(q, k, v, block, divides="never")
            ),
            "You divide by l in every tile. o is a sum until the last one is in; only then is it "
            "divided.": forgetful(q, k, v, block, divides="in every tile"),
            "You average the tiles, each with a softmax of its own. A tile with larger scores has "
            "to count for more.": np.mean(parts, axis=0),
            "You add up the tiles, each with a softmax of its own. There is one softmax, over all "
            "keys.": np.sum(parts, axis=0),
        },
    )


@exercise.check(
    "The block makes no difference",
    points=1,
    hint="One key at a time, all at once, a block larger than n: the loop has to end well in each.",
)
def any_block(student: Student, rng: np.random.Generator) -> None:
    n, head_dim, block = draw_sizes(rng)
    q, k, v = draw_head(rng, n, head_dim)
    at_once = student.call("flash_attend", q, k, v, n).close_to(
        exact(q, k, v), atol=1e-10, along="query"
    )
    for size in (1, block, n + int(rng.integers(1, 9))):
        student.call("flash_attend", q, k, v, size).close_to(at_once, atol=1e-12, along="query")


@exercise.check(
    "Scores of thousands",
    points=1,
    hint=(
        "Subtract the largest score so far before every exp, and begin with -inf as the largest: "
        "all scores of a row may be far below 0."
    ),
)
def large(student: Student, rng: np.random.Generator) -> None:
    n, head_dim, block = draw_sizes(rng)
    q, k, v = draw_head(rng, n, head_dim)
    # All keys point away from all queries: every score of every row is near -15,000.
    away = rng.standard_normal(head_dim)
    away *= np.sqrt(15_000 / (away @ away) * np.sqrt(head_dim))
    for queries, keys in ((1000 * q, k), (q + away, k - away)):
        student.call("flash_attend", queries, keys, v, block).close_to(
            # Such a score is itself known to some 1e-11, and so is its exp, in relative terms.
            exact(queries, keys, v),
            atol=1e-10,
            along="query",
        )


@exercise.check(
    "Inside the model",
    points=1,
    hint="If all else is met: does it work for any n, head_dim and block, and for float32?",
)
def inside(student: Student, rng: np.random.Generator) -> None:
    """The last token sees all others, so for it causal attention is what the student wrote.

    Its row is the student's in all heads of all layers; the other rows are ours.
    """
    block = int(rng.integers(5, 30))

    def attend(q: Array, k: Array, v: Array) -> Array:
        share = len(q) // len(k)
        mixed = np.stack([causal(q[h], k[h // share], v[h // share]) for h in range(len(q))])
        for h, head in enumerate(mixed):
            answer = student.call("flash_attend", q[h], k[h // share], v[h // share], block)
            head[-1] = answer.array(head.shape)[-1]
        return mixed

    tokens = oracle.draw_tokens(rng)
    oracle.judge_logits(
        oracle.forward_with(tokens, oracle.Steps(attend=attend)), oracle.logits(tokens)
    )


@exercise.check(
    "What llama.cpp saves",
    points=2,
    hint="Each head has one score for every query of the micro-batch and every key of the context.",
)
def saved(student: Student, rng: np.random.Generator) -> None:
    """The compute buffers of the teaching model without and with flash attention, as logged."""
    heads, ubatch = int(rng.integers(3, 129)), int(rng.choice([64, 1024, 2048]))
    context = 256 * int(rng.integers(20, 500))
    scores = heads * ubatch * context
    answer = student.call("score_bytes", heads, ubatch, context)
    replace(answer, function=shown_call("score_bytes", (heads, ubatch, context))).equals(
        4 * scores,
        mistakes={
            "That is how many scores there are. In F32 each takes 4 bytes.": scores,
            "You count 2 bytes a score, as in F16. Scores are kept in F32.": 2 * scores,
            "You count context times context. Only one micro-batch of queries is there at a "
            "time.": 4 * heads * context**2,
            "The heads are missing: each has scores of its own.": 4 * ubatch * context,
            "That is in MiB. Give bytes.": 4 * scores / MIB,
            "You count the mask as well. The scores alone are asked for.": (
                4 * scores + 2 * ubatch * context
            ),
        },
    )
    heads, ubatch = oracle.model().n_head, int(rng.choice([128, 256, 512]))
    context = 256 * int(rng.integers(5, 17))  # 1280 … 4096
    off, on = (compute_buffer(fa, context=context, ubatch=ubatch) for fa in ("off", "on"))
    # Measured in this range: 3.4 % off at most. Off and on differ in the mask too, and in what else
    # lies in the buffer meanwhile.
    student.call("score_bytes", heads, ubatch, context).close_to(off - on, rtol=0.05)


def compute_buffer(flash_attention: str, *, context: int, ubatch: int) -> int:
    """Bytes of the compute buffer that llama.cpp reserves for the teaching model, from its log."""
    lines: list[str] = []
    with (
        llama.load(oracle.model().path) as loaded,
        LOG.heard_by(lines.append),
        llama.context(
            loaded,
            n_ctx=context,
            n_batch=512,
            n_ubatch=ubatch,
            threads=1,
            flash_attention=flash_attention,
        ),
    ):
        pass
    sizes = re.findall(r"compute buffer size = +([\d.]+) MiB", "\n".join(lines))
    return round(sum(float(size) for size in sizes) * MIB)


@exercise.check(
    "A table that does not fit",
    points=2,
    hint="The result is off only for a long context: what depends on the number of tiles?",
)
def memory(student: Student, rng: np.random.Generator) -> None:
    """So many tokens that n * n scores are twice the memory of the sandbox."""
    n, head_dim = int(rng.integers(5000, 5200)), 16
    block = int(rng.choice([127, 131, 137, 139]))
    q, k, v = draw_head(rng, n, head_dim)
    try:
        answer = student.call("flash_attend", q, k, v, block)
    except Failure as found:
        if isinstance(found.__cause__, Fault) and found.__cause__.kind == "MemoryError":
            found.hint = (
                f"{n} times {n} scores in float64 are {n * n * 8 / MIB:.0f} MiB, and they do not "
                "fit, at once or piece by piece. Keep m, l and o from tile to tile, and let each "
                "tile's scores go."
            )
        raise
    got = answer.array(q.shape)
    # Some rows tell as much as all, and take no table here either.
    rows = np.sort(rng.choice(n, 64, replace=False))
    off = np.abs(got[rows] - exact(q[rows], k, v)).max(axis=1)
    if off.max() > 1e-10:
        row = int(rows[np.argmax(off)])
        answer.fail(
            f"The result for query {row} of {n} is off by {off.max():.3g}; 1e-10 is allowed."
        )
