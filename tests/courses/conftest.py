"""A course small enough to see through: two readings, a quiz of every type, a checkpoint."""

import shutil
from pathlib import Path

import pytest

from courses import loading

CONTENT = Path(__file__).parent / "content"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The course's files, to change at will."""
    return Path(shutil.copytree(CONTENT, tmp_path / "content"))


@pytest.fixture
def toys(db: None) -> loading.Loaded:
    """The course as it is, loaded."""
    return loading.load(CONTENT)
