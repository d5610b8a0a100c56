"""Forms of the wizards that change a host's network."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from hosts.models import Host, Kind
from networking import rules

PLAIN = forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", "class": "mono"})


class HostForm(forms.Form):
    """Which host, and how long it waits before it takes back what cut it off."""

    host = forms.ModelChoiceField(Host.objects.order_by("sort_name"), empty_label="Choose a host")
    timer = forms.IntegerField(
        min_value=rules.TIMER[0], max_value=rules.TIMER[1], initial=60, label="Take back after",
        help_text="Seconds. Only for a change that touches the portal's own connection.",
    )  # fmt: skip

    field_order = ("host",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "host": self.initial.get("host") or None}
        self.order_fields([*(name for name in self.fields if name != "timer"), "timer"])
        self.found: dict[str, Any] = {}

    def look(self, found: dict[str, Any]) -> None:
        self.found = found
        for name in ("bridge", "parent"):
            if name in self.fields:
                offer(self, name, found.get("bridges") or [])


class HostsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg] # generic only in the stubs
    """Several hosts, in the order of the list. The networks of XenServers are their pool's own."""

    def __init__(self, **kwargs: Any) -> None:
        rows = Host.objects.exclude(kind__in=(Kind.XENSERVER, Kind.XCP_NG)).order_by("sort_name")
        super().__init__(rows, widget=forms.CheckboxSelectMultiple, **kwargs)


def offer(form: forms.Form, name: str, values: list[str]) -> None:
    """Choices of what was read. What a draft holds stays choosable, so that it can be said why it is wrong."""
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    held = form.data.get(name) if form.is_bound else form.initial.get(name)
    all_of_them = [*values, *([held] if held and held not in values else [])]
    field.choices = [("", "Choose one" if all_of_them else "Choose the host first"), *((value, value) for value in all_of_them)]


def name_field(label: str, help_text: str = "") -> forms.CharField:
    return forms.CharField(label=label, max_length=60, validators=[rules.name], widget=PLAIN, help_text=help_text)


def vlan_field(*, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(label="VLAN", validators=[rules.vlan], required=required)


def mtu_field(*, required: bool = True, help_text: str = "") -> forms.IntegerField:
    return forms.IntegerField(label="MTU", validators=[rules.mtu], required=required, help_text=help_text)


def addresses_field() -> forms.CharField:
    return forms.CharField(
        label="Addresses",
        required=False,
        max_length=400,
        widget=PLAIN,
        help_text="With their prefix, such as 192.0.2.10/24. Several with blanks.",
    )


def addresses(text: str) -> list[str]:
    """Each checked; raises ValidationError."""
    found = text.replace(",", " ").split()
    for one in found:
        rules.cidr(one)
    if len(set(found)) != len(found):
        raise ValidationError("An address is given twice.")
    return found
