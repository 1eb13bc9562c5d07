"""The flash attention exercise: right, wrong in the ways that people are wrong, and cheating."""

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises import EXERCISES
from workers.exercises.flash_attention.exercise import compute_buffer
from workers.exercises.grading import Verdict

KEY = "exercise-flash-attention"
TABLE = "A table that does not fit"

ALL_QUERIES_AT_ONCE = """
def flash_attend(q, k, v, block):
    n, d = q.shape
    m, l, o = np.full(n, -np.inf), np.zeros(n), np.zeros((n, d))
    for j in range(0, n, block):
        s = q @ k[j : j + block].T / np.sqrt(d)
        new = np.maximum(m, s.max(axis=1))
        p, factor = np.exp(s - new[:, None]), np.exp(m - new)
        l, o = l * factor + p.sum(axis=1), o * factor[:, None] + p @ v[j : j + block]
        m = new
    return o / l[:, None]
"""
ONE_QUERY_AFTER_THE_OTHER = """
def flash_attend(q, k, v, block):
    rows = []
    for query in q:
        m, l, o = -np.inf, 0.0, np.zeros(len(query))
        for j in range(0, len(k), block):
            s = k[j : j + block] @ query / np.sqrt(len(query))
            new = max(m, s.max())
            p = np.exp(s - new)
            l = l * np.exp(m - new) + p.sum()
            o = o * np.exp(m - new) + p @ v[j : j + block]
            m = new
        rows.append(o / l)
    return np.array(rows)
"""
WHOLE_TABLE = """
def flash_attend(q, k, v, block):
    scores = q @ k.T / np.sqrt(q.shape[1])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers @ v / powers.sum(axis=1, keepdims=True)
"""
TILES_KEPT = """
def flash_attend(q, k, v, block):
    scores = [q @ k[j : j + block].T / np.sqrt(q.shape[1]) for j in range(0, len(k), block)]
    m = np.max([tile.max(axis=1) for tile in scores], axis=0)[:, None]
    powers = [np.exp(tile - m) for tile in scores]
    return np.concatenate(powers, axis=1) @ v / sum(p.sum(axis=1) for p in powers)[:, None]
"""
AVERAGE_OF_TILES = """
def flash_attend(q, k, v, block):
    parts = []
    for j in range(0, len(k), block):
        s = q @ k[j : j + block].T / np.sqrt(q.shape[1])
        p = np.exp(s - s.max(axis=1, keepdims=True))
        parts.append(p @ v[j : j + block] / p.sum(axis=1, keepdims=True))
    return np.mean(parts, axis=0)
"""
CAUSAL = """
def flash_attend(q, k, v, block):
    n, d = q.shape
    m, l, o = np.full((n, 1), -np.inf), np.zeros((n, 1)), np.zeros((n, d))
    for j in range(0, n, block):
        s = q @ k[j : j + block].T / np.sqrt(d)
        s = np.where(np.arange(n)[:, None] >= j + np.arange(s.shape[1]), s, -np.inf)
        new = np.maximum(m, s.max(axis=1, keepdims=True))
        p, factor = np.exp(s - new), np.exp(m - new)
        l, o = l * factor + p.sum(axis=1, keepdims=True), o * factor + p @ v[j : j + block]
        m = new
    return o / l
"""
NO_MAXIMUM = """
def flash_attend(q, k, v, block):
    l, o = np.zeros((len(q), 1)), np.zeros(q.shape)
    for j in range(0, len(k), block):
        p = np.exp(q @ k[j : j + block].T / np.sqrt(q.shape[1]))
        l, o = l + p.sum(axis=1, keepdims=True), o + p @ v[j : j + block]
    return o / l
"""


def with_attend(function: str) -> str:
    """The model solution with another flash_attend."""
    before, _, rest = EXERCISES[KEY].solution.partition("def flash_attend")
    return f"{before}{function}\n\ndef score_bytes{rest.partition('def score_bytes')[2]}"


def memory_share(verdict: Verdict) -> float:
    """How much of the sandbox's memory was used."""
    use = next(use for use in verdict.limits if use.name == "Memory")
    assert use.used is not None
    return use.used / use.limit


def test_the_model_solution_needs_less_than_half_of_the_memory() -> None:
    assert memory_share(graded(KEY, EXERCISES[KEY].solution)) < 0.5


