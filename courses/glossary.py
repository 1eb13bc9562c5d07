"""Linking texts to the glossary: the first use of each term on a page becomes a link."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

# Inside these nothing is linked: other links, code, mathematics, drawings, headings, controls.
OPAQUE = {
    "a", "button", "code", "dt", "h1", "h2", "h3", "h4", "label", "math", "option", "pre", "select",
    "summary", "svg", "th",
}  # fmt: skip
# A tag, or the name of a value that is filled in later, see formulas.fill.
KEPT = re.compile(r"(<[^>]+>|\{[\w.]+\})")
NAME = re.compile(r"</?([a-zA-Z0-9]+)")


@dataclass(frozen=True)
class Entry:
    """A term as texts use it: its address, its spellings, and whether they link to it."""

    key: str
    url: str
    forms: tuple[str, ...]
    link: bool


@dataclass(frozen=True)
class Linked:
    html: str
    terms: frozenset[str]


@dataclass(frozen=True)
class Glossary:
    """All entries, ready to be found in texts."""

    entries: tuple[Entry, ...]
    _by_form: dict[str, Entry] = field(init=False, default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for entry in self.entries:
            for form in entry.forms:
                self._by_form.setdefault(form, entry)
                # A word in lower case may begin a sentence; "GPTQ" and "Token" are only themselves.
                if form[:1].islower():
                    self._by_form.setdefault(form[:1].upper() + form[1:], entry)

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        forms = sorted(self._by_form, key=lambda form: (-len(form), form))
        if not forms:
            return None
        # "Q4_K" is not in "Q4_K_M", nor "token" in "tokeniser" or "per-token".
        return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, forms))})(?![\w-])")

    def linked(self, html: str, *, besides: Iterable[str] = ()) -> Linked:
        """The HTML with links, and the keys of all terms in it; those `besides` get no link."""
        pattern = self.pattern
        if pattern is None:
            return Linked(html, frozenset())
        done = set(besides)
        found: set[str] = set()

        def link(match: re.Match[str]) -> str:
            entry = self._by_form[match[0]]
            found.add(entry.key)
            if entry.key in done or not entry.link:
                return match[0]
            done.add(entry.key)
            return f'<a class="term" href="{entry.url}">{match[0]}</a>'

        depth = 0
        parts = []
        # split() gives what its group matched the odd places.
        for place, part in enumerate(KEPT.split(html)):
            if place % 2:
                if (
                    (name := NAME.match(part))
                    and name[1].lower() in OPAQUE
                    and not part.endswith("/>")
                ):
                    depth += -1 if part.startswith("</") else 1
                parts.append(part)
            else:
                parts.append(part if depth else pattern.sub(link, part))
        return Linked("".join(parts), frozenset(found))
