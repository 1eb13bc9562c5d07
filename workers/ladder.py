"""The kind `ladder`: what quantization costs and saves, rung by rung.

Two parts, each on real files. Bytes: a random model of a given shape in several file types.
Quality: the teaching model in several file types, each measured against the original on the same
tokens, and timed.
"""

import itertools
import math
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers import bench, gguf_file, inspection, perplexity, quantize, random_model
from workers.bench import Bench, Benched, Speed
from workers.comparison import Comparison, Difference, by_chunk, compare_on_same_tokens, difference
from workers.errors import BadRequestError
from workers.estimates import mean, share
from workers.events import Event, Progress
from workers.perplexity import MeasurePerplexity, Perplexity
from workers.quantize import Quantize
from workers.random_model import Shape
from workers.scoring import ComparedScores
from workers.steps import Steps

MAX_TYPES = 8


@dataclass(frozen=True, kw_only=True)
class MeasureLadder:
    """`shape` and `seed` make the random model, which is quantized to each of `byte_types`.

    `model`, an original in F32 or F16, is quantized to each of `types` and scored on `chunks`
    chunks of `n_ctx` tokens of the file `text`; speed is measured with `n_prompt` and `n_gen`
    tokens. Big files live in a folder inside `scratch` and are gone afterwards.
    """

    shape: Shape
    byte_types: tuple[str, ...]
    model: str
    types: tuple[str, ...]
    text: str
    scratch: str
    seed: int = 1
    n_ctx: int = 512
    chunks: int = 16
    n_prompt: int = 128
    n_gen: int = 32
    repetitions: int = 5
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("byte_types", "types"):
            types = getattr(self, name)
            if not 1 <= len(set(types)) == len(types) <= MAX_TYPES:
                raise BadRequestError(f"{name} must be 1 to {MAX_TYPES} different file types.")
            for file_type in types:
                quantize.check_file_type(file_type)
        if not 0 <= self.seed < 2**32:
            raise BadRequestError(f"seed must lie between 0 and 4294967295, not {self.seed}.")
        if not Path(self.scratch).is_dir():
            raise BadRequestError("The folder scratch does not exist.")
        # The parts check what is theirs.
        self.scoring(self.model)
        self.timing(self.model)

    def scoring(self, model: str) -> MeasurePerplexity:
        """The request to score a quantized model against the original."""
        return MeasurePerplexity(
            model=model,
            text=self.text,
            n_ctx=self.n_ctx,
            chunks=self.chunks,
            base_model=self.model,
            threads=self.threads,
        )

    def timing(self, model: str) -> Bench:
        """The request to time a model."""
        return Bench(
            model=model,
            n_prompt=self.n_prompt,
            n_gen=self.n_gen,
            repetitions=self.repetitions,
            threads=self.threads,
        )


@dataclass(frozen=True)
class Size:
    """The random model as a file of one type. `fallbacks`: tensors whose shape wanted another."""

    type: str
    bytes: int
    bits_per_weight: float
    fallbacks: int
    tensor_types: dict[str, int]  # type -> number of tensors


@dataclass(frozen=True)
class Rung:
    """The teaching model in one file type. Losses are against the original, on the same tokens."""

    type: str
    bytes: int
    bits_per_weight: float
    perplexity: float
    perplexity_stderr: float
    log_ratio: Difference  # ln(perplexity / original's)
    kl_mean: float
    kl_stderr: float
    kl_stderr_by_chunk: float
    top1_agreement: float
    top1_stderr: float
    pp: Speed | None
    tg: Speed | None


@dataclass(frozen=True)
class Original:
    """The teaching model as it is."""

    bytes: int
    bits_per_weight: float
    perplexity: float
    perplexity_stderr: float
    pp: Speed | None
    tg: Speed | None


@dataclass(frozen=True)
class Ladder:
    """`comparisons` has every pair of `rungs`; `perplexity_tells_apart` needs all of them clear."""

    parameters: int
    source_bytes: int
    sizes: tuple[Size, ...]
    original: Original
    rungs: tuple[Rung, ...]
    comparisons: tuple[Comparison, ...]
    perplexity_tells_apart: bool
    kl_tells_apart: bool
    tokens: int
    chunks: int
    n_ctx: int
    fingerprint: dict[str, Any]


