"""The kind `generate`: text token by token, with what else could have come at every step."""

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from workers import llama
from workers.errors import BadRequestError
from workers.events import Candidate, Event, Phase, Token
from workers.llama import Batch, Context, Model, Tokens
from workers.sampling import Sampling, sampler_chain
from workers.streaming import TextStream

N_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class Generate(Sampling):
    """Continue `prompt` by up to `n_predict` tokens, or to a stop text or the end of the text.

    `n_ctx` 0 makes the context as long as prompt and prediction need. `candidates` is how many
    of the most probable tokens are reported at every step.
    """

    model: str
    prompt: str
    n_predict: int = 64
    stop: tuple[str, ...] = ()
    n_ctx: int = 0
    threads: int = 0
    candidates: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        llama.check_threads(self.threads)
        for name, low, high in (
            ("n_predict", 1, 32_768),
            ("n_ctx", 0, 1_048_576),
            ("candidates", 1, 100),
        ):
            if not low <= getattr(self, name) <= high:
                raise BadRequestError(
                    f"{name} must lie between {low} and {high}, not {getattr(self, name)}."
                )
        if not all(self.stop):
            raise BadRequestError("A stop text must not be empty.")


@dataclass(frozen=True)
class Generation:
    """What was generated; times in seconds of the wall clock.

    `stopped_by` is "length", "stop text", "end of text" or "full context". The first token comes
    out of the prompt's pass, so `generation_seconds` covers the passes after it.
    `same_when_retokenized`: whether tokenising the whole text again gives the very same ids.
    """

    text: str
    stopped_by: str
    prompt_tokens: tuple[int, ...]
    tokens: tuple[int, ...]
    steps: tuple[Token, ...]
    same_when_retokenized: bool
    load_seconds: float
    prompt_seconds: float
    generation_seconds: float
    prompt_tokens_per_second: float
    generation_tokens_per_second: float


def generate(request: Generate) -> Generator[Event, None, Generation]:
    """Load the model, read the prompt, then sample and decode one token at a time."""
    yield Phase("Loading the model")
    started = time.perf_counter()
    with llama.load(Path(request.model)) as model:
        prompt = model.tokenize(request.prompt, special=True)
        n_ctx = _context_size(request, model, len(prompt))
        with llama.context(model, n_ctx=n_ctx, n_batch=N_BATCH, threads=request.threads) as context:
            loaded = time.perf_counter()
            yield Phase("Reading the prompt")
            read_prompt(context, prompt)
            prompt_read = time.perf_counter()
            yield Phase("Generating")
            steps, stopped_by = yield from _continue(request, context, prompt, n_ctx)
            finished = time.perf_counter()
        tokens = [step.token for step in steps]
        # The end-of-text token is no text.
        spoken = tokens[:-1] if stopped_by == "end of text" else tokens
        text = request.prompt + b"".join(model.piece(token) for token in spoken).decode(
            errors="replace"
        )
        again = model.tokenize(text, special=True)
        same = again.tolist() == [*prompt.tolist(), *spoken]
    generation_seconds = finished - prompt_read
    return Generation(
        text="".join(step.text for step in steps),
        stopped_by=stopped_by,
        prompt_tokens=tuple(prompt.tolist()),
        tokens=tuple(tokens),
        steps=tuple(steps),
        same_when_retokenized=same,
        load_seconds=loaded - started,
        prompt_seconds=prompt_read - loaded,
        generation_seconds=generation_seconds,
        prompt_tokens_per_second=len(prompt) / (prompt_read - loaded),
        generation_tokens_per_second=(len(tokens) - 1) / generation_seconds,
    )


def _context_size(request: Generate, model: Model, n_prompt: int) -> int:
    if not n_prompt:
        raise BadRequestError("The prompt is empty, and this model has no token to begin with.")
    n_ctx = request.n_ctx or min(n_prompt + request.n_predict, max(model.n_ctx_train, n_prompt + 1))
    if n_prompt >= n_ctx:
        raise BadRequestError(
            f"The prompt has {n_prompt} tokens, which leaves no room in a context of {n_ctx}."
        )
    return n_ctx


def read_prompt(context: Context, prompt: Tokens) -> None:
    """Decode the prompt in batches; the logits of its last token are ready afterwards."""
    batch = Batch(min(N_BATCH, len(prompt)))
    for begin in range(0, len(prompt), N_BATCH):
        part = prompt[begin : begin + N_BATCH]
        batch.use(len(part))
        batch.tokens[: len(part)] = part
        batch.positions[: len(part)] = begin + np.arange(len(part))
        batch.outputs[len(part) - 1] = begin + len(part) == len(prompt)
        context.decode(batch)


def _continue(
    request: Generate, context: Context, prompt: Tokens, n_ctx: int
) -> Generator[Event, None, tuple[list[Token], str]]:
    """Sample and decode until something stops it. Returns the steps and what stopped it."""
    model = context.model
    stream = TextStream(request.stop)
    steps: list[Token] = []
    batch = Batch(1)
    batch.outputs[0] = 1
    stopped_by = "length"
    with sampler_chain(request, model) as chain:
        for token in prompt:
            llama_cpp.llama_sampler_accept(chain, int(token))
        for step in range(request.n_predict):
            probabilities = softmax(context.logits(1)[0])
            token = llama_cpp.llama_sampler_sample(chain, context.pointer, -1)
            best = _candidates(model, probabilities, request.candidates)
            for event in stream.add(
                Token(token, "", float(probabilities[token]), best), model.piece(token)
            ):
                steps.append(event)
                yield event
            if stream.stopped:
                stopped_by = "stop text"
            elif model.ends_generation(token):
                stopped_by = "end of text"
            elif len(prompt) + step >= n_ctx:
                stopped_by = "full context"
            elif step + 1 < request.n_predict:
                batch.tokens[0] = token
                batch.positions[0] = len(prompt) + step
                context.decode(batch)
                continue
            break
    for event in stream.close():
        steps.append(event)
        yield event
    return steps, stopped_by


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of raw logits, (n_vocab,), in double precision."""
    exponentials: NDArray[np.float64] = np.exp(logits.astype(np.float64) - logits.max())
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum()
    return probabilities


def _candidates(
    model: Model, probabilities: NDArray[np.float64], count: int
) -> tuple[Candidate, ...]:
    """The `count` most probable tokens, best first; of equals the lower id first."""
    count = min(count, len(probabilities))
    best = np.argpartition(-probabilities, count - 1)[:count]
    best = best[np.lexsort((best, -probabilities[best]))]
    return tuple(
        Candidate(int(token), shown(model.piece(int(token), special=True)), float(probability))
        for token, probability in zip(best, probabilities[best], strict=True)
    )


def shown(piece: bytes) -> str:
    """A token's text; one that is no whole UTF-8 shows its bytes, such as "<0xE2>"."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "".join(f"<0x{byte:02X}>" for byte in piece)
