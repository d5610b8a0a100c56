"""Install Open vSwitch: the package of the host's own system, its service, and the word of both daemons that they work."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms

from hosts.models import Host
from networking import kvm_guards, kvm_packages
from networking.changes import RUN, asked
from networking.facts.packages import HostService, HostSystem
from networking.facts.portal import InventoryHost
from networking.facts.switches import SwitchConfig
from networking.kvm_guards import Need
from networking.kvm_packages import OVS, OVS_SERVICE
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import Condition, Effect, RunCommand, Step
from opsportal.packages.offers import Offered, Simulated
from opsportal.transport.command import Command

START = f"""{RUN}
run systemctl enable "$1" && run systemctl start "$1"
"""

STOP = f"""{RUN}
bridges=$(root ovs-vsctl --timeout=10 list-br) || {{ echo "Whether there are bridges is not known, so nothing is stopped." >&2; exit 1; }}
left=$(echo $bridges)
[ -z "$left" ] || {{ echo "There are bridges: $left. Remove them first; the service was left alone." >&2; exit 1; }}
[ "$2" = active ] || run systemctl stop "$1" || exit $?
[ "$3" = enabled ] || run systemctl disable "$1"
"""

REMAINS = """
sudo=$([ "$(id -u)" = 0 ] || echo "sudo -n")
left=$($sudo ovs-vsctl --timeout=10 list-br 2>/dev/null | tr '\\n' ' ')
[ -z "$left" ] || { echo "There are bridges: $left. Remove them first; nothing was removed." >&2; exit 1; }
"""


@dataclass(frozen=True)
class InstallOvsParams:
    """Satisfies `kvm_guards.Needs`."""

    host: int = 0
    token: str = ""

    def need(self, facts: FactSet) -> Need:
        host = facts(InventoryHost("portal", self.host))
        system = facts(HostSystem(host.target))
        if system.family not in OVS:
            raise FactError(
                f"{host.name} runs {system.title}. Open vSwitch is installed on Debian, Ubuntu and the systems of Red Hat's kind."
            )
        if not system.systemd:
            raise FactError(f"{host.name} runs {system.title} without systemd. Install its package openvswitch by hand.")
        offer = facts(Offered(host.target, OVS[system.family]))
        lack = kvm_packages.one_of(OVS[system.family], offer)
        effects = facts(Simulated(host.target, lack.install)) if offer.manager == "apt" and offer.lists and lack.install else None
        return Need(host.name, system, offer, lack, effects, kvm_packages.ovs_source(system), must=True)


class HostPage(forms.Form):
    host = forms.ModelChoiceField(Host.objects.order_by("sort_name"), empty_label="Choose a host")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "host": self.initial.get("host") or None}


@guard(
    "ovs.tunnels",
    title="STT needs another switch",
    reason="STT was only ever in an own kernel module, which left Open vSwitch with 3.0. VXLAN, GRE and Geneve are in every package.",
    source="Open vSwitch's NEWS for 3.0 and 3.6.",
)
def tunnels(params: InstallOvsParams, facts: FactSet) -> Iterator[Finding]:
    if params.host:
        yield Finding(Level.NOTE, "An NSX-MH cloud with STT needs the switch that came with NSX, not the system's own package.")


class InstallOpenVswitch(Runbook[InstallOvsParams]):
    name = "install-open-vswitch"
    title = "Install Open vSwitch"
    summary = "Installs the system's own package, starts the service now and at every boot, and asks both of its daemons."
    when = "Before bridges, bonds and tunnels are made on a host, and before it becomes a hypervisor with Open vSwitch."
    goes_wrong = (
        "Enterprise Linux 8 and 9 have no Open vSwitch of their own: the repository that has it is named before anything runs. "
        "Undo refuses while there are bridges."
    )
    afterwards = "The database answers, and so does the switch itself. No traffic changed: there is no bridge yet."
    risk = Risk.DISRUPTIVE
    approvals = 1
    params = InstallOvsParams
    pages = (Page("host", "Host", HostPage),)
    guards: ClassVar[tuple[Guard, ...]] = (*kvm_guards.PACKAGES, tunnels)

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: InstallOvsParams) -> str:
        host = Host.objects.filter(pk=params.host).first()
        return host.name if host else ""

    def locks(self, params: InstallOvsParams) -> Iterable[str]:
        yield f"host:{params.host}"

    def look(self, page: str, params: InstallOvsParams, facts: FactSet) -> dict[str, Any]:
        if not params.host:
            return {}
        need = params.need(facts)
        return {"System": need.system.title, "To install": ", ".join(need.lack.install) or "nothing"}

    def plan(self, params: InstallOvsParams, facts: FactSet) -> Iterator[Step]:
        need = params.need(facts)
        target, service = facts(InventoryHost("portal", params.host)).target, OVS_SERVICE[need.system.family]
        state = facts(HostService(target, service))
        if not need.lack.install and not need.lack.nowhere and state.active and state.enabled:
            switches = facts(SwitchConfig(target))
            version = switches.version if switches else ""
            raise NothingToDo(f"{need.host} has it already: Open vSwitch {version} is installed, runs, and starts at every boot.")
        if need.lack.install:
            yield from kvm_packages.steps(target, need.offer, need.lack.install, need.effects, params.token, REMAINS)
        yield _start(target, service, active=state.active, enabled=state.enabled)


def _start(target: str, service: str, *, active: bool, enabled: bool) -> Step:
    was = ("active" if active else "inactive", "enabled" if enabled else "disabled")
    return Step(
        key="start",
        target=target,
        title="Start Open vSwitch, now and at every boot",
        why="Its database and its switch are two daemons: the one may answer while the other does not.",
        action=RunCommand(Command(script=START, argv=(service,), gist=f"systemctl enable {service}\nsystemctl start {service}"), 120),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(
            Condition("The service runs", asked("systemctl", "is-active", service), "equals", "active", within=20),
            Condition("The database answers", asked("ovs-vsctl", "--timeout=10", "show"), "contains", "ovs_version", within=20),
            Condition("ovs-vswitchd answers", asked("ovs-appctl", "version"), "networking.kvm_judges.answers", within=20),
        ),
        undo=RunCommand(Command(script=STOP, argv=(service, *was), gist=f"systemctl stop {service}\nsystemctl disable {service}"), 120),
    )
