"""What the course cites, as people read it; for programs there is bibliography.py."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Prefetch, Q

from courses import schema
from courses.models import Citation, Resource
from people.models import User

# Of a paper with more authors than this the first ones are named, and how many more there are.
NAMED = 4


@dataclass(frozen=True)
class Reference:
    """One entry: the work, its reading here if there is one, and the readings that cite it."""

    work: schema.Citation
    bibtex: str
    resource: Resource | None
    cited_in: tuple[Resource, ...] = ()

    @classmethod
    def of(cls, row: Citation, *, cited_in: Iterable[Resource] = ()) -> "Reference":
        resource = row.resource
        return cls(
            work=schema.Citation.model_validate(row.content),
            bibtex=row.bibtex,
            resource=resource if resource and not resource.retired else None,
            # That a reading cites its own paper is no news.
            cited_in=tuple(citing for citing in cited_in if citing != resource),
        )

    @property
    def authors(self) -> str:
        """ "Hugo Touvron, Louis Martin, Kevin Stone, Peter Albert and others"."""
        names = [_natural(author) for author in self.work.authors]
        named = names if len(names) <= NAMED else names[: NAMED - 1]
        more = len(names) - len(named)
        if self.work.others:
            return f"{', '.join(named)} and others"
        if more:
            return f"{', '.join(named)} and {more} others"
        return " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))

    @property
    def order(self) -> tuple[str, int, str]:
        """By the first author's family name, then by year."""
        return (self.work.authors[0].casefold(), self.work.year, self.work.key)


def _natural(author: str) -> str:
    """ "Touvron, Hugo" as one says it; an organisation is written as it is."""
    family, _comma, given = author.partition(", ")
    return f"{given} {family}".strip()


def every() -> list[Reference]:
    """All entries, in the order of their authors. Two queries."""
    brief = Resource.objects.published().only("key", "title", "module")
    rows = (
        Citation.objects.select_related("resource")
        .only("key", "content", "bibtex", *(f"resource__{f}" for f in ("key", "title", "retired")))
        .prefetch_related(Prefetch("cited_by", brief))
    )
    found = [Reference.of(row, cited_in=row.cited_by.all()) for row in rows]
    return sorted(found, key=lambda reference: reference.order)


def opened_by(student: User) -> list[Citation]:
    """What the readings are that the student has opened. One query."""
    return list(Citation.objects.filter(resource__places__student=student))


@dataclass(frozen=True)
class Sources:
    """How to cite a reading, and what it cites itself."""

    own: list[Reference]
    cites: list[Reference]


def sources(resource: Resource) -> Sources:
    """One query."""
    rows = (
        Citation.objects.filter(Q(resource=resource) | Q(cited_by=resource))
        .select_related("resource")
        .only("key", "content", "bibtex", *(f"resource__{f}" for f in ("key", "title", "retired")))
        .distinct()
    )
    found = sorted(map(Reference.of, rows), key=lambda reference: reference.order)
    return Sources(
        own=[reference for reference in found if reference.resource == resource],
        cites=[reference for reference in found if reference.resource != resource],
    )
