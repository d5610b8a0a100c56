"""Add a bridge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from networking import changes, port_guards
from networking.changes import Change
from networking.forms import HostForm, name_field
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.runbook import Page


@dataclass(frozen=True)
class AddBridgeParams(OneHost):
    name: str = ""

    def same(self, seen: Seen) -> bool:
        return seen.switches is not None and seen.switches.bridge(self.name) is not None


class AddBridgeForm(HostForm):
    name = name_field("Name of the bridge", "Such as cloudbr0.")


class AddBridge(OnHost[AddBridgeParams]):
    name = "add-bridge"
    title = "Add a bridge"
    summary = "Makes a bridge of Open vSwitch on one host, with the datapath that the host has."
    when = "Before a bond, a VLAN or a tunnel can be plugged in."
    params = AddBridgeParams
    pages = (Page("bridge", "Bridge", AddBridgeForm),)
    rules = (port_guards.name_free,)

    def about(self, params: AddBridgeParams) -> str:
        return params.name

    def changes(self, params: AddBridgeParams, seen: Seen) -> Iterable[Change]:
        yield changes.add_bridge(seen, params.name).unless(params.same(seen))
