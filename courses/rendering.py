"""The texts of the course as HTML, with all that a text can refer to.

Markdown by itself knows no course. A Renderer has the diagrams and the glossary, draws calculators,
and computes the numbers that stand in a text as `{= formula }`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.template.loader import render_to_string

from courses.calculators import Calculator
from courses.formulas import FormulaError, formulas_in, substituted
from courses.glossary import Entry, Glossary
from courses.markdown import MarkdownError, Page, render, render_inline, render_page
from courses.models import Diagram, Mention, Term

# Raise this when rendered text changes its form: every file is then rendered again.
RENDERING = 4


@dataclass
class Renderer:
    """Renders the texts of one page; collects which terms they use. `fresh` begins another page."""

    diagrams: Mapping[str, str]
    glossary: Glossary
    version: str
    used: set[str] = field(default_factory=set)
    linked: set[str] = field(default_factory=set)

    @classmethod
    def of_database(cls) -> "Renderer":
        """With the diagrams and terms that have been loaded. Two queries."""
        diagrams = dict(Diagram.objects.order_by("key").values_list("key", "svg"))
        glossary = Glossary(
            tuple(
                Entry(term.key, term.get_absolute_url(), tuple(term.forms), term.link)
                for term in Term.objects.order_by("key").only("key", "forms", "link")
            )
        )
        content = repr((RENDERING, sorted(diagrams.items()), glossary.entries))
        return cls(diagrams, glossary, hashlib.sha256(content.encode()).hexdigest())

    def fresh(self) -> "Renderer":
        return Renderer(self.diagrams, self.glossary, self.version)

    def page(
        self, source: str, *, calculators: Iterable[Calculator] = (), address: str = ""
    ) -> Page:
        """A summary. `address` is that of its page: its calculators lie below it.

        Raises MarkdownError.
        """
        own = list(calculators)
        computed = self._computed(source, own)
        page = render_page(
            computed,
            diagrams=self.diagrams,
            calculators={item.key: drawn(item, address) for item in own},
        )
        return Page(self.linked_html(page.html), page.headings, page.figures)

    def block(self, source: str) -> str:
        """Paragraphs with links to the glossary."""
        return self.linked_html(render(self._computed(source, ())))

    def inline(self, source: str) -> str:
        """A line with links to the glossary."""
        return self.linked_html(render_inline(self._computed(source, ())))

    def mention(self, *, title: str, url: str) -> None:
        """Note in the glossary that the page at `url` uses the terms met so far."""
        Mention.objects.filter(url=url).exclude(term__key__in=self.used).delete()
        Mention.objects.bulk_create(
            [
                Mention(term_id=pk, url=url, title=title)
                for pk in Term.objects.filter(key__in=self.used).values_list("pk", flat=True)
            ],
            update_conflicts=True,
            unique_fields=["term", "url"],
            update_fields=["title"],
        )

    def linked_html(self, html: str) -> str:
        """The HTML with links to the glossary, each term once a page."""
        linked = self.glossary.linked(html, besides=self.linked)
        self.used |= linked.terms
        self.linked |= linked.terms
        return linked.html

    @staticmethod
    def _computed(source: str, calculators: Iterable[Calculator]) -> str:
        values = {calculator.name: calculator.values() for calculator in calculators}
        for formula in formulas_in(source):
            try:
                substituted(formula, values)
            except FormulaError as error:
                raise MarkdownError(
                    formula,
                    f"this cannot be computed: {error}",
                    "use numbers, the functions of formulas, and calculators of this reading",
                ) from error
        return substituted(source, values)


def drawn(calculator: Calculator, address: str) -> str:
    """The calculator's form with the results of its defaults."""
    return render_to_string(
        "courses/_calculator.html",
        {
            "computation": calculator.computation({}),
            "address": f"{address}calculators/{calculator.key}/",
        },
    )
