"""Remove a port: a bond, a NIC, a fake bridge, an internal port or a tunnel's end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from networking import port_guards, removing
from networking.changes import Change
from networking.forms import HostForm
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.runbook import Page


@dataclass(frozen=True)
class RemovePortParams(OneHost):
    name: str = ""


class RemovePortForm(HostForm):
    name = forms.ChoiceField(label="Port")

    def look(self, found: dict[str, Any]) -> None:
        super().look(found)
        field = self.fields["name"]
        assert isinstance(field, forms.ChoiceField)
        ports = [(port["name"], _said(port)) for port in found.get("ports") or []]
        held = self.data.get("name") if self.is_bound else self.initial.get("name")
        kept = [(held, held)] if held and held not in dict(ports) else []
        field.choices = [("", "Choose one" if ports else "Choose the host first"), *ports, *kept]


def _said(port: dict[str, Any]) -> str:
    vlan = f", VLAN {port['tag']}" if port["tag"] is not None else ""
    return f"{port['name']} ({'fake bridge' if port['fake'] else 'port'} of {port['bridge']}{vlan})"


class RemovePort(OnHost[RemovePortParams]):
    name = "remove-port"
    title = "Remove a port"
    summary = "Takes a bond, a NIC, a fake bridge, an internal port or a tunnel's end out of its bridge."
    when = "When it is not wanted any more. Undo makes it again as it was read, with its settings and addresses."
    params = RemovePortParams
    pages = (Page("port", "Port", RemovePortForm),)
    rules = (port_guards.port_there, port_guards.bond_now)

    def about(self, params: RemovePortParams) -> str:
        return params.name

    def changes(self, params: RemovePortParams, seen: Seen) -> Iterable[Change]:
        if found := seen.switches.port(params.name) if seen.switches else None:
            yield removing.remove_port(seen, *found)
