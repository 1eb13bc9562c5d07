"""What must hold of a course beyond its schema: questions answer themselves, links lead on."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.contrib.staticfiles import finders
from django.urls import Resolver404, resolve

from courses.documents import CourseFileError, Document
from courses.files import Folder, read_course
from courses.markdown import render
from courses.models import Activity, Checkpoint, Module, Quiz, Resource
from courses.questions import AnyQuestion
from courses.questions.base import WrongFormError
from courses.questions.multiple import Multiple
from courses.questions.single import Single
from courses.rendering import Renderer
from courses.schema import Quiz as QuizContent
from courses.schema import Resource as ResourceContent

SEEDS = 20
MOST_PLANNED = 20
MOST_EARNED = 4
NUMBERS = {"numeric", "code"}
CALCULATING = {"Calculate", "Compute", "Count"}
# How the keys of activities begin in which something is made or measured.
DOING = ("exercise-", "lab-")
LINK = re.compile(r'href="([^"]*)"')
ANCHOR = re.compile(r'id="([^"]*)"')
PAGES = {
    "module": Module,
    "resource": Resource,
    "quiz": Quiz,
    "checkpoint": Checkpoint,
}


def check(path: Path) -> None:
    """Check the course that has just been loaded from `path`.

    Raises CourseFileError with every mistake.
    """
    folders = read_course(path)
    mistakes = [
        *_questions(folders),
        *_misconceptions(folders),
        *_objectives(folders),
        *_figures(folders),
        *_links(folders),
        *_planned(folders),
    ]
    if mistakes:
        raise CourseFileError.of(mistakes)


def _questions(folders: list[Folder]) -> Iterator[CourseFileError]:
    for folder in folders:
        for file in folder.quizzes:
            for index, question in enumerate(file.content.questions):
                for problem in answers_itself(question):
                    yield file.document.mistake(
                        ("questions", index),
                        f"{question.key!r} does not answer itself: {problem}",
                        "look at its answer, its tolerance and what is drawn",
                    )


def answers_itself(question: AnyQuestion) -> Iterator[str]:
    """What goes wrong when the right and a wrong answer are given, for some seeds."""
    html = question.rendered()
    for seed in map(str, range(SEEDS)):
        right, wrong = question.right(seed), question.wrong(seed)
        try:
            question.check(right)
            question.check(wrong)
        except WrongFormError as error:
            yield f"its own answer is of the wrong form ({error})"
            return
        score = question.grade(html, seed, right).score
        if score != 1.0:
            yield f"with seed {seed} the right answer scores {score:.0%}"
            return
        score = question.grade(html, seed, wrong).score
        if score >= 1.0:
            yield f"with seed {seed} a wrong answer scores {score:.0%}"
            return


def _misconceptions(folders: list[Folder]) -> Iterator[CourseFileError]:
    for folder in folders:
        for file in folder.quizzes:
            for index, question in enumerate(file.content.questions):
                if not isinstance(question, Single | Multiple):
                    continue
                for place, choice in enumerate(question.choices):
                    if not choice.correct and not choice.misconception:
                        yield file.document.mistake(
                            ("questions", index, "choices", place),
                            f"choosing {choice.text!r} is wrong, and nothing says why",
                            "add its `misconception`",
                        )


def _objectives(folders: list[Folder]) -> Iterator[CourseFileError]:
    """What begins with "Calculate" is earned by numbers, "Implement" by doing it."""
    numbers_alone = {
        file.content.key
        for folder in folders
        for file in folder.quizzes
        if _types(file.content) <= NUMBERS
    }
    earning: dict[str, int] = {}
    for folder in folders:
        for file in folder.resources:
            for index, objective in enumerate(file.content.objectives):
                verb = objective.text.partition(" ")[0]
                for number, key in enumerate(objective.earned_by):
                    where = ("objectives", index, "earned_by", number)
                    earning[key] = earning.get(key, 0) + 1
                    done = key.startswith(DOING)
                    if verb in CALCULATING and not done and key not in numbers_alone:
                        yield file.document.mistake(
                            where,
                            f"{verb!r} cannot be earned by {key!r}: it asks not for numbers alone",
                            "name a lab, an exercise or a quiz of numbers alone",
                        )
                    if verb == "Implement" and not done:
                        yield file.document.mistake(
                            where,
                            f"{verb!r} cannot be earned by {key!r}",
                            "name an exercise or a lab",
                        )
                    if earning[key] > MOST_EARNED:
                        yield file.document.mistake(
                            where,
                            f"{key!r} earns more than {MOST_EARNED} objectives",
                            "let another activity earn this one",
                        )


def _types(quiz: QuizContent) -> set[str]:
    """The types of question that an attempt may draw."""
    if quiz.pool:
        return set(quiz.pool.types) or {"any"}
    return {question.type for question in quiz.questions}


def _figures(folders: list[Folder]) -> Iterator[CourseFileError]:
    for folder in folders:
        for file in folder.resources:
            for name in re.findall(r"^::: figure (\S+)", file.document.body, re.MULTILINE):
                if finders.find(f"js/figures/{name}.js") is None or not _is_page(
                    f"/figures/{name}.json"
                ):
                    yield file.document.mistake_near(
                        f"::: figure {name}",
                        f"there is no figure {name!r}",
                        "look at static/js/figures for its name",
                    )


def _is_page(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _links(folders: list[Folder]) -> Iterator[CourseFileError]:
    renderer = Renderer.of_database()
    for folder in folders:
        for resource in folder.resources:
            html = "".join(texts(resource.content, resource.document.body, renderer))
            anchors = set(ANCHOR.findall(html))
            for link in LINK.findall(html):
                yield from _link(resource.document, link, anchors)
        for quiz in folder.quizzes:
            for question in quiz.content.questions:
                for link in LINK.findall(render(question.prompt) + render(question.explanation)):
                    yield from _link(quiz.document, link, set())
        for document, text in _further_texts(folder):
            for link in LINK.findall(render(text)):
                yield from _link(document, link, set())


def _further_texts(folder: Folder) -> Iterator[tuple[Document, str]]:
    """The texts of lists, plan and checkpoints, each with its file."""
    for term in folder.terms:
        yield term.document, f"{term.content.definition}\n\n{term.content.fact or ''}"
    for advanced in folder.advanced:
        yield advanced.document, advanced.content.why
    for pitfall in folder.pitfalls:
        for text in (pitfall.content.problem, pitfall.content.nudge, *pitfall.content.advice):
            yield pitfall.document, text
    if folder.plan:
        for week in folder.plan.content.weeks:
            for question in week.questions:
                yield folder.plan.document, f"{question.text}\n\n{question.answer}"
    for file in folder.checkpoints:
        yield file.document, file.content.summary
        if teach_back := file.content.teach_back:
            yield file.document, f"{teach_back.prompt}\n\n{teach_back.model_answer}"


def texts(content: ResourceContent, body: str, renderer: Renderer) -> Iterator[str]:
    """Every text of a resource as HTML, its summary first. Raises MarkdownError."""
    own = renderer.fresh()
    yield own.page(body, calculators=content.calculators).html
    yield own.block(content.why)
    yield own.block(content.exercise or "")
    for text in (
        *(section.note for section in content.sections),
        *(objective.text for objective in content.objectives),
        *content.applications,
        *content.discussion,
        *content.connection,
        *(part for each in content.corrections for part in (each.original, each.fact)),
    ):
        yield own.inline(text)


def _link(document: Document, link: str, anchors: set[str]) -> Iterator[CourseFileError]:
    if link.startswith("http://"):
        yield document.mistake_near(link, f"{link} is not encrypted", "write https://")
    elif link.startswith("#") and link[1:] not in anchors:
        yield document.mistake_near(
            link, f"there is no heading for {link} on this page", "link to one of its headings"
        )
    elif link.startswith("/") and not _leads_somewhere(link):
        yield document.mistake_near(
            link, f"{link} is no page of the campus", "look at the key of what it should show"
        )


def _leads_somewhere(link: str) -> bool:
    path = link.partition("#")[0]
    try:
        match = resolve(path)
    except Resolver404:
        return False
    if match.namespace == "courses" and (model := PAGES.get(match.url_name or "")):
        return model._default_manager.filter(key=match.kwargs["key"], retired=False).exists()
    if match.namespace == "labs" and match.url_name in {"lab", "exercise"}:
        return any(item.is_open for item in Activity.objects.filter(url=path))
    return True


def _planned(folders: list[Folder]) -> Iterator[CourseFileError]:
    planned = [item for folder in folders for item in folder.planned]
    for item in planned[MOST_PLANNED:]:
        yield item.document.mistake(
            (item.index,),
            f"more than {MOST_PLANNED} activities are planned",
            "make some of them before announcing others",
        )
