"""Forms about people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError

from opsportal.web.access import ROLES

WHAT = {
    "viewer": "sees everything, changes nothing.",
    "operator": "prepares and starts operations, keeps the inventory.",
    "approver": "decides on what others want to start. Nobody decides on their own.",
    "administrator": "manages people and credentials.",
}


def _choices() -> list[tuple[str, str]]:
    return [(role, f"{role.capitalize()}: {WHAT[role]}") for role in ROLES]


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        choices=_choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="Every role may also see everything. Without a role a person sees nothing.",
    )


class NameForm(forms.Form):
    full_name = forms.CharField(max_length=150, required=False, label="Full name")


class PersonForm(NameForm, RolesForm):
    username = forms.CharField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        label="Name to sign in with",
        help_text="Letters, digits and @ . + - _. It stands in the audit trail and cannot be changed later.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )
    field_order = ("username", "full_name", "roles")

    def clean_username(self) -> str:
        name = str(User.normalize_username(self.cleaned_data["username"]))
        if User.objects.filter(username__iexact=name).exists():
            raise ValidationError("Somebody has this name already.")
        return name

    def clean(self) -> dict[str, Any]:
        return super().clean() or {}
