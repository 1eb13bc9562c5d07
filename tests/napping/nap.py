"""A whole kind of lab: one predicts how long a nap takes, takes it, and compares."""

import random
from typing import Any

from django import forms

from labs.charts import Chart, bars, named_axis
from labs.kinds import Grade, LabForm, LabKind, Parameters, Work, register
from labs.kinds.base import Values
from labs.kinds.grading import within
from workers.limits import Limits


class NapParameters(Parameters):
    steps: int = 3


class NapPrediction(LabForm):
    seconds = forms.FloatField(label="How long will it take, in seconds?", min_value=0)


class NapChoices(LabForm):
    pause = forms.FloatField(label="Pause per step, in seconds", min_value=0, initial=0.01)


@register
class Nap(LabKind):
    name, title = "nap", "A nap"
    engine, lane = "sleep", "quick"
    limits = Limits(seconds=60, memory_mib=256)
    parameters = NapParameters
    prediction_form = NapPrediction
    choices_form = NapChoices

    def draw(self, parameters: Values, rng: random.Random) -> dict[str, Any]:
        return {"blankets": rng.randint(1, 3)}

    def request(self, work: Work) -> dict[str, Any]:
        return {"steps": work.parameters["steps"], "seconds": work.choices["pause"]}

    def grade(self, work: Work, result: Values) -> Grade:
        part = within("Seconds", work.prediction["seconds"], result["seconds"], full=0.5, half=1)
        return Grade((part,), pass_mark=0.5)

    def charts(self, work: Work, result: Values) -> list[Chart]:
        names, times = ["Predicted", "Measured"], [work.prediction["seconds"], result["seconds"]]
        return [
            Chart(
                key="nap",
                title="The nap",
                caption="Predicted and measured, in seconds.",
                traces=[bars("Seconds", names, times)],
                columns=["", "Seconds"],
                rows=list(zip(names, times, strict=True)),
                layout={"xaxis": named_axis("")},
            )
        ]
