"""Who is on the campus, and who may see whom."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Role(models.TextChoices):
    STUDENT = "student", "Student"
    INSTRUCTOR = "instructor", "Instructor"
    ADMIN = "admin", "Admin"


class UserQuerySet(models.QuerySet["User"]):
    def visible_to(self, user: "User | AnonymousUser") -> "UserQuerySet":
        """Oneself; for an instructor also the students of their cohorts; for an admin everybody.

        Whatever a student owns is visible to whoever may see the student, so other apps filter
        with `student__in=User.objects.visible_to(user)`.
        """
        if not isinstance(user, User):
            return self.none()
        if user.is_campus_admin:
            return self
        if user.is_instructor:
            students = Membership.objects.filter(cohort__instructors=user).values("student")
            return self.filter(Q(pk=user.pk) | Q(pk__in=students))
        return self.filter(pk=user.pk)


class UserManager(DjangoUserManager["User"]):
    use_in_migrations = False

    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def visible_to(self, user: "User | AnonymousUser") -> UserQuerySet:
        return self.get_queryset().visible_to(user)

    def create_superuser(
        self,
        username: str,
        email: str | None = None,
        password: str | None = None,
        **extra_fields: Any,
    ) -> "User":
        extra_fields["role"] = Role.ADMIN
        return super().create_superuser(username, email, password, **extra_fields)


class User(AbstractUser):
    role = models.CharField(max_length=10, choices=Role, default=Role.STUDENT)

    objects: ClassVar[UserManager] = UserManager()

    class Meta(AbstractUser.Meta):
        constraints = (
            # Django's own two flags follow the role, so there is one answer to "who is an admin".
            models.CheckConstraint(
                name="only_admins_are_staff_and_superusers",
                condition=Q(role="admin", is_staff=True, is_superuser=True)
                | (~Q(role="admin") & Q(is_staff=False, is_superuser=False)),
            ),
        )

    def save(
        self,
        *,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        self.is_staff = self.is_superuser = self.is_campus_admin
        if update_fields is not None and "role" in update_fields:
            update_fields = {*update_fields, "is_staff", "is_superuser"}
        super().save(
            force_insert=force_insert,
            force_update=force_update,
            using=using,
            update_fields=update_fields,
        )

    @property
    def name(self) -> str:
        """The name to show: the full name when the person gave one, else the username."""
        return self.get_full_name() or self.username

    @property
    def is_student(self) -> bool:
        return self.role == Role.STUDENT

    @property
    def is_instructor(self) -> bool:
        return self.role == Role.INSTRUCTOR

    @property
    def is_campus_admin(self) -> bool:
        return self.role == Role.ADMIN


class CohortQuerySet(models.QuerySet["Cohort"]):
    def visible_to(self, user: User | AnonymousUser) -> "CohortQuerySet":
        """The cohorts whose pages somebody may open: their instructors and admins, no student."""
        if not isinstance(user, User):
            return self.none()
        if user.is_campus_admin:
            return self
        if user.is_instructor:
            return self.filter(pk__in=user.cohorts_taught.values("pk"))
        return self.none()


class Cohort(models.Model):
    """A group of students who take the course together."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    starts_on = models.DateField(default=timezone.localdate)
    instructors = models.ManyToManyField(
        User,
        related_name="cohorts_taught",
        blank=True,
        limit_choices_to={"role__in": (Role.INSTRUCTOR, Role.ADMIN)},
    )
    students = models.ManyToManyField(User, through="Membership", related_name="cohorts")

    objects = CohortQuerySet.as_manager()

    class Meta:
        ordering = ("-starts_on", "name")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="memberships")
    student = models.ForeignKey(
        User,
        on_delete=models.CASCADE,
        related_name="memberships",
        limit_choices_to={"role": Role.STUDENT},
    )
    joined_at = models.DateTimeField(default=timezone.now)

    class Meta:
        # The admin's inline forms check this; a UniqueConstraint over their parent they do not.
        unique_together = (("cohort", "student"),)

    def __str__(self) -> str:
        return f"{self.student} in {self.cohort}"

    def clean(self) -> None:
        if self.student_id and not self.student.is_student:
            raise ValidationError(
                {"student": f"{self.student.name} is no student; add them as instructor instead."}
            )
