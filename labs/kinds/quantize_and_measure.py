"""Quantize and measure: predict bytes, loss and what perplexity can tell, then run the ladder."""

import itertools
import random
from typing import Any

from django import forms
from pydantic import Field

from labs.charts import Chart, axis, bars, named_axis, points
from labs.kinds import shapes
from labs.kinds.base import Grade, LabForm, LabKind, Parameters, Part, Values, Work, register
from labs.kinds.fields import BytesField, NumberField, YesNoField
from labs.kinds.grading import exact, within, within_factor, yes_or_no
from labs.kinds.shapes import Shapes
from workers import catalogue, random_model
from workers.limits import Limits
from workers.random_model import Shape

SHAPES = Shapes(
    n_layer=(1, 2, 3, 4),
    n_embd=(256, 512),
    n_ff=(512, 768, 1024, 1536),
    n_head_kv=(1, 2, 4, 8),
    n_vocab=(512, 1024, 2048),
)
BUDGETS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
NONE = "none"


class LadderParameters(Parameters):
    """`byte_types` and `types` are the pools of which three each are drawn."""

    byte_types: tuple[str, ...] = Field(min_length=3)
    types: tuple[str, ...] = Field(min_length=3)
    n_ctx: int = Field(default=512, ge=64, le=1024)
    chunks: int = Field(default=24, ge=2, le=400)
    pass_mark: float = Field(default=0.6, gt=0, le=1)


class Prediction(LabForm):
    """Three sizes, three losses, and for each pair whether perplexity tells it apart."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        byte_types, types = self.drawn["byte_types"], self.drawn["types"]
        for i, name in enumerate(byte_types):
            self.fields[f"bytes_{i}"] = BytesField(label=f"File size as {name}, in bytes")
        for i, name in enumerate(types):
            self.fields[f"kl_{i}"] = NumberField(label=f"Mean KL divergence of {name}, in nats")
        for i, (first, second) in enumerate(itertools.combinations(types, 2)):
            self.fields[f"apart_{i}"] = YesNoField(label=f"{first} and {second}")
        self.groups = (
            (
                "Bytes of the drawn shape",
                "The whole file, for the random model of the shape on this page.",
                tuple(f"bytes_{i}" for i in range(len(byte_types))),
            ),
            (
                "Loss of the teaching model",
                "Against the F32 original. The order counts, and each size within a factor of 3.",
                tuple(f"kl_{i}" for i in range(len(types))),
            ),
            (
                f"Can perplexity on {scored_tokens(self.parameters):,} tokens tell them apart?",
                "Yes, if ln(perplexity) differs by more than three paired standard errors.",
                tuple(f"apart_{i}" for i in range(len(types))),
            ),
        )


class Conclusion(LabForm):
    """What perplexity told apart, and which file to ship under a budget of loss."""

    notes = forms.CharField(
        label="What surprised you?",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept with the run, for you. It is not graded.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        types = self.drawn["types"]
        self.fields["ship"] = forms.ChoiceField(
            label=(
                "The smallest file whose mean KL divergence is at most "
                f"{self.drawn['budget']:.0e} nats is"
            ),
            choices=[*((name, name) for name in types), (NONE, "none of the three")],
            widget=forms.RadioSelect,
        )
        self.fields["told"] = forms.ChoiceField(
            label="Perplexity, on these tokens, told apart",
            choices=[("all", "all three pairs"), ("some", "some of the pairs"), (NONE, "no pair")],
            widget=forms.RadioSelect,
        )
        self.order_fields(["told", "ship", "notes"])


def scored_tokens(parameters: Values) -> int:
    """llama-perplexity scores the second half of each chunk, all but its first token."""
    return int(parameters["chunks"] * (parameters["n_ctx"] // 2 - 1))


@register
class QuantizeAndMeasure(LabKind):
    name = "quantize_and_measure"
    title = "Quantize and measure"
    engine = "ladder"
    lane = "heavy"
    limits = Limits(seconds=300, memory_mib=2048)
    parameters = LadderParameters
    prediction_form = Prediction
    conclusion_form = Conclusion

    def draw(self, parameters: Values, rng: random.Random) -> dict[str, Any]:
        shape = SHAPES.draw(rng)
        seed = rng.getrandbits(31)
        return {
            "shape": shape,
            "data_offset": random_model.head_when_quantized(Shape(**shape), seed=seed).data_offset,
            "byte_types": _some(parameters["byte_types"], rng),
            "types": _some(parameters["types"], rng),
            "budget": rng.choice(BUDGETS),
            "seed": seed,
        }

    def facts(self, parameters: Values, drawn: Values) -> list[tuple[str, str]]:
        return [
            *shapes.facts(drawn["shape"]),
            ("Data begin at byte", f"{drawn['data_offset']:,}"),
            ("Sizes of", ", ".join(drawn["byte_types"])),
            ("Losses of", ", ".join(drawn["types"])),
            ("Tokens scored", f"{scored_tokens(parameters):,}"),
        ]

    def request(self, work: Work) -> dict[str, Any]:
        return {
            "shape": dict(work.drawn["shape"]),
            "seed": work.drawn["seed"],
            "byte_types": work.drawn["byte_types"],
            "types": work.drawn["types"],
            "model": catalogue.main_model().path,
            "text": catalogue.texts().heldout,
            "n_ctx": work.parameters["n_ctx"],
            "chunks": work.parameters["chunks"],
            "scratch": ".",
        }

    def grade(self, work: Work, result: Values) -> Grade:
        said = work.prediction
        parts = [
            within(
                f"Bytes of {size['type']}",
                said[f"bytes_{i}"],
                size["bytes"],
                full=0.005,
                half=0.03,
            )
            for i, size in enumerate(result["sizes"])
        ]
        rungs = result["rungs"]
        parts.append(_order([said[f"kl_{i}"] for i in range(len(rungs))], rungs))
        parts += [
            within_factor(f"KL of {rung['type']}", said[f"kl_{i}"], rung["kl_mean"], factor=3)
            for i, rung in enumerate(rungs)
        ]
        parts += [
            yes_or_no(
                f"Perplexity tells {pair['first']} and {pair['second']} apart",
                said[f"apart_{i}"],
                pair["log_perplexity"]["clear"],
                comment=f"ln(perplexity) differs by {_in_errors(pair['log_perplexity'])}.",
            )
            for i, pair in enumerate(result["comparisons"])
        ]
        if work.conclusion is not None:
            parts.append(_told(work.conclusion, result["comparisons"]))
            parts.append(_shipped(work.drawn["budget"], work.conclusion, rungs))
        return Grade(tuple(parts), pass_mark=work.parameters["pass_mark"])

    def charts(self, work: Work, result: Values) -> list[Chart]:
        return [
            _sizes(work, result),
            _losses(work, result),
            _trade_off(result),
            _told_apart(result),
        ]


def _some(pool: list[str], rng: random.Random) -> list[str]:
    """Three of the pool, in the pool's order."""
    return [pool[i] for i in sorted(rng.sample(range(len(pool)), 3))]


