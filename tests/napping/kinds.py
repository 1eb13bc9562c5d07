"""A lab in which one predicts how long a nap takes: form, request, grade, chart."""

import random
from typing import Any

from django import forms

from labs.charts import Chart, bars, named_axis
from labs.kinds import Grade, LabForm, LabKind, Parameters, Part, Work, register
from labs.kinds.base import Values
from workers.limits import Limits


class NapParameters(Parameters):
    steps: int = 3


class NapPrediction(LabForm):
    seconds = forms.FloatField(label="How long will it take, in seconds?", min_value=0)


class NapChoices(LabForm):
    pause = forms.FloatField(label="Pause per step, in seconds", min_value=0, initial=0.01)


@register
class Nap(LabKind):
    name = "nap"
    title = "A nap"
    engine = "sleep"
    lane = "quick"
    limits = Limits(seconds=60, memory_mib=256)
    parameters = NapParameters
    prediction_form = NapPrediction
    choices_form = NapChoices

    def draw(self, parameters: Values, rng: random.Random) -> dict[str, Any]:
        return {"blankets": rng.randint(1, 3)}

    def request(self, work: Work) -> dict[str, Any]:
        return {"steps": work.parameters["steps"], "seconds": work.choices["pause"]}

    def grade(self, work: Work, result: Values) -> Grade:
        predicted, measured = work.prediction["seconds"], result["seconds"]
        near = abs(predicted - measured) < 1
        comment = "Within a second." if near else "More than a second off."
        part = Part("Seconds", f"{predicted}", f"{measured:.2f}", float(near), 1.0, comment)
        return Grade((part,), pass_mark=0.5)

    def charts(self, work: Work, result: Values) -> list[Chart]:
        said, took = work.prediction["seconds"], result["seconds"]
        names = ["Predicted", "Measured"]
        return [
            Chart(
                key="nap",
                title="The nap",
                caption=f"Predicted {said} s, measured {took:.2f} s.",
                traces=[bars("Seconds", names, [said, took])],
                columns=["", "Seconds"],
                rows=[["Predicted", said], ["Measured", took]],
                layout={"xaxis": named_axis("")},
            )
        ]


class BareParameters(Parameters):
    request: dict[str, Any]


class Bare(LabKind):
    """The engine's own kind with whatever request the lab says, and nothing around it."""

    lane = "heavy"
    title = "Bare"
    limits = Limits(seconds=120, memory_mib=4096)
    parameters = BareParameters

    def request(self, work: Work) -> dict[str, Any]:
        return dict(work.parameters["request"])

    def grade(self, work: Work, result: Values) -> Grade:
        return Grade((), pass_mark=1.0)


for engine in ("inspect", "quantize", "perplexity", "bench", "generate", "ladder", "exhibit"):
    register(type(f"Bare{engine}", (Bare,), {"name": f"bare-{engine}", "engine": engine}))


@register
class Cramped(Bare):
    name = "cramped"
    engine = "generate"
    limits = Limits(seconds=120, memory_mib=32)


@register
class Hasty(Bare):
    name = "hasty"
    engine = "sleep"
    limits = Limits(seconds=0.5, memory_mib=256)
