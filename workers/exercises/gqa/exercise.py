"""R11, grouped-query attention: Ainslie et al. 2023, Section 2.2, and llama.cpp's KV cache."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workers import llama
from workers.exercises import oracle
from workers.exercises.attention.exercise import ATOL, mixed, past, reference, scores_of
from workers.exercises.base import Array, Example, Exercise, Student
from workers.exercises.showing import shown_call
from workers.ggml import BY_NAME
from workers.llama_log import LOG

Meta = dict[str, int]

CAMPUS: Meta = {"n_layer": 4, "n_embd": 256, "n_head": 8, "n_head_kv": 2}
LLAMA_2_70B: Meta = {"n_layer": 80, "n_embd": 8192, "n_head": 64, "n_head_kv": 8}
TYPES = ("F32", "F16", "Q8_0", "Q4_0")
BARE_BITS = {"F32": 32, "F16": 16, "Q8_0": 8, "Q4_0": 4}  # as a type's name has it
PADDING = 256  # tokens; llama.cpp raises every context to a multiple of it

exercise = Exercise(
    key="exercise-gqa",
    folder=Path(__file__).parent,
    examples=(
        Example("kv_bytes", (CAMPUS, 300, "F16", "F16"), 524_288),
        # One token: its output is its value, so the result tells which value head was read.
        Example(
            "attend_gqa",
            (np.zeros((4, 1, 1)), np.ones((2, 1, 1)), np.array([[[10.0]], [[20.0]]])),
            np.array([[[10.0]], [[10.0]], [[20.0]], [[20.0]]]),
        ),
    ),
)


def padded(n_ctx: int) -> int:
    """Tokens that a context has room for."""
    return -(-n_ctx // PADDING) * PADDING


def numbers(meta: Meta, tokens: int) -> int:
    """Numbers in the keys of so many tokens, and as many in their values."""
    head_dim = meta.get("head_dim", meta["n_embd"] // meta["n_head"])
    return meta["n_layer"] * tokens * meta.get("n_head_kv", meta["n_head"]) * head_dim


def cache_bytes(meta: Meta, n_ctx: int, type_k: str, type_v: str) -> int:
    """The exact size of the cache, with the block sizes of the installed ggml."""
    count = numbers(meta, padded(n_ctx))
    return BY_NAME[type_k].size(count) + BY_NAME[type_v].size(count)


def mistakes(meta: Meta, n_ctx: int, type_k: str, type_v: str) -> dict[str, float]:
    """For each hint, the number of bytes that the mistake gives."""

    def size(meta: Meta, tokens: int) -> float:
        each = (BY_NAME[name].block_bytes / BY_NAME[name].block for name in (type_k, type_v))
        return numbers(meta, tokens) * sum(each)

    count = numbers(meta, padded(n_ctx))
    divided = {key: value for key, value in meta.items() if key != "head_dim"}
    bare = count * (BARE_BITS[type_k] + BARE_BITS[type_v]) // 8
    return {
        "You count query heads, or make key heads too wide. In the cache are n_head_kv heads, each "
        "as wide as a query head.": size({**meta, "n_head_kv": meta["n_head"]}, padded(n_ctx)),
        "You count the tokens that were asked for. llama.cpp makes room for a multiple of 256.": (
            size(meta, n_ctx)
        ),
        "You round the context down. It is raised, so that all tokens fit.": size(
            meta, n_ctx // PADDING * PADDING
        ),
        "A context that is already a multiple of 256 stays as it is.": size(
            meta, (n_ctx // PADDING + 1) * PADDING
        ),
        "One half is missing: there are keys and there are values.": BY_NAME[type_k].size(count),
        "This is one layer's cache. Every layer has its own.": size(
            {**meta, "n_layer": 1}, padded(n_ctx)
        ),
        "You give the values the type of the keys.": 2 * BY_NAME[type_k].size(count),
        "You give the keys the type of the values.": 2 * BY_NAME[type_v].size(count),
        "A block of a quantized type also holds its scale. See the bytes in BLOCKS.": bare,
        "You count a block for each number. A block holds as many as BLOCKS says.": count
        * sum(BY_NAME[name].block_bytes for name in (type_k, type_v)),
        "That is in MiB. Give bytes.": cache_bytes(meta, n_ctx, type_k, type_v) / 2**20,
        "The file gives the width of a head. It need not be n_embd / n_head.": size(
            divided, padded(n_ctx)
        ),
    }


def logged_mib(contexts: Sequence[tuple[int, str, str]]) -> list[str]:
    """What llama.cpp's log gives as "KV buffer size", in MiB, of contexts of the teaching model.

    A context is its number of tokens and its types of keys and values. Quantized values need flash
    attention, so it is on.
    """
    found = []
    with llama.load(oracle.model().path) as model:
        for n_ctx, type_k, type_v in contexts:
            lines: list[str] = []
            with (
                LOG.heard_by(lines.append),
                llama.context(
                    model,
                    n_ctx=n_ctx,
                    n_batch=32,
                    threads=1,
                    flash_attention="on",
                    type_k=type_k,
                    type_v=type_v,
                ),
            ):
                pass
            found += re.findall(r"KV buffer size = +([\d.]+) MiB", "\n".join(lines))
    return found


@exercise.check(
    "As llama.cpp allocates it",
    points=3,
    hint="Per token and layer: n_head_kv keys and as many values, each head_dim numbers of a type.",
)
def log(student: Student, rng: np.random.Generator) -> None:
    """Contexts of the teaching model, all types alone and one pair, against llama.cpp's log."""
    model = oracle.model()
    meta: Meta = {
        "n_layer": model.n_layer,
        "n_embd": model.n_embd,
        "n_head": model.n_head,
        "n_head_kv": model.n_head_kv,
    }
    types = [(name, name) for name in TYPES] + [("Q8_0", "F16")]
    # The log has two decimals of a MiB, fewer than 256 tokens take here in the smallest type. The
    # context is never a multiple of 256.
    contexts = [
        (PADDING * int(rng.integers(4, 20)) + int(rng.integers(1, PADDING)), *pair)
        for pair in types
    ]
    for (n_ctx, type_k, type_v), logged in zip(contexts, logged_mib(contexts), strict=True):
        answer = student.call("kv_bytes", meta, n_ctx, type_k, type_v)
        got = float(answer.array(()))
        if f"{got / 2**20:.2f}" != logged:
            known = mistakes(meta, n_ctx, type_k, type_v).items()
            answer.fail(
                f"For {n_ctx:,} tokens, keys in {type_k} and values in {type_v}, llama.cpp's log "
                f"says: KV buffer size = {logged} MiB.",
                expected=f"{logged} MiB",
                got=f"{got:,.0f} bytes, {got / 2**20:.2f} MiB",
                hint=next((hint for hint, wrong in known if got == wrong), ""),
            )


