"""Looking terms up: in the order of the alphabet, by what somebody types, and back to the texts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise

from courses.models import Activity, Checkpoint, Mention, Resource, Term

LINK = re.compile(r"</?a\b[^>]*>")


@dataclass(frozen=True)
class Letter:
    """The terms that begin with a letter; what begins with none is under "#"."""

    name: str
    terms: list[Term]

    @property
    def anchor(self) -> str:
        return "signs" if self.name == "#" else self.name.lower()


def alphabetical() -> list[Term]:
    """All terms; sorted here, for databases do not agree where "ALiBi" stands. One query."""
    return sorted(Term.objects.all(), key=lambda term: (term.term.casefold(), term.key))


def matching(typed: str) -> list[Term]:
    """The terms of which a spelling contains what was typed; all of them for nothing. One query."""
    wanted = " ".join(typed.split()).casefold()
    return [
        term
        for term in alphabetical()
        if any(wanted in form.casefold() for form in (term.term, *term.forms))
    ]


def by_letter(terms: Iterable[Term]) -> list[Letter]:
    """Terms in the order of the alphabet, under their letters."""
    return [Letter(name, list(group)) for name, group in groupby(terms, key=_letter)]


def _letter(term: Term) -> str:
    first = term.term[:1].upper()
    return first if first.isalpha() else "#"


def neighbours(term: Term) -> tuple[Term | None, Term | None]:
    """The terms before and after it. One query."""
    between = pairwise([None, *alphabetical(), None])
    before = None
    for left, right in between:
        if left == term:
            return before, right
        before = left
    raise LookupError(term.key)


def backlinks(term: Term) -> list[Mention]:
    """The pages of the course that use it; not those of what is retired. Four queries."""
    gone = {
        *(row.get_absolute_url() for row in Resource.objects.filter(retired=True).only("key")),
        *(row.get_absolute_url() for row in Checkpoint.objects.filter(retired=True).only("key")),
        *Activity.objects.filter(retired=True).values_list("url", flat=True),
    }
    return [mention for mention in term.mentions.all() if mention.url not in gone]


def unlinked(html: str) -> str:
    """The HTML without its links: a card is read, not operated."""
    return LINK.sub("", html)
