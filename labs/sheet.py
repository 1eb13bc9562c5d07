"""The sheet a student fills in on a lab page: prediction, choices, and the draw they are about."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from labs import kinds, report, runs
from labs.models import Draw, Lab, Run
from people.models import User


@dataclass(frozen=True)
class Sheet:
    """Everything a lab page asks and shows. `locked` says that this draw's prediction is made.

    `predicted_on` is the number of the draw that was on the page when it was filled in.
    """

    draw: Draw
    prediction: kinds.LabForm
    choices: kinds.LabForm
    facts: list[tuple[str, str]]
    key: uuid.UUID
    predicted_on: int | None
    locked: bool
    past: list[Run]
    workers: int
    expected: str

    def is_valid(self) -> bool:
        # Both are asked, so that all errors show at once.
        valid = [form.is_valid() for form in (self.prediction, self.choices)]
        return all(valid)


def blank(lab: Lab, student: User) -> Sheet:
    """The sheet as a student finds it: empty, or with the prediction they made on this draw."""
    return _sheet(lab, student, data=None, key=uuid.uuid4(), predicted_on=None)


def filled(lab: Lab, student: User, data: Mapping[str, Any]) -> Sheet:
    """The sheet as it was handed in."""
    # A page of another making may send neither; then two clicks are two submissions.
    try:
        key = uuid.UUID(data.get("key", ""))
    except ValueError:
        key = uuid.uuid4()
    try:
        predicted_on = int(data.get("draw", ""))
    except ValueError:
        predicted_on = None
    return _sheet(lab, student, data=data, key=key, predicted_on=predicted_on)


def _sheet(
    lab: Lab,
    student: User,
    *,
    data: Mapping[str, Any] | None,
    key: uuid.UUID,
    predicted_on: int | None,
) -> Sheet:
    kind = kinds.REGISTRY[lab.kind]
    draw = runs.current_draw(lab, student)
    made = getattr(draw, "prediction", None) if draw.pk else None
    known = {"parameters": lab.parameters, "drawn": draw.values}
    prediction = kind.prediction_form(data, prefix="prediction", **known)
    if made is not None:
        prediction.lock(made.values)
    seconds = runs.expected_seconds(lab)
    return Sheet(
        draw=draw,
        prediction=prediction,
        choices=kind.choices_form(data, prefix="choices", **known),
        facts=kind.facts(lab.parameters, draw.values),
        key=key,
        predicted_on=predicted_on,
        locked=made is not None,
        past=list(_past(lab, student)[:5]),
        workers=runs.workers_online(lab, at=timezone.now()),
        expected="" if seconds is None else report.duration(seconds),
    )


def _past(lab: Lab, student: User) -> QuerySet[Run]:
    return Run.objects.owned_by(student).filter(lab=lab).in_lists()
