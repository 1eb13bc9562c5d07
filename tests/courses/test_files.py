"""Every kind of mistake in a course file: its line, its remedy, and nothing is half loaded."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from courses import loading
from courses.documents import CourseFileError
from courses.models import Activity, Module, Skill

pytestmark = pytest.mark.django_db

BLOCKS = "resources/02-blocks.md"
BALLS = "resources/01-balls.md"
QUIZ = "quizzes/quiz-blocks.yaml"

MISTAKES = yaml.safe_load((Path(__file__).parent / "mistakes.yaml").read_text())


def change(files: Path, name: str, old: str, new: str) -> Path:
    path = files / "toys" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["mistake"])
def test_a_mistake_has_file_line_and_remedy(files: Path, mistake: dict[str, Any]) -> None:
    path = change(files, mistake["file"], mistake["old"], mistake["new"])
    with pytest.raises(CourseFileError) as raised:
        loading.load(files)
    message = str(raised.value).splitlines()[0]
    assert message.startswith(f"{path}:{mistake['line']}: "), message
    assert mistake["says"] in message
    assert not Module.objects.exists()
    assert not Skill.objects.exists()


@pytest.mark.parametrize(
    ("pool", "line", "words"),
    [
        ("pool: {skills: [countin, counting]}", 5, "there is no skill 'countin'"),
        ("pool: {skills: [handling, counting]}", 5, "'handling' is made of other skills"),
        ("pool: {skills: [counting], types: [code]}", 3, "from the pool's 0; draw fewer"),
        ("pool: {skills: [counting], types: [sorting]}", 5, "`types` cannot be 'sorting'"),
        ("", 1, "a quiz has either `questions` or a `pool`; give it one"),
    ],
)
def test_a_quiz_that_could_not_draw_is_a_mistake(
    files: Path, pool: str, line: int, words: str
) -> None:
    change(files, "skills.yaml", "- key: sorting", "- key: handling\n  title: All\n- key: sorting")
    change(files, "skills.yaml", "in order", "in order\n  part_of: [handling]")
    change(files, QUIZ, "skills: [counting, sorting]", "skills: [counting]")
    path = files / "toys/quizzes/gate.yaml"
    path.write_text(f"key: gate\ntitle: Gate\ndraw: 3\nminutes: 5\n{pool}\n")
    with pytest.raises(CourseFileError) as raised:
        loading.load(files)
    message = str(raised.value).splitlines()[0]
    assert message.startswith(f"{path}:{line}: "), message
    assert words in message


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("[quiz-blocks]", "[quiz-bricks]", 20, "no activity 'quiz-bricks'; write 'quiz-blocks'"),
        ("activity: quiz-blocks", "activity: quiz-bloks", 29, "there is no activity 'quiz-bloks'"),
    ],
)
def test_an_activity_that_is_named_must_exist(
    files: Path, old: str, new: str, line: int, words: str
) -> None:
    path = change(files, BLOCKS, old, new)
    loaded = loading.load(files)
    with pytest.raises(CourseFileError) as raised:
        loading.check_references(loaded)
    assert str(raised.value).startswith(f"{path}:{line}: ")
    assert words in str(raised.value)


def test_what_is_there_is_no_longer_planned(files: Path) -> None:
    path = change(files, "planned.yaml", "key: lab-towers", "key: quiz-blocks")
    loaded = loading.load(files)
    assert Activity.objects.get(key="quiz-blocks").is_open
    with pytest.raises(CourseFileError) as raised:
        loading.check_references(loaded)
    assert f"{path}:1: 'quiz-blocks' is no longer planned" in str(raised.value)


def test_text_that_is_not_utf_8_is_told_by_line(files: Path) -> None:
    path = files / "toys" / BALLS
    path.write_bytes(path.read_bytes().replace(b"A ball rolls.", b"Ein Ball h\xe4lt."))
    with pytest.raises(CourseFileError, match="UTF-8") as raised:
        loading.load(files)
    assert raised.value.line == 19


def test_an_empty_file_is_a_mistake(files: Path) -> None:
    (files / "toys" / "skills.yaml").write_text("# later\n")
    with pytest.raises(CourseFileError, match="there is nothing here"):
        loading.load(files)


def test_two_resources_cannot_share_a_key(files: Path) -> None:
    resources = files / "toys" / "resources"
    (resources / "03-balls.md").write_text((resources / "01-balls.md").read_text())
    with pytest.raises(CourseFileError, match=r"03-balls.md:2: .*has the key 'balls' already"):
        loading.load(files)


def test_a_folder_without_a_course_says_so(tmp_path: Path) -> None:
    with pytest.raises(CourseFileError, match="there is no course here"):
        loading.load(tmp_path)


def test_all_mistakes_are_told_at_once_in_order(files: Path) -> None:
    change(files, QUIZ, "draw: 4", "draw: 9")
    change(files, BALLS, "stars: 2", "stars: 9")
    change(files, BALLS, "type: guide", "type: film")
    with pytest.raises(CourseFileError) as raised:
        loading.load(files)
    places = [f"{mistake.path.name}:{mistake.line}" for mistake in raised.value]
    assert places == ["quiz-blocks.yaml:4", "01-balls.md:4", "01-balls.md:9"]
