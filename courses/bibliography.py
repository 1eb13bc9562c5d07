"""BibTeX of what the course cites."""

import re
from collections.abc import Iterable

from courses import schema

# What BibTeX or TeX would read as commands.
SPECIAL = re.compile(r"[&%$#_{}]")
# A word with a capital beyond its first letter, or a digit: "LLaMA", "GPTQ", "8-bit".
OWN_CASE = re.compile(r"[^\s{}]*[A-Z0-9][^\s{}]*")


def bibtex(citation: schema.Citation) -> str:
    """One entry."""
    authors = [_plain(author) for author in citation.authors]
    if citation.others:
        authors.append("others")
    fields = {
        "title": _kept(citation.title),
        "author": " and ".join(authors),
        "year": str(citation.year),
    }
    if citation.venue:
        venue = {"article": "journal", "inproceedings": "booktitle"}.get(
            citation.type, "howpublished"
        )
        fields[venue] = _plain(citation.venue)
    if citation.eprint:
        fields |= {"eprint": citation.eprint, "archiveprefix": "arXiv"}
    fields["url"] = citation.url
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{citation.type}{{{citation.key},\n{lines}}}\n"


def collected(entries: Iterable[str]) -> str:
    """A .bib file."""
    return "\n".join(entries)


def _plain(text: str) -> str:
    return SPECIAL.sub(lambda sign: f"\\{sign[0]}", text)


def _kept(title: str) -> str:
    """A title whose own capitals a style must keep."""
    return OWN_CASE.sub(lambda word: f"{{{word[0]}}}", _plain(title))
