"""Code: a student's NumPy, run in the sandbox of a worker and judged outside of it."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from pydantic import field_validator

from labs.charts import Chart, axis, points
from labs.kinds.base import Grade, LabForm, LabKind, Parameters, Part, Values, Work, register
from workers.exercises import EXERCISES
from workers.exercises.grading import SOURCE_LIMIT
from workers.limits import Limits

# Giving up costs this share of the points of whatever is handed in later.
GIVEN_UP_COST = 50  # percent
MOST_COST = 80  # percent: help never takes everything
PASS_MARK = 1.0  # every check


class CodeParameters(Parameters):
    """`exercise` is the key of one of the engine's exercises, which holds its checks."""

    exercise: str

    @field_validator("exercise")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in EXERCISES:
            raise ValueError(f"there is no exercise {value!r}; there are {', '.join(EXERCISES)}")
        return value


class CodeForm(LabForm):
    """The code as the editor sends it."""

    code = forms.CharField(
        label="Your code",
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 24, "cols": 100, "spellcheck": "false", "autocapitalize": "off"}
        ),
    )

    def clean_code(self) -> str:
        """The code with line breaks as Python writes them: a browser sends two characters each."""
        code: str = self.cleaned_data["code"].replace("\r\n", "\n")
        if len(code.encode(errors="replace")) > SOURCE_LIMIT:
            raise ValidationError(f"That is more than {SOURCE_LIMIT >> 10} KiB of code.")
        return code


@register
class Code(LabKind):
    name = "code"
    title = "Code exercise"
    noun = "Exercise"
    activity = "exercise"
    page = "labs:exercise"
    template = "labs/_verdict.html"
    engine = "code"
    lane = "code"
    # The sandbox has limits of its own, one set an exercise; these are for what judges.
    limits = Limits(seconds=120, memory_mib=2048)
    # Who has the seed can work out beforehand all that the checks expect.
    secret_draw = True
    parameters = CodeParameters
    choices_form = CodeForm

    def draw(self, parameters: Values, rng: Any) -> dict[str, Any]:
        return {"seed": rng.getrandbits(48)}

    def request(self, work: Work) -> dict[str, Any]:
        return {
            "exercise": work.parameters["exercise"],
            "source": work.choices["code"],
            "seed": work.drawn["seed"],
        }

    def chosen(self, choices: Values) -> list[tuple[str, str]]:
        lines = choices["code"].count("\n") + 1
        return [
            ("Your code", f"{lines} lines"),
            ("Help has cost", f"{cost(choices)} %"),
        ]

    def counts(self, choices: Values) -> bool:
        return not choices.get("practice")

    def observes(self, grade: Grade) -> bool:
        # Code is right at the end of many tries, and none of those says what somebody cannot do.
        return grade.passed

    def grade(self, work: Work, result: Values) -> Grade:
        parts = tuple(
            Part(
                question=check["name"],
                predicted=check["got"],
                measured=check["expected"],
                points=check["points"],
                out_of=check["out_of"],
                comment=check["message"],
            )
            for check in result["checks"]
        )
        return Grade(
            parts,
            pass_mark=PASS_MARK,
            cost=cost(work.choices) / 100,
            complete=result["passed"],  # loading earns no points, and nothing passes without it
        )

    def charts(self, work: Work, result: Values) -> list[Chart]:
        """Where each wrong answer is off."""
        return [
            _errors(number, check)
            for number, check in enumerate(result["checks"], 1)
            if check["plot"]
        ]


def cost(choices: Values) -> int:
    """What the help that was taken before a submission costs it, in percent of the points."""
    taken = sum(choices.get("hints", ())) + GIVEN_UP_COST * choices.get("given_up", False)
    return int(min(MOST_COST, taken))


def _errors(number: int, check: Values) -> Chart:
    plot = check["plot"]
    places = list(range(len(plot["errors"])))
    # A logarithm knows no zero: what is exactly right is drawn at the foot.
    floor = min(value for value in (plot["allowed"], *plot["errors"]) if value > 0) / 10
    drawn = [max(error, floor) for error in plot["errors"]]
    allowed = [max(plot["allowed"], floor)] * len(places)
    return Chart(
        key=f"error-{number}",
        title=f"{check['name']}: where it is off",
        caption=f"The largest error of each {plot['along']}, and what is allowed.",
        traces=[
            points("Error", places, drawn, line=len(places) > 60),
            points("Allowed", places, allowed, line=True)
            | {"mode": "lines", "line": {"dash": "dash"}},
        ],
        columns=[plot["along"].capitalize(), "Error", "Allowed"],
        rows=[
            [place, f"{error:.3g}", f"{plot['allowed']:.3g}"]
            for place, error in zip(places, plot["errors"], strict=True)
        ],
        layout={
            # Places are counted: there is nothing between two of them.
            "xaxis": axis(plot["along"].capitalize())
            | ({"dtick": 1} if len(places) <= 12 else {"tickformat": "d"}),
            "yaxis": axis("|error|", log=True),
            "height": 260,
        },
    )
