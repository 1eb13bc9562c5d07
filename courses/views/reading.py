"""The pages of modules and readings."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from courses import citations, paths, standing, track
from courses.calculators import Calculator
from courses.models import Activity, Evidence, Module, Place, Resource
from people.models import User
from people.requests import SignedInRequest

# A visit within this many seconds of the last one on the same page is the same visit.
SAME_VISIT = 300
LONGEST_NUMBER = 30


@require_GET
def module(request: HttpRequest, key: str) -> HttpResponse:
    module = get_object_or_404(Module.objects.published(), key=key)
    if module.locked:
        context = {"module": module, "current": track.current_module()}
        return render(request, "courses/locked.html", context)
    found = track.of(request.user, module)
    practice = Activity.objects.published().filter(module=module, kind__in=paths.PRACTICE)
    return render(
        request,
        "courses/module.html",
        {
            "module": module,
            "track": found,
            "practice": [
                (activity, activity.pk in found.record.passes)
                for activity in practice.order_by("planned", "-kind", "position")
            ],
            "step": found.step(),
        },
    )


@require_GET
def resource(request: HttpRequest, key: str) -> HttpResponse:
    resource = get_object_or_404(
        Resource.objects.published().select_related("module").defer("why", "body"), key=key
    )
    links = standing.links_of([resource]).get(resource.pk, [])
    unit = standing.unit(resource, links, _record_for(request, resource, links))
    return render(
        request,
        "courses/resource.html",
        {
            "resource": resource,
            "unit": unit,
            "html": resource.html,
            "companions": _companions(resource, unit),
            "sources": citations.sources(resource),
            "todo": next(
                (item for item, passed in unit.activities if item.is_open and not passed), None
            ),
        },
    )


def _record_for(request: HttpRequest, resource: Resource, links: Iterable[Any]) -> standing.Record:
    """What the student has of this resource alone; the visit is noted as their place."""
    if not isinstance(request.user, User):
        return standing.Record({}, {}, {})
    places = Place.objects.filter(student=request.user)
    latest = places.order_by("-at").first()
    is_here = latest is not None and latest.resource_id == resource.pk
    left = latest if is_here else places.filter(resource=resource).first()
    now = timezone.now()
    if not is_here or left is None or (now - left.at).total_seconds() > SAME_VISIT:
        _put_place(Place(student=request.user, resource=resource, at=now), ["at"])
    evidence = Evidence.objects.filter(
        student=request.user, activity__in={link.activity_id for link in links}
    )
    return standing.Record.of(evidence, [left] if left else [])


def _put_place(place: Place, fields: list[str]) -> None:
    """Insert the place, or update these fields of the one that is there: a single statement."""
    Place.objects.bulk_create(
        [place],
        update_conflicts=True,
        unique_fields=["student", "resource"],
        update_fields=fields,
    )


def _companions(resource: Resource, unit: standing.Unit) -> list[dict[str, str]]:
    """What goes along with a resource, each with its address; "" where there is none yet."""
    known = {activity.key: activity for activity, _passed in unit.activities}
    named = {item["activity"] for item in resource.data["companions"] if item["activity"]}
    if unknown := named - known.keys():
        known |= {item.key: item for item in Activity.objects.filter(key__in=unknown)}
    companions = []
    for item in resource.data["companions"]:
        activity = known.get(item["activity"])
        url = activity.url if activity and activity.is_open else ""
        companions.append({"title": item["title"], "url": item["url"] or url})
    return companions


@require_GET
def calculator(request: HttpRequest, key: str, name: str) -> HttpResponse:
    """What a calculator gives for the numbers typed: its results alone for htmx, else a page."""
    resource = get_object_or_404(Resource.objects.published().select_related("module"), key=key)
    declared = next((item for item in resource.data["calculators"] if item["key"] == name), None)
    if declared is None:
        raise Http404
    found = Calculator.model_validate(declared)
    typed = {field: request.GET[field][:LONGEST_NUMBER] for field in request.GET}
    context = {
        "resource": resource,
        "computation": found.computation(typed),
        "address": request.path,
    }
    htmx = "HX-Request" in request.headers
    template = "courses/_calculator_results.html" if htmx else "courses/calculator.html"
    return render(request, template, context)


@login_required
@require_POST
def place(request: SignedInRequest, key: str) -> HttpResponse:
    """The section that is being read: the anchor of a heading of the page."""
    resource = get_object_or_404(Resource.objects.published(), key=key)
    titles = {heading["id"]: heading["title"] for heading in resource.html["headings"]}
    anchor = request.POST.get("anchor", "")
    if anchor in titles:
        _put_place(
            Place(
                student=request.user,
                resource=resource,
                anchor=anchor,
                section=titles[anchor],
                at=timezone.now(),
            ),
            ["anchor", "section", "at"],
        )
    return HttpResponse(status=204)
