"""/health/ tells apart what a page needs and what only a run needs."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from labs.models import WorkerHost


@pytest.mark.django_db
def test_pages_are_well_without_redis_and_workers(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody-listens.sock"
    response = client.get("/health/")
    assert response.status_code == 200
    assert response.json() == {"database": True, "redis": False, "workers": {}}


@pytest.mark.django_db
def test_workers_count_while_their_hearts_beat(client: Client) -> None:
    now = timezone.now()
    for name, lanes, silent in (
        ("alpha:1", ["quick"], timedelta(0)),
        ("alpha:2", ["heavy", "quick"], timedelta(seconds=1)),
        ("beta:1", ["heavy"], timedelta(hours=1)),
    ):
        WorkerHost.objects.create(name=name, lanes=lanes, started_at=now, seen_at=now - silent)
    assert client.get("/health/").json()["workers"] == {"quick": 2, "heavy": 1}
