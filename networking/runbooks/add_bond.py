"""Add a bond."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from networking import changes, port_guards
from networking.changes import Change
from networking.forms import HostForm, name_field
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.runbook import Page

MODES = [
    ("balance-tcp", "balance-tcp: spreads connections, needs LACP on the switch"),
    ("balance-slb", "balance-slb: spreads by source, needs nothing of the switch"),
    ("active-backup", "active-backup: one carries, the others wait"),
]
LACP = [("active", "active: asks the switch"), ("passive", "passive: waits for the switch to ask"), ("off", "off")]


@dataclass(frozen=True)
class AddBondParams(OneHost):
    bridge: str = ""
    name: str = ""
    nics: tuple[str, ...] = ()
    mode: str = "balance-tcp"
    lacp: str = "active"
    fast: bool = True

    def same(self, seen: Seen) -> bool:
        """The same NICs in the same bridge; what else it is set to is a change of its own."""
        found = seen.switches.port(self.name) if seen.switches else None
        return found is not None and found[0].name == self.bridge and {one.name for one in found[1].interfaces} == set(self.nics)


class AddBondForm(HostForm):
    bridge = forms.ChoiceField(label="In the bridge")
    name = name_field("Name of the bond", "Such as bond0.")
    nics = forms.MultipleChoiceField(
        label="NICs", widget=forms.CheckboxSelectMultiple, help_text="Two at least; only free ones are offered."
    )
    mode = forms.ChoiceField(label="Mode", choices=MODES, initial="balance-tcp")
    lacp = forms.ChoiceField(label="LACP", choices=LACP, initial="active")
    fast = forms.BooleanField(label="Notice a lost partner within 3 s instead of 90 s", required=False, initial=True)

    def look(self, found: dict[str, Any]) -> None:
        super().look(found)
        field = self.fields["nics"]
        assert isinstance(field, forms.MultipleChoiceField)
        held = (self.data.getlist("nics") if hasattr(self.data, "getlist") else self.initial.get("nics")) or []
        nics = {nic["name"]: _said(nic) for nic in found.get("nics") or [] if not nic["ours"]}
        field.choices = [*nics.items(), *((name, name) for name in held if name not in nics)]

    def clean_nics(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["nics"]
        if len(chosen) < 2:
            raise forms.ValidationError("A bond needs two NICs at least.")
        return chosen

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("mode") == "balance-tcp" and data.get("lacp") == "off":
            self.add_error("lacp", "balance-tcp without LACP carries over one NIC at most: choose active, or another mode.")
        return data


def _said(nic: dict[str, Any]) -> str:
    state = "signal" if nic["carrier"] else "switched on, no signal" if nic["up"] else "switched off"
    return f"{nic['name']} ({nic['mac']}, {state})"


class AddBond(OnHost[AddBondParams]):
    name = "add-bond"
    title = "Add a bond"
    summary = "Bonds several NICs of a host in a bridge, with LACP or without, and proves that the switch agreed."
    when = "To use two cables as one, so that the network outlives one of them."
    params = AddBondParams
    pages = (Page("bond", "Bond", AddBondForm),)
    rules = (port_guards.bridge_there, port_guards.name_free, port_guards.nics_free, port_guards.nics_signal)

    def about(self, params: AddBondParams) -> str:
        return f"{params.name} of {', '.join(params.nics)}" if params.nics else params.name

    def changes(self, params: AddBondParams, seen: Seen) -> Iterable[Change]:
        yield changes.add_bond(seen, params.bridge, params.name, params.nics, params.mode, params.lacp, params.fast).unless(
            params.same(seen)
        )
