from django import forms

from .models import User


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("first_name", "last_name")
        help_texts = {  # noqa: RUF012
            "first_name": "How the campus greets you, and how your instructor finds you.",
        }
        widgets = {  # noqa: RUF012
            "first_name": forms.TextInput(attrs={"autocomplete": "given-name"}),
            "last_name": forms.TextInput(attrs={"autocomplete": "family-name"}),
        }
