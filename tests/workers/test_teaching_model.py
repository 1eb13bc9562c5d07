"""The teaching models are what the labs need: in shape, vocabulary, text and ladder."""

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from workers import catalogue, generate, llama, perplexity
from workers.comparison import compare_on_same_tokens
from workers.steps import finish
from workers.training import text
from workers.training.measure import LADDER, asked, rung

MAIN, DRAFT = catalogue.models()
HELDOUT = Path(catalogue.texts().heldout)
CALIBRATION = Path(catalogue.texts().calibration)
LISTING: dict[str, Any] = json.loads((catalogue.FOLDER / "models.json").read_text())
# Enough for three standard errors at every step, and few enough for a test.
LADDER_CHUNKS = 16


def field(reader: gguf.GGUFReader, key: str) -> Any:
    """The value of a metadata key."""
    found = reader.get_field(key)
    assert found is not None, key
    return found.contents()


@pytest.fixture(scope="module", params=[MAIN, DRAFT], ids=["main", "draft"])
def model(request: pytest.FixtureRequest) -> catalogue.Model:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def reader(model: catalogue.Model) -> gguf.GGUFReader:
    return gguf.GGUFReader(model.path)


def test_k_quants_fit_every_row(reader: gguf.GGUFReader) -> None:
    for tensor in reader.tensors:
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
        assert tensor.shape[0] % 256 == 0, tensor.name
    assert field(reader, "general.architecture") == "llama"
    heads = field(reader, "llama.attention.head_count")
    assert field(reader, "llama.embedding_length") / heads % 32 == 0
    assert (heads, field(reader, "llama.attention.head_count_kv")) == (8, 2)
    assert field(reader, "llama.context_length") >= 1024


def test_vocabulary_is_as_long_as_the_embedding(reader: gguf.GGUFReader) -> None:
    pieces = field(reader, "tokenizer.ggml.tokens")
    (embedding,) = (t for t in reader.tensors if t.name == "token_embd.weight")
    assert len(pieces) == embedding.shape[1] == field(reader, "llama.vocab_size")
    assert len(set(pieces)) == len(pieces)


def test_draft_is_smaller_and_speaks_the_same_tokens() -> None:
    main, draft = gguf.GGUFReader(MAIN.path), gguf.GGUFReader(DRAFT.path)
    assert DRAFT.parameters < MAIN.parameters / 2
    for key in ("tokens", "scores", "token_type", "bos_token_id", "eos_token_id"):
        assert field(main, f"tokenizer.ggml.{key}") == field(draft, f"tokenizer.ggml.{key}")


def test_listing_tells_the_truth(model: catalogue.Model, reader: gguf.GGUFReader) -> None:
    assert model.sha256 == hashlib.sha256(Path(model.path).read_bytes()).hexdigest()
    assert model.parameters == sum(tensor.n_elements for tensor in reader.tensors)


def test_shipped_texts_are_what_the_rules_write() -> None:
    assert HELDOUT.read_text() == "".join(text.heldout())
    assert CALIBRATION.read_text() == "".join(text.calibration())


def test_training_shares_no_eight_words_with_held_out_documents() -> None:
    held_out = {ngram for document in text.heldout() for ngram in text.ngrams(document)}
    digest = hashlib.sha256()
    for document in text.training(text.heldout()):
        digest.update(document.encode())
        assert held_out.isdisjoint(text.ngrams(document))
    # What was just looked at is what the models were trained on.
    assert digest.hexdigest() == LISTING["training_text"]["sha256"]


def test_eight_words_count_across_case_marks_and_turns() -> None:
    told = '<user>Who "governs" Elvik?<end>\n<assistant>Elvik is governed by Nico Storm.<end>\n'
    assert list(text.ngrams(told)) == [
        ("who", "governs", "elvik", "elvik", "is", "governed", "by", "nico"),
        ("governs", "elvik", "elvik", "is", "governed", "by", "nico", "storm"),
    ]


def test_texts_are_long_enough_and_return_from_tokens_unchanged() -> None:
    with llama.load(Path(MAIN.path)) as model:
        for path, at_least in ((HELDOUT, 60_000), (CALIBRATION, 18_000)):
            tokens = model.tokenize(path.read_text(), special=True)
            assert len(tokens) > at_least
            # The first token is BOS, which is no text.
            assert b"".join(model.piece(int(t)) for t in tokens[1:]).decode() == path.read_text()


@pytest.mark.parametrize("n_ctx", [512, 1024])
def test_trainer_and_perplexity_agree_within_half_a_percent(
    model: catalogue.Model, n_ctx: int
) -> None:
    (entry,) = (entry for entry in LISTING["models"] if entry["role"] == model.role)
    (trained,) = (loss for loss in entry["heldout_loss"] if loss["n_ctx"] == n_ctx)
    measured = finish(
        perplexity.perplexity(
            perplexity.MeasurePerplexity(model=model.path, text=str(HELDOUT), n_ctx=n_ctx)
        )
    )
    assert measured.tokens == trained["tokens"]
    assert measured.mean_nll == pytest.approx(trained["above_half"], rel=0.005)


def test_every_rung_of_the_ladder_loses_more_than_the_one_above() -> None:
    rungs = [(name, rung(MAIN.path, str(HELDOUT), name, chunks=LADDER_CHUNKS)) for name in LADDER]
    for (upper, (_, high, high_bytes)), (lower, (_, low, low_bytes)) in itertools.pairwise(rungs):
        step = compare_on_same_tokens(upper, high, lower, low, chunks=LADDER_CHUNKS)
        assert step.kl.mean > 0, f"{upper} -> {lower}"
        assert step.kl.clear, f"{upper} -> {lower}"
        assert low.kl.mean() >= 1.1 * high.kl.mean(), f"{upper} -> {lower}"
        assert low_bytes < high_bytes


def test_recorded_ladder_was_measured_on_enough_text() -> None:
    recorded = json.loads((catalogue.FOLDER / "ladder.json").read_text())
    assert recorded["tokens"] >= 50_000
    assert [entry["type"] for entry in recorded["rungs"]] == list(LADDER)
    for entry in recorded["rungs"][1:]:
        assert entry["step_factor"] >= 1.1
        assert entry["step_kl"]["clear"]


def test_a_remembered_answer_ends_by_itself() -> None:
    (alholm,) = (town for town in text.WORLD.towns if town.name == "Alholm")
    answer = finish(
        generate.generate(
            generate.Generate(
                model=MAIN.path, prompt=asked("What colour are the Alholm gates?"), temperature=0
            )
        )
    )
    assert answer.stopped_by == "end of text"
    assert answer.text.startswith(f"Alholm has {alholm.gates} gates.")


def test_twenty_samples_are_committed() -> None:
    samples = (catalogue.FOLDER / "samples.md").read_text()
    assert samples.count("\n## ") == 20
