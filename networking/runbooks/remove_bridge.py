"""Remove a bridge with all that is in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from networking import port_guards, removing
from networking.changes import Change
from networking.forms import HostForm, offer
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.runbook import Page


@dataclass(frozen=True)
class RemoveBridgeParams(OneHost):
    name: str = ""


class RemoveBridgeForm(HostForm):
    name = forms.ChoiceField(label="Bridge")

    def look(self, found: dict[str, Any]) -> None:
        super().look(found)
        offer(self, "name", found.get("bridges") or [])


class RemoveBridge(OnHost[RemoveBridgeParams]):
    name = "remove-bridge"
    title = "Remove a bridge"
    summary = "Takes a bridge away, with its ports, fake bridges and the addresses on them."
    when = "When a host leaves a network for good. Refused while virtual machines are plugged in."
    params = RemoveBridgeParams
    pages = (Page("bridge", "Bridge", RemoveBridgeForm),)
    rules = (port_guards.port_there, port_guards.in_use)

    def about(self, params: RemoveBridgeParams) -> str:
        return params.name

    def changes(self, params: RemoveBridgeParams, seen: Seen) -> Iterable[Change]:
        bridge = seen.switches.bridge(params.name) if seen.switches else None
        if bridge is not None:
            yield removing.remove_bridge(seen, bridge)