def ladder(request: MeasureLadder) -> Generator[Event, None, Ladder]:
    """Make, quantize and measure everything, and clean up."""
    steps = Steps(1 + len(request.byte_types) + 1 + 3 * len(request.types))
    with tempfile.TemporaryDirectory(dir=request.scratch) as folder:
        source = Path(folder) / "random.gguf"
        yield from steps.run(
            "Making the random model",
            _write_random(source, request.shape, request.seed),
        )
        sizes = []
        for file_type in request.byte_types:
            sizes.append((yield from _size(request, steps, source, file_type)))
        source_bytes = source.stat().st_size
        source.unlink()

        original_speed = yield from steps.run(
            "Timing the original",
            bench.measure(request.timing(request.model), label="original"),
        )
        rungs: list[Rung] = []
        scores: dict[str, ComparedScores] = {}
        for file_type in request.types:
            rung, result, scores[file_type] = yield from _rung(
                request, steps, Path(folder) / "model.gguf", file_type
            )
            rungs.append(rung)
    comparisons = tuple(
        compare_on_same_tokens(first, scores[first], second, scores[second], chunks=result.chunks)
        for first, second in itertools.combinations(request.types, 2)
    )
    return Ladder(
        parameters=request.shape.parameters,
        source_bytes=source_bytes,
        sizes=tuple(sizes),
        original=_original(Path(request.model), scores[request.types[0]], original_speed),
        rungs=tuple(rungs),
        comparisons=comparisons,
        perplexity_tells_apart=all(pair.log_perplexity.clear for pair in comparisons),
        kl_tells_apart=all(pair.kl.clear for pair in comparisons),
        tokens=result.tokens,
        chunks=result.chunks,
        n_ctx=result.n_ctx,
        fingerprint=original_speed.fingerprint,
    )


def _write_random(path: Path, shape: Shape, seed: int) -> Generator[Event, None, None]:
    random_model.write(path, shape, seed=seed)
    yield Progress(1, 1, "models")


def _size(
    request: MeasureLadder, steps: Steps, source: Path, file_type: str
) -> Generator[Event, None, Size]:
    out = source.with_name("quantized.gguf")
    made = yield from steps.run(
        f"Quantizing the random model to {file_type}",
        quantize.quantize(
            Quantize(model=str(source), type=file_type, out=str(out), threads=request.threads)
        ),
    )
    out.unlink()
    tensor_types: dict[str, int] = {}
    for tensor in made.tensors:
        tensor_types[tensor.type] = tensor_types.get(tensor.type, 0) + 1
    return Size(file_type, made.bytes, made.bits_per_weight, made.fallbacks, tensor_types)


def _rung(
    request: MeasureLadder, steps: Steps, out: Path, file_type: str
) -> Generator[Event, None, tuple[Rung, Perplexity, ComparedScores]]:
    made = yield from steps.run(
        f"Quantizing the teaching model to {file_type}",
        quantize.quantize(
            Quantize(model=request.model, type=file_type, out=str(out), threads=request.threads)
        ),
    )
    loss, scores = yield from steps.run(
        f"Measuring the loss of {file_type}",
        perplexity.measure(request.scoring(str(out)), label=file_type),
    )
    assert isinstance(scores, ComparedScores)
    speed = yield from steps.run(
        f"Timing {file_type}", bench.measure(request.timing(str(out)), label=file_type)
    )
    out.unlink()
    kl, top1 = mean(scores.kl), share(scores.same_top)
    rung = Rung(
        type=file_type,
        bytes=made.bytes,
        bits_per_weight=made.bits_per_weight,
        perplexity=loss.perplexity,
        perplexity_stderr=loss.stderr,
        log_ratio=difference(scores.nll, scores.base_nll, chunks=loss.chunks),
        kl_mean=kl.mean,
        kl_stderr=kl.stderr,
        kl_stderr_by_chunk=by_chunk(scores.kl, chunks=loss.chunks).stderr,
        top1_agreement=top1.mean,
        top1_stderr=top1.stderr,
        pp=speed.pp,
        tg=speed.tg,
    )
    return rung, loss, scores


def _original(path: Path, scores: ComparedScores, speed: Benched) -> Original:
    file = inspection.of_file(gguf_file.read(path), name=path.name)
    nll = mean(scores.base_nll)
    return Original(
        bytes=file.file_bytes,
        bits_per_weight=file.bits_per_weight,
        perplexity=math.exp(nll.mean),
        perplexity_stderr=math.exp(nll.mean) * nll.stderr,
        pp=speed.pp,
        tg=speed.tg,
    )