@pytest.mark.parametrize(
    ("function", "seed"),
    [(ALL_QUERIES_AT_ONCE, 0), (ALL_QUERIES_AT_ONCE, 1), (ONE_QUERY_AFTER_THE_OTHER, 2)],
)
def test_other_loops_pass_as_well_and_fit(function: str, seed: int) -> None:
    verdict = graded(KEY, with_attend(function), seed=seed)

    assert failed(verdict) == []
    assert memory_share(verdict) < 0.75


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        (
            "np.exp(m - m_new) * l",
            "l",
            "One step: the maximum and the sum",
            "still relative to the old maximum",
        ),
        (
            "np.exp(m - m_new) * l",
            "np.exp(m_new - m) * l",
            "One step: the maximum and the sum",
            "upside down",
        ),
        (
            "np.maximum(m, scores.max(axis=-1))",
            "scores.max(axis=-1)",
            "One step: the maximum and the sum",
            "the maximum of the block alone",
        ),
        (
            "scores.max(axis=-1))",
            "scores.max())",
            "One step: the maximum and the sum",
            "Each row has its own",
        ),
        (
            "np.exp(m - m_new) * l",
            "np.where(l > 0, np.exp(m - m_new) * l, np.nan)",
            "Any order, from nothing",
            "need no case of their own",
        ),
        (
            "for start in range(0, n, block)",
            "for start in range(0, n - n % block, block)",
            "Exact, whatever the block",
            "The last tile is missing",
        ),
        (
            "np.exp(m - m_new)[:, None] * o",
            "o",
            "Exact, whatever the block",
            "o is not rescaled",
        ),
        (" / np.sqrt(head_dim)", "", "Exact, whatever the block", "The scores are not scaled"),
        ("np.sqrt(head_dim)", "head_dim", "Exact, whatever the block", "It is its square root"),
        ("o / l[:, None]", "o", "Exact, whatever the block", "The division by l is missing"),
        (
            "            m = m_new\n        out[first : first + block] = o / l[:, None]",
            "            m, o = m_new, o / l[:, None]\n        out[first : first + block] = o",
            "Exact, whatever the block",
            "You divide by l in every tile",
        ),
        (
            "np.full(len(queries), -np.inf)",
            "np.zeros(len(queries))",
            "Scores of thousands",
            "begin with -inf",
        ),
        (
            "np.full(len(queries), -np.inf)",
            "np.full(len(queries), -1e4)",
            "Scores of thousands",
            "begin with -inf",
        ),
        ("n_ctx * 4", "n_ctx", "What llama.cpp saves", "how many scores there are"),
        ("n_ctx * 4", "n_ctx * 2", "What llama.cpp saves", "as in F16"),
        ("n_ubatch * n_ctx * 4", "n_ctx * n_ctx * 4", "What llama.cpp saves", "one micro-batch"),
        (
            "n_head * n_ubatch * n_ctx * 4",
            "(4 * n_head + 2) * n_ubatch * n_ctx",
            "What llama.cpp saves",
            "the mask as well",
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


@pytest.mark.parametrize(
    ("function", "name", "hint"),
    [
        (AVERAGE_OF_TILES, "Exact, whatever the block", "You average the tiles"),
        (CAUSAL, "Exact, whatever the block", "You mask the future"),
        (NO_MAXIMUM, "Scores of thousands", "Subtract the largest score so far"),
    ],
)
def test_another_algorithm_fails_at_its_check_with_its_hint(
    function: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, with_attend(function))

    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_one_tile_too_many_shows_where_the_block_divides() -> None:
    source = edited(
        KEY,
        "for start in range(0, n, block)",
        "for start in [block * tile for tile in range(n // block + 1)]",
    )
    verdict = graded(KEY, source)
    result = check(verdict, "The block makes no difference")

    assert failed(verdict) == ["The block makes no difference"]
    assert "zero-size array" in result.message
    assert result.line is not None


@pytest.mark.parametrize("function", [WHOLE_TABLE, TILES_KEPT])
def test_a_table_of_all_scores_meets_the_memory_limit_and_nothing_else(function: str) -> None:
    verdict = graded(KEY, with_attend(function))
    result = check(verdict, TABLE)

    assert failed(verdict) == [TABLE]
    assert "Unable to allocate" in result.message
    assert "The limit is 96 MiB" in result.message
    assert "they do not fit, at once or piece by piece" in result.hint
    assert result.line is not None
    assert [use.name for use in verdict.limits if use.hit] == ["Memory"]


def test_a_table_in_half_the_precision_gains_nothing() -> None:
    halved = WHOLE_TABLE.replace("q @ k.T", "q.astype(np.float32) @ k.T.astype(np.float32)")
    verdict = graded(KEY, with_attend(halved))

    assert {"Exact, whatever the block", TABLE} <= set(failed(verdict))


def test_zeros_for_what_is_too_large_are_found_out() -> None:
    evading = WHOLE_TABLE.replace(
        "    scores", "    if len(q) > 1000:\n        return np.zeros_like(q)\n    scores", 1
    )
    verdict = graded(KEY, with_attend(evading))

    assert failed(verdict) == [TABLE]
    assert "1e-10 is allowed" in check(verdict, TABLE).message


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    verdict = graded(
        KEY,
        "import numpy as np\n"
        "def online_softmax_step(m, l, scores):\n"
        "    return np.array([5.0]), np.array([1.203438])\n"
        "def flash_attend(q, k, v, block):\n"
        "    return np.array([[2.0, 2.0], [2.509263, 2.509263], [2.0, 2.0]])\n"
        "def score_bytes(n_head, n_ubatch, n_ctx):\n"
        "    return 67108864\n",
    )

    assert verdict.points == 2
    assert failed(verdict)[0] == "One step: the maximum and the sum"


def test_the_answers_are_not_to_be_found_in_the_sandbox() -> None:
    verdict = graded(
        KEY,
        "import sys\n"
        "def search(otherwise):\n"
        "    frame = sys._getframe()\n"
        "    while frame is not None:\n"
        "        for name in ('expected', 'exact', 'softmax', 'mistakes'):\n"
        "            found = frame.f_locals.get(name, frame.f_globals.get(name))\n"
        "            if found is not None:\n"
        "                return found\n"
        "        frame = frame.f_back\n"
        "    return otherwise\n"
        "def online_softmax_step(m, l, scores):\n"
        "    return search((m, l))\n"
        "def flash_attend(q, k, v, block):\n"
        "    return search(v)\n"
        "def score_bytes(n_head, n_ubatch, n_ctx):\n"
        "    return search(n_ctx)\n",
    )

    assert verdict.points == 1  # it gives the same again
    assert "The examples" in failed(verdict)


@pytest.mark.parametrize("ubatch", [128, 512])
@pytest.mark.parametrize("context", [1280, 2048, 4096])
def test_the_formula_is_what_llama_cpp_logs_to_five_percent(ubatch: int, context: int) -> None:
    off, on = (compute_buffer(fa, context=context, ubatch=ubatch) for fa in ("off", "on"))

    assert 8 * ubatch * context * 4 == pytest.approx(off - on, rel=0.05)
