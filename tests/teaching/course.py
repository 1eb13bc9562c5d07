from dataclasses import dataclass

from courses.models import Quiz, Resource
from labs.models import Lab


@dataclass(frozen=True)
class Course:
    resource: Resource
    quiz: Quiz
    lab: Lab
