"""Checkpoints: gates, teach-backs, and the certificate."""

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from courses import standing
from courses.models import Checkpoint, Resource


@require_GET
def checkpoint(request: HttpRequest, key: str) -> HttpResponse:
    checkpoint = get_object_or_404(
        Checkpoint.objects.published()
        .select_related("module")
        .prefetch_related(
            "gates__activities",
            Prefetch(
                "gates__remediation", Resource.objects.published().only("key", "title", "module")
            ),
        ),
        key=key,
    )
    record = standing.record_of(request.user)
    gates = [
        standing.barrier(gate, gate.activities.all(), record) for gate in checkpoint.gates.all()
    ]
    return render(
        request,
        "courses/checkpoint.html",
        {
            "checkpoint": checkpoint,
            "gates": gates,
            "passed": sum(gate.is_passed for gate in gates),
        },
    )
