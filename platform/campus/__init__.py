"""The project: settings, addresses and the Celery application, loaded whenever Django is."""

from .celery import app as celery_app

__all__ = ["celery_app"]
