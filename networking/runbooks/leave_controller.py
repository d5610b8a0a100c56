"""Take a host's switch away from its controller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from networking import controller_guards, controller_leaving, controller_ovn, controller_steps, guarded
from networking.changes import Change
from networking.controller_forms import ApiForm
from networking.facts.controller import ApiCertificate, ApiLogin, SwitchCertificates
from networking.facts.ovn import OvnState
from networking.facts.portal import HostData
from networking.forms import HostForm
from networking.host_guards import network
from networking.on_host import OneHost, OnHost
from networking.pictures import ours
from networking.runbooks.register_with_controller import shown_for
from networking.seen import Seen
from opsportal.operations.facts import FactSet
from opsportal.operations.runbook import NothingToDo, Page
from opsportal.operations.steps import Step

KINDS = [
    ("manager", "The manager: the switch no longer calls it"),
    ("nsx", "NSX: its record of the host as well, through its API"),
    ("ovn", "OVN: the host is no chassis any more"),
]


@dataclass(frozen=True)
class LeaveParams(OneHost):
    """`ssl`: the SSL table goes, too. `bridges`: bridges lose their OpenFlow controllers and forward by themselves."""

    kind: str = "manager"
    ssl: bool = False
    bridges: bool = False
    api: str = ""
    api_port: int = 443
    fingerprint: str = ""
    credential: int = 0
    node: str = ""


class LeaveForm(HostForm):
    kind = forms.ChoiceField(label="Leave", choices=KINDS, initial="manager")
    bridges = forms.BooleanField(
        required=False, label="Free the bridges", help_text="They lose their OpenFlow controllers, and forward like plain switches again."
    )
    ssl = forms.BooleanField(
        required=False, label="Forget the certificates", help_text="Open vSwitch no longer uses any. The files stay in /etc/openvswitch."
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in ("bridges", "ssl"):
            if data.get("kind") == "ovn" and data.get(name):
                self.add_error(name, "OVN keeps neither: this belongs to a manager. Leave that in an operation of its own.")
        return data


class LeaveController(OnHost[LeaveParams]):
    name = "leave-controller"
    title = "Leave a controller"
    summary = "Takes the manager away from a switch, and the host out of NSX when asked to; then proves that nobody leads it."
    when = "Before a hypervisor leaves its cloud, or goes to another controller."
    goes_wrong = (
        "The networks that a controller made stay as they are until somebody removes them. A bridge with fail_mode secure and without a "
        "controller drops everything that is not allowed already. What cuts the portal off is taken back by the host itself."
    )
    afterwards = "The switch has no manager. Undo brings back what was read, and the switch calls its manager again."
    params = LeaveParams
    pages = (Page("leave", "Leave", LeaveForm), Page("nsx", "NSX", ApiForm, "Leave it empty unless NSX has to forget the host, too."))
    rules = (controller_leaving.led, controller_leaving.secure, controller_leaving.shared, controller_leaving.asks, *controller_guards.API)

    def about(self, params: LeaveParams) -> str:
        return {"nsx": f"{params.node} in NSX", "ovn": "OVN"}.get(params.kind, "the manager")

    def look(self, page: str, params: LeaveParams, facts: FactSet) -> dict[str, Any]:
        return shown_for(params, facts)

    def changes(self, params: LeaveParams, seen: Seen) -> Iterator[Change]:
        raise AssertionError("its plan needs more than what was seen of the network")

    def plan(self, params: LeaveParams, facts: FactSet) -> Iterator[Step]:
        host, seen = network(params, facts)
        change = self._change(params, seen, host, facts)
        if not change.do:
            raise NothingToDo(f"{host.name} has left it already: {self.about(params)}.")
        if params.kind == "nsx":
            yield from _out_of_nsx(params, facts)
        if change.touches & ours(seen):
            yield from guarded.steps(host.target, change, params.token, params.timer)
        else:
            yield guarded.plain(host.target, change)

    def _change(self, params: LeaveParams, seen: Seen, host: HostData, facts: FactSet) -> Change:
        assert seen.switches is not None
        if params.kind == "ovn":
            ovn = facts(OvnState(host.target))
            if ovn is None:
                raise NothingToDo(f"{host.name} has no ovn-controller.")
            return controller_ovn.leave(seen.switches, ovn)
        found = facts(SwitchCertificates(host.target, "ovsclient")) if params.ssl else None
        return controller_leaving.leave(seen.switches, params.bridges, params.token, found)


def _out_of_nsx(params: LeaveParams, facts: FactSet) -> Iterator[Step]:
    """First, so that nothing changes on the switch while NSX does not answer."""
    shown, login = facts(ApiCertificate("local", params.api, params.api_port)), facts(ApiLogin("portal", params.credential))
    asked = controller_steps.request(params, login.username, shown.pem)
    yield controller_steps.password(params, login.name)
    yield controller_steps.ask_nsx(
        "remove", asked, params.token, f"Take {params.node} out of NSX",
        "NSX would go on showing a hypervisor that never comes back. It is asked before and after, and a name that is there twice is left.",
        f"DELETE https://{params.api}:{params.api_port}/ws.v1/transport-node/…",
    )  # fmt: skip
    yield controller_steps.forget(params)
