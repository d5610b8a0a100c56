"""The part of the rulebook that speaks of packages and of hypervisors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from networking.facts.kvm import AGENT, Domains
from networking.facts.packages import System
from networking.facts.switches import SwitchConfig
from networking.kvm_packages import DOCS, Lack
from networking.kvm_state import TCP, TLS, Kvm, KvmParams, kvm
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.packages.offers import Effects, Offer

MANAGERS = "The manuals of apt-get, dnf and yum."
SETUP = "CloudStack's own setup of an agent, and libvirt's documentation of libvirtd.conf."


@dataclass(frozen=True)
class Need:
    """What an installation is about. `hint` says where packages come from that are not offered; `must`: nothing works without them."""

    host: str
    system: System
    offer: Offer
    lack: Lack
    effects: Effects | None
    hint: str = ""
    must: bool = False


class Needs(Protocol):
    @property
    def host(self) -> int: ...
    def need(self, facts: FactSet) -> Need: ...


def _need(params: Needs, facts: FactSet) -> Need | None:
    try:
        return params.need(facts) if params.host else None
    except FactError:
        return None


@guard(
    "packages.readable",
    title="The host says what it runs and what it has",
    reason="Names of packages differ from system to system and from version to version.",
    source=MANAGERS,
)
def readable(params: Needs, facts: FactSet) -> Iterator[Finding]:
    try:
        params.need(facts) if params.host else None
    except FactError as error:
        yield Finding(Level.BLOCK, str(error), "host")


@guard(
    "packages.rights",
    title="Changing a host needs root",
    reason="The portal never types a password for sudo: it could be read where it does.",
    source="sudo's manual, on -n.",
)
def rights(params: Needs, facts: FactSet) -> Iterator[Finding]:
    need = _need(params, facts)
    if need and need.system.sudo == "no":
        said = f"{need.system.user} is not root on {need.host}, and sudo asks for a password."
        yield Finding(Level.BLOCK, f"{said} Allow sudo without one, or give the host a credential that may.", "host")


@guard(
    "packages.offered",
    title="The package manager has what is missing",
    reason="Packages of other sources than those the host knows are not installed from here: nobody would keep them up to date.",
    source=MANAGERS,
)
def offered(params: Needs, facts: FactSet) -> Iterator[Finding]:
    need = _need(params, facts)
    if need and need.lack.nowhere:
        said = f"{need.host} ({need.system.title}) is not offered {', '.join(need.lack.nowhere)} by its repositories."
        yield Finding(Level.BLOCK, f"{said} {need.hint}".strip(), "host", override=not need.must)


@guard(
    "packages.nothing-else",
    title="Nothing else changes",
    reason="An installation may bring other versions of packages that are in use, or remove what stands in its way.",
    source="apt-get's manual, on --simulate.",
)
def nothing_else(params: Needs, facts: FactSet) -> Iterator[Finding]:
    need = _need(params, facts)
    effects = need.effects if need else None
    if effects and effects.removed:
        yield Finding(Level.BLOCK, f"The installation would remove {', '.join(effects.removed[:10])}.", "host", override=True)
    if effects and effects.changed:
        said = f"The installation also changes the version of {', '.join(effects.changed[:10])}; undo does not change it back."
        yield Finding(Level.WARN, said)
    if effects and effects.new:
        more = f" and {len(effects.new) - 12} more" if len(effects.new) > 12 else ""
        yield Finding(Level.NOTE, f"New on the host: {', '.join(effects.new[:12])}{more}.")
    if need and need.offer.manager == "apt" and not need.offer.lists and need.lack.install:
        yield Finding(Level.NOTE, "The host has no package lists yet. The first step fetches them; only then it shows what is offered.")


PACKAGES = (readable, rights, offered, nothing_else)


def _kvm(params: KvmParams, facts: FactSet) -> Kvm | None:
    try:
        return kvm(params, facts) if params.host and params.access else None
    except FactError:
        return None


@guard(
    "kvm.processor",
    title="The processor virtualizes",
    reason="Without VT-x or AMD-V libvirt offers no hardware virtual machines, and CloudStack's agent refuses the host.",
    source=DOCS,
)
def processor(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    found = _kvm(params, facts)
    if found and not found.virt.processor:
        said = f"The processor of {found.host.name} shows neither vmx nor svm: switch virtualization on in its BIOS, or in its hypervisor."
        yield Finding(Level.BLOCK, said, "host", override=True)
    elif found and not found.virt.device:
        yield Finding(Level.WARN, f"{found.host.name} has no /dev/kvm yet: load the module kvm_intel or kvm_amd.")


@guard(
    "kvm.tcp",
    title="Plain TCP lets anybody in",
    reason=f"Who reaches port {TCP} without authentication is root on the hypervisor, and on every virtual machine that it runs.",
    source=SETUP,
)
def tcp(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if params.access == "tcp":
        said = f"Port {TCP} opens without encryption and without a password: anybody on that network runs what he likes as root here."
        yield Finding(
            Level.WARN, f"{said} Only where a firewall lets nothing but the other hypervisors in, and only before 4.11.", "access"
        )


@guard(
    "kvm.tls",
    title="TLS has its keys",
    reason="libvirtd does not start with listen_tls and without its certificates.",
    source=SETUP,
)
def tls(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    found = _kvm(params, facts)
    if found and params.access == "tls" and found.virt.keys_missing:
        said = f"{found.host.name} lacks {', '.join(found.virt.keys_missing)}. Put them there, or let CloudStack open TLS itself."
        yield Finding(Level.BLOCK, said, "access")
    elif found and params.access == "tls":
        yield Finding(
            Level.NOTE, f"Hosts migrate over port {TLS} then, and only to hosts with a certificate of the same authority.", "access"
        )


@guard(
    "kvm.consoles",
    title="Who sees the consoles",
    reason="VNC has no password here: who reaches ports 5900 to 6100 sees and types into every virtual machine.",
    source="libvirt's documentation of qemu.conf.",
)
def consoles(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if params.vnc in ("0.0.0.0", "::"):  # noqa: S104 - it is what is warned of
        said = "Consoles are open on every address of the host. Give its management address, or have a firewall before ports 5900 to 6100."
        yield Finding(Level.WARN, said, "vnc")


@guard(
    "kvm.confinement",
    title="SELinux and AppArmor stay",
    reason="They are what stands between a virtual machine that broke out and the host.",
    source=f"{DOCS[:-1]}, which asks for it and says that production should have rules instead.",
)
def confinement(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if params.relax:
        said = "A virtual machine that breaks out of QEMU meets no second fence then. CloudStack's guide asks for it all the same."
        yield Finding(Level.WARN, said, "relax")


@guard(
    "kvm.cgroups",
    title="The workaround for control groups is for old CentOS 7 only",
    reason="cpu and cpuacct mounted together broke the agent from 2015 to April 2016. JoinControllers is gone from today's systemd.",
    source="The history of the CloudStack developers' own toolkit, which took it out again on 13 April 2016.",
)
def cgroups(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    found = _kvm(params, facts) if params.cgroups else None
    if found and (found.line is None or not found.line.cgroups):
        yield Finding(Level.BLOCK, f"{found.host.name} runs {found.system.title}. This is for CentOS 7 only.", "cgroups")
    elif found:
        said = (
            "It counts from the next reboot on, which is not part of this. A CentOS 7 with the updates since April 2016 needs none of it."
        )
        yield Finding(Level.WARN, said, "cgroups")


@guard(
    "kvm.supported",
    title="CloudStack still takes such a host",
    reason="CloudStack 4.20 and later take Enterprise Linux 8 to 10, Ubuntu 22.04 and 24.04 and SUSE 15. A cluster needs alike hosts.",
    source="CloudStack's release notes.",
)
def supported(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    found = _kvm(params, facts)
    if (
        found
        and found.line
        and ((found.line.ident == "redhat" and found.system.major < 8) or (found.line.ident == "ubuntu" and found.system.major < 22))
    ):
        yield Finding(Level.WARN, f"{found.system.title} is for clouds before 4.20 only, and gets no updates any more.", "host")
    elif found and found.line and found.line.ident == "debian":
        yield Finding(Level.NOTE, "Debian is not on CloudStack's list of hypervisors. It works as Ubuntu does.", "host")


@guard(
    "kvm.foreign",
    title="No virtual machines of somebody else",
    reason="CloudStack stops virtual machines that it does not know.",
    source=DOCS,
)
def foreign(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    found = _kvm(params, facts)
    if found is None or not found.installed or found.virt.agent:
        return
    known = facts.try_(Domains(found.host.target))
    if known and not isinstance(known, FactError):
        said = (
            f"libvirt on {found.host.name} has {len(known)} virtual machines ({', '.join(known[:5])}): move them before the host is added."
        )
        yield Finding(Level.WARN, said, "host")


@guard(
    "kvm.agent",
    title="The agent's file is there",
    reason="agent.properties comes with the package, and CloudStack's setup reads it when the host is added.",
    source=SETUP,
)
def agent(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    found = _kvm(params, facts)
    if found and not found.virt.agent and (params.openvswitch or params.debug):
        how = "It comes with this installation" if params.agent else "Install cloudstack-agent from your cloud's own repository"
        yield Finding(Level.NOTE, f"{found.host.name} has no {AGENT}. {how}; then run this once more, before the host is added.")


@guard(
    "kvm.open-vswitch",
    title="Open vSwitch is there for the agent",
    reason="An agent that is told to use Open vSwitch and finds none does not start.",
    source=SETUP,
)
def open_vswitch(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    found = _kvm(params, facts) if params.openvswitch else None
    if found and facts.try_(SwitchConfig(found.host.target)) is None:
        yield Finding(Level.WARN, f"{found.host.name} has no Open vSwitch. Install it before the host is added.", "openvswitch")


KVM = (*PACKAGES, processor, tcp, tls, consoles, confinement, cgroups, supported, foreign, agent, open_vswitch)
