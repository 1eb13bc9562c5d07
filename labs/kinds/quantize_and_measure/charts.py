"""What the ladder measured, beside what was predicted."""

from labs.charts import Chart, axis, bars, named_axis, points
from labs.kinds.base import Values, Work
from labs.kinds.quantize_and_measure.words import in_errors


def sizes(work: Work, result: Values) -> Chart:
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


def losses(work: Work, result: Values) -> Chart:
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


def trade_off(result: Values) -> Chart:
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


def told_apart(result: Values) -> Chart:
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
                in_errors(pair["log_perplexity"]),
                words[pair["log_perplexity"]["clear"]],
                in_errors(pair["kl"]),
                words[pair["kl"]["clear"]],
            ]
            for pair in result["comparisons"]
        ],
    )
