"""Fields and rules of what a controller needs: addresses of managers, names of certificates, pinned fingerprints."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from cryptography import x509
from django import forms
from django.core.exceptions import ValidationError

from hosts.models import Credential
from networking.forms import PLAIN
from opsportal.transport.tls import fingerprint_of

TARGET = re.compile(r"(ssl|tcp):(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}")
NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
API = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
HEX = re.compile(r"[0-9A-F]{64}")
CONNECTORS = [(f"{kind}Connector", kind) for kind in ("VXLAN", "STT", "GRE")]


def target(value: str) -> None:
    """As ovs-vsctl takes it. A name would need a resolver in Open vSwitch, which many builds do not have."""
    found = TARGET.fullmatch(value)
    if not found:
        raise ValidationError(f"{value!r} is no manager: write ssl:ADDRESS:PORT, as in ssl:192.0.2.10:6632, an IPv6 address in brackets.")
    try:
        address = ipaddress.ip_address(found[2] or found[3])
    except ValueError:
        raise ValidationError(f"{found[2] or found[3]} is no address. Open vSwitch wants the address, not the name.") from None
    if bool(found[2]) != (address.version == 6):
        raise ValidationError("Write an IPv6 address in brackets, and only such.")
    if address.is_multicast or address.is_unspecified or not 1 <= int(found[4]) <= 65535:
        raise ValidationError(f"{value} leads nowhere: look at address and port.")


def certificate_name(value: str) -> None:
    if not NAME.fullmatch(value):
        raise ValidationError(f"{value!r} is no name for files: letters, digits, dashes and underscores, at most 31.")


def api_address(value: str) -> None:
    if API.fullmatch(value):
        return
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValidationError(f"{value!r} is no name or address of a machine. Leave out https:// and the port.") from None


def node_name(value: str) -> None:
    if not NODE.fullmatch(value):
        raise ValidationError("Letters, digits, dots, dashes and underscores, at most 63.")


def zone(value: str) -> None:
    if not UUID.fullmatch(value):
        raise ValidationError("A transport zone is named by its uuid: NSX shows it, in small letters with dashes.")


def pinned(value: str) -> str:
    """A fingerprint as "AB:CD:...", from one or from a whole certificate. Raises ValidationError."""
    if "BEGIN CERTIFICATE" in value:
        try:
            x509.load_pem_x509_certificate(value[value.index("-----BEGIN") :].encode())
            return fingerprint_of(value[value.index("-----BEGIN") :])
        except ValueError:
            raise ValidationError("This is no whole certificate: paste it from its BEGIN line to its END line.") from None
    digits = re.sub(r"[\s:]", "", value.upper().removeprefix("SHA256").removeprefix(" FINGERPRINT=").removeprefix(":"))
    if digits and not HEX.fullmatch(digits):
        raise ValidationError("A SHA-256 fingerprint has 64 hexadecimal digits. Or paste the whole certificate.")
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


class CredentialChoice(forms.ModelChoiceField):  # type: ignore[type-arg] # generic only in the stubs
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj} (logs in as {obj.username})"


class ApiForm(forms.Form):
    """How the portal comes to NSX. All of it may stay empty where no NSX is asked."""

    api = forms.CharField(
        label="NSX controller", required=False, max_length=253, widget=PLAIN, validators=[api_address], help_text="Its name or address."
    )
    api_port = forms.IntegerField(label="Port", required=False, min_value=1, max_value=65535, initial=443)
    fingerprint = forms.CharField(
        label="Its certificate", required=False, max_length=8000, widget=forms.Textarea(attrs={"rows": 3, "class": "mono"}),
        help_text="The SHA-256 fingerprint, or the whole certificate pasted. Below is what it shows: compare it with NSX's console.",
    )  # fmt: skip
    credential = CredentialChoice(
        Credential.objects.filter(kind=Credential.Kind.PASSWORD).defer("secret"), required=False, label="Login at NSX", empty_label="none",
        help_text="It goes into a file for the portal alone and is removed after use; no plan, log or command has it.",
    )  # fmt: skip
    node = forms.CharField(
        label="Name in NSX", required=False, max_length=63, widget=PLAIN, validators=[node_name], help_text="Of the transport node."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "credential": self.initial.get("credential") or None}

    def look(self, found: dict[str, Any]) -> None:
        """The page shows what was read."""

    def clean_fingerprint(self) -> str:
        return pinned(self.cleaned_data["fingerprint"].strip())

    def clean_api_port(self) -> int:
        return self.cleaned_data["api_port"] or 443

    def clean_credential(self) -> Any:
        return self.cleaned_data["credential"] or 0
