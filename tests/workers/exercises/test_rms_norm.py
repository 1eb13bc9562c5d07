"""The RMSNorm exercise: right, wrong in the ways that people are wrong, and cheating."""

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded

KEY = "exercise-rmsnorm"


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("axis=-1, keepdims=True", "", "Every row for itself", "one mean over the whole array"),
        (
            "np.mean(wide**2, axis=-1, keepdims=True)",
            "np.var(wide, axis=-1, keepdims=True); wide = wide - wide.mean(-1, keepdims=True)",
            "Every row for itself",
            "as LayerNorm does",
        ),
        ("np.mean(wide", "np.sum(wide", "Every row for itself", "the root of the sum"),
        (" * weight", "", "Every row for itself", "The gain is missing"),
        (
            "np.float32))\n",
            "np.float32)) * weight; weight = 1.0\n",
            "Every row for itself",
            "You multiply by the gain first",
        ),
        ("mean_square + eps", "mean_square", "Every row for itself", "do not add eps at all"),
        (
            "mean_square + eps",
            "np.maximum(mean_square, eps)",
            "eps under the root",
            "You take the larger",
        ),
        (
            "np.sqrt(mean_square + eps)",
            "(np.sqrt(mean_square) + eps)",
            "eps under the root",
            "It belongs under it",
        ),
        ("mean_square + eps", "mean_square", "A row of zeros stays finite", "under the root"),
        ("axis=-1", "axis=1", "One token alone", ""),
        (
            "x.astype(np.promote_types(x.dtype, np.float32))",
            "x",
            "float16 goes through float32",
            "65504",
        ),
        (".astype(x.dtype)", "", "float16 goes through float32", "Turn the result back"),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_a_fixed_epsilon_is_found_out() -> None:
    for fixed in ("1e-5", "1e-6"):
        verdicts = [graded(KEY, edited(KEY, "+ eps", f"+ {fixed}"), seed=seed) for seed in range(6)]
        caught = [v for v in verdicts if "eps under the root" in failed(v)]

        assert caught
        assert f"Your eps is fixed at {fixed}" in check(caught[0], "eps under the root").hint


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    verdict = graded(
        KEY,
        "import numpy as np\n"
        "def rms_norm(x, weight, eps):\n"
        "    if eps == 0.0:\n"
        "        return np.array([[0.84853, 1.13137]])\n"
        "    return np.array([[0.99999875, 0.499999375], [0.0, 0.0]])\n",
    )

    assert verdict.points == 2
    assert "Every row for itself" in failed(verdict)
