# mypy: disable-error-code="import-not-found, misc, no-any-return, untyped-decorator"
"""Train a teaching model on the token ids that llama.cpp gives for the text.

    python -m workers.training.train --recipe main --work DIR

writes DIR/main.pt (a checkpoint, every `SAVE_EVERY` steps) and DIR/main.csv (the log), and goes on
from the checkpoint if there is one. `workers.training.ship` turns checkpoints into GGUF files.
"""

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from workers.training.network import Llama, Shape
from workers.training.vocabulary import BOS

LOG_EVERY = 25
SAVE_EVERY = 250


@dataclass(frozen=True)
class Stage:
    """Some steps of training that are alike.

    `context` tokens a sequence; the learning rates go in a line from the share `rate` of their
    peak to the share `to_rate`. `echo` is the share of sequences that break off and begin again:
    in them a token is best foretold by looking back for what followed it before. `soften` is a
    factor on the queries and keys of all layers but the first when the stage begins: attention
    that has become too sharp has no slope left to learn on.
    """

    steps: int
    context: int
    rate: float
    to_rate: float
    echo: float = 0.0
    soften: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what training gives, beside the text."""

    shape: Shape
    stages: tuple[Stage, ...]
    seed: int = 1
    step_tokens: int = 4096
    learning_rates: tuple[float, float] = (0.02, 0.004)  # at their peak: Muon's and AdamW's
    warm_up: int = 50  # steps from 0 to the full rate
    weight_decay: float = 0.01
    clip: float = 1.0  # the longest gradient

    @property
    def steps(self) -> int:
        """All steps."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, float]:
        """The stage of a step and the share of it that is done."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step / stage.steps
            step -= stage.steps
        raise ValueError(f"The recipe has {self.steps} steps.")


VOCABULARY_SIZE = 1024
RECIPES = {
    "main": Recipe(
        Shape(4, 256, 512, 8, 2, VOCABULARY_SIZE),
        stages=(
            Stage(1250, context=256, rate=1.0, to_rate=1.0),
            Stage(350, context=256, rate=0.5, to_rate=0.5, echo=0.5, soften=0.5),
            Stage(200, context=1024, rate=0.5, to_rate=0.0),
            Stage(2000, context=256, rate=0.4, to_rate=0.1, echo=0.25),
            Stage(300, context=1024, rate=0.1, to_rate=0.0),
        ),
    ),
    "draft": Recipe(
        Shape(1, 256, 256, 8, 2, VOCABULARY_SIZE),
        stages=(
            Stage(400, context=256, rate=1.0, to_rate=1.0),
            Stage(200, context=1024, rate=1.0, to_rate=0.0),
        ),
    ),
}


def rate_share(recipe: Recipe, step: int) -> float:
    """The share of the peak rate at a step."""
    stage, done = recipe.stage_at(step)
    level = stage.rate + (stage.to_rate - stage.rate) * done
    return level * min(1.0, (step + 1) / recipe.warm_up)


def optimizers_of(model: Llama, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers; AdamW for the norms, first and last matrix.

    Source: Jordan et al. 2024 (Muon: momentum, made orthogonal).
    """
    inside = [p for p in model.blk.parameters() if p.ndim == 2]
    ends = [model.token_embd.weight, model.output.weight]
    norms = [p for p in model.parameters() if p.ndim == 1]
    muon_rate, adam_rate = recipe.learning_rates
    return [
        torch.optim.Muon(inside, lr=muon_rate, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(
            [{"params": ends}, {"params": norms}],
            lr=adam_rate,
            betas=(0.9, 0.95),
            weight_decay=0.0,
            fused=True,
        ),
    ]


def batch_at(tokens: NDArray[np.uint16], recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a step, (B, T) each: windows at random places, BOS in first place.

    BOS replaces a window's first token, as it does in every chunk that llama-perplexity scores.
    """
    rng = np.random.default_rng((recipe.seed, step))
    stage, _ = recipe.stage_at(step)
    starts = rng.integers(0, len(tokens) - stage.context, recipe.step_tokens // stage.context)
    windows = np.stack([tokens[start : start + stage.context + 1] for start in starts])
    windows[:, 0] = BOS
    for window in windows[: round(stage.echo * len(windows))]:
        length = rng.integers(stage.context // 8, stage.context)
        window[length:] = np.resize(window[1:length], stage.context + 1 - length)
    sequences = torch.from_numpy(windows.astype(np.int64))
    return sequences[:, :-1], sequences[:, 1:]


@torch.no_grad()
def soften(model: Llama, factor: float) -> None:
    """Multiply the queries and keys of all layers but the first by `factor`."""
    for block in model.blk[1:]:
        block.attn.q.weight.mul_(factor)
        block.attn.k.weight.mul_(factor)


def write_log(path: Path, rows: list[list[object]]) -> None:
    """The log so far: mean loss in nats a token since the last row, and seconds of training."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", "tokens", "loss", "rate_share", "seconds"])
        writer.writerows(rows)


def train(name: str, recipe: Recipe, tokens: NDArray[np.uint16], folder: Path) -> Llama:
    """Train from the last checkpoint in `folder`, if any, to the recipe's end."""
    model = Llama(recipe.shape)
    model.initialise(seed=recipe.seed)
    optimizers = optimizers_of(model, recipe)
    first, earlier, rows = 0, 0.0, []
    checkpoint = folder / f"{name}.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        first, earlier, rows = saved["step"], saved["seconds"], saved["log"]
    started, losses = time.monotonic(), []
    for step in range(first, recipe.steps):
        stage, stage_done = recipe.stage_at(step)
        if stage_done == 0:
            soften(model, stage.soften)
        share = rate_share(recipe, step)
        for optimizer, peak in zip(optimizers, recipe.learning_rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = share * peak
        inputs, targets = batch_at(tokens, recipe, step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(inputs)  # (B, T, V)
        loss = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        done = step + 1
        seconds = earlier + time.monotonic() - started
        if done % LOG_EVERY == 0:
            seen = done * recipe.step_tokens
            rows.append([done, seen, f"{np.mean(losses):.4f}", f"{share:.3f}", f"{seconds:.0f}"])
            write_log(folder / f"{name}.csv", rows)
            losses.clear()
        if done % SAVE_EVERY == 0 or done == recipe.steps:
            state = {
                "model": model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "step": done,
                "seconds": seconds,
                "log": rows,
            }
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    return model


def main() -> None:
    """Train the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", choices=RECIPES, required=True)
    parser.add_argument("--work", type=Path, required=True, help="holds train.npy")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = RECIPES[arguments.recipe]
    train(arguments.recipe, recipe, np.load(arguments.work / "train.npy"), arguments.work)


if __name__ == "__main__":
    main()
