"""The engine's own kinds with nothing around them, for tests of what goes wrong."""

from typing import Any

from django import forms

from labs.kinds import Grade, LabForm, LabKind, Parameters, Work, register
from labs.kinds.base import Values
from tests.napping.nap import Nap
from workers.limits import Limits


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


class Afterthought(LabForm):
    tired = forms.BooleanField(required=False)


@register
class Thoughtful(Nap):
    name = "thoughtful"
    conclusion_form = Afterthought
