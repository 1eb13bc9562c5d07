"""A small random model and a text, made once for all tests of the engine."""

from pathlib import Path

import pytest

from workers import random_model
from workers.random_model import Shape

SENTENCES = (
    "The fox sat by the river and counted nine stones.",
    "Mara asked how far the mill was, and nobody could say.",
    "Snow fell on the hills all night; by noon it had gone.",
    "Two lamps, one café and a bell that rings too late.",
)


@pytest.fixture(scope="session")
def shape() -> Shape:
    return Shape(n_layer=2, n_embd=256, n_ff=512, n_head=4, n_head_kv=2, n_vocab=600, n_ctx=256)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, shape: Shape) -> Path:
    path = tmp_path_factory.mktemp("models") / "random.gguf"
    random_model.write(path, shape, seed=1)
    return path


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    path.write_text("".join(f"{number} {line}\n" for number in range(12) for line in SENTENCES))
    return path