def _order(predicted: list[float], rungs: list[Values]) -> Part:
    def ranked(values: list[float]) -> str:
        by_loss = sorted(range(len(rungs)), key=lambda i: values[i])
        return " < ".join(str(rungs[i]["type"]) for i in by_loss)

    measured = [rung["kl_mean"] for rung in rungs]
    pairs = list(itertools.combinations(range(len(rungs)), 2))
    right = sum((predicted[i] - predicted[j]) * (measured[i] - measured[j]) > 0 for i, j in pairs)
    return Part(
        "Order of the losses",
        ranked(predicted),
        ranked(measured),
        right / len(pairs),
        1.0,
        f"{right} of {len(pairs)} pairs in the right order.",
    )


def _told(conclusion: Values, comparisons: list[Values]) -> Part:
    clear = sum(pair["log_perplexity"]["clear"] for pair in comparisons)
    measured = "all" if clear == len(comparisons) else "some" if clear else NONE
    comment = f"{clear} of {len(comparisons)} pairs are clear."
    question = "Conclusion: what perplexity told apart"
    return exact(question, conclusion["told"], measured, comment=comment)


def _shipped(budget: float, conclusion: Values, rungs: list[Values]) -> Part:
    fitting = [rung for rung in rungs if rung["kl_mean"] <= budget]
    best = min(fitting, key=lambda rung: rung["bytes"])["type"] if fitting else NONE
    names = ", ".join(str(rung["type"]) for rung in fitting) or "none of the three"
    comment = f"At most {budget:.0e} nats: {names}."
    return exact("Conclusion: the file to ship", conclusion["ship"], best, comment=comment)


def _in_errors(difference: Values) -> str:
    """A paired difference in units of its larger standard error."""
    error = max(difference["stderr"], difference["stderr_by_chunk"])
    return f"{abs(difference['mean']) / error:.1f} standard errors" if error else "nothing"


