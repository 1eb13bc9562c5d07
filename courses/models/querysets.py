"""Whose rows somebody may see."""

from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db import models

from people.models import User

M = TypeVar("M", bound=models.Model)


class PublishedQuerySet(models.QuerySet[M]):
    """Course content. What is published, everybody may read."""

    def published(self) -> "PublishedQuerySet[M]":
        return self.filter(retired=False)


class OwnedQuerySet(models.QuerySet[M]):
    """What belongs to a student."""

    def visible_to(self, user: User | AnonymousUser) -> "OwnedQuerySet[M]":
        """The student's own; for instructors that of their students; for admins all."""
        return self.filter(student__in=User.objects.visible_to(user))


class PrivateQuerySet(models.QuerySet[M]):
    """What is for its student alone."""

    def visible_to(self, user: User | AnonymousUser) -> "PrivateQuerySet[M]":
        return self.filter(student=user) if isinstance(user, User) else self.none()
