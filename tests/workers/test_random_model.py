"""Random models: the same bytes for a seed, any sensible shape, any text."""

from pathlib import Path

import pytest

from workers import gguf_file, llama, random_model
from workers.errors import BadRequestError
from workers.random_model import Shape


def test_same_shape_and_seed_give_the_same_bytes(tmp_path: Path, shape: Shape, model: Path) -> None:
    again, other = tmp_path / "again.gguf", tmp_path / "other.gguf"
    random_model.write(again, shape, seed=1)
    random_model.write(other, shape, seed=2)
    assert again.read_bytes() == model.read_bytes()
    assert other.read_bytes() != model.read_bytes()


def test_the_parameters_are_those_of_the_tensors(shape: Shape, model: Path) -> None:
    file = gguf_file.read(model)
    assert shape.parameters == sum(tensor.elements for tensor in file.tensors)
    assert file.get("llama.block_count") == shape.n_layer
    assert file.get("llama.attention.head_count_kv") == shape.n_head_kv


def test_any_text_can_be_tokenised_and_comes_back(model: Path) -> None:
    with llama.load(model) as loaded:
        for text in ("The café at noon", "naïve 東京 🦙", "tabs\tand\nlines"):
            tokens = loaded.tokenize(text, special=True)
            assert tokens[0] == loaded.bos
            assert loaded.detokenize(tokens.tolist()).strip() == text


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"n_layer": 0}, "n_layer must lie between 1 and 256"),
        ({"n_vocab": 100}, "n_vocab must lie between"),
        ({"n_embd": 250}, "must split into 8 heads"),
        ({"n_head": 8, "n_head_kv": 3}, "must be a multiple of n_head_kv 3"),
        ({"n_layer": 256, "n_embd": 16_384, "n_ff": 65_536}, "parameters; 2000000000 are allowed"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(wrong: dict[str, int], complaint: str) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        Shape(**wrong)
