"""The grouped-query exercise: right, wrong in the ways that people are wrong, and cheating."""

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises import EXERCISES
from workers.exercises.gqa.exercise import LLAMA_2_70B, cache_bytes

KEY = "exercise-gqa"

# No copies: the query heads of a group are stacked under each other and meet their one key head.
STACKED = """
import numpy as np

def kv_bytes(meta, n_ctx, type_k, type_v):
    per_number = {"F32": 4.0, "F16": 2.0, "Q8_0": 34 / 32, "Q4_0": 18 / 32}
    room = n_ctx if n_ctx % 256 == 0 else n_ctx + 256 - n_ctx % 256
    total = 0
    for _layer in range(meta["n_layer"]):
        for name in (type_k, type_v):
            heads = meta["n_head_kv"] if "n_head_kv" in meta else meta["n_head"]
            width = meta["head_dim"] if "head_dim" in meta else meta["n_embd"] / meta["n_head"]
            total += room * heads * width * per_number[name]
    return round(total)

def attend_gqa(q, k, v):
    n_head, n, head_dim = q.shape
    shared = len(k)
    stacked = q.reshape(shared, n_head // shared * n, head_dim)
    scores = stacked @ k.swapaxes(1, 2) / np.sqrt(head_dim)
    scores = scores.reshape(shared, n_head // shared, n, n) + np.triu(np.full((n, n), -1e9), 1)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    weights = powers / powers.sum(-1, keepdims=True)
    return (weights.reshape(shared, -1, n) @ v).reshape(q.shape)
"""

WITH_LOOPS = """
import numpy as np

def kv_bytes(meta, n_ctx, type_k, type_v):
    of_32 = {"F32": 4 * 32, "F16": 2 * 32, "Q8_0": 34, "Q4_0": 18}
    blocks = -(-n_ctx // 256) * 8
    width = meta.get("n_head_kv", meta["n_head"])
    width *= meta.get("head_dim", meta["n_embd"] // meta["n_head"])
    return meta["n_layer"] * blocks * width * (of_32[type_k] + of_32[type_v])

def attend_gqa(q, k, v):
    n_head, n, head_dim = q.shape
    out = np.empty_like(q)
    for h in range(n_head):
        shared = h // (n_head // len(k))
        for i in range(n):
            scores = k[shared, : i + 1] @ q[h, i] / np.sqrt(head_dim)
            powers = np.exp(scores - scores.max())
            out[h, i] = powers / powers.sum() @ v[shared, : i + 1]
    return out
"""


def test_the_sizes_that_are_known() -> None:
    assert cache_bytes(LLAMA_2_70B, 4096, "F16", "F16") == 1.25 * 2**30
    llama_2_7b = {"n_layer": 32, "n_embd": 4096, "n_head": 32}
    assert cache_bytes(llama_2_7b, 4096, "F16", "F16") == 2 * 2**30
    assert cache_bytes(llama_2_7b, 4096, "Q8_0", "Q8_0") == 1.0625 * 2**30


@pytest.mark.parametrize("source", [STACKED, WITH_LOOPS], ids=["stacked", "loops"])
@pytest.mark.parametrize("seed", range(3))
def test_other_right_ways_pass(source: str, seed: int) -> None:
    assert failed(graded(KEY, source, seed=seed)) == []


CACHE = "numbers // k_block * k_bytes + numbers // v_block * v_bytes"
LOG, LEFT_OUT = "As llama.cpp allocates it", "What a file may leave out"
SHARED = "np.arange(n_head) * n_head_kv // n_head"


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ('meta.get("n_head_kv", meta["n_head"])', 'meta["n_head"]', LOG, "count query heads"),
        ("math.ceil(n_ctx / PADDING) * PADDING", "n_ctx", LOG, "a multiple of 256"),
        ("math.ceil(n_ctx / PADDING)", "(n_ctx // PADDING)", LOG, "round the context down"),
        ("math.ceil(n_ctx / PADDING)", "(n_ctx // PADDING + 1)", "To the byte", "stays as it is"),
        (" + numbers // v_block * v_bytes", "", LOG, "there are values"),
        (CACHE, "numbers * (k_bytes + v_bytes)", LOG, "a block for each number"),
        (f"return {CACHE}", f"return ({CACHE}) / 2**20", "To the byte", "Give bytes"),
        ('meta["n_layer"] * padded', "padded", LOG, "one layer's cache"),
        (CACHE, "2 * (numbers // k_block * k_bytes)", LOG, "the type of the keys"),
        ("(32, 34)", "(32, 32)", LOG, "also holds its scale"),
        ("(32, 18)", "(32, 16)", LOG, "also holds its scale"),
        (
            'meta.get("head_dim", meta["n_embd"] // meta["n_head"])',
            'meta["n_embd"] // meta["n_head"]',
            LEFT_OUT,
            "The file gives the width",
        ),
        (SHARED, "np.arange(n_head) % n_head_kv", "Neighbours share a key head", "in turn: 0, 1"),
        (SHARED, "np.zeros(n_head, dtype=int)", "Neighbours share a key head", "key head 0"),
        (
            "v[key_head]",
            "np.tile(v, (n_head // n_head_kv, 1, 1))",
            "Neighbours share a key head",
            "the values in turn",
        ),
        ("np.where(future, -np.inf, scores)", "scores", "Neighbours share a key head", "mask"),
        (" / math.sqrt(head_dim)", "", "Neighbours share a key head", "not scaled"),
        # Written for fewer key heads than query heads only.
        (
            "n_head_kv = len(k)",
            "n_head_kv = min(len(k), n_head // 2)",
            "Repeated key heads change nothing",
            "query head h reads key head h",
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


def test_the_wrong_map_fails_in_the_model_too() -> None:
    verdict = graded(KEY, edited(KEY, SHARED, "np.arange(n_head) % n_head_kv"))

    assert "Repeated key heads change nothing" in failed(verdict)
    assert "Inside the model" in failed(verdict)


def test_a_file_without_n_head_kv_is_multi_head() -> None:
    verdict = graded(KEY, edited(KEY, 'meta.get("n_head_kv", meta["n_head"])', 'meta["n_head_kv"]'))

    assert failed(verdict) == [LEFT_OUT]
    assert "KeyError" in check(verdict, LEFT_OUT).message


def test_a_wrong_number_of_bytes_comes_with_the_call_that_gives_it() -> None:
    verdict = graded(KEY, edited(KEY, CACHE, "0"))

    assert "'n_layer': 80, 'n_embd': 8192" in check(verdict, "To the byte").message
    assert "4096, '" in check(verdict, "To the byte").message


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    verdict = graded(
        KEY,
        "import numpy as np\n"
        "def kv_bytes(meta, n_ctx, type_k, type_v):\n"
        "    return 524288\n"
        "def attend_gqa(q, k, v):\n"
        "    if q.shape == (4, 1, 1):\n"
        "        return np.array([[[10.0]], [[10.0]], [[20.0]], [[20.0]]])\n"
        "    return np.zeros_like(q)\n",
    )

    assert verdict.points == 2
    assert "524,288 bytes" in check(verdict, LOG).got


def test_the_judges_own_library_is_not_in_the_sandbox() -> None:
    verdict = graded(KEY, "import llama_cpp\n" + EXERCISES[KEY].solution)

    assert verdict.points == 0
    assert "ModuleNotFoundError" in verdict.checks[0].message
