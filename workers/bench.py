"""The kind `bench`: prompt processing (pp) and text generation (tg) as llama-bench measures them.

Random tokens, one whole warm-up, then each repetition on an emptied cache: pp decodes the prompt in
batches of n_batch, tg decodes one token at a time. All repetitions are kept raw.
"""

import statistics
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workers import llama
from workers.errors import BadRequestError
from workers.events import Event, Phase, Point, Progress
from workers.fingerprint import fingerprint
from workers.llama import FLASH_ATTENTION, KV_TYPES, Batch, Context

RANGES = {
    "n_prompt": (0, 131_072),
    "n_gen": (0, 131_072),
    "repetitions": (1, 1000),
    "n_batch": (1, 131_072),
    "n_ubatch": (1, 131_072),
    "seed": (0, 2**32 - 1),
}
UNSTABLE = 0.05  # coefficient of variation from which on a measurement is called unstable


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Time `n_prompt` tokens of prompt and `n_gen` generated ones; 0 leaves one out.

    The other parameters are llama.cpp's own, with llama-bench's defaults: `flash_attention` "auto",
    "on" or "off", the types of the KV cache such as "F16" and "Q8_0". `threads` 0 means all cores.
    """

    model: str
    n_prompt: int = 512
    n_gen: int = 128
    repetitions: int = 5
    threads: int = 0
    n_batch: int = 2048
    n_ubatch: int = 512
    flash_attention: str = "auto"
    type_k: str = "F16"
    type_v: str = "F16"
    seed: int = 1

    def __post_init__(self) -> None:
        llama.check_threads(self.threads)
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise BadRequestError(
                    f"{name} must lie between {low} and {high}, not {getattr(self, name)}."
                )
        if not self.n_prompt and not self.n_gen:
            raise BadRequestError("n_prompt and n_gen must not both be 0.")
        if self.flash_attention not in FLASH_ATTENTION:
            raise BadRequestError(f"flash_attention must be one of {', '.join(FLASH_ATTENTION)}.")
        for name in ("type_k", "type_v"):
            if getattr(self, name) not in KV_TYPES:
                raise BadRequestError(f"{name} must be one of {', '.join(KV_TYPES)}.")


@dataclass(frozen=True)
class Repetition:
    """One repetition. `began` is seconds since the epoch, so that overlaps can be found."""

    began: float
    seconds: float
    cpu_seconds: float  # of all threads together


@dataclass(frozen=True)
class Speed:
    """Tokens per second over the repetitions; `cv` is stddev / mean, above 0.05 "unstable"."""

    tokens: int
    samples: tuple[float, ...]
    median: float
    mean: float
    stddev: float
    cv: float
    unstable: bool
    cpu_seconds_per_token: tuple[float, ...]
    repetitions: tuple[Repetition, ...]


@dataclass(frozen=True)
class Benched:
    """`pp` or `tg` is None where its number of tokens was 0."""

    pp: Speed | None
    tg: Speed | None
    threads: int
    load_seconds: float
    fingerprint: dict[str, Any]


def bench(request: Bench) -> Generator[Event, None, Benched]:
    """Measure pp, then tg, each in a context of its own."""
    return (yield from measure(request))


def measure(request: Bench, *, label: str = "") -> Generator[Event, None, Benched]:
    """The same; `label` is put behind the names of the series: "tg Q4_K_M"."""
    yield Phase("Loading the model")
    started = time.perf_counter()
    with llama.load(Path(request.model)) as model:
        loaded = time.perf_counter()
        random = np.random.default_rng(request.seed)
        pp = tg = None
        if request.n_prompt:
            yield Phase(f"Prompt processing, {request.n_prompt} tokens")
            with _context(model, request, request.n_prompt) as context:
                pp = yield from _repeat(
                    request,
                    context,
                    f"pp {label}".strip(),
                    request.n_prompt,
                    warm_up=lambda: _prompt(context, request, random),
                    run=lambda: _prompt(context, request, random),
                )
        if request.n_gen:
            yield Phase(f"Text generation, {request.n_gen} tokens")
            with _context(model, request, request.n_gen) as context:
                tg = yield from _repeat(
                    request,
                    context,
                    f"tg {label}".strip(),
                    request.n_gen,
                    warm_up=lambda: _generation(context, 1, random),
                    run=lambda: _generation(context, request.n_gen, random),
                )
    return Benched(
        pp=pp,
        tg=tg,
        threads=llama.threads_or_all(request.threads),
        load_seconds=loaded - started,
        fingerprint=fingerprint(),
    )


def _context(model: llama.Model, request: Bench, n_ctx: int) -> AbstractContextManager[Context]:
    return llama.context(
        model,
        n_ctx=n_ctx,
        n_batch=request.n_batch,
        n_ubatch=request.n_ubatch,
        threads=request.threads,
        flash_attention=request.flash_attention,
        type_k=request.type_k,
        type_v=request.type_v,
    )


def _repeat(
    request: Bench,
    context: Context,
    series: str,
    tokens: int,
    *,
    warm_up: Callable[[], None],
    run: Callable[[], None],
) -> Generator[Event, None, Speed]:
    context.clear(data=False)
    warm_up()
    repetitions = []
    for number in range(1, request.repetitions + 1):
        context.clear(data=False)
        began = time.time()
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        repetition = Repetition(began, time.perf_counter() - wall, time.process_time() - cpu)
        repetitions.append(repetition)
        yield Point(series, number, tokens / repetition.seconds)
        yield Progress(number, request.repetitions, "repetitions")
    return _speed(tokens, repetitions)


def _prompt(context: Context, request: Bench, random: np.random.Generator) -> None:
    """Decode a random prompt in batches; it begins with BOS where the model wants that."""
    for begin in range(0, request.n_prompt, request.n_batch):
        size = min(request.n_batch, request.n_prompt - begin)
        batch = Batch(size)
        batch.tokens[:] = random.integers(context.model.n_vocab, size=size)
        if begin == 0 and context.model.adds_bos:
            batch.tokens[0] = context.model.bos
        batch.positions[:] = begin + np.arange(size)
        batch.outputs[-1] = 1
        context.decode(batch)


def _generation(context: Context, n_gen: int, random: np.random.Generator) -> None:
    """Decode one random token after the other, as if each had just been sampled."""
    batch = Batch(1)
    batch.outputs[0] = 1
    tokens = random.integers(context.model.n_vocab, size=n_gen)
    if context.model.adds_bos:
        tokens[0] = context.model.bos
    for position, token in enumerate(tokens):
        batch.tokens[0] = token
        batch.positions[0] = position
        context.decode(batch)


def _speed(tokens: int, repetitions: list[Repetition]) -> Speed:
    samples = tuple(tokens / repetition.seconds for repetition in repetitions)
    mean = statistics.fmean(samples)
    stddev = statistics.stdev(samples) if len(samples) > 1 else 0.0
    return Speed(
        tokens=tokens,
        samples=samples,
        median=statistics.median(samples),
        mean=mean,
        stddev=stddev,
        cv=stddev / mean,
        unstable=stddev / mean > UNSTABLE,
        cpu_seconds_per_token=tuple(repetition.cpu_seconds / tokens for repetition in repetitions),
        repetitions=tuple(repetitions),
    )
