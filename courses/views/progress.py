"""How far a student is, and why."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from courses import mastery, track
from courses.models import Skill
from people.requests import SignedInRequest

LATEST = 20


@login_required
@require_GET
def progress(request: SignedInRequest) -> HttpResponse:
    module = track.current_module()
    found = module and track.of(request.user, module)
    return render(
        request,
        "courses/progress.html",
        {
            "track": found,
            "standings": mastery.standings(request.user),
            "evidence": found.record.evidence[:LATEST] if found else (),
            "step": found and found.step(),
        },
    )


@login_required
@require_GET
def skill(request: SignedInRequest, key: str) -> HttpResponse:
    """Why a skill's mastery is what it is: everything it was computed from."""
    found = get_object_or_404(
        Skill.objects.published().prefetch_related("part_of", "parts"), key=key
    )
    every = mastery.standings(request.user)
    reasons = mastery.reasons(request.user, found)
    return render(
        request,
        "courses/skill.html",
        {
            "skill": found,
            "standing": mastery.standing_of(found, every),
            "reasons": reasons,
            "weight": sum(reason.weight for reason in reasons),
            "points": sum(reason.points for reason in reasons),
            "activities": found.activities.filter(retired=False, planned=False),
            "weights": mastery.WEIGHTS,
            "doubt": mastery.DOUBT,
            "needed": mastery.MASTERED,
        },
    )
