"""Whatever a student's functions return, every exercise judges it: grading itself never breaks."""

import pytest

from tests.workers.exercises.grading import graded
from workers.exercises import EXERCISES

# Each call answers with the next of these, so that every check meets several.
ANSWERS = """
import itertools
import numpy as np

ANSWERS = itertools.cycle([
    None, [], {}, "x", b"ab", True, (), 3, float("nan"), 10**30, ["b"], (1, 2), np.float64(3),
    np.array([True]), np.array([1.0, 2.0]), np.zeros((2, 2)),
    (np.zeros((2, 2)), float("nan")), [np.zeros(3), None, {}], [[("a", "b", 3)]], {"a": [1]},
    {1: {2: np.zeros(3)}}, {"CPU": 3}, np.zeros((0, 4)), np.full(3, np.inf), {"tensors": [3] * 9},
    {"version": [], "n_tensors": {}, "n_kv": np.zeros(2), "tensors": {}, "data_offset": "x"},
])
"""


@pytest.mark.parametrize("skipped", [0])
@pytest.mark.parametrize("key", EXERCISES)
def test_any_answer_is_judged_and_none_of_these_passes(key: str, skipped: int) -> None:
    functions = "".join(
        f"def {name}(*_):\n    return next(ANSWERS)\n\n\n" for name in EXERCISES[key].functions
    )
    verdict = graded(
        key, f"{ANSWERS}\nfor _ in range({skipped}):\n    next(ANSWERS)\n\n\n{functions}"
    )

    assert not verdict.passed
    assert all(check.message for check in verdict.checks if not check.passed)
