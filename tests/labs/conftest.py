"""Labs to run: a nap that needs no model, and each of the engine's kinds with nothing around."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from courses.models import Activity
from labs import runs
from labs.models import Hint, Lab, Run
from people.models import User
from workers import random_model
from workers.random_model import Shape

KEY = "exercise-rmsnorm"
PAGE = f"/exercises/{KEY}/"


def make_lab(key: str, kind: str, parameters: dict[str, Any]) -> Lab:
    activity = Activity.objects.create(key=key, kind="lab", title=key, url=f"/labs/{key}/")
    return Lab.objects.create(
        activity=activity,
        key=key,
        number=9,
        title=key,
        question="What happens?",
        kind=kind,
        parameters=parameters,
    )


@pytest.fixture
def nap(db: None) -> Lab:
    return make_lab("nap", "nap", {"steps": 3})


@pytest.fixture
def bare(db: None) -> Callable[..., Lab]:
    """A lab that is one request to one of the engine's kinds."""

    def lab(kind: str, **request: Any) -> Lab:
        return make_lab(kind, kind, {"request": request})

    return lab


@pytest.fixture
def exercise(db: None) -> Lab:
    """The RMSNorm exercise, with two hints."""
    activity = Activity.objects.create(key=KEY, kind="exercise", title="Exercise 2", url=PAGE)
    lab = Lab.objects.create(
        activity=activity,
        key=KEY,
        number=2,
        title="RMSNorm",
        question="What does a model do to every token?",
        kind="code",
        parameters={"exercise": KEY},
    )
    for number, (text, cost) in enumerate(
        (("Look at the axis.", 10), ("Nearly all of it.", 20)), 1
    ):
        Hint.objects.create(
            lab=lab, number=number, text=text, text_html=f"<p>{text}</p>", cost=cost
        )
    return lab


@pytest.fixture(scope="session")
def big_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of 42 million parameters: every kind is busy with it for seconds."""
    path = tmp_path_factory.mktemp("big") / "big.gguf"
    shape = Shape(n_layer=8, n_embd=640, n_ff=2048, n_head=10, n_head_kv=10, n_vocab=512)
    random_model.write(path, shape, seed=1)
    return path


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
