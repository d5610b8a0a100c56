"""Forms of the runbooks on XenServer pools. What can be chosen arrives with what a worker read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django import forms

from hosts.models import Host, Pool
from hosts.xen.ha_clock import MOST, SUGGESTED, WORDS, What

XEN = (Pool.Kind.XENSERVER, Pool.Kind.XCP_NG)
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_OFFERED = "This cannot be chosen: its row says why."


class PoolField(forms.ModelChoiceField):  # type: ignore[type-arg] # generic only in the stubs
    """The pools that whoever asks may see: looked up anew for each form, and for those who read what was asked for."""

    def called(self, value: int) -> str:
        pool = Pool.objects.filter(pk=value).first()
        return pool.name if pool else str(value)


class PoolForm(forms.Form):
    pool = PoolField(Pool.objects.none(), label="Pool", empty_label="Choose a pool", help_text="XenServer and XCP-ng pools under Clouds.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(PoolField, self.fields["pool"]).queryset = Pool.objects.filter(kind__in=XEN)


class UuidForm(forms.Form):
    """Base of forms with one choice among rows that were read. `choices_from` names the field and the rows in what `look` gives.

    A row is a mapping with "uuid", "name" and "why_not" ("" when it may be chosen). What was chosen before stays a choice even when
    it is not among them any more, so that a guard can say what is wrong with it.
    """

    choices_from: tuple[str, str] = ("", "")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.initial.get("host"):
            self.initial = {**self.initial, "host": uuid_of(self.initial["host"])}

    def look(self, found: Mapping[str, Any]) -> None:
        name, rows = self.choices_from
        field = cast(forms.ChoiceField, self.fields[name])
        field.choices = offered(found.get(rows) or (), self._chosen(name))

    def _chosen(self, name: str) -> list[str]:
        given = self.data.getlist(name) if hasattr(self.data, "getlist") else [self.data.get(name)]
        kept = self.initial.get(name)
        values = [*given, *(kept if isinstance(kept, list | tuple) else [kept])]
        return [str(value) for value in values if value and UUID.fullmatch(str(value))]


def uuid_of(host: object) -> str:
    """A host's uuid from itself, or from the inventory's number of the host; "" when that was not read yet."""
    text = str(host or "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return text
    row = Host.objects.filter(pk=int(text)).first()
    return str(row.facts.get("host_uuid", "")).lower() if row else ""


def offered(rows: Sequence[Mapping[str, Any]], chosen: Sequence[str]) -> list[tuple[str, str]]:
    """Choices: every row without a reason against it, and what was chosen but is no row at all."""
    refused = {str(row["uuid"]) for row in rows if row.get("why_not")}
    good = {str(row["uuid"]): str(row["name"]) for row in rows if not row.get("why_not")}
    lost = {uuid: f"{uuid} (not found)" for uuid in chosen if uuid not in good and uuid not in refused}
    return [*good.items(), *lost.items()]


def one_of(label: str, help_text: str, kind: type[forms.ChoiceField] = forms.ChoiceField) -> forms.ChoiceField:
    """A choice among rows, shown by the page's own table."""
    return kind(
        label=label, help_text=help_text, widget=forms.RadioSelect, choices=[],
        error_messages={"invalid_choice": NOT_OFFERED, "required": "Choose one of the rows."},
    )  # fmt: skip


class HostField(forms.ChoiceField):
    """A host by its uuid."""

    def called(self, value: object) -> str:
        """As the inventory calls it, for those who read what was asked for."""
        host = Host.objects.filter(facts__host_uuid=uuid_of(value)).first()
        return f"{host.name} ({uuid_of(value)})" if host else uuid_of(value)


class MasterForm(UuidForm):
    host = one_of("New pool master", "A member that is live, enabled and runs the master's version.", HostField)
    choices_from = ("host", "hosts")


class DisabledHostForm(UuidForm):
    host = one_of("Host to enable", "Only hosts that are disabled and answer can be enabled.", HostField)
    choices_from = ("host", "hosts")


class HeartbeatForm(UuidForm):
    sr = one_of("Heartbeat SR", "Shared, and plugged on every host. It holds the statefile of 4 MB and a redo log.")
    choices_from = ("sr", "srs")


class TimeoutForm(forms.Form):
    """`outage` and `what` only move the picture: no step depends on them."""

    timeout = forms.IntegerField(
        label="Timeout in seconds", initial=SUGGESTED, min_value=1, max_value=MOST,
        help_text="For so long network or storage may be away before hosts fence themselves. 180 is what has stood the test.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    outage = forms.IntegerField(label="Outage in the picture, seconds", initial=150, min_value=1, max_value=MOST, required=False)
    what = forms.ChoiceField(
        label="What fails in the picture",
        choices=[(what.value, words) for what, words in WORDS.items()],
        initial=What.BOTH.value,
        required=False,
    )


class VmsForm(UuidForm):
    vms = forms.MultipleChoiceField(
        label="Virtual machines", widget=forms.CheckboxSelectMultiple, choices=[], help_text="Those that keep no priority.",
        error_messages={"invalid_choice": "%(value)s is not protected any more.", "required": "Choose at least one."},
    )  # fmt: skip
    choices_from = ("vms", "vms")

    def look(self, found: Mapping[str, Any]) -> None:
        super().look(found)
        if not self.is_bound and not self.initial.get("vms"):
            self.initial["vms"] = [row["uuid"] for row in found.get("vms") or ()]
