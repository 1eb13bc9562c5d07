"""Grading code in tests as a worker does, sandbox and all, and telling what a verdict says."""

from tests.workers.running import finish
from workers.exercises import EXERCISES
from workers.exercises.grading import CheckResult, GradeCode, Verdict, grade


def graded(key: str, source: str, *, seed: int = 7) -> Verdict:
    """The verdict on a source text."""
    return finish(grade(GradeCode(key, source, seed)))[1]


def edited(key: str, old: str, new: str) -> str:
    """The model solution with one thing changed, which has to be there exactly once."""
    solution = EXERCISES[key].solution
    assert solution.count(old) == 1, f"{old!r} is there {solution.count(old)} times"
    return solution.replace(old, new)


def failed(verdict: Verdict) -> list[str]:
    """The names of the checks that failed."""
    return [check.name for check in verdict.checks if not check.passed]


def check(verdict: Verdict, name: str) -> CheckResult:
    """The result of the check of that name."""
    return next(result for result in verdict.checks if result.name == name)
