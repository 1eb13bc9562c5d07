"""The first words to somebody new."""

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest

if TYPE_CHECKING:  # connected before models can be imported
    from .models import User


def greet(request: HttpRequest, user: "User", **_signal: object) -> None:
    messages.success(request, f"Your account is ready, {user.name}. Begin right below.")
