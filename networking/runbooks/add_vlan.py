"""Add a fake bridge for a VLAN."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django import forms

from networking import changes, port_guards
from networking.changes import Change
from networking.forms import HostForm, addresses, addresses_field, name_field, vlan_field
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.runbook import Page


@dataclass(frozen=True)
class AddVlanParams(OneHost):
    bridge: str = ""
    name: str = ""
    vlan: int = 0
    addresses: tuple[str, ...] = ()

    def same(self, seen: Seen) -> bool:
        found = seen.switches.port(self.name) if seen.switches else None
        nic = seen.kernel.nic(self.name)
        tagged = found is not None and found[1].fake_bridge and found[0].name == self.bridge and found[1].tag == self.vlan
        return tagged and nic is not None and nic.up and set(self.addresses) <= set(nic.addresses)


class AddVlanForm(HostForm):
    bridge = forms.ChoiceField(label="In the bridge")
    vlan = vlan_field()
    name = name_field("Name of the fake bridge", "Such as mgmt0.")
    addresses = addresses_field()

    def clean_addresses(self) -> list[str]:
        return addresses(self.cleaned_data["addresses"])


class AddVlan(OnHost[AddVlanParams]):
    name = "add-vlan"
    title = "Add a VLAN"
    summary = "Makes a fake bridge for one VLAN of a bridge, with addresses of the host in it where wanted."
    when = "For the management network of a hypervisor, or for a network of virtual machines, on a trunk."
    params = AddVlanParams
    pages = (Page("vlan", "VLAN", AddVlanForm),)
    rules = (port_guards.bridge_there, port_guards.name_free, port_guards.vlan_free)

    def about(self, params: AddVlanParams) -> str:
        return f"{params.name}, VLAN {params.vlan} of {params.bridge}" if params.vlan else params.name

    def changes(self, params: AddVlanParams, seen: Seen) -> Iterable[Change]:
        yield changes.add_fake_bridge(params.name, params.bridge, params.vlan, params.addresses).unless(params.same(seen))
