"""Set the MTU of an interface of Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from networking import changes, port_guards
from networking.changes import Change
from networking.forms import HostForm, mtu_field, offer
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.runbook import Page


@dataclass(frozen=True)
class SetMtuParams(OneHost):
    name: str = ""
    mtu: int = 0

    def same(self, seen: Seen) -> bool:
        found, nic = seen.switches.port(self.name) if seen.switches else None, seen.kernel.nic(self.name)
        return found is not None and found[1].interfaces[0].mtu_request == self.mtu and nic is not None and nic.mtu == self.mtu


class SetMtuForm(HostForm):
    name = forms.ChoiceField(label="Interface")
    mtu = mtu_field(help_text="1412 fits through every kind of tunnel over a network of 1500 bytes.")

    def look(self, found: dict[str, Any]) -> None:
        super().look(found)
        offer(self, "name", [*(found.get("bridges") or []), *(port["name"] for port in found.get("ports") or [])])


class SetMtu(OnHost[SetMtuParams]):
    name = "set-mtu"
    title = "Set an MTU"
    summary = "Sets the largest packet of an internal port or bridge, in the way that Open vSwitch keeps."
    when = "Before traffic goes through a tunnel: packets that do not fit are dropped without a word."
    params = SetMtuParams
    pages = (Page("mtu", "MTU", SetMtuForm),)
    rules = (port_guards.port_there, port_guards.mtu_fits)

    def about(self, params: SetMtuParams) -> str:
        return f"{params.name} to {params.mtu}" if params.mtu else params.name

    def changes(self, params: SetMtuParams, seen: Seen) -> Iterable[Change]:
        yield changes.set_mtu(seen, params.name, params.mtu).unless(params.same(seen))
