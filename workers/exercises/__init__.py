"""The code ladder: exercises that a student writes in NumPy, one folder each.

    <name>/exercise.py   the examples and the checks
    <name>/starter.py    what the student begins with
    <name>/solution.py   a model solution, complete in itself

An exercise's prose is a file of the course. To add one, write the three files, list it here, and
write its prose; `tests/workers/exercises` shows how its checks are tested.
"""

from workers.exercises.base import Exercise
from workers.exercises.rms_norm.exercise import exercise as rms_norm

EXERCISES: dict[str, Exercise] = {exercise.key: exercise for exercise in (rms_norm,)}
