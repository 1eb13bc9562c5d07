"""The RoPE exercise: right, wrong in the ways that people are wrong, and cheating."""

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises import EXERCISES

KEY = "exercise-rope"

# The paper's own way, equation 34: x times cosines plus the partners of x times sines.
ROTATE_HALF = """
import numpy as np


def rope(x, positions, base, layout, scale):
    half = x.shape[-1] // 2
    angle = np.outer(positions, scale * np.exp(-np.arange(half) / half * np.log(base)))
    if layout == "neox":
        angles = np.concatenate([angle, angle], axis=-1)
        partners = np.concatenate([-x[..., half:], x[..., :half]], axis=-1)
    else:
        angles = np.repeat(angle, 2, axis=-1)
        partners = np.stack([-x[..., 1::2], x[..., 0::2]], axis=-1).reshape(x.shape)
    return x * np.cos(angles) + partners * np.sin(angles)
"""

LOOPS = """
import math

import numpy as np


def rope(x, positions, base, layout, scale):
    heads, n, width = x.shape
    turned = x.copy()
    for t in range(n):
        for i in range(width // 2):
            angle = int(positions[t]) * scale / math.pow(base, 2 * i / width)
            turn = complex(math.cos(angle), math.sin(angle))
            one, two = (2 * i, 2 * i + 1) if layout == "norm" else (i, i + width // 2)
            for h in range(heads):
                pair = complex(x[h, t, one], x[h, t, two]) * turn
                turned[h, t, one], turned[h, t, two] = pair.real, pair.imag
    return turned
"""


@pytest.mark.parametrize("source", [ROTATE_HALF, LOOPS])
@pytest.mark.parametrize("seed", range(5))
def test_other_ways_to_write_it_pass_as_well(source: str, seed: int) -> None:
    assert failed(graded(KEY, source, seed=seed)) == []


