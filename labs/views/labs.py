"""The page of a lab, and the start of a run from it."""

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from labs import broker, runs, sheet
from labs.models import Lab
from people.requests import SignedInRequest


@login_required
@require_GET
def lab(request: SignedInRequest, key: str) -> HttpResponse:
    lab = _lab(request, key)
    return render(request, "labs/lab.html", {"lab": lab, "sheet": sheet.blank(lab, request.user)})


@login_required
@require_POST
def start(request: SignedInRequest, key: str) -> HttpResponse:
    lab = _lab(request, key)
    paper = sheet.filled(lab, request.user, request.POST)
    if paper.is_valid():
        try:
            run = runs.start(
                lab,
                student=request.user,
                draw=paper.draw,
                prediction=paper.prediction.cleaned_data,
                choices=paper.choices.cleaned_data,
                key=paper.key,
                at=timezone.now(),
                predicted_on=paper.predicted_on,
            )
        except (runs.QuotaExceededError, runs.OtherDrawError) as error:
            paper.choices.add_error(None, str(error))
        else:
            transaction.on_commit(lambda: broker.hand_over(run.lane))
            return redirect(run)
    return render(request, "labs/lab.html", {"lab": lab, "sheet": paper}, status=422)


def _lab(request: SignedInRequest, key: str) -> Lab:
    labs = Lab.objects.visible_to(request.user).without_exercises()
    return get_object_or_404(labs.select_related("resource", "activity"), key=key)
