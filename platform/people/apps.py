from allauth.account.signals import user_signed_up
from django.apps import AppConfig

from .welcome import greet


class PeopleConfig(AppConfig):
    name = "people"

    def ready(self) -> None:
        user_signed_up.connect(greet, dispatch_uid="welcome")
