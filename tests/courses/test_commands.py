"""loadcourse and checkcourse: what they say, and what they leave behind."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from courses.models import Module, Resource

pytestmark = pytest.mark.django_db


def run(command: str, files: Path) -> str:
    out = StringIO()
    call_command(command, str(files), stdout=out)
    return out.getvalue()


def change(files: Path, name: str, old: str, new: str) -> None:
    path = files / "toys" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_loadcourse_loads_and_says_how_much(files: Path) -> None:
    assert "4 files were new or changed" in run("loadcourse", files)
    assert "0 files were new or changed" in run("loadcourse", files)
    assert Resource.objects.count() == 2


def test_loadcourse_names_every_mistake_and_loads_nothing(files: Path) -> None:
    change(files, "resources/01-balls.md", "stars: 2", "stars: 7")
    change(files, "resources/02-blocks.md", "[quiz-blocks]", "[quiz-bricks]")
    with pytest.raises(CommandError, match=r"01-balls.md:9: .*\nNothing was loaded."):
        run("loadcourse", files)
    change(files, "resources/01-balls.md", "stars: 7", "stars: 2")
    with pytest.raises(CommandError, match=r"02-blocks.md:20: there is no activity 'quiz-bricks'"):
        run("loadcourse", files)
    assert not Module.objects.exists()


def test_checkcourse_counts_and_leaves_the_database_alone(files: Path) -> None:
    report = run("checkcourse", files)
    assert "2 resources" in report
    assert "4 questions" in report
    assert "1 planned activities:\n      lab-towers" in report
    assert not Module.objects.exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (
            "quizzes/quiz-blocks.yaml",
            "answer: n * t.bytes",
            "answer: n * t.bytes * 1e300 * 1e300",
            "cannot be computed",
        ),
        (
            "resources/02-blocks.md",
            "One, two, three.",
            "One [two](/resources/bals/).",
            r"02-blocks.md:50: /resources/bals/ is no page of the campus",
        ),
        (
            "resources/02-blocks.md",
            "One, two, three.",
            "One [two](#tower).",
            r"02-blocks.md:50: there is no heading for #tower",
        ),
        (
            "resources/02-blocks.md",
            "One, two, three.",
            "One [two](http://example.org/).",
            r"02-blocks.md:50: http://example.org/ is not encrypted",
        ),
        (
            "resources/02-blocks.md",
            "One, two, three.",
            "::: figure tower\nA tower.\n:::",
            r"02-blocks.md:50: there is no figure 'tower'",
        ),
        (
            "resources/02-blocks.md",
            "text: Tell blocks apart",
            "text: Count blocks",
            r"02-blocks.md:20: 'Count' cannot be earned by 'quiz-blocks': .* numbers alone",
        ),
        (
            "resources/02-blocks.md",
            "text: Tell blocks apart",
            "text: Implement a block",
            r"02-blocks.md:20: 'Implement' cannot be earned by 'quiz-blocks'; .* exercise or a lab",
        ),
        (
            "resources/02-blocks.md",
            "  - key: build\n",
            "".join(
                f"  - {{key: more-{n}, text: Say more, earned_by: [quiz-blocks]}}\n"
                for n in range(4)
            )
            + "  - key: build\n",
            r"02-blocks.md:24: 'quiz-blocks' earns more than 4 objectives",
        ),
        (
            "quizzes/quiz-blocks.yaml",
            ", misconception: It pushes.",
            "",
            r"quiz-blocks.yaml:31: choosing 'A strong wind' is wrong, and nothing says why",
        ),
        (
            "plan.yaml",
            "Their weight lies too high.",
            "See [there](/resources/bals/).",
            r"plan.yaml:\d+: /resources/bals/ is no page of the campus",
        ),
    ],
)
def test_checkcourse_finds_what_no_schema_sees(
    files: Path, name: str, old: str, new: str, words: str
) -> None:
    change(files, name, old, new)
    with pytest.raises(CommandError, match=words):
        run("checkcourse", files)


def test_the_report_names_what_answers_each_line_and_what_falls_short(files: Path) -> None:
    out = StringIO()
    call_command("checkcourse", str(files), "--report", stdout=out)
    report = out.getvalue()
    assert "SHORT   30 of 340  1b Fast path: 340 minutes" in report
    assert "SHORT    0 of   8  1b Modules to come" in report
    out = StringIO()
    call_command("checkcourse", str(files), "--json", stdout=out)
    lines = {line["asks"]: line for line in json.loads(out.getvalue())["lines"]}
    assert lines["Fast path: readings"]["items"] == ["blocks"]
    assert lines["Labs and exercises"]["later"] == ["Lab, Towers"]
    assert not lines["Labs and exercises"]["met"]


def test_numbers_alone_earn_what_is_calculated(files: Path) -> None:
    quiz = files / "toys" / "quizzes" / "numbers-blocks.yaml"
    quiz.write_text(
        "key: numbers-blocks\ntitle: Numbers\ndraw: 1\nminutes: 3\n"
        "pool: {skills: [counting], types: [numeric]}\n"
    )
    change(files, "resources/02-blocks.md", "text: Tell blocks apart", "text: Count blocks")
    change(
        files,
        "resources/02-blocks.md",
        "earned_by: [quiz-blocks]\n  - key: build",
        "earned_by: [numbers-blocks]\n  - key: build",
    )
    assert "2 quizzes" in run("checkcourse", files)


def test_links_that_lead_somewhere_are_fine(files: Path) -> None:
    change(
        files,
        "resources/02-blocks.md",
        "One, two, three.",
        "[a](#towers) [b](/resources/balls/) [c](/quizzes/quiz-blocks/) [d](/modules/toys/)"
        " [e](/checkpoints/building/) [f](/progress/) [g](https://example.org/)",
    )
    assert "2 resources" in run("checkcourse", files)
