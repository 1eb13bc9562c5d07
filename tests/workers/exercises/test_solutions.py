"""Every exercise: its model solution passes every check, whatever is drawn."""

import pytest

from tests.workers.exercises.grading import failed, graded
from workers.exercises import EXERCISES


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("key", EXERCISES)
def test_the_model_solution_passes_whatever_is_drawn(key: str, seed: int) -> None:
    verdict = graded(key, EXERCISES[key].solution, seed=seed)

    assert failed(verdict) == []
    assert verdict.passed
    assert verdict.points == verdict.out_of