def _sizes(work: Work, result: Values) -> Chart:
    types = [size["type"] for size in result["sizes"]]
    said = [work.prediction[f"bytes_{i}"] for i in range(len(types))]
    measured = [size["bytes"] for size in result["sizes"]]
    return Chart(
        key="sizes",
        title="Bytes, predicted and measured",
        caption=f"A random model of {result['parameters']:,} parameters as three file types.",
        traces=[bars("You said", types, said), bars("Measured", types, measured)],
        columns=["File type", "You said (bytes)", "Measured (bytes)", "Bits per weight", "Tensors"],
        rows=[
            [
                size["type"],
                f"{guess:,}",
                f"{size['bytes']:,}",
                f"{size['bits_per_weight']:.3f}",
                ", ".join(f"{count} x {name}" for name, count in size["tensor_types"].items()),
            ]
            for guess, size in zip(said, result["sizes"], strict=True)
        ],
        layout={"xaxis": named_axis("File type"), "yaxis": axis("Bytes"), "barmode": "group"},
    )


def _losses(work: Work, result: Values) -> Chart:
    rungs = result["rungs"]
    types = [rung["type"] for rung in rungs]
    said = [work.prediction[f"kl_{i}"] for i in range(len(types))]
    return Chart(
        key="losses",
        title="Loss, predicted and measured",
        caption=(
            f"Mean KL divergence from the F32 original on {result['tokens']:,} held-out tokens, "
            "on a logarithmic scale. The bars are one standard error."
        ),
        traces=[
            # Nothing can be shown at zero on a logarithmic axis.
            points("You said", types, [value or None for value in said]),
            points(
                "Measured",
                types,
                [rung["kl_mean"] for rung in rungs],
                y_error=[rung["kl_stderr"] for rung in rungs],
            ),
        ],
        columns=[
            "File type",
            "You said (nats)",
            "Measured (nats)",
            "Standard error",
            "Same top token",
        ],
        rows=[
            [
                rung["type"],
                f"{guess:.1e}",
                f"{rung['kl_mean']:.2e}",
                f"{rung['kl_stderr']:.1e}",
                f"{100 * rung['top1_agreement']:.2f} %",
            ]
            for guess, rung in zip(said, rungs, strict=True)
        ],
        layout={
            "xaxis": named_axis("File type"),
            "yaxis": axis("KL divergence (nats)", log=True) | {"exponentformat": "power"},
        },
    )


def _trade_off(result: Values) -> Chart:
    rungs = result["rungs"]
    fastest = max(rung["tg"]["median"] for rung in rungs)
    return Chart(
        key="trade-off",
        title="Size, quality and speed",
        caption=(
            "To the left is smaller, down is closer to the original; a larger dot generates faster "
            "on this worker. Speed is shown, and never graded."
        ),
        traces=[
            points(
                rung["type"],
                [rung["bytes"] / 1024],
                [rung["kl_mean"]],
                y_error=[rung["kl_stderr"]],
                text=[rung["type"]],
                size=[10 + 20 * rung["tg"]["median"] / fastest],
            )
            for rung in rungs
        ],
        columns=[
            "File type",
            "KiB",
            "Bits per weight",
            "KL (nats)",
            "Perplexity",
            "Prompt (tokens/s)",
            "Generation (tokens/s)",
        ],
        rows=[
            [
                rung["type"],
                f"{rung['bytes'] / 1024:,.0f}",
                f"{rung['bits_per_weight']:.2f}",
                f"{rung['kl_mean']:.2e}",
                f"{rung['perplexity']:.4f} ± {rung['perplexity_stderr']:.4f}",
                _speed(rung["pp"]),
                _speed(rung["tg"]),
            ]
            for rung in [{"type": "F32", "kl_mean": 0.0, **result["original"]}, *rungs]
        ],
        layout={
            "xaxis": axis("Size of the file (KiB)"),
            "yaxis": axis("KL divergence (nats)", log=True) | {"exponentformat": "power"},
            "showlegend": False,
        },
    )


def _speed(speed: Values | None) -> str:
    if speed is None:
        return ""
    unstable = " (unstable)" if speed["unstable"] else ""
    return f"{speed['median']:,.0f} ± {speed['stddev']:,.0f}{unstable}"


def _told_apart(result: Values) -> Chart:
    words = {True: "yes", False: "no"}
    return Chart(
        key="told-apart",
        title="What the measurements can tell apart",
        caption=(
            "Differences on the same tokens, in paired standard errors; beyond three they are "
            "clear. KL divergence sees what perplexity often cannot."
        ),
        traces=[],
        columns=["Pair", "In ln(perplexity)", "Clear?", "In KL divergence", "Clear?"],
        rows=[
            [
                f"{pair['first']} and {pair['second']}",
                _in_errors(pair["log_perplexity"]),
                words[pair["log_perplexity"]["clear"]],
                _in_errors(pair["kl"]),
                words[pair["kl"]["clear"]],
            ]
            for pair in result["comparisons"]
        ],
    )
