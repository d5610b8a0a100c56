"""A virtual address that moves between hosts, by keepalived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from networking import vrrp, vrrp_guards, vrrp_steps
from networking.forms import PLAIN, HostsField, addresses, name_field
from networking.vrrp_guards import Place, places
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Guard
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class VirtualAddressParams:
    """`hosts` in the order in which they take the address. Satisfies `vrrp_guards.OnHosts`."""

    hosts: tuple[int, ...] = ()
    name: str = ""
    interface: str = ""
    addresses: tuple[str, ...] = ()
    router: int = 0
    version: int = 2
    seconds: int = 1
    secret: str = ""
    unicast: bool = False

    @property
    def virtual(self) -> vrrp.Virtual:
        return vrrp.Virtual(
            self.name, self.interface, self.router, self.addresses, self.version, self.seconds, self.secret, self.unicast
        )  # fmt: skip


class HostsForm(forms.Form):
    hosts = HostsField(label="Hosts", help_text="Two or more. The first in the list takes the address when it can.")
    interface = name_field("Interface", "The same name on every host, such as vi0.")

    def clean_hosts(self) -> list[int]:
        chosen = [host.pk for host in self.cleaned_data["hosts"]]
        if len(chosen) < 2:
            raise ValidationError("An address that moves needs two hosts at least.")
        return chosen


class AddressForm(forms.Form):
    name = forms.CharField(label="Name", max_length=30, widget=PLAIN, help_text="What keepalived calls it, such as gateway.")
    addresses = forms.CharField(
        label="Virtual addresses", max_length=400, widget=PLAIN, help_text="With their prefix; several with blanks."
    )
    router = forms.IntegerField(label="Router id", min_value=1, max_value=255, help_text="1 to 255, once in the whole network segment.")
    version = forms.TypedChoiceField(label="VRRP", choices=[(2, "version 2"), (3, "version 3")], coerce=int, initial=2)
    seconds = forms.IntegerField(label="Seconds between advertisements", min_value=1, max_value=60, initial=1)
    secret = forms.CharField(
        label="Password", required=False, max_length=60, widget=PLAIN,
        help_text="At most 8 letters, version 2 only. It travels in clear text: it keeps mistakes out, not people.",
    )  # fmt: skip
    unicast = forms.BooleanField(required=False, label="Unicast", help_text="For networks and tunnels that do not pass multicast.")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not vrrp.NAME.fullmatch(name):
            raise ValidationError("Letters, digits, dashes and underscores, a letter first.")
        return name

    def clean_addresses(self) -> list[str]:
        found = addresses(self.cleaned_data["addresses"])
        if vrrp.family(tuple(found)) is None:
            raise ValidationError("Addresses of one instance are all IPv4 or all IPv6.")
        return found

    def clean_secret(self) -> str:
        secret: str = self.cleaned_data["secret"]
        if secret and not (secret.isascii() and secret.isalnum() and len(secret) <= 8):
            raise ValidationError("At most 8 letters and digits: keepalived cuts off the rest, and the hosts would disagree.")
        return secret

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("secret") and data.get("version") == 3:
            self.add_error("secret", ValidationError("Version 3 has no passwords. Leave it empty, or choose version 2."))
        return data


class VirtualAddress(Runbook[VirtualAddressParams]):
    name = "virtual-address"
    title = "Add a virtual address"
    summary = "Gives two or more hosts an address that exactly one of them holds, and that moves when this one fails."
    when = "For a gateway, a load balancer or a management address that has to outlive its host."
    goes_wrong = (
        "A router id that something else in the segment uses makes both fight. Where multicast does not pass, every host believes that it "
        "is alone and takes the address: then choose unicast."
    )
    afterwards = "Exactly one host has the address. Undo puts the old configuration back."
    risk = Risk.DANGEROUS
    approvals = 1
    params = VirtualAddressParams
    pages = (Page("hosts", "Hosts", HostsForm), Page("address", "Address", AddressForm))
    guards: ClassVar[tuple[Guard, ...]] = vrrp_guards.RULES

    def subject(self, params: VirtualAddressParams) -> str:
        return " ".join(params.addresses) or params.name

    def locks(self, params: VirtualAddressParams) -> Iterable[str]:
        return [f"host:{host}" for host in sorted(params.hosts)]

    def look(self, page: str, params: VirtualAddressParams, facts: FactSet) -> dict[str, Any]:
        if not params.hosts:
            return {}
        return {place.host.name: _said(place) for place in places(params, facts)}

    def plan(self, params: VirtualAddressParams, facts: FactSet) -> Iterator[Step]:
        found = places(params, facts)
        changed = [place for place in found if place.wanted != place.text or not place.running]
        if not changed:
            raise NothingToDo(f"All {len(found)} hosts have this already: {', '.join(params.addresses)}.")
        for place in changed:
            yield from vrrp_steps.configure(place)
        yield from vrrp_steps.one_holder(params.virtual, found)


def _said(place: Place) -> str:
    if not place.version:
        return "keepalived is not installed"
    return f"keepalived {place.version}, {'running' if place.running else 'not running'}, {place.address or 'no address'} on the interface"
