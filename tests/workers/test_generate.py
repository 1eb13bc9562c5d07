"""Generating: the right tokens, the right probabilities, whole characters and no stop text."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.running import finish
from workers import generate, llama
from workers.errors import BadModelError, BadRequestError
from workers.events import Event, Phase, Token
from workers.generate import Generate, Generation, softmax
from workers.llama import Batch
from workers.requests import from_json
from workers.streaming import TextStream

PROMPT = "The fox sat by the river"


def run(model: Path, **options: Any) -> tuple[list[Event], Generation]:
    parameters = {"prompt": PROMPT, "n_predict": 12, "threads": 1, **options}
    return finish(generate.generate(Generate(model=str(model), **parameters)))


def test_at_temperature_zero_the_most_probable_token_comes_each_time(model: Path) -> None:
    _, result = run(model, temperature=0.0)
    with llama.load(model) as loaded, llama.context(loaded, n_ctx=64, n_batch=64) as context:
        tokens = loaded.tokenize(PROMPT, special=True).tolist()
        assert result.prompt_tokens == tuple(tokens)
        for step in result.steps:
            context.clear()
            batch = Batch(len(tokens))
            batch.tokens[:] = tokens
            batch.outputs[-1] = 1
            context.decode(batch)
            probabilities = softmax(context.logits(1)[0])
            # Batched and single decoding differ in the last bits only.
            assert probabilities[step.token] > probabilities.max() - 1e-3
            assert step.probability == pytest.approx(probabilities[step.token], rel=0.02)
            tokens.append(step.token)


def test_the_candidates_are_the_most_probable_tokens_best_first(model: Path) -> None:
    _, result = run(model, temperature=0.0, candidates=7)
    for step in result.steps:
        probabilities = [candidate.probability for candidate in step.candidates]
        assert len(probabilities) == 7
        assert probabilities == sorted(probabilities, reverse=True)
        assert step.candidates[0].token == step.token
        assert step.candidates[0].probability == step.probability
        assert all(candidate.text for candidate in step.candidates)


def test_the_events_are_the_result_as_it_comes(model: Path) -> None:
    events, result = run(model, seed=3)
    phases = [event.name for event in events if isinstance(event, Phase)]
    assert phases == ["Loading the model", "Reading the prompt", "Generating"]
    tokens = [event for event in events if isinstance(event, Token)]
    assert tuple(tokens) == result.steps
    assert "".join(token.text for token in tokens) == result.text
    assert [token.token for token in tokens] == list(result.tokens)
    assert result.stopped_by == "length"
    assert min(result.load_seconds, result.prompt_seconds, result.generation_seconds) > 0


def test_the_seed_decides(model: Path) -> None:
    options = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    first, again, other = (run(model, seed=seed, **options)[1].tokens for seed in (5, 5, 6))
    assert first == again != other


def test_generation_stops_at_the_stop_text_and_does_not_show_it(model: Path) -> None:
    _, whole = run(model, temperature=0.0, n_predict=30)
    stop = whole.text[6:9]
    events, result = run(model, temperature=0.0, n_predict=30, stop=(stop, "never said"))
    assert result.stopped_by == "stop text"
    assert result.text == whole.text[: whole.text.index(stop)]
    assert "".join(event.text for event in events if isinstance(event, Token)) == result.text


def test_a_full_context_ends_it(model: Path) -> None:
    _, result = run(model, n_ctx=256, n_predict=1000, temperature=0.0)
    assert result.stopped_by in ("full context", "end of text")
    assert len(result.prompt_tokens) + len(result.tokens) <= 257


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 1},
        {"top_p": 0.1},
        {"min_p": 0.9},
        {"typical_p": 0.5},
        {"top_n_sigma": 1.0},
        {"xtc_probability": 1.0, "xtc_threshold": 0.001},
        {"mirostat": 1},
        {"mirostat": 2, "mirostat_tau": 3.0, "mirostat_eta": 0.2},
        {"repeat_penalty": 2.0, "frequency_penalty": 1.0, "presence_penalty": 1.0},
        {"dry_multiplier": 0.8},
    ],
)
def test_every_sampler_can_be_used_and_is_repeatable(model: Path, options: Any) -> None:
    tokens = run(model, **options)[1].tokens
    assert len(tokens) == 12
    assert tokens == run(model, **options)[1].tokens


def test_top_k_of_one_is_greedy_and_a_penalty_avoids_repetition(model: Path) -> None:
    greedy = run(model, temperature=0.0, n_predict=40)[1].tokens
    assert run(model, top_k=1, n_predict=40)[1].tokens == greedy
    penalised = run(model, temperature=0.0, n_predict=40, repeat_penalty=5.0)[1].tokens
    assert len(set(penalised)) > len(set(greedy))


def test_it_says_whether_the_text_gives_the_same_tokens_again(model: Path) -> None:
    # A random model picks letters where a tokeniser would merge them into pairs.
    _, result = run(model, temperature=5.0, top_k=0, top_p=1.0, min_p=0.0, n_predict=40)
    with llama.load(model) as loaded:
        text = PROMPT + result.text
        again = loaded.tokenize(text, special=True).tolist()
    assert result.same_when_retokenized == (again == [*result.prompt_tokens, *result.tokens])
    assert not result.same_when_retokenized


def test_softmax_is_a_distribution() -> None:
    probabilities = softmax(np.array([1000.0, 1000.0, -1000.0], dtype=np.float32))
    assert probabilities.tolist() == [0.5, 0.5, 0.0]


def stream(pieces: list[bytes], stop: tuple[str, ...] = ()) -> tuple[list[Token], bool]:
    texts = TextStream(stop)
    given: list[Token] = []
    for number, piece in enumerate(pieces):
        given.extend(texts.add(Token(number, "", 1.0, ()), piece))
        if texts.stopped:
            break
    given.extend(texts.close())
    return given, texts.stopped


def test_a_character_of_several_tokens_is_shown_when_it_is_whole() -> None:
    llama_emoji = "🦙".encode()
    given, _ = stream([b"a ", llama_emoji[:1], llama_emoji[1:3], llama_emoji[3:], b"!"])
    assert [token.text for token in given] == ["a ", "", "", "🦙", "!"]


def test_a_broken_character_at_the_end_is_shown_as_such() -> None:
    given, _ = stream([b"a", "é".encode()[:1]])
    assert [token.text for token in given] == ["a", "\ufffd"]


def test_what_may_begin_a_stop_text_is_held_back() -> None:
    texts = TextStream(("</s>",))
    assert [token.text for token in texts.add(Token(0, "", 1.0, ()), b"hi <")] == []
    assert [token.text for token in texts.add(Token(1, "", 1.0, ()), b"b>")] == ["hi <", "b>"]
    assert [token.text for token in texts.add(Token(2, "", 1.0, ()), b"bye</")] == []
    assert [token.text for token in texts.add(Token(3, "", 1.0, ()), b"s> more")] == ["bye", ""]
    assert texts.stopped


@given(
    text=st.text(alphabet="abé🦙", max_size=30),
    cuts=st.sets(st.integers(1, 60)),
    stop=st.lists(st.text(alphabet="abé🦙", min_size=1, max_size=3), max_size=2),
)
@settings(deadline=None)
def test_however_the_text_is_cut_the_same_text_is_shown(
    text: str, cuts: set[int], stop: list[str]
) -> None:
    data = text.encode()
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(edges)]
    given, stopped = stream(pieces, tuple(stop))
    shown = "".join(token.text for token in given)
    found = [text.index(ending) for ending in stop if ending in text]
    assert stopped == bool(found)
    if not found:
        assert shown == text
    else:
        # Pieces decide which of two overlapping stop texts is seen first.
        assert text.startswith(shown)
        assert not any(ending in shown for ending in stop)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"temperature": -0.1}, "temperature must lie between 0.0 and 100.0, not -0.1"),
        ({"top_p": 1.5}, "top_p must lie between"),
        ({"seed": -1}, "seed must lie between"),
        ({"n_predict": 0}, "n_predict must lie between"),
        ({"mirostat": 3}, "mirostat must lie between"),
        ({"candidates": 1000}, "candidates must lie between"),
        ({"stop": [""]}, "A stop text must not be empty"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"temprature": 1.0}, "There is no parameter called temprature"),
    ],
)
def test_a_parameter_out_of_range_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        from_json(Generate, {"model": "m", "prompt": "p", **options})


def test_a_prompt_longer_than_the_context_is_refused(model: Path) -> None:
    with pytest.raises(BadRequestError, match="no room in a context of 4"):
        run(model, n_ctx=4)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_text("Shopping list: bread, milk")
    with pytest.raises(BadModelError, match=r"notes\.gguf is no GGUF file"):
        run(path)


def test_a_gguf_file_without_a_model_is_refused_with_llama_cpps_reason(
    tmp_path: Path, model: Path
) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(model.read_bytes().replace(b"llama.block_count", b"llama.block_cound"))
    with pytest.raises(BadModelError, match=r"cannot load other\.gguf: .*llama\.block_count"):
        run(path)
