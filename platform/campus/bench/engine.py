"""The engine's speed on a random model and on the teaching model, beside llama.cpp's own tools."""

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from workers import bench, catalogue, native, parity, perplexity, quantize, random_model
from workers.bench import Bench
from workers.native import NativeToolsMissingError
from workers.perplexity import MeasurePerplexity
from workers.quantize import Quantize
from workers.random_model import Shape
from workers.steps import finish

from .table import Row

PART = "Engine"
MIB = 1 << 20
# Parity as the project promises it.
CPU_RATIO = (0.95, 1.05)
PERPLEXITY_RATIO = 1.15


def measure(*, quick: bool) -> list[Row]:
    """Speeds and, where the native tools are built, parity."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "random.gguf"
        random_model.write(model, Shape() if quick else parity.SHAPE, seed=1)
        return [*_speeds(model, quick=quick), *_parity(model, quick=quick)]


def _speeds(model: Path, *, quick: bool) -> Iterator[Row]:
    teaching, text = Path(catalogue.main_model().path), Path(catalogue.texts().heldout)
    for name, path in (("random model", model), ("teaching model", teaching)):
        request = Bench(
            model=str(path),
            n_prompt=16 if quick else 256,
            n_gen=4 if quick else 64,
            repetitions=1 if quick else 5,
            threads=1,
        )
        measured = finish(bench.bench(request))
        for test, speed in (("pp", measured.pp), ("tg", measured.tg)):
            assert speed is not None
            p50 = f"{speed.median:,.0f} tokens/s"
            yield Row(part=PART, what=f"{test} {speed.tokens}, {name}", p50=p50)
    chunks = MeasurePerplexity(
        model=str(teaching), text=str(text), chunks=2 if quick else 16, threads=1
    )
    scored = finish(perplexity.perplexity(chunks))
    speed_of_text = scored.chunks * scored.n_ctx / scored.seconds
    yield Row(part=PART, what="perplexity, teaching model", p50=f"{speed_of_text:,.0f} tokens/s")
    out = model.with_name("quantized.gguf")
    to_q4 = Quantize(model=str(model), type="Q4_K_M", out=str(out), threads=1)
    rates = []
    for _ in range(1 if quick else 3):
        quantized = finish(quantize.quantize(to_q4))
        rates.append(quantized.source_bytes / MIB / quantized.seconds)
    p50 = f"{statistics.median(rates):,.0f} MiB/s"
    yield Row(part=PART, what="quantize to Q4_K_M, random model", p50=p50)


def _parity(model: Path, *, quick: bool) -> Iterator[Row]:
    try:
        native.tool("llama-bench")
    except NativeToolsMissingError as error:
        yield Row(part=PART, what=f"Parity: {error}")
        return
    pairs = 1 if quick else parity.PAIRS
    low, high = CPU_RATIO
    for test, tokens in (
        ("pp", {"n_prompt": 16 if quick else 128}),
        ("tg", {"n_gen": 4 if quick else 32}),
    ):
        pp_or_tg = parity.bench_parity(model, pairs=pairs, **tokens)
        yield Row(
            part=PART,
            what=f"{test} {pp_or_tg.tokens} beside llama-bench, {pairs} pairs",
            p50=f"{statistics.median(pp_or_tg.ours) * 1e3:.3f} ms CPU/token",
            multiple=pp_or_tg.ratio,
            aim=f"{low}-{high} x",
            met=low <= pp_or_tg.ratio <= high,
        )
    scored = parity.perplexity_parity(
        Path(catalogue.main_model().path),
        Path(catalogue.texts().heldout),
        chunks=2 if quick else 16,
        pairs=1 if quick else 5,
    )
    yield Row(
        part=PART,
        what=f"perplexity {scored.perplexity:.4f} beside llama-perplexity's "
        f"{scored.native_perplexity:.4f}",
        p50=f"{statistics.median(scored.ours):.2f} s",
        multiple=scored.ratio,
        aim=f"≤ {PERPLEXITY_RATIO} x",
        met=scored.ratio <= PERPLEXITY_RATIO,
    )
