"""A student's notes beside the readings. Nobody else sees them."""

import re
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from courses.markdown import render_user
from courses.models import Note, Resource
from people.models import User

HEADING = re.compile(r"(</?h)[1-6]>")


class NotKeptError(Exception):
    """What was typed has not been kept; the message says why and what to do."""


class TooLongError(NotKeptError):
    def __init__(self, length: int) -> None:
        super().__init__(
            f"A note holds {Note.LONGEST:,} characters and this is {length:,}, so it is not kept."
            f" Take out {length - Note.LONGEST:,}; until then what you typed is only on this page."
        )


class ChangedElsewhereError(NotKeptError):
    """Another tab has kept another text since this form was opened; `note` is that."""

    def __init__(self, note: Note) -> None:
        self.note = note
        super().__init__(
            "This note was changed in another tab, so what you type here is not kept."
            " Press “Keep the note” to see both."
        )


@dataclass(frozen=True)
class Written:
    """A note as a page shows it."""

    note: Note
    html: str


def of(student: User, resource: Resource) -> Note:
    """The student's note, or a new and empty one that is not stored yet. One query."""
    own = Note.objects.visible_to(student).filter(resource=resource).first()
    return own or Note(student=student, resource=resource)


def keep(*, student: User, resource: Resource, text: str, version: str, at: datetime) -> Note:
    """Keep the text as the student's note, if the form was opened on the note as it stands.

    Raises NotKeptError, and then nothing has changed.
    """
    # Browsers send two characters for the end of a line, and PostgreSQL holds no NUL.
    text = text.replace("\r\n", "\n").replace("\0", "")
    if len(text) > Note.LONGEST:
        raise TooLongError(len(text))
    with transaction.atomic():
        note, is_new = Note.objects.select_for_update().get_or_create(
            student=student, resource=resource, defaults={"text": text, "changed_at": at}
        )
        if is_new or note.text == text:
            return note
        if note.version != version:
            raise ChangedElsewhereError(note)
        note.text, note.changed_at = text, at
        note.save()
    return note


def every(student: User) -> list[Written]:
    """All that the student has written, in the order of the readings. One query."""
    own = Note.objects.visible_to(student).select_related("resource__module")
    ordered = own.exclude(text="").order_by("resource__module__position", "resource__position")
    return [
        # On the page they stand below the reading's own heading.
        Written(note, HEADING.sub(r"\g<1>3>", render_user(note.text)))
        for note in ordered
    ]


def markdown(student: User, *, address: str) -> str:
    """The same as one file. `address` is that of the campus, without a slash at its end."""
    parts = ["# Notes"]
    for written in every(student):
        resource = written.note.resource
        parts += [f"## {resource}", f"<{address}{resource.get_absolute_url()}>"]
        parts += [written.note.text]
    return "\n\n".join(part.strip() for part in parts) + "\n"
