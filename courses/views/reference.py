"""Where things are looked up: the glossary, the bibliography, and the catalogue of modules."""

from collections.abc import Iterable

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_GET
from django.views.decorators.vary import vary_on_headers

from courses import bibliography as bibtex
from courses import citations, terms
from courses.models import Citation, Module, Term
from people.requests import SignedInRequest

LONGEST_QUERY = 100
# For so long a browser shows a card again without asking; then it asks whether it has changed.
CARD_SECONDS = 300


@require_GET
def catalogue(request: HttpRequest) -> HttpResponse:
    """Every module: those that are open, and what the others will hold."""
    modules = Module.objects.published()
    return render(request, "courses/modules.html", {"modules": modules})


@require_GET
@vary_on_headers("HX-Request")
def glossary(request: HttpRequest) -> HttpResponse:
    """All terms, or those that are looked for: the list alone for htmx, else a page."""
    query = request.GET.get("q", "")[:LONGEST_QUERY].strip()
    found = terms.matching(query)
    context = {"query": query, "count": len(found), "letters": terms.by_letter(found)}
    htmx = "HX-Request" in request.headers
    return render(request, "courses/_terms.html" if htmx else "courses/glossary.html", context)


@require_GET
def term(request: HttpRequest, key: str) -> HttpResponse:
    term = get_object_or_404(Term, key=key)
    before, after = terms.neighbours(term)
    see = term.see.filter(retired=False).only("key", "title", "type", "module")
    return render(
        request,
        "courses/term.html",
        {
            "term": term,
            "also": [form for form in term.forms if form != term.term],
            "see": see,
            "mentions": terms.backlinks(term),
            "before": before,
            "after": after,
        },
    )


@require_GET
@cache_control(public=True, max_age=CARD_SECONDS)
@conditional_page
def card(request: HttpRequest, key: str) -> HttpResponse:
    """The definition alone, the same for everybody; see static/js/cards.js."""
    term = get_object_or_404(Term, key=key)
    definition = terms.unlinked(term.definition_html)
    return render(request, "courses/_card.html", {"term": term, "definition": definition})


@require_GET
def bibliography(request: HttpRequest) -> HttpResponse:
    return render(request, "courses/bibliography.html", {"references": citations.every()})


@require_GET
def bib(_request: HttpRequest) -> HttpResponse:
    return _bib_file("bibliography", Citation.objects.all())


@login_required
@require_GET
def visited_bib(request: SignedInRequest) -> HttpResponse:
    return _bib_file("visited", citations.opened_by(request.user))


@require_GET
def entry_bib(_request: HttpRequest, key: str) -> HttpResponse:
    return _bib_file(key, [get_object_or_404(Citation, key=key)])


def _bib_file(name: str, rows: Iterable[Citation]) -> HttpResponse:
    return HttpResponse(
        bibtex.collected(row.bibtex for row in rows),
        content_type="application/x-bibtex; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.bib"'},
    )
