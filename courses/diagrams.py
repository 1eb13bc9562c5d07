"""Diagrams of the course: SVG files that may hold shapes, words and classes, and nothing else.

Colours come from classes alone, so that a diagram fits both themes; `title` and `desc` tell in
words what is drawn.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from courses.documents import CourseFileError

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {
    "svg", "title", "desc", "defs", "marker", "g", "use", "path", "rect", "circle", "ellipse",
    "line", "polyline", "polygon", "text", "tspan",
}  # fmt: skip
CLASSES = {
    "ink", "soft", "line", "accent-line", "box", "accent-box", "right-box", "wrong-box", "mark",
    "code", "small",
}  # fmt: skip
FORBIDDEN = ("style", "stroke", "color")


@dataclass(frozen=True)
class Diagram:
    """A diagram as it is put into a page; `marks` are its letters to label."""

    key: str
    svg: str
    marks: frozenset[str]


def read_diagram(path: Path) -> Diagram:
    """Read and check an SVG file. Raises CourseFileError."""
    text = path.read_text()
    try:
        # The file is one of the course's own, and expat fetches nothing from outside.
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        line, _column = error.position
        raise CourseFileError(
            path, line, f"this is not XML: {error}", "close what was opened, and write & as &amp;"
        ) from error
    if problem := next(_problems(root, path.stem), None):
        excerpt, what, remedy = problem
        raise CourseFileError(path, _line(text, excerpt), what, remedy)
    marks = frozenset(
        "".join(element.itertext()).strip()
        for element in root.iter(f"{SVG}text")
        if "mark" in element.get("class", "").split()
    )
    return Diagram(path.stem, _for_a_page(root, path.stem), marks)


def _line(text: str, excerpt: str) -> int:
    return next((n for n, line in enumerate(text.split("\n"), 1) if excerpt in line), 1)


def _problems(root: ElementTree.Element, key: str) -> Iterator[tuple[str, str, str]]:
    """Excerpt, problem and remedy of whatever is wrong with it."""
    if root.tag != f"{SVG}svg" or not re.fullmatch(r"0 0 \d+ \d+", root.get("viewBox", "")):
        yield (
            "<svg",
            "this is no SVG with a viewBox",
            'begin with <svg xmlns="…" viewBox="0 0 640 H">',
        )
    for name in ("title", "desc"):
        if not (root.findtext(f"{SVG}{name}") or "").strip():
            yield "<svg", f"the diagram has no {name}", "say in words what is drawn"
    for element in root.iter():
        tag = str(element.tag).removeprefix(SVG)
        if tag not in ELEMENTS:
            yield (
                f"<{tag}",
                f"there is no <{tag}> in diagrams",
                f"use {', '.join(sorted(ELEMENTS))}",
            )
        for name, value in element.attrib.items():
            if name in FORBIDDEN or name.startswith("on") or "}" in name:
                yield f"{name.rpartition('}')[2]}=", f"`{name}` is not allowed", "use a class"
            if name == "fill" and value != "none":
                yield f'fill="{value}"', "a fill is a colour", "use a class"
            if name == "href" and not value.startswith("#"):
                yield value, "a diagram shows only what is in it", "refer to an id of its own"
            if name == "id" and not value.startswith(key):
                yield (
                    f'id="{value}"',
                    f"the id {value!r} may meet another on a page",
                    (f"begin it with {key!r}"),
                )
            if name == "class" and (unknown := set(value.split()) - CLASSES):
                yield (
                    f'class="{value}"',
                    f"there is no class {unknown.pop()!r}",
                    (f"use {', '.join(sorted(CLASSES))}"),
                )


def _for_a_page(root: ElementTree.Element, key: str) -> str:
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    title.set("id", f"{key}-title")
    desc.set("id", f"{key}-desc")
    root.set("role", "img")
    root.set("aria-labelledby", f"{key}-title {key}-desc")
    root.set("class", "drawing")
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    ElementTree.register_namespace("", SVG[1:-1])
    # In HTML an svg element needs no namespace, and its lines are no paragraphs.
    svg = ElementTree.tostring(root, encoding="unicode").replace(f' xmlns="{SVG[1:-1]}"', "")
    return re.sub(r"\s*\n\s*", " ", svg).strip()
