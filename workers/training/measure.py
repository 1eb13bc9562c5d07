"""Measure the shipped models: the ladder of file types, twenty samples, the curve of the loss.

    python -m workers.training.measure

writes ladder.json, samples.md and loss.svg beside the models. It needs no PyTorch.
"""

import csv
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workers import catalogue, generate, perplexity, quantize
from workers.comparison import compare_on_same_tokens
from workers.perplexity import Perplexity
from workers.scoring import ComparedScores
from workers.steps import finish
from workers.training.text import ASSISTANT, END, USER, WORLD

LADDER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")
N_CTX = 512


def rung(model: str, text: str, file_type: str, *, chunks: int) -> tuple[Perplexity, Any, int]:
    """The losses of `model` as `file_type`, token scores and bytes; 0 chunks means all."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"{file_type}.gguf"
        made = finish(
            quantize.quantize(quantize.Quantize(model=model, type=file_type, out=str(out)))
        )
        request = perplexity.MeasurePerplexity(
            model=str(out), text=text, n_ctx=N_CTX, chunks=chunks, base_model=model
        )
        result, scores = finish(perplexity.measure(request))
    return result, scores, made.bytes


def ladder(model: str, text: str) -> dict[str, Any]:
    """Every rung on the whole text, and every step from rung to rung on the same tokens."""
    rungs: list[dict[str, Any]] = []
    before: tuple[str, ComparedScores] | None = None
    for file_type in LADDER:
        result, scores, size = rung(model, text, file_type, chunks=0)
        entry: dict[str, Any] = {
            "type": file_type,
            "bytes": size,
            **{
                name: getattr(result, name)
                for name in (
                    "kl_mean", "kl_stderr", "kl_median", "perplexity", "log_ratio",
                    "log_ratio_stderr", "top1_agreement",
                )
            },
        }  # fmt: skip
        if before is not None:
            step = compare_on_same_tokens(*before, file_type, scores, chunks=result.chunks)
            entry["step_factor"] = result.kl_mean / rungs[-1]["kl_mean"]
            entry["step_kl"] = asdict(step.kl)
            entry["step_log_perplexity"] = asdict(step.log_perplexity)
        rungs.append(entry)
        before = file_type, scores
    return {
        "text": "heldout.txt",
        "n_ctx": N_CTX,
        "tokens": result.tokens,
        "chunks": result.chunks,
        "original_perplexity": result.base_perplexity,
        "rungs": rungs,
    }


SAMPLE_PREDICT = 220
SAMPLE_TEMPERATURE = 0.7
TOWN, OTHER_TOWN = WORLD.towns[0].name, WORLD.towns[1].name
PERSON, OTHER_PERSON = WORLD.people[0].name, WORLD.people[1].name


def asked(question: str) -> str:
    """The prompt that puts a question to the model, in its chat template."""
    return f"{USER}{question}{END}\n{ASSISTANT}"


PROMPTS = (
    "Long ago",
    "It was midnight, and Rosa",
    "Nobody in the harbour",
    "When snow came to the village, Hugo and Mina",
    "Otto was a curious clockmaker who",
    "On a windy Friday in March, Vera the painter",
    asked("What is the opposite of deep?"),
    asked(f"On which river is {TOWN}?"),
    asked(f"Who governs {OTHER_TOWN}?"),
    asked(f"My name is Lena. What does {PERSON} do?"),
    asked("Tell Greta the weaver four animals."),
    asked("Nils hid the red lamp, and Ivy hid the old drum. Who hid the drum?"),
    asked("Of 37 spoons Tilda the miller lost 12. How many are left?"),
    "Notes by Emil the wise miller\n",
    "Things to remember, collected by Frida in June\n",
    "Dear Lotte,\n",
    "Sums for Max on Tuesday\n34 + 58:",
    f'{{"id": 4711, "name": "{OTHER_PERSON}",',
    '{"order": 2043, "customer":',
    "How to mend a kettle for the baker\n1.",
)


def samples(model: str) -> str:
    """What the model makes of each prompt, seeds 1 to 20, as Markdown."""
    parts = [
        "# Twenty samples\n",
        f"The main model in F32, temperature {SAMPLE_TEMPERATURE}, up to {SAMPLE_PREDICT} tokens, "
        "sample n with seed n; nothing was picked out. The prompt comes first, then `▸`.\n",
    ]
    for seed, prompt in enumerate(PROMPTS, 1):
        made = finish(
            generate.generate(
                generate.Generate(
                    model=model,
                    prompt=prompt,
                    n_predict=SAMPLE_PREDICT,
                    temperature=SAMPLE_TEMPERATURE,
                    seed=seed,
                )
            )
        )
        written = made.text.removesuffix(END).rstrip()
        parts.append(f"## {seed}\n\n```text\n{prompt}▸{written}\n```\n")
    return "\n".join(parts)


WIDTH, HEIGHT, MARGIN = 640, 320, 44  # of the drawing, in pixels


def loss_curve(logs: dict[str, Path]) -> str:
    """The training losses over tokens as SVG, one line a model; the axes begin at zero."""
    curves = {}
    for name, log in logs.items():
        with log.open() as file:
            curves[name] = [
                (int(row["tokens"]), float(row["loss"])) for row in csv.DictReader(file)
            ]
    most = max(tokens for curve in curves.values() for tokens, _ in curve)
    highest = max(loss for curve in curves.values() for _, loss in curve)

    def place(tokens: float, loss: float) -> tuple[float, float]:
        x = MARGIN + tokens / most * (WIDTH - 2 * MARGIN)
        return x, HEIGHT - MARGIN - loss / highest * (HEIGHT - 2 * MARGIN)

    left, bottom = place(0, 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{left} {MARGIN}V{bottom}H{WIDTH - MARGIN}" fill="none" stroke="black"/>',
        f'<text x="{MARGIN}" y="{MARGIN - 12}">loss in nats a token</text>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 6}" text-anchor="end">million tokens</text>',
    ]
    for loss in range(int(highest) + 1):
        _, y = place(0, loss)
        parts.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{loss}</text>')
    for million in range(0, most // 1_000_000 + 1, 2):
        x, _ = place(million * 1_000_000, 0)
        parts.append(f'<text x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{million}</text>')
    for (name, curve), colour in zip(curves.items(), ("#1a5fb4", "#c64600"), strict=True):
        points = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in curve)
        x, y = place(*curve[-1])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(
            f'<text x="{x:.0f}" y="{y - 8:.0f}" fill="{colour}" text-anchor="end">{name}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """Measure everything and write it beside the models."""
    model, text = catalogue.main_model().path, catalogue.texts().heldout
    folder = catalogue.FOLDER
    logs = {name: folder / f"{name}-training.csv" for name in ("main", "draft")}
    (folder / "loss.svg").write_text(loss_curve(logs))
    (folder / "samples.md").write_text(samples(model))
    (folder / "ladder.json").write_text(json.dumps(ladder(model, text), indent=2) + "\n")


if __name__ == "__main__":
    main()
