"""Markdown to HTML: mathematics as MathML, code coloured by classes, notes as containers.

`render` and `render_inline` are for the course's own text, `render_user` for anything a person
typed. Course text that would come out wrong is a MarkdownError, not a broken page.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.container import container_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# Name of a note, and the words that stand over it.
NOTES = {"note": "", "correction": "Correction", "worked": "Worked example"}
# What else a text can hold; each is opened and closed by a function of its own.
CONTAINERS = (*NOTES, "derivation", "diagram", "figure", "calculator")
# A phone shows about this many signs of LaTeX in a line.
LONGEST_INLINE = 30
# And this many of code.
LONGEST_UNBROKEN = 22
# HTML needs no namespace for MathML.
XMLNS = ' xmlns="http://www.w3.org/1998/Math/MathML"'
# A browser may break a line between a formula and the full stop behind it.
FORMULA_AND_MARK = re.compile(r"(\(?<math(?:(?!</math>).)*</math>[.,;:?!)\]]+)", re.DOTALL)
UPRIGHT = re.compile(r'(?:<mi mathvariant="normal">[A-Za-z]</mi>){2,}')


class MarkdownError(ValueError):
    """Course text that cannot come out right; `excerpt` is the place in the source."""

    def __init__(self, excerpt: str, problem: str, remedy: str) -> None:
        self.excerpt = excerpt
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}: {excerpt}")


@dataclass(frozen=True)
class Heading:
    """A heading inside a text; `id` is its anchor."""

    id: str
    title: str
    level: int


@dataclass(frozen=True)
class Page:
    """A text as HTML, its headings, and the names of the interactive figures it shows."""

    html: str
    headings: tuple[Heading, ...]
    figures: tuple[str, ...]


def _mathematics(latex: str, *, display: bool) -> str:
    bare = latex.replace(r"\{", "").replace(r"\}", "")
    if bare.count("{") != bare.count("}"):
        raise MarkdownError(latex, "this formula has unpaired braces", "close what it opens")
    try:
        mathml = convert(latex, display="block" if display else "inline")
    except Exception as error:  # latex2mathml raises whatever its parser stumbled over
        raise MarkdownError(
            latex, "this formula cannot be read", "look at its braces and commands"
        ) from error
    if unknown := re.search(r"\\[A-Za-z]+", mathml):
        raise MarkdownError(
            latex, f"{unknown[0]} is no command this formula may use", "write it with another"
        )
    # Infinity is a value, not an operator with space around it.
    mathml = mathml.replace(XMLNS, "").replace("<mo>&#x0221E;</mo>", "<mi>&#x0221E;</mi>")
    # Upright letters come one by one; together they are one word, such as "softmax".
    mathml = UPRIGHT.sub(lambda run: f"<mi>{re.sub('<[^>]*>', '', run[0])}</mi>", mathml)
    if not display:
        return mathml
    return f'<div class="math" role="group" aria-label="Formula" tabindex="0">{mathml}</div>'


def _inline_mathematics(latex: str) -> str:
    """A long formula as several that a line may break between, each beginning with its `=`."""
    if len(latex) <= LONGEST_INLINE or r"\left" in latex or r"\begin" in latex:
        return _mathematics(latex, display=False)
    parts, depth = [""], 0
    for sign in latex:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == "=" and depth == 0 and parts[-1]:
            parts.append("{}")
        parts[-1] += sign
    return "<wbr>".join(_mathematics(part, display=False) for part in parts)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def code_block(code: str, language: str, _attributes: str = "") -> str:
    """Code as HTML, coloured where its language is named. Raises MarkdownError."""
    if not language:
        return f'<pre tabindex="0"><code>{escapeHtml(code)}</code></pre>\n'
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound as error:
        raise MarkdownError(
            f"```{language}", f"no language {language!r} is known", "name one that Pygments knows"
        ) from error
    coloured = highlight(code, lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="highlight" tabindex="0"><code>{coloured}</code></pre>\n'


Environment = MutableMapping[str, Any]


def _container(name: str, opening: Callable[[str, Environment], str], closing: str) -> Any:
    """The render function of a container; `opening` gets the words behind its name."""

    def render_container(
        _renderer: RendererHTML,
        tokens: Sequence[Token],
        index: int,
        _options: OptionsDict,
        env: Environment,
    ) -> str:
        token = tokens[index]
        if token.nesting != 1:
            return f"{closing}\n"
        return f"{opening(token.info.strip().removeprefix(name).strip(), env)}\n"

    return render_container


def _note(name: str, title: str) -> Callable[[str, Environment], str]:
    def opening(own: str, _env: Environment) -> str:
        words = ": ".join(filter(None, (title, own)))
        eyebrow = f'\n<p class="eyebrow">{escapeHtml(words)}</p>' if words else ""
        return f'<div class="{name}" role="note">{eyebrow}'

    return opening


def _derivation(title: str, env: Environment) -> str:
    env["derivations"] = env.get("derivations", 0) + 1
    return (
        f'<details class="derivation" id="derivation-{env["derivations"]}">'
        f"<summary>Derivation: {escapeHtml(title)}"
        ' <span class="meta">Try it on paper first, then open.</span></summary>'
    )


def _diagram(key: str, env: Environment) -> str:
    try:
        svg = env["diagrams"][key]
    except KeyError as error:
        raise MarkdownError(
            f"::: diagram {key}", f"there is no diagram {key!r}", f"draw diagrams/{key}.svg"
        ) from error
    return f'<figure class="diagram"><div tabindex="0">{svg}</div><figcaption>'


def _figure(name: str, env: Environment) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise MarkdownError(f"::: figure {name}", "this figure has no name", "write its name")
    env.setdefault("figures", []).append(name)
    return (
        f'<figure class="interactive" id="figure-{name}" data-figure="{name}"'
        f' data-source="/figures/{name}.json"><div class="stage" data-stage></div><figcaption>'
    )


def _calculator(key: str, env: Environment) -> str:
    try:
        html = env["calculators"][key]
    except KeyError as error:
        raise MarkdownError(
            f"::: calculator {key}",
            f"there is no calculator {key!r}",
            "declare it under `calculators`",
        ) from error
    return f'<div class="calculator">{html}<div class="introduction">'


def _inline_code(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, *_rest: object
) -> str:
    """Short code in one piece: a browser would break `--rope-scale` behind its hyphens."""
    code = tokens[index].content
    kept = ' class="unbroken"' if len(code) <= LONGEST_UNBROKEN else ""
    return f"<code{kept}>{escapeHtml(code)}</code>"


def _table_open(
    _renderer: RendererHTML,
    _tokens: Sequence[Token],
    _index: int,
    _options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    env["tables"] = env.get("tables", 0) + 1
    label = f"Table {env['tables']}"
    return f'<div class="table-wrap" tabindex="0" role="region" aria-label="{label}">\n<table>\n'


def _head_open(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: Environment,
) -> str:
    """A head that says nothing is no head: the corner of a table."""
    if not tokens[index + 1].content:
        return "<td>"
    return renderer.renderToken(tokens, index, options, env)


def _head_close(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: Environment,
) -> str:
    if not tokens[index - 1].content:
        return "</td>"
    return renderer.renderToken(tokens, index, options, env)


def _text(_renderer: RendererHTML, tokens: Sequence[Token], index: int, *_rest: object) -> str:
    """A number and its per cent stay on one line."""
    return re.sub(r"(?<=[\d}]) %", "\u00a0%", escapeHtml(tokens[index].content))


def _table_close(*_arguments: object) -> str:
    return "</table>\n</div>\n"


def _course_markdown() -> MarkdownIt:
    # Raw HTML stays text: "<s>" and "<unk>" are tokens to write about here.
    markdown = MarkdownIt("commonmark", {"html": False, "highlight": code_block})
    markdown.enable(["table", "strikethrough"])
    dollarmath_plugin(markdown, allow_space=False, double_inline=True)
    anchors_plugin(markdown, min_level=2, max_level=4, slug_func=_slug)
    for name, title in NOTES.items():
        container_plugin(markdown, name, render=_container(name, _note(name, title), "</div>"))
    for name, opening, closing in (
        ("derivation", _derivation, "</details>"),
        ("diagram", _diagram, "</figcaption></figure>"),
        ("figure", _figure, "</figcaption></figure>"),
        ("calculator", _calculator, "</div></div>"),
    ):
        container_plugin(markdown, name, render=_container(name, opening, closing))
    markdown.add_render_rule("text", _text)
    markdown.add_render_rule("code_inline", _inline_code)
    markdown.add_render_rule("th_open", _head_open)
    markdown.add_render_rule("th_close", _head_close)
    markdown.add_render_rule("table_open", _table_open)
    markdown.add_render_rule("table_close", _table_close)
    for rule, display in (("math_inline", False), ("math_inline_double", True)):
        markdown.add_render_rule(rule, _formula(display=display))
    markdown.add_render_rule("math_block", _formula(display=True))
    return markdown


def _formula(*, display: bool) -> Callable[..., str]:
    def render_formula(
        _renderer: RendererHTML, tokens: Sequence[Token], index: int, *_rest: object
    ) -> str:
        latex = tokens[index].content.strip()
        return _mathematics(latex, display=True) if display else _inline_mathematics(latex)

    return render_formula


COURSE = _course_markdown()
USER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
# Whoever reads it, such as an instructor, would fetch the image from anywhere.
USER.disable("image")


def render(source: str) -> str:
    """Course text as HTML blocks."""
    return render_page(source).html


def render_page(
    source: str,
    *,
    diagrams: Mapping[str, str] = MappingProxyType({}),
    calculators: Mapping[str, str] = MappingProxyType({}),
) -> Page:
    """Course text as HTML, with its headings of the second and third level.

    `diagrams` and `calculators` are the HTML of what the text may show, by key.
    """
    _check_containers(source)
    env: dict[str, Any] = {"diagrams": diagrams, "calculators": calculators}
    tokens = COURSE.parse(source, env)
    html = _keep_together(str(COURSE.renderer.render(tokens, COURSE.options, env)))
    return Page(html, tuple(_headings(tokens)), tuple(env.get("figures", ())))


def render_inline(source: str) -> str:
    """One line of course text, without a paragraph around it."""
    return _keep_together(str(COURSE.renderInline(source)))


def render_user(source: str) -> str:
    """What a person typed, as HTML that can do no harm."""
    return nh3.clean(USER.render(source))


def _keep_together(html: str) -> str:
    return FORMULA_AND_MARK.sub(r'<span class="unbroken">\1</span>', html)


def _headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    for opening, inline in itertools.pairwise(tokens):
        if opening.type != "heading_open":
            continue
        level = int(opening.tag[1])
        if level == 1:
            raise MarkdownError(
                f"# {inline.content}", "the page already has a title", "begin headings with `##`"
            )
        if level <= 3:
            title = "".join(
                child.content for child in inline.children or () if child.type != "softbreak"
            )
            yield Heading(id=str(opening.attrs["id"]), title=title, level=level)


def _check_containers(source: str) -> None:
    """Find what markdown-it would pass over: unknown names, and containers left open."""
    opened = ""
    fenced = False
    for line in source.split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if fenced or not line.startswith(":::"):
            continue
        name = line.strip(": ").partition(" ")[0]
        if not name:
            opened = ""
        elif name not in CONTAINERS:
            known = ", ".join(CONTAINERS)
            raise MarkdownError(line, f"there is no container {name!r}", f"use one of {known}")
        elif opened:
            raise MarkdownError(
                line, f"this stands inside {opened!r}", "close that with `:::` first"
            )
        else:
            opened = line
    if opened:
        raise MarkdownError(opened, "this container is never closed", "end it with a line `:::`")
