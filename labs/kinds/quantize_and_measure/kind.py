"""The kind itself: what is drawn, asked of the engine, and graded."""

import itertools
import random
from typing import Any

from pydantic import Field

from labs.charts import Chart
from labs.kinds import shapes
from labs.kinds.base import Grade, LabKind, Parameters, Part, Values, Work, register
from labs.kinds.grading import exact, within, within_factor, yes_or_no
from labs.kinds.quantize_and_measure import charts
from labs.kinds.quantize_and_measure.forms import Conclusion, Prediction
from labs.kinds.quantize_and_measure.words import NONE, in_errors, scored_tokens
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


class LadderParameters(Parameters):
    """`byte_types` and `types` are the pools of which three each are drawn.

    `budgets` are the losses, in nats, that the conclusion's question draws from.
    """

    byte_types: tuple[str, ...] = Field(min_length=3)
    types: tuple[str, ...] = Field(min_length=3)
    budgets: tuple[float, ...] = Field(min_length=1)
    n_ctx: int = Field(default=512, ge=64, le=1024)
    chunks: int = Field(default=24, ge=2, le=400)
    pass_mark: float = Field(default=0.6, gt=0, le=1)


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
            "budget": rng.choice(parameters["budgets"]),
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
            # A model this small gains nothing from more; what shares the host disturbs one less.
            "threads": 1,
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
                comment=f"ln(perplexity) differs by {in_errors(pair['log_perplexity'])}.",
            )
            for i, pair in enumerate(result["comparisons"])
        ]
        if work.conclusion is not None:
            parts.append(_told(work.conclusion, result["comparisons"]))
            parts.append(_shipped(work.drawn["budget"], work.conclusion, rungs))
        return Grade(tuple(parts), pass_mark=work.parameters["pass_mark"])

    def charts(self, work: Work, result: Values) -> list[Chart]:
        return [
            charts.sizes(work, result),
            charts.losses(work, result),
            charts.trade_off(result),
            charts.told_apart(result),
        ]


def _some(pool: list[str], rng: random.Random) -> list[str]:
    """Three of the pool, in the pool's order."""
    return [pool[i] for i in sorted(rng.sample(range(len(pool)), 3))]


def _order(predicted: list[float], rungs: list[Values]) -> Part:
    def ranked(values: list[float]) -> str:
        by_loss = itertools.groupby(
            sorted(range(len(rungs)), key=values.__getitem__), values.__getitem__
        )
        return " < ".join(" = ".join(rungs[i]["type"] for i in equal) for _, equal in by_loss)

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
