"""A lab to run: a nap that needs no model."""

import uuid

import pytest
from django.utils import timezone

from courses.models import Activity
from labs import runs
from labs.models import Lab, Run
from people.models import User


@pytest.fixture
def nap(db: None) -> Lab:
    activity = Activity.objects.create(key="lab-9-nap", kind="lab", title="Nap", url="/labs/nap/")
    return Lab.objects.create(
        activity=activity, key="nap", number=9, title="Nap", kind="nap", parameters={"steps": 3}
    )


def start(lab: Lab, student: User, *, pause: float = 0.0, predicted: float = 0.0) -> Run:
    """A run as the lab page starts it."""
    return runs.start(
        lab,
        student=student,
        draw=runs.current_draw(lab, student),
        prediction={"seconds": predicted},
        choices={"pause": pause},
        key=uuid.uuid4(),
        at=timezone.now(),
    )
