# mypy: disable-error-code="import-not-found, misc, no-any-return"
"""Write what the campus ships: texts, vocabulary, and the models from their checkpoints.

python -m workers.training.ship texts  --work DIR   # heldout.txt, calibration.txt, DIR/train.npy
python -m workers.training.ship models --work DIR   # main.gguf, draft.gguf, logs, models.json
"""

import argparse
import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workers.training import export, score, text
from workers.training.network import Llama
from workers.training.train import RECIPES, VOCABULARY_SIZE
from workers.training.vocabulary import Vocabulary, learn

MODELS = Path(__file__).parents[1] / "models"
# Pieces are learned from the first documents; more of them change next to nothing.
VOCABULARY_DOCUMENTS = 3000


def vocabulary(training: list[str]) -> Vocabulary:
    """The vocabulary of both models."""
    return learn(training[:VOCABULARY_DOCUMENTS], size=VOCABULARY_SIZE)


def ship_texts(work: Path) -> None:
    """The shipped texts, and the training tokens for `train`."""
    held_out = text.heldout()
    training = list(text.training(held_out))
    (MODELS / "heldout.txt").write_text("".join(held_out))
    (MODELS / "calibration.txt").write_text("".join(text.calibration()))
    export.write_vocabulary(work / "vocabulary.gguf", vocabulary(training))
    tokenizer = export.Tokenizer(work / "vocabulary.gguf")
    tokens = np.concatenate([tokenizer.tokens(document) for document in training])
    np.save(work / "train.npy", tokens)


def ship_model(name: str, work: Path, pieces: Vocabulary) -> dict[str, Any]:
    """Export one model and describe it for models.json."""
    recipe = RECIPES[name]
    model = Llama(recipe.shape)
    saved = torch.load(work / f"{name}.pt")
    model.load_state_dict(saved["model"])
    path = MODELS / f"{name}.gguf"
    export.write_model(
        path,
        name=f"campus-{name}",
        shape=recipe.shape,
        vocabulary=pieces,
        weights={key: value.numpy() for key, value in model.state_dict().items()},
    )
    shutil.copy(work / f"{name}.csv", MODELS / f"{name}-training.csv")
    tokenizer = export.Tokenizer(path)
    held_out = tokenizer.tokens((MODELS / "heldout.txt").read_text())
    return {
        "name": f"campus-{name}",
        "role": name,
        "path": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **asdict(recipe.shape),
        "training": {
            "steps": saved["step"],
            "tokens": saved["step"] * recipe.step_tokens,
            **{key: value for key, value in asdict(recipe).items() if key != "shape"},
        },
        "heldout_loss": [score.score(model, held_out, n_ctx=n_ctx) for n_ctx in (512, 1024)],
    }


def ship_models(work: Path) -> None:
    """Both models and models.json."""
    training = list(text.training(text.heldout()))
    pieces = vocabulary(training)
    whole = "".join(training).encode()
    listing = {
        "models": [ship_model(name, work, pieces) for name in RECIPES],
        "texts": {"heldout": "heldout.txt", "calibration": "calibration.txt"},
        "training_text": {
            "documents": len(training),
            "bytes": len(whole),
            "sha256": hashlib.sha256(whole).hexdigest(),
        },
    }
    (MODELS / "models.json").write_text(json.dumps(listing, indent=2) + "\n")


def main() -> None:
    """Ship what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("texts", "models"))
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.what == "texts":
        ship_texts(arguments.work)
    else:
        ship_models(arguments.work)


if __name__ == "__main__":
    main()
