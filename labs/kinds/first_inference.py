"""First inference: run the loop of a language model once, and account for every token."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from pydantic import Field

from labs.charts import Chart, axis, bars, named_axis, points
from labs.kinds.base import Grade, LabForm, LabKind, Parameters, Piece, Values, Work, register
from labs.kinds.fields import YesNoField
from labs.kinds.grading import exact, within, yes_or_no
from workers import catalogue
from workers.limits import Limits

STOPPED_BY = (
    ("length", "all tokens are made"),
    ("end of text", "the model ends its text"),
    ("full context", "the context is full"),
)


class InferenceParameters(Parameters):
    """`prompt` is what the form starts with; `max_tokens` the most a student may ask for."""

    prompt: str = Field(min_length=1)
    max_tokens: int = Field(default=256, ge=1, le=1000)


class Prediction(LabForm):
    """What the run will look like from outside."""

    prompt_tokens = forms.IntegerField(
        label="How many tokens will your prompt be, with the one that begins the text?",
        min_value=1,
        max_value=1_000_000,
        help_text="Within a quarter counts as right.",
    )
    stopped_by = forms.ChoiceField(
        label="Generation will end because", choices=STOPPED_BY, widget=forms.RadioSelect
    )
    sure = YesNoField(label="Will the model give its first new token a probability above one half?")


class Choices(LabForm):
    """The request, in llama.cpp's own terms."""

    prompt = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=2000, strip=False)
    n_predict = forms.IntegerField(label="Tokens to generate", min_value=1, initial=48)
    temperature = forms.FloatField(min_value=0, max_value=5, initial=0.8)
    top_k = forms.IntegerField(
        label="top-k", min_value=0, max_value=10_000, initial=40, help_text="0 switches it off."
    )
    top_p = forms.FloatField(label="top-p", min_value=0, max_value=1, initial=0.95)
    min_p = forms.FloatField(label="min-p", min_value=0, max_value=1, initial=0.05)
    seed = forms.IntegerField(min_value=0, max_value=2**32 - 1, initial=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["prompt"].initial = self.parameters["prompt"]

    def clean_prompt(self) -> str:
        """The prompt as it was typed: a browser sends each line break as two characters."""
        prompt: str = self.cleaned_data["prompt"]
        return prompt.replace("\r\n", "\n")

    def clean_n_predict(self) -> int:
        n_predict: int = self.cleaned_data["n_predict"]
        most = self.parameters["max_tokens"]
        if n_predict > most:
            raise ValidationError(f"This lab generates at most {most} tokens a run.")
        return n_predict


@register
class FirstInference(LabKind):
    name = "first_inference"
    title = "First inference"
    engine = "generate"
    lane = "quick"
    limits = Limits(seconds=60, memory_mib=1024)
    parameters = InferenceParameters
    prediction_form = Prediction
    choices_form = Choices

    def request(self, work: Work) -> dict[str, Any]:
        # A model this small gains nothing from a second thread, which on a busy host costs much.
        return {"model": catalogue.main_model().path, "threads": 1, **work.choices}

    def grade(self, work: Work, result: Values) -> Grade:
        said, tokens = work.prediction, result["tokens"]
        first = result["steps"][0]["probability"]
        ended = dict(STOPPED_BY)
        parts = (
            within(
                "Tokens of the prompt",
                said["prompt_tokens"],
                len(result["prompt_tokens"]),
                full=0.25,
                half=0.5,
            ),
            exact(
                "Why it ended",
                ended[said["stopped_by"]],
                ended[result["stopped_by"]],
                comment=f"After {len(tokens)} of {work.choices['n_predict']} tokens.",
            ),
            yes_or_no(
                "First token above one half",
                said["sure"],
                first > 0.5,
                comment=f"It had {100 * first:.1f} %.",
            ),
            yes_or_no(
                "All tokens accounted for",
                True,
                len(tokens) == work.choices["n_predict"] or result["stopped_by"] != "length",
                comment="As many as were asked for, or an end that says why not.",
            ),
            yes_or_no(
                "The text gives the same tokens again",
                True,
                result["same_when_retokenized"],
                comment="Cut into tokens anew, the text is the very sequence that was generated.",
            ),
        )
        return Grade(parts, pass_mark=0.6)

    def transcript(self, work: Work, result: Values) -> list[Piece]:
        said = [Piece(step["text"], step["probability"]) for step in result["steps"]]
        return [Piece(work.choices["prompt"]), *said]

    def charts(self, work: Work, result: Values) -> list[Chart]:
        return [_confidence(result), _times(result)]


def _confidence(result: Values) -> Chart:
    steps = result["steps"]
    numbers = list(range(1, len(steps) + 1))
    return Chart(
        key="confidence",
        title="How sure it was of every token",
        caption=(
            "The probability of each token that was taken, before temperature and samplers; "
            "beside it the best other candidate."
        ),
        traces=[
            points("Taken", numbers, [step["probability"] for step in steps], line=True),
            points("Best other", numbers, [_other(step)[1] for step in steps]),
        ],
        columns=["Step", "Token", "Id", "Probability", "Best other", "Its probability"],
        rows=[
            [
                number,
                repr(step["text"]),
                step["token"],
                f"{100 * step['probability']:.1f} %",
                repr(_other(step)[0]),
                f"{100 * _other(step)[1]:.1f} %",
            ]
            for number, step in zip(numbers, steps, strict=True)
        ],
        layout={"xaxis": axis("Token"), "yaxis": axis("Probability") | {"range": [0, 1.05]}},
    )


def _other(step: Values) -> tuple[str, float]:
    """The most probable candidate that was not taken."""
    for candidate in step["candidates"]:
        if candidate["token"] != step["token"]:
            return candidate["text"], candidate["probability"]
    return "", 0.0


def _times(result: Values) -> Chart:
    parts = [
        ("Loading the model", result["load_seconds"], ""),
        (
            f"Prompt, {len(result['prompt_tokens'])} tokens in one pass",
            result["prompt_seconds"],
            f"{result['prompt_tokens_per_second']:,.0f}",
        ),
        (
            f"Generation, {len(result['tokens']) - 1} passes",
            result["generation_seconds"],
            f"{result['generation_tokens_per_second']:,.0f}",
        ),
    ]
    return Chart(
        key="times",
        title="Where the time went",
        caption="One run on a shared machine: a picture, not a measurement. Lab 4 repeats.",
        traces=[bars("ms", [name for name, _, _ in parts], [1000 * s for _, s, _ in parts])],
        columns=["Part", "ms", "Tokens/s"],
        rows=[[name, f"{1000 * seconds:.1f}", speed] for name, seconds, speed in parts],
        layout={"xaxis": named_axis(""), "yaxis": axis("ms")},
    )