def judge_bytes(student: Student, rng: np.random.Generator, meta: Meta, n_ctx: int) -> None:
    """Raise Failure, with the call that shows it, unless kv_bytes is right for two drawn types."""
    type_k, type_v = (str(name) for name in rng.choice(TYPES, 2, replace=False))
    answer = student.call("kv_bytes", meta, n_ctx, type_k, type_v)
    replace(answer, function=shown_call("kv_bytes", (meta, n_ctx, type_k, type_v))).equals(
        cache_bytes(meta, n_ctx, type_k, type_v), mistakes=mistakes(meta, n_ctx, type_k, type_v)
    )


@exercise.check(
    "To the byte",
    points=2,
    hint="Whole blocks times the bytes of a block, for the keys and for the values.",
)
def exact(student: Student, rng: np.random.Generator) -> None:
    """LLaMA 2 70B at its 4,096 tokens, then models and contexts as they are drawn."""
    drawn: list[tuple[Meta, int]] = [(LLAMA_2_70B, 4096)]
    for extra in (0, int(rng.integers(1, PADDING))):
        n_head_kv, head_dim = int(rng.choice([2, 4, 8])), int(rng.choice([32, 64, 96, 128]))
        n_head = n_head_kv * int(rng.integers(2, 9))
        meta: Meta = {
            "n_layer": int(rng.integers(12, 100)),
            "n_embd": n_head * head_dim,
            "n_head": n_head,
            "n_head_kv": n_head_kv,
        }
        drawn.append((meta, PADDING * int(rng.integers(1, 512)) + extra))
    for meta, n_ctx in drawn:
        judge_bytes(student, rng, meta, n_ctx)