NORM, NEOX = "Layout norm: neighbours", "Layout neox: halves"
LENGTH, RELATIVE = "Lengths stay, and position 0 turns nothing", "Only the distance counts"
ANYWHERE, SETTINGS = "Positions begin anywhere", "Base and frequency scale"
FAR = "Far out, in float32"
MODEL, STRETCHED = "Inside the model", "Inside a stretched model"


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("2 * pair, 2 * pair + 1", "pair, pair + head_dim // 2", NORM, "That is neox"),
        ("pair, pair + head_dim // 2", "2 * pair, 2 * pair + 1", NEOX, "That is norm"),
        ("(positions * scale)", "(-positions * scale)", NORM, "You turn the other way"),
        ("a * cos - b * sin", "a * cos + b * sin", NEOX, "One sign is wrong"),
        ("-2 * pair / head_dim", "-pair / head_dim", NORM, "Yours is -i / head_dim"),
        ("-2 * pair / head_dim", "-4 * pair / head_dim", NEOX, "go in steps of two"),
        ("np.cos(angle), np.sin(angle)", "np.cos(d := np.deg2rad(angle)), np.sin(d)", NORM, "radi"),
        ("a * sin + b * cos", "turned[..., first] * sin + b * cos", NORM, "take the old values"),
        (
            "    return turned",
            "    return np.concatenate([turned[..., first], turned[..., second]], axis=-1)",
            NORM,
            "stands in the wrong place",
        ),
        (
            "turned[..., second] = a * sin + b * cos",
            "angle = np.repeat(angle, 2, axis=-1); cos, sin = np.cos(angle), np.sin(angle); "
            "turned[..., first] = a * cos[..., first] - b * sin[..., first]; "
            "turned[..., second] = a * sin[..., second] + b * cos[..., second]",
            NEOX,
            "turn by different angles",
        ),
        ("(positions * scale)", "((positions + 1) * scale)", LENGTH, "by an angle of 0"),
        ("a * cos - b * sin", "a * cos + b * sin", LENGTH, "keeps the length"),
        ("(positions * scale)", "(positions**1.01 * scale)", RELATIVE, "by the same number"),
        ("(positions * scale)", "(0 * positions * scale)", RELATIVE, "grows with the position"),
        ("(positions * scale)", "(np.arange(len(positions)) * scale)", ANYWHERE, "from 0"),
        (
            "(positions * scale)",
            "((positions[0] + np.arange(len(positions))) * scale)",
            ANYWHERE,
            "You count on from the first position",
        ),
        ("base ** (", "10000.0 ** (", SETTINGS, "Your base is fixed at 10000"),
        ("(positions * scale)", "positions", SETTINGS, "scale changes nothing"),
        ("positions * scale", "positions / scale", SETTINGS, "You divide by scale"),
        (
            "(positions * scale)",
            "np.floor(positions * scale)",
            SETTINGS,
            "You drop the fraction",
        ),
        ("(positions * scale)", "np.round(positions * scale)", SETTINGS, "You round the scaled"),
        ("angle = (positions * scale)", "x = x * scale; angle = positions", SETTINGS, "multiply x"),
        (
            "(positions * scale)[:, None] * theta",
            "positions[:, None] * (base * scale) ** (-2 * pair / head_dim)",
            SETTINGS,
            "You multiply the base",
        ),
        ("positions * scale", "positions / scale", STRETCHED, "--rope-freq-scale 0.5"),
        ("base ** (", "10000.0 ** (", STRETCHED, "--rope-freq-base 40000"),
        (
            "np.empty_like(x)",
            "np.empty_like(x)\n    a, b = (a, b) if x.dtype == np.float64 else (b, a)",
            MODEL,
            "x is float32",
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


def test_swapped_layouts_fail_at_both_layouts_and_in_the_model() -> None:
    swapped = edited(KEY, 'layout == "norm"', 'layout != "norm"').replace('"neox"', '"norm"')

    verdict = graded(KEY, swapped)

    assert {NORM, NEOX, MODEL, STRETCHED} <= set(failed(verdict))
    assert {LENGTH, RELATIVE}.isdisjoint(failed(verdict))


def test_angles_in_float32_are_too_coarse() -> None:
    verdict = graded(
        KEY,
        edited(KEY, "np.cos(angle), np.sin(angle)", "np.float32([np.cos(angle), np.sin(angle)])"),
    )

    assert NORM in failed(verdict)
    assert MODEL not in failed(verdict)


def test_angles_in_the_dtype_of_x_are_too_coarse_far_out() -> None:
    verdict = graded(KEY, edited(KEY, "[:, None] * theta", "[:, None].astype(x.dtype) * theta"))
    narrow = graded(KEY, edited(KEY, "cos, sin = ", "angle = angle.astype(x.dtype); cos, sin = "))

    assert failed(verdict) == []  # whole numbers up to 16,777,216 are exact
    assert failed(narrow) == [FAR]
    assert "Compute them in float64" in check(narrow, FAR).hint


def test_a_result_written_into_the_argument_is_refused() -> None:
    verdict = graded(KEY, edited(KEY, "turned = np.empty_like(x)", "turned = x"))

    assert "changes its argument number 1 in place" in check(verdict, NORM).message


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    norm, neox, _ = (example.expected.tolist() for example in EXERCISES[KEY].examples)
    verdict = graded(
        KEY,
        "import numpy as np\n"
        "def rope(x, positions, base, layout, scale):\n"
        "    if x.shape != (1, 1, 4):\n"
        "        return x\n"
        f"    return np.array({norm} if layout == 'norm' else {neox})\n",
    )

    assert verdict.points == 2
    assert len(failed(verdict)) == len(EXERCISES[KEY].checks)


def test_looking_for_the_answer_in_the_machinery_earns_nothing() -> None:
    """The reference and llama.cpp are not in the sandbox, nor is what a check expects."""
    verdict = graded(
        KEY,
        "import sys\n"
        "def rope(x, positions, base, layout, scale):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for place in (frame.f_locals, frame.f_globals):\n"
        "            for name in ('reference', 'right', 'expected', 'oracle'):\n"
        "                if name in place:\n"
        "                    return place[name]\n"
        "        frame = frame.f_back\n"
        "    from workers.exercises.rope.exercise import reference\n"
        "    return reference(x, positions, base, layout, scale)\n",
    )

    assert verdict.points == 0
