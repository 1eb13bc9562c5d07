"""The teaching models and texts that the campus brings, listed in models/models.json."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.errors import EngineError

FOLDER = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Model:
    """A teaching model. `path` is absolute on this machine; `role` is "main" or "draft".

    `logits_tolerance` is how far the logits of a forward pass may differ from llama.cpp's.
    """

    name: str
    role: str
    path: str
    sha256: str
    parameters: int
    logits_tolerance: float


@dataclass(frozen=True)
class Texts:
    """Absolute paths of the texts for perplexity and for importance matrices."""

    heldout: str
    calibration: str


def models(folder: Path = FOLDER) -> tuple[Model, ...]:
    """Every teaching model, the main one first."""
    listed = (
        Model(
            name=entry["name"],
            role=entry["role"],
            path=str((folder / entry["path"]).resolve()),
            sha256=entry["sha256"],
            parameters=entry["parameters"],
            logits_tolerance=entry["logits"]["tolerance"],
        )
        for entry in _listing(folder)["models"]
    )
    return tuple(sorted(listed, key=lambda model: model.role != "main"))


def main_model(folder: Path = FOLDER) -> Model:
    """The model that the labs use."""
    return models(folder)[0]


def texts(folder: Path = FOLDER) -> Texts:
    """The texts beside the models."""
    entries = _listing(folder)["texts"]
    return Texts(
        heldout=str((folder / entries["heldout"]).resolve()),
        calibration=str((folder / entries["calibration"]).resolve()),
    )


def _listing(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "models.json").read_text())  # type: ignore[no-any-return]
    except FileNotFoundError as error:
        raise EngineError("The teaching models are not installed here.") from error