@exercise.check(
    "What a file may leave out",
    points=1,
    hint="Take n_head_kv and head_dim from meta where they are given, and only then.",
)
def optional(student: Student, rng: np.random.Generator) -> None:
    """Heads of another width than n_embd / n_head, and a file without n_head_kv."""
    n_ctx = int(rng.integers(300, 20_000))
    share, head_dim = int(rng.integers(2, 5)), int(rng.choice([64, 96, 160]))
    wide: Meta = {"n_layer": int(rng.integers(8, 50)), "n_embd": 32 * 128, "n_head": 32}
    wide |= {"n_head_kv": 32 // 2**share, "head_dim": head_dim}
    multi: Meta = {"n_layer": int(rng.integers(8, 50)), "n_embd": 24 * 128, "n_head": 24}
    for meta in (wide, multi):
        judge_bytes(student, rng, meta, n_ctx)


def draw(rng: np.random.Generator, n_head: int, n_head_kv: int) -> tuple[Array, Array, Array]:
    """Queries, keys and values of some tokens."""
    n, head_dim = int(rng.integers(5, 9)), int(rng.choice([8, 12, 16]))
    return (
        2 * rng.standard_normal((n_head, n, head_dim)),
        rng.standard_normal((n_head_kv, n, head_dim)),
        rng.standard_normal((n_head_kv, n, head_dim)),
    )


def repeated(k: Array, n_head: int) -> Array:
    """A key head for each query head: query head h reads key head h * n_head_kv // n_head."""
    return np.asarray(k[np.arange(n_head) * len(k) // n_head])


@exercise.check(
    "Neighbours share a key head",
    points=3,
    hint="First choose for each query head its key head; the rest is attention as you know it.",
)
def groups(student: Student, rng: np.random.Generator) -> None:
    n_head_kv, share = int(rng.integers(2, 5)), int(rng.integers(2, 5))
    n_head = n_head_kv * share
    for shared in (n_head_kv, 1):
        q, k, v = draw(rng, n_head, shared)
        keys, values = repeated(k, n_head), repeated(v, n_head)
        scores, visible = scores_of(q, keys), past(q.shape[1], q.shape[1])
        turns = np.arange(n_head) % shared
        first = np.zeros(n_head, dtype=int)
        student.call("attend_gqa", q, k, v).close_to(
            reference(q, keys, values),
            atol=ATOL,
            along="head",
            mistakes={
                "Your query heads take the key heads in turn: 0, 1, 0, 1. Neighbours share one, "
                "as in 0, 0, 1, 1.": reference(q, k[turns], v[turns]),
                "The keys are shared by neighbours, the values in turn. Both go by the same "
                "rule.": reference(q, keys, v[turns]),
                "The values are shared by neighbours, the keys in turn. Both go by the same "
                "rule.": reference(q, k[turns], values),
                "Every query head reads key head 0.": reference(q, k[first], v[first]),
                "The mask is missing: later tokens must get no weight.": mixed(
                    scores, values, np.ones_like(visible)
                ),
                "The scores are not scaled: divide by the square root of the head width.": mixed(
                    scores * np.sqrt(q.shape[-1]), values, visible
                ),
            },
        )


@exercise.check(
    "Repeated key heads change nothing",
    points=2,
    hint=(
        "With as many key heads as query heads, query head h reads key head h. Sharing one head "
        "and having equal copies of it must come to the same."
    ),
)
def copies(student: Student, rng: np.random.Generator) -> None:
    """A key head for each query head is plain attention; if they are copies, it is grouped."""
    n_head_kv, share = int(rng.integers(2, 4)), int(rng.integers(2, 5))
    n_head = n_head_kv * share
    q, k, v = draw(rng, n_head, n_head_kv)
    keys, values = np.repeat(k, share, axis=0), np.repeat(v, share, axis=0)
    multi = student.call("attend_gqa", q, keys, values).close_to(
        reference(q, keys, values), atol=ATOL, along="head"
    )
    # Grouped products may be summed in another order, hence not to the last bit.
    student.call("attend_gqa", q, k, v).close_to(multi, atol=1e-12, along="head")


@exercise.check(
    "Inside the model",
    points=2,
    hint=(
        "If all else is met: does anything depend on the number of heads or of tokens, or on "
        "float64?"
    ),
)
def whole(student: Student, rng: np.random.Generator) -> None:
    """All four layers of the teaching model, with 8 query heads and 2 key heads."""

    def attend(q: Array, k: Array, v: Array) -> Array:
        return student.call("attend_gqa", q, k, v).array(q.shape)

    tokens = oracle.draw_tokens(rng)
    oracle.judge_logits(
        oracle.forward_with(tokens, oracle.Steps(attend=attend)), oracle.logits(tokens)
    )
