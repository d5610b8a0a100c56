"""The rulebook on making clones unique. The database of the host is removed, so whatever hangs on it is a reason to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hosts.facts.portal import InventoryHost
from hosts.xen import cloning
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolStorage, PoolVms
from hosts.xen.more_facts import Programs, Twins, WhoItWas
from hosts.xen.state import Member, Role, Voice
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard

SCRIPT = "The release manager's procedure for XenServer made from a template (6.2 and 6.5)"


class OnAHost(Protocol):
    @property
    def host(self) -> int: ...


def _target(params: OnAHost, facts: FactSet) -> str:
    return facts(InventoryHost("portal", params.host)).target


def _view(params: OnAHost, facts: FactSet) -> Member | None:
    """Its own word, or None when it cannot be asked: then there is no plan either."""
    if not params.host:
        return None
    view = facts.try_(MemberView(_target(params, facts)))
    return None if isinstance(view, FactError) else view


def _talks(params: OnAHost, facts: FactSet) -> str:
    """The target when its xapi answers, else "". After a failure in the middle xapi is stopped and the rules were judged before."""
    view = _view(params, facts)
    return _target(params, facts) if view and view.voice is Voice.ANSWERS else ""


@guard(
    "unique.member",
    title="It is not a member of a pool",
    reason="A member has no database of its own: it would be torn out of its pool, which goes on counting it as a member.",
    source=f"/etc/xensource/pool.conf; {SCRIPT}",
)
def member(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    view = _view(params, facts)
    if view and view.role is Role.SLAVE:
        message = f"It follows the pool master {view.master_address}. Remove it from that pool first, with the runbook for that."
        yield Finding(Level.BLOCK, message, "host")
    elif view and view.role is not Role.MASTER:
        yield Finding(Level.BLOCK, "Its pool.conf says neither that it is a master nor whom it follows. Look at the file first.", "host")


@guard(
    "unique.slaves",
    title="It leads no other host",
    reason="The pool's only complete database is removed: all its members would lose their master and their records.",
    source=f"xapi's own list of hosts; {SCRIPT}",
)
def slaves(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    if target := _talks(params, facts):
        hosts = facts(PoolHosts(target))
        if len(hosts) > 1:
            names = ", ".join(host.name for host in hosts[:5])
            yield Finding(Level.BLOCK, f"Its database knows {len(hosts)} hosts ({names}). This is for a host that is alone.", "host")


@guard(
    "unique.vms",
    title="No virtual machine runs on it",
    reason="The host reboots twice, and the records of its virtual machines are gone afterwards.",
    source=SCRIPT,
)
def vms(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    if not (target := _talks(params, facts)):
        return
    found = facts(PoolVms(target))
    if running := [vm.name or vm.uuid for vm in found if vm.power != "halted"]:
        yield Finding(Level.BLOCK, f"On it are {', '.join(running[:5])}, which are not halted. Move or shut them down first.", "host")
    if halted := [vm.name or vm.uuid for vm in found if vm.power == "halted"]:
        message = f"The records of {len(halted)} halted virtual machines are lost ({', '.join(halted[:5])}); their disks stay."
        yield Finding(Level.BLOCK, f"{message} Export them first, or say why they do not matter.", "host", override=True)


@guard(
    "unique.ha",
    title="HA is off",
    reason="An armed host whose toolstack stops fences itself in the middle of the work.",
    source="XCP-ng's documentation on HA; xapi source, xapi_ha.ml",
)
def ha(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    view = _view(params, facts)
    target = _talks(params, facts)
    if (view and view.ha_armed) or (target and facts(PoolBasics(target)).ha_enabled):
        yield Finding(Level.BLOCK, "HA is on. A host that is alone needs none: turn it off first.", "host")


@guard(
    "unique.storage",
    title="What happens to its storage",
    reason="SRs are records of the database that is removed. The data stay on the disks; nothing is formatted.",
    source=SCRIPT,
)
def storage(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    if not (target := _talks(params, facts)):
        return
    found = [sr for sr in facts(PoolStorage(target)).srs if sr.type not in ("udev", "iso")]
    if found:
        names = ", ".join(f"{sr.name or sr.uuid} ({sr.type}, {sr.uuid})" for sr in found)
        message = f"The host forgets these SRs: {names}. To use one again: xe sr-introduce with the same uuid, xe pbd-create, xe pbd-plug."
        yield Finding(Level.WARN, message, "host")


@guard(
    "unique.tools",
    title="The host has what the procedure calls",
    reason="Without the templates no virtual machine can be made, and without the network reset the host has its twin's interfaces.",
    source=SCRIPT,
)
def tools(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    if not params.host:
        return
    there = facts(Programs(_target(params, facts), (cloning.CREATE_TEMPLATES, *cloning.RESET_NETWORKING)))
    if cloning.CREATE_TEMPLATES not in there:
        yield Finding(Level.BLOCK, f"{cloning.CREATE_TEMPLATES} is not there. This version may need another procedure.", "host")
    if not set(there) & set(cloning.RESET_NETWORKING):
        yield Finding(Level.BLOCK, "xe-reset-networking is not there, so its network records could not be made anew.", "host")


@guard(
    "unique.twin",
    title="It really is a clone",
    reason="A host that nobody else resembles loses its database for nothing.",
    source="The uuids that the hosts of the inventory had when they were read last",
)
def twin(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    view = _view(params, facts)
    if view and not facts(Twins("portal", params.host, view.uuid)):
        yield Finding(Level.WARN, f"No other host of the inventory has its uuid {view.uuid}. Is this the machine that you mean?", "host")


@guard(
    "unique.management",
    title="The management interface is a plain one",
    reason="The network reset makes records of physical interfaces only; a bond or VLAN has to be made again by hand.",
    source="XenServer's xe-reset-networking",
)
def management(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    if not params.host:
        return
    was = facts.try_(WhoItWas(_target(params, facts)))
    if isinstance(was, FactError):
        return
    if not was.management.device.startswith("eth"):
        message = f"Management runs over {was.management.device}. Put it on a physical interface first, on the host's console."
        yield Finding(Level.BLOCK, message, "host")


@guard(
    "unique.address",
    title="The portal finds it again",
    reason="The portal waits for the host at the address of the inventory. A host that comes back elsewhere is not found.",
    source="XenServer's xe-reset-networking; the published script always takes DHCP",
)
def address(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    mode, target = getattr(params, "mode", ""), _talks(params, facts)
    if mode == "static" and target:
        was = facts.try_(WhoItWas(target))
        kept = "" if isinstance(was, FactError) else was.management.address
        for host in facts(PoolHosts(target)):
            if kept and host.address != kept:
                message = f"xapi knows the host at {host.address} and its interface at {kept}: which one is to be kept is not certain."
                yield Finding(Level.BLOCK, f"{message} Restart its toolstack and read again, or choose DHCP.", "mode")
    if params.host and mode == "dhcp":
        message = "With DHCP it comes back at the inventory's address only if the server knows this machine. Otherwise the operation"
        yield Finding(Level.WARN, f"{message} waits for half an hour and fails, although the host may be well.", "mode")


@guard(
    "unique.not-renewed",
    title="What stays the same",
    reason="The procedure renews what CloudStack and xapi tell hosts apart by, not everything that a clone has of its twin.",
    source=SCRIPT,
)
def not_renewed(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    if params.host:
        yield Finding(Level.NOTE, f"Not renewed: {cloning.NOT_RENEWED}", "host")
    view = _view(params, facts)
    if view and not view.version.startswith(("6.2", "6.5")):
        message = f"The procedure is known from 6.2 and 6.5; this is {view.brand} {view.version}. Try it on one clone before the others."
        yield Finding(Level.WARN, message, "host")


@guard(
    "template.mac",
    title="Copies get a MAC address of their own",
    reason="The script leaves the machine alone that has the template's MAC address; otherwise the template would wipe itself.",
    source="The script that this runbook writes",
)
def mac(params: OnAHost, facts: FactSet) -> Iterator[Finding]:
    if not params.host:
        return
    was = facts.try_(WhoItWas(_target(params, facts)))
    if not isinstance(was, FactError):
        message = f"A copy whose interface also has {was.management.mac} stays a copy. Let the tool that copies give new MAC addresses."
        yield Finding(Level.NOTE, message, "host")


UNIQUE = (member, slaves, vms, ha, tools, management, twin, storage, address, not_renewed)
TEMPLATE = (member, slaves, ha, tools, management, mac, not_renewed)
