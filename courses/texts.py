"""The long texts of resources, kept by each process until they change.

They are most of a page and change only when the course is loaded or edited, so a reader's visit
fetches the short row alone.
"""

from datetime import datetime
from typing import Any

from courses.models import Resource

TEXTS = ("body_html", "data", "html", "near")
# By primary key: when the resource changed last, and its texts as they were then.
_kept: dict[int, tuple[datetime, dict[str, Any]]] = {}


def attach(resource: Resource) -> Resource:
    """Give a resource that was fetched without its texts what they are. At most one query."""
    changed_at, texts = _kept.get(resource.pk, (None, {}))
    if changed_at != resource.changed_at:
        texts = Resource.objects.values(*TEXTS).get(pk=resource.pk)
        _kept[resource.pk] = resource.changed_at, texts
    for name, text in texts.items():
        setattr(resource, name, text)
    return resource
