"""Add an internal port."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django import forms

from networking import changes, port_guards
from networking.changes import Change
from networking.forms import HostForm, addresses, addresses_field, mtu_field, name_field, vlan_field
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.runbook import Page


@dataclass(frozen=True)
class AddInternalPortParams(OneHost):
    bridge: str = ""
    name: str = ""
    vlan: int | None = None
    mtu: int | None = None
    addresses: tuple[str, ...] = ()

    def same(self, seen: Seen) -> bool:
        found = seen.switches.port(self.name) if seen.switches else None
        nic = seen.kernel.nic(self.name)
        if found is None or nic is None or found[0].name != self.bridge or found[1].interfaces[0].type != "internal":
            return False
        sized = self.mtu is None or found[1].interfaces[0].mtu_request == self.mtu
        return sized and found[1].tag == self.vlan and nic.up and set(self.addresses) <= set(nic.addresses)


class AddInternalPortForm(HostForm):
    bridge = forms.ChoiceField(label="On the bridge")
    name = name_field("Name of the port", "Such as vi0.")
    addresses = addresses_field()
    vlan = vlan_field(required=False)
    mtu = mtu_field(required=False, help_text="Empty: as the bridge has it. 1412 fits through every kind of tunnel over 1500 bytes.")

    def clean_addresses(self) -> list[str]:
        return addresses(self.cleaned_data["addresses"])


class AddInternalPort(OnHost[AddInternalPortParams]):
    name = "add-internal-port"
    title = "Add an internal port"
    summary = "Gives the host an interface of its own in a bridge, with addresses, a VLAN and an MTU."
    when = "When the host itself has to talk in a bridge's network: at the end of a tunnel, for storage, for a virtual address."
    params = AddInternalPortParams
    pages = (Page("port", "Port", AddInternalPortForm),)
    rules = (port_guards.bridge_there, port_guards.name_free, port_guards.mtu_fits)

    def about(self, params: AddInternalPortParams) -> str:
        return f"{params.name} in {params.bridge}" if params.bridge else params.name

    def changes(self, params: AddInternalPortParams, seen: Seen) -> Iterable[Change]:
        yield changes.add_internal_port(params.bridge, params.name, params.vlan, params.mtu, params.addresses).unless(params.same(seen))
