"""The README's example of a lab kind is the one that the tests run."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_shows_the_tested_kind_in_under_sixty_lines() -> None:
    example = (ROOT / "tests" / "napping" / "nap.py").read_text()
    assert example in (ROOT / "README.md").read_text()
    assert len(example.splitlines()) < 60
