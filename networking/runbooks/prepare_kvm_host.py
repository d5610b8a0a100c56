"""Prepare a KVM host: packages, libvirt's files and how it listens, the agent's, and what confines them."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from hosts.models import Host
from networking import kvm_guards, kvm_packages, kvm_steps
from networking.facts.kvm import AGENT
from networking.forms import PLAIN
from networking.kvm_guards import Need
from networking.kvm_state import LOG4J, SYSTEMD, Kvm, kvm
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Guard
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import Step

ACCESS = [
    ("cloudstack", "CloudStack opens TLS itself when the host is added (4.11 and later)"),
    ("tls", "TLS on 16514, with certificates that are on the host"),
    ("tcp", "Plain TCP on 16509, without authentication (before 4.11)"),
]

REMAINS = """
sudo=$([ "$(id -u)" = 0 ] || echo "sudo -n")
left=$({ $sudo virsh -c qemu:///system list --all --name; $sudo find /etc/libvirt/qemu -maxdepth 1 -name '*.xml'; } 2>/dev/null | xargs)
[ -z "$left" ] || { echo "libvirt still has virtual machines: $left. Nothing was removed." >&2; exit 1; }
"""


@dataclass(frozen=True)
class PrepareKvmParams:
    """Satisfies `kvm_state.KvmParams` and `kvm_guards.Needs`."""

    host: int = 0
    access: str = ""
    vnc: str = ""
    agent: bool = False
    openvswitch: bool = False
    debug: bool = False
    relax: bool = False
    cgroups: bool = False
    token: str = ""

    def need(self, facts: FactSet) -> Need:
        found = kvm(self, facts)
        hint = "cloudstack-agent is in your cloud's own repository." if kvm_packages.AGENT_PACKAGE in found.lack.nowhere else ""
        return Need(found.host.name, found.system, found.offer, found.lack, found.effects, hint)


class HostPage(forms.Form):
    host = forms.ModelChoiceField(Host.objects.order_by("sort_name"), empty_label="Choose a host")
    access = forms.ChoiceField(label="How libvirt listens", choices=[("", "Choose one"), *ACCESS], help_text="Over it, machines migrate.")
    vnc = forms.CharField(
        label="Consoles listen on", required=False, max_length=60, initial="0.0.0.0", widget=PLAIN,  # noqa: S104 - what CloudStack's setup writes
        help_text="The host's management address, or 0.0.0.0 for all of them. Empty leaves it as it is.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "host": self.initial.get("host") or None}

    def clean_vnc(self) -> str:
        address: str = self.cleaned_data["vnc"].strip()
        if address:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ValidationError(f"{address!r} is no address: write it without a prefix, such as 192.0.2.10.") from None
        return address


class AgentPage(forms.Form):
    agent = forms.BooleanField(required=False, label="Install cloudstack-agent", help_text="From a repository that the host knows.")
    openvswitch = forms.BooleanField(
        required=False, label="The agent uses Open vSwitch", help_text="Keys in agent.properties; others stay."
    )
    debug = forms.BooleanField(required=False, label="The agent's log tells everything", help_text="INFO becomes DEBUG in log4j-cloud.xml.")
    relax = forms.BooleanField(
        required=False, label="SELinux permissive, libvirt out of AppArmor", help_text="As CloudStack's guide asks. Leave it to keep them."
    )
    cgroups = forms.BooleanField(required=False, label="Control groups of CentOS 7 before April 2016", help_text="Empty JoinControllers.")


class PrepareKvmHost(Runbook[PrepareKvmParams]):
    name = "prepare-kvm-host"
    title = "Prepare a KVM host"
    summary = "Installs what a hypervisor needs, and sets libvirt, QEMU and CloudStack's agent as CloudStack expects them."
    when = "Before a host is added to a cloud, and again when it was reinstalled or its files were changed by hand."
    goes_wrong = (
        "libvirt stops while its files change; virtual machines go on. When a step fails, libvirt may stay stopped: undo brings it back as "
        "it was. A file that somebody changed since the plan is not written."
    )
    afterwards = "libvirt runs and answers, and exactly the ports that were chosen are open. A second run finds nothing to do."
    risk = Risk.DISRUPTIVE
    approvals = 1
    params = PrepareKvmParams
    pages = (Page("host", "Host", HostPage), Page("agent", "Agent and confinement", AgentPage))
    guards: ClassVar[tuple[Guard, ...]] = kvm_guards.KVM

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: PrepareKvmParams) -> str:
        host = Host.objects.filter(pk=params.host).first()
        return host.name if host else ""

    def locks(self, params: PrepareKvmParams) -> Iterable[str]:
        yield f"host:{params.host}"

    def look(self, page: str, params: PrepareKvmParams, facts: FactSet) -> dict[str, Any]:
        return said(kvm(params, facts)) if params.host and params.access else {}

    def plan(self, params: PrepareKvmParams, facts: FactSet) -> Iterator[Step]:
        found = kvm(params, facts)
        steps = [*_steps(params, found)]
        if not steps:
            raise NothingToDo(f"{found.host.name} is prepared already: every package is there, every file says so, and libvirt runs.")
        yield from steps


def _steps(params: PrepareKvmParams, found: Kvm) -> Iterator[Step]:
    """Where libvirt is not there yet its files are, before it starts for the first time: it never listens otherwise than was chosen."""
    install = [*_install(params, found)]
    if found.installed:
        yield from install
    if found.restart and (found.installed or found.mask):
        yield kvm_steps.hold(found)
    for edit in found.edits:
        yield from kvm_steps.edit(found, edit)
    if not found.installed:
        yield from install
    if params.relax:
        yield from kvm_steps.relax(found)
    if found.restart:
        yield kvm_steps.start(found)
    if any(edit.path in (AGENT, LOG4J) for edit in found.edits):
        yield kvm_steps.agent_again(found)
    if any(edit.path == SYSTEMD for edit in found.edits):
        yield kvm_steps.initrd(found)


def _install(params: PrepareKvmParams, found: Kvm) -> Iterator[Step]:
    if found.lack.install:
        remains = "" if found.installed else REMAINS
        yield from kvm_packages.steps(found.host.target, found.offer, found.lack.install, found.effects, params.token, remains)


def said(found: Kvm) -> dict[str, Any]:
    """For the page: what is there."""
    unit = found.virt.unit(f"{found.service}.service")
    confined = found.virt.selinux or ("AppArmor" if found.virt.apparmor and found.virt.profiles else "nothing")
    return {
        "System": found.system.title,
        "libvirt": f"{'.'.join(map(str, found.virt.version))}, {'running' if unit.active else 'stopped'}"
        if found.installed
        else "not installed",
        "Packages missing": ", ".join(found.lack.install) or "none",
        "Files to change": ", ".join(edit.path for edit in found.edits) or "none",
        "Confined by": confined,
        "CloudStack's agent": "installed" if found.virt.agent else "not installed",
        "Where the packages' names come from": found.line.source if found.line else "",
    }
