"""A small course: a reading with two objectives, its quiz and a lab."""

import pytest

from courses.models import Activity, Module, Objective, Quiz, Resource
from labs.models import Lab
from tests.teaching.course import Course


@pytest.fixture
def course(db: None) -> Course:
    module = Module.objects.create(
        key="foundations", number=1, title="Foundations", summary="", weeks="2-3"
    )
    resource = Resource.objects.create(
        module=module,
        key="llama",
        number=1,
        type=Resource.Type.PAPER,
        title="LLaMA",
        authors="Touvron et al.",
        published="2023",
        url="https://example.org/llama",
        stars=3,
        minutes_full=90,
        why="",
        body="",
        digest="0",
        position=1,
    )
    read = Activity.objects.create(
        key="quiz-llama", kind="quiz", title="LLaMA quiz", url="/quizzes/llama/", module=module
    )
    measure = Activity.objects.create(
        key="lab-1", kind="lab", title="First Inference", url="/labs/lab-1/", module=module
    )
    for position, activity in enumerate((read, measure)):
        objective = Objective.objects.create(
            resource=resource, key=f"objective-{position}", text="Say it.", position=position
        )
        objective.activities.add(activity)
    return Course(
        resource=resource,
        quiz=Quiz.objects.create(
            activity=read, resource=resource, key="llama", title="LLaMA quiz", draw=1, digest="0"
        ),
        lab=Lab.objects.create(
            activity=measure,
            key="lab-1",
            number=1,
            title="First Inference",
            kind="generate",
            resource=resource,
        ),
    )
