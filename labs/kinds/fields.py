"""Form fields for the numbers students predict."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
NUMBER = re.compile(r"([0-9][0-9., _']*(?:[eE]\d+)?)\s*([A-Za-z]*)")


class BytesField(forms.CharField):
    """A number of bytes: "2768896", "2,768,896", "2704 KiB" or "2.64 MiB"."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "size": 16}))
        super().__init__(**kwargs)

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        match = NUMBER.fullmatch(text)
        unit = match and UNITS.get(match[2].upper())
        if match is None or unit is None:
            raise ValidationError(
                "Write a number of bytes, such as 2768896, 2,768,896, 2704 KiB or 2.64 MiB."
            )
        digits = re.sub(r"[ _',]", "", match[1])
        try:
            return round(float(digits) * unit)
        except (ValueError, OverflowError) as error:
            raise ValidationError("Write one number, with a point for the decimals.") from error


class NumberField(forms.FloatField):
    """A positive number in any notation a person would use: "0.0004", "4e-4"."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "size": 12}))
        kwargs.setdefault("min_value", 0.0)
        kwargs.setdefault("error_messages", {"invalid": "Write a number, such as 0.0004 or 4e-4."})
        super().__init__(**kwargs)


class YesNoField(forms.TypedChoiceField):
    """A question answered by yes or no."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=[("yes", "Yes"), ("no", "No")],
            coerce=lambda answer: answer == "yes",
            widget=forms.RadioSelect,
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        """An answer given before, as the choice it was."""
        return {True: "yes", False: "no"}.get(value, value)

    def to_python(self, value: Any) -> str:
        text: str = super().to_python(self.prepare_value(value))
        return text
