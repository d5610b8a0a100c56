"""The form of a connection to CloudStack."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError

from hosts import rules
from hosts.models import CloudApi

PATH = "/client/api"
OPEN_PORT = 8096
"""integration.api.port: whoever reaches it is administrator, without any key."""


def api_url(text: str) -> str:
    """The address with what people leave away. Raises `ValidationError`."""
    try:
        parts = urlsplit(text.strip())
        name, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValidationError("This is no address. Example: https://cloud.example.org/client/api") from None
    if parts.scheme not in ("http", "https") or not name:
        raise ValidationError("Give the whole address, with http:// or https://. Example: http://10.1.1.5:8080/client/api")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValidationError("Give the address alone, without a login and without anything after the path. Keys have fields of their own.")
    if port == OPEN_PORT:
        raise ValidationError(
            "Port 8096 takes everybody for an administrator. The portal never uses it: give the port of the user interface."
        )
    rules.address(name)
    path = parts.path.rstrip("/")
    path = PATH if path in ("", "/client") else path
    if not path.endswith("/api"):
        raise ValidationError(f"The path of the API ends with {PATH}; this is {parts.path}.")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


class CloudApiForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """What was typed as secret key never comes back."""

    secret_key = forms.CharField(
        label="Secret key",
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )

    class Meta:
        model = CloudApi
        fields = ("url", "api_key")
        labels = {"url": "Address of the API", "api_key": "API key"}
        help_texts = {
            "url": "As in http://10.1.1.5:8080/client/api. Behind a load balancer give its address.",
            "api_key": "Of a root administrator's account that only the portal uses: CloudStack shows both keys under Accounts, Users.",
        }
        widgets = {"api_key": forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["secret_key"].required = False
            self.fields["secret_key"].help_text = "Leave it empty to keep the one that is stored."

    def clean_url(self) -> str:
        return api_url(self.cleaned_data["url"])

    def clean_api_key(self) -> str:
        return _key(self.cleaned_data["api_key"])

    def clean_secret_key(self) -> str:
        return _key(self.cleaned_data["secret_key"])

    def clean(self) -> dict[str, Any]:
        """Keys come in pairs."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.instance.pk and "api_key" in self.changed_data and not cleaned.get("secret_key") and not self.errors:
            raise ValidationError({"secret_key": "Another API key has another secret key: paste it, too."})
        return cleaned


def _key(text: str) -> str:
    found = text.strip()
    if any(letter.isspace() or not letter.isprintable() for letter in found):
        raise ValidationError("A key has no blanks or line ends. Copy it again.")
    return found
