"""The engine's timings beside those of llama.cpp's own tools, measured in turns.

python -m workers.parity    # prints one JSON object; takes about two minutes

Both sides run one thread. CPU seconds are compared, as other work on the machine disturbs the wall
clock more; of wall times the best of several counts.
"""

import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from workers import bench, catalogue, native, perplexity, random_model
from workers.bench import Bench
from workers.errors import EngineError
from workers.perplexity import MeasurePerplexity
from workers.random_model import Shape
from workers.steps import finish

# 56.6 million parameters.
SHAPE = Shape(n_layer=8, n_embd=768, n_ff=2048, n_head=12, n_head_kv=4, n_vocab=4096, n_ctx=1024)
PAIRS = 7
REPETITIONS = 3


@dataclass(frozen=True)
class BenchParity:
    """CPU seconds per token, ours and llama-bench's, pair by pair; `ratio` is the pairs' median.

    `wall_ratio` compares the best tokens/s of each side: above 1, ours is slower.
    """

    tokens: int
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    ratio: float
    wall_ratio: float


@dataclass(frozen=True)
class PerplexityParity:
    """Seconds without loading, ours and llama-perplexity's; `ratio` is best over best."""

    perplexity: float
    native_perplexity: float
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    ratio: float


def bench_parity(
    model: Path, *, n_prompt: int = 0, n_gen: int = 0, pairs: int = PAIRS
) -> BenchParity:
    """Compare pp (with `n_prompt`) or tg (with `n_gen`) with llama-bench."""
    ours, theirs, our_speeds, their_speeds = [], [], [], []
    tokens = n_prompt + n_gen
    for _ in range(pairs):
        short, long = (
            native.bench(model, n_prompt=n_prompt, n_gen=n_gen, repetitions=count, threads=1)
            for count in (1, 1 + REPETITIONS)
        )
        # The difference leaves out loading and warming up.
        theirs.append((long.cpu_seconds - short.cpu_seconds) / (REPETITIONS * tokens))
        their_speeds.append(max(long.samples))
        request = Bench(
            model=str(model), n_prompt=n_prompt, n_gen=n_gen, repetitions=REPETITIONS, threads=1
        )
        result = finish(bench.bench(request))
        speed = result.pp or result.tg
        assert speed is not None
        ours.append(statistics.fmean(speed.cpu_seconds_per_token))
        our_speeds.append(max(speed.samples))
    ratios = [mine / yours for mine, yours in zip(ours, theirs, strict=True)]
    return BenchParity(
        tokens=tokens,
        ours=tuple(ours),
        theirs=tuple(theirs),
        ratio=statistics.median(ratios),
        wall_ratio=max(their_speeds) / max(our_speeds),
    )


def perplexity_parity(
    model: Path, text: Path, *, chunks: int = 16, pairs: int = 5
) -> PerplexityParity:
    """Compare the time and the value of a perplexity with llama-perplexity."""
    ours, theirs = [], []
    request = MeasurePerplexity(model=str(model), text=str(text), chunks=chunks, threads=1)
    for _ in range(pairs):
        found = native.perplexity(model, text, n_ctx=request.n_ctx, chunks=chunks, threads=1)
        theirs.append(found.seconds)
        result = finish(perplexity.perplexity(request))
        ours.append(result.seconds)
    return PerplexityParity(
        perplexity=result.perplexity,
        native_perplexity=found.perplexity,
        ours=tuple(ours),
        theirs=tuple(theirs),
        ratio=min(ours) / min(theirs),
    )


def main() -> int:
    """Measure everything and print it."""
    shipped, text = Path(catalogue.main_model().path), Path(catalogue.texts().heldout)
    try:
        with tempfile.TemporaryDirectory() as folder:
            big = Path(folder) / "random.gguf"
            random_model.write(big, SHAPE, seed=1)
            measured = {
                "parameters": SHAPE.parameters,
                "pp": asdict(bench_parity(big, n_prompt=128)),
                "tg": asdict(bench_parity(big, n_gen=32)),
                "perplexity": asdict(perplexity_parity(shipped, text)),
            }
    except EngineError as error:
        print(json.dumps({"error": str(error)}))  # noqa: T201
        return 1
    print(json.dumps(measured))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
