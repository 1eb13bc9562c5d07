"""The Celery application: `python -m celery -A campus.celery worker -P threads -Q quick`.

Start it with `python -m`: the engine's children import the main module anew, and only that of a
package costs them nothing (see workers.child.preload).
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campus.settings")
app = Celery("campus")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(related_name="heartbeat")
