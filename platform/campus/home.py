"""The front page: for students where they left off and what comes next, for others what this is."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from courses import standing
from courses.models import Module, QuizAttempt, Resource
from labs.models import Run
from people.models import User

RECENT_RUNS = 4


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if not isinstance(request.user, User):
        return render(request, "campus/welcome.html", {"modules": Module.objects.published()})
    record = standing.record_of(request.user)
    units = standing.units(Resource.objects.published().filter(module__locked=False), record)
    stops = standing.stops(record)
    attempt = (
        QuizAttempt.objects.filter(student=request.user, submitted_at=None)
        .select_related("quiz")
        .order_by("-started_at")
        .first()
    )
    step = standing.next_step(units, record, open_attempt=attempt, stops=stops)
    latest = next(iter(record.places), None)
    left = next((unit for unit in units if unit.resource.pk == latest), None)
    runs = Run.objects.owned_by(request.user).select_related("lab")
    return render(
        request,
        "campus/home.html",
        {
            "units": units,
            "left": left,
            "step": step,
            "stops": stops,
            "runs": runs.defer("result", "grade_detail")[:RECENT_RUNS],
            "earned": sum(unit.earned for unit in units),
            "total": sum(len(unit.aims) for unit in units),
        },
    )
