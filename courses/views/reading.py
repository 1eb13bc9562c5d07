"""The pages of modules and readings."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from courses import paths, pitfalls, places, standing, texts, track
from courses.calculators import Calculator
from courses.models import Activity, Evidence, Module, Resource
from people.models import User
from people.requests import SignedInRequest

LONGEST_NUMBER = 30
# What the page of a reading does not need of its rows, and what is attached to it.
UNSEEN = ("why", "body", *texts.TEXTS, "module__plan", "module__holds", "module__summary")


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
    row = Resource.objects.published().select_related("module")
    resource = texts.attach(get_object_or_404(row.defer(*UNSEEN), key=key))
    links = standing.links_of([resource]).get(resource.pk, [])
    record = _record_for(request.user, resource, links)
    unit = standing.unit(resource, links, record)
    context = {
        "resource": resource,
        "unit": unit,
        "html": resource.html,
        "companions": _companions(resource, unit),
        "todo": next(
            (item for item, passed in unit.activities if item.is_open and not passed), None
        ),
    }
    if isinstance(request.user, User):
        context |= _own(request.user, unit, record)
    return render(request, "courses/resource.html", context)


def _record_for(
    user: User | AnonymousUser, resource: Resource, links: Iterable[Any]
) -> standing.Record:
    """What the student has of this resource alone; the visit is noted as their place."""
    if not isinstance(user, User):
        return standing.Record({}, {}, {})
    left = places.visit(user, resource, at=timezone.now())
    evidence = Evidence.objects.filter(
        student=user, activity__in={link.activity_id for link in links}
    )
    return standing.Record.of(evidence, [left] if left else [])


def _own(student: User, unit: standing.Unit, record: standing.Record) -> dict[str, Any]:
    """What is for the reader alone: a nudge, if something speaks for one."""
    reading = pitfalls.Reading.of(student, unit, record)
    signs = reading.signs() if reading else ()
    return {"nudge": pitfalls.prompt(student, signs)}


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
@vary_on_headers("HX-Request")
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
    """What a page tells of its reader; see static/js/reading.js."""
    resource = get_object_or_404(Resource.objects.published(), key=key)
    report = places.Report.of(request.POST, resource)
    places.keep(report, student=request.user, resource=resource, at=timezone.now())
    if report.faults:
        words = f"These made no sense and were left out: {', '.join(report.faults)}."
        return HttpResponseBadRequest(words, content_type="text/plain; charset=utf-8")
    return HttpResponse(status=204)
