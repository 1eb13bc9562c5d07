"""The front page: for students where they left off and what comes next, for others what this is."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from courses import plan, track
from courses.models import Module, QuizAttempt
from labs.models import Run
from people.models import User

RECENT_RUNS = 4


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if not isinstance(request.user, User):
        return render(request, "campus/welcome.html", {"modules": Module.objects.published()})
    module = track.current_module()
    if module is None:
        return render(request, "campus/welcome.html", {"modules": ()})
    found = track.of(request.user, module)
    attempt = (
        QuizAttempt.objects.filter(student=request.user, submitted_at=None)
        .select_related("quiz")
        .order_by("-started_at")
        .first()
    )
    latest = next(iter(found.record.places), None)
    runs = Run.objects.owned_by(request.user).select_related("lab")
    return render(
        request,
        "campus/home.html",
        {
            "track": found,
            "left": next((unit for unit in found.units if unit.resource.pk == latest), None),
            "step": found.step(open_attempt=attempt),
            "schedule": found.plan
            and plan.schedule(
                found.plan, found.on_path, found.stops, found.record, on=timezone.localdate()
            ),
            "runs": runs.defer("result", "grade_detail")[:RECENT_RUNS],
        },
    )
