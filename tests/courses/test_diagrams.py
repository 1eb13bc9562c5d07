"""Diagrams: what an SVG file of the course may hold, and how it comes into a page."""

from pathlib import Path

import pytest
from django.test import Client

from courses import loading
from courses.diagrams import read_diagram
from courses.documents import CourseFileError

TOWER = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 200" width="640">
  <title>A tower</title>
  <desc>A base with walls on it.</desc>
  <rect class="box" x="10" y="10" width="20" height="20"/>
  <text class="mark" x="20" y="20">A</text>
  <text class="ink" x="20" y="60">Base &amp; walls</text>
</svg>
"""


@pytest.fixture
def tower(tmp_path: Path) -> Path:
    path = tmp_path / "tower.svg"
    path.write_text(TOWER)
    return path


def test_a_diagram_is_told_in_words_and_scales(tower: Path) -> None:
    diagram = read_diagram(tower)
    assert 'role="img" aria-labelledby="tower-title tower-desc"' in diagram.svg
    assert '<title id="tower-title">A tower</title>' in diagram.svg
    assert "width=" not in diagram.svg.partition(">")[0]
    assert "Base &amp; walls" in diagram.svg
    assert diagram.marks == {"A"}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("</svg>", "", 8, "this is not XML"),
        ("<title>A tower</title>", "", 1, "the diagram has no title"),
        ("A base with walls on it.", " ", 1, "the diagram has no desc"),
        ('viewBox="0 0 640 200"', 'viewBox="wide"', 1, "no SVG with a viewBox"),
        ("<rect ", '<rect style="fill:red" ', 4, "`style` is not allowed"),
        ("<rect ", '<rect fill="red" ', 4, "a fill is a colour"),
        ("<rect ", '<rect onclick="x()" ', 4, "`onclick` is not allowed"),
        ('class="box"', 'class="pretty"', 4, "there is no class 'pretty'"),
        ("<rect ", '<rect id="other" ', 4, "may meet another on a page"),
        ("</svg>", "<script>x()</script></svg>", 7, "there is no <script> in diagrams"),
        ("</svg>", '<use href="https://example.org/#a"/></svg>', 7, "only what is in it"),
        ("</svg>", "<image/></svg>", 7, "there is no <image> in diagrams"),
    ],
)
def test_what_a_diagram_may_not_hold_is_told_by_line(
    tower: Path, old: str, new: str, line: int, words: str
) -> None:
    tower.write_text(TOWER.replace(old, new, 1))
    with pytest.raises(CourseFileError, match=words) as raised:
        read_diagram(tower)
    assert raised.value.line == line


def test_a_reading_shows_its_diagram_with_a_caption(client: Client, db: None, files: Path) -> None:
    folder = files / "toys"
    (folder / "diagrams").mkdir()
    (folder / "diagrams" / "tower.svg").write_text(TOWER)
    reading = folder / "resources" / "02-blocks.md"
    text = reading.read_text()
    reading.write_text(
        text.replace("One, two, three.", "::: diagram tower\nA tower of *two* parts.\n:::")
    )
    loading.load(files)
    html = client.get("/resources/blocks/").content.decode()
    assert "<figcaption>\n<p>A tower of <em>two</em> parts.</p>" in html
    assert 'class="drawing"' in html
    # The drawing scrolls by itself on a phone, its caption does not.
    assert '<figure class="diagram"><div tabindex="0"><svg' in html


def test_a_changed_diagram_is_drawn_anew(client: Client, db: None, files: Path) -> None:
    test_a_reading_shows_its_diagram_with_a_caption(client, db, files)
    drawing = files / "toys" / "diagrams" / "tower.svg"
    drawing.write_text(TOWER.replace("Base &amp; walls", "Foundation"))
    assert loading.load(files).changed > 0
    assert "Foundation" in client.get("/resources/blocks/").content.decode()
    assert loading.load(files).changed == 0


def test_the_letters_of_a_question_must_be_those_of_its_diagram(db: None, files: Path) -> None:
    folder = files / "toys"
    (folder / "diagrams").mkdir()
    (folder / "diagrams" / "tower.svg").write_text(TOWER)
    quiz = folder / "quizzes" / "quiz-blocks.yaml"
    quiz.write_text(
        quiz.read_text()
        + """
  - key: parts
    type: label
    skill: sorting
    prompt: Name the parts.
    diagram: tower
    marks:
      - {mark: A, text: Base}
      - {mark: B, text: Walls}
      - {mark: C, text: Roof}
    explanation: From the ground up.
"""
    )
    with pytest.raises(CourseFileError, match="give it those of the question: A, B, C"):
        loading.load(files)
