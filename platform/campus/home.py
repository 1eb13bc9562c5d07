"""The front page: for students where they left off and what comes next, for others what this is."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from courses import pitfalls, track
from courses.models import Module, QuizAttempt
from labs.models import Run
from people.models import User

RECENT_RUNS = 4


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if not isinstance(request.user, User):
        return render(request, "campus/welcome.html", {"modules": Module.objects.published()})
    found = track.current(request.user)
    if found is None:
        return render(request, "campus/unopened.html")
    attempt = (
        QuizAttempt.objects.filter(student=request.user, submitted_at=None)
        .select_related("quiz")
        .order_by("-started_at")
        .first()
    )
    way = pitfalls.Way.of(found, open_attempt=attempt)
    latest = next(iter(found.record.places), None)
    return render(
        request,
        "campus/home.html",
        {
            "track": found,
            "left": next((unit for unit in found.units if unit.resource.pk == latest), None),
            "step": found.step(open_attempt=attempt),
            "nudge": pitfalls.prompt(request.user, way.signs(timezone.now())),
            "schedule": found.schedule(on=timezone.localdate()),
            "runs": Run.objects.owned_by(request.user).in_lists()[:RECENT_RUNS],
        },
    )
