from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class LabsConfig(AppConfig):
    name = "labs"

    def ready(self) -> None:
        # Any app may bring kinds of labs: its module `kinds` registers them.
        autodiscover_modules("kinds")
