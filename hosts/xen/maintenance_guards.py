"""The rulebook on rolling maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hosts.facts.restorations import CLUSTER, OpenRestorations
from hosts.xen.facts import PoolPifs
from hosts.xen.ha_steps import RESTORATION
from hosts.xen.membership import disabled_key
from hosts.xen.more_facts import DoneBefore, Obstacles
from hosts.xen.pool_guards import mixed
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard


class Maintaining(Protocol):
    """`skip` are uuids."""

    @property
    def pool(self) -> int: ...
    @property
    def skip(self) -> tuple[str, ...]: ...
    @property
    def reboot(self) -> bool: ...
    @property
    def patches(self) -> str: ...
    @property
    def pre_script(self) -> str: ...
    @property
    def post_script(self) -> str: ...


def _found(params: Maintaining, facts: FactSet) -> Survey | None:
    return survey(params.pool, facts) if params.pool else None


@guard(
    "maintenance.restorations",
    title="Nothing else is left changed for a time",
    reason="A host that is out of service for another reason would be the second one down.",
    source="The portal's own record of restorations",
)
def restorations(params: Maintaining, facts: FactSet) -> Iterator[Finding]:
    """HA left off, a cluster left unmanaged, and hosts left disabled whose turn comes in this run, are brought back by it."""
    if not (found := _found(params, facts)):
        return
    mine = {RESTORATION, CLUSTER, *(disabled_key(host.uuid) for host in found.hosts if host.uuid not in params.skip)}
    for one in facts(OpenRestorations("portal", found.pool.resource)):
        if one.left and one.key in mine:
            yield Finding(Level.NOTE, f"{one.title}: operation #{one.operation} left it so. This run brings it back.", "pool")
        elif one.left:
            yield Finding(Level.BLOCK, f"{one.title}: operation #{one.operation} left it so. Settle it under Restorations first.", "pool")


@guard(
    "maintenance.enabled",
    title="Every other host is in service",
    reason="Virtual machines need room, and the pool stands one host being down, not two.",
    source="The release manager's procedures",
)
def in_service(params: Maintaining, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    mine = {one.key for one in facts(OpenRestorations("portal", found.pool.resource)) if one.left}
    out = [host for host in found.hosts if not host.enabled and disabled_key(host.uuid) not in mine]
    for host in out:
        message = f"{host.name} is disabled. While another host is empty it would be the second one down. Re-enable it first."
        yield Finding(Level.BLOCK, message, "skip" if host.uuid in params.skip else "pool")


def order(found: Survey, skip: tuple[str, ...]) -> list[str]:
    """Uuids in the order of their turns: the master first, so that no older master ever leads newer members."""
    rest = [host.uuid for host in found.hosts if host.uuid != found.basics.master]
    return [uuid for uuid in (found.basics.master, *rest) if uuid not in skip]


@guard(
    "maintenance.alone",
    title="There is another host to move to",
    reason="Without another enabled host nothing can be moved away.",
    source="xapi source, xapi_host.ml: NO_HOSTS_AVAILABLE",
)
def alone(params: Maintaining, facts: FactSet) -> Iterator[Finding]:
    if (found := _found(params, facts)) and len(found.hosts) == 1:
        message = f"{found.hosts[0].name} is alone: what runs on it has to be shut down by somebody, or it stops at the first step."
        yield Finding(Level.WARN, message, "pool")


@guard(
    "maintenance.obstacles",
    title="Every virtual machine can be moved",
    reason="One with a local disk, an ISO or a network that the others lack keeps its host from being emptied.",
    source="xe host-get-vms-which-prevent-evacuation, asked for every host",
)
def obstacles(params: Maintaining, facts: FactSet) -> Iterator[Finding]:
    """With HA on the question gives misleading answers, so it is asked only while HA is off."""
    if not (found := _found(params, facts)) or found.basics.ha_enabled:
        return
    target = found.speaker.target
    facts.need(*(Obstacles(target, uuid) for uuid in order(found, params.skip)))
    for uuid in order(found, params.skip):
        stuck = facts.try_(Obstacles(target, uuid))
        if not isinstance(stuck, FactError) and stuck:
            names = ", ".join(f"{one.name or one.vm} ({one.reason})" for one in stuck[:5])
            yield Finding(Level.WARN, f"From {found.host(uuid).name} cannot be moved: {names}. It stops there unless that changes.", "pool")


@guard(
    "maintenance.done",
    title="Hosts that were done before",
    reason="A run that stopped is best taken up where it stopped; begun anew it does every host again.",
    source="The portal's own record of operations",
)
def done(params: Maintaining, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    before = facts(DoneBefore("portal", params.pool))
    again = [host.name for host in found.hosts if host.uuid in before.hosts and host.uuid not in params.skip]
    if again:
        message = f"Operation #{before.operation} did {', '.join(again)} and then stopped. Retry it, or skip these hosts here."
        yield Finding(Level.WARN, message, "skip")


@guard(
    "maintenance.nothing",
    title="There is something to do",
    reason="Emptying a host for nothing moves every virtual machine twice.",
    source="This plan",
)
def nothing(params: Maintaining, facts: FactSet) -> Iterator[Finding]:
    found = _found(params, facts)
    if found and not (params.reboot or params.patches or params.pre_script or params.post_script):
        yield Finding(Level.WARN, "No reboot, no patches and no script: every host would only be emptied and enabled again.", "reboot")
    if found and not order(found, params.skip):
        yield Finding(Level.BLOCK, "Every host is skipped.", "skip")


@guard(
    "maintenance.versions",
    title="Versions of the members",
    reason="In the middle of an update virtual machines move only to newer hosts, and HA does not come on before all are the same.",
    source="xapi source, xapi_ha.ml: NOT_SUPPORTED_DURING_UPGRADE; xapi_host.ml",
)
def versions(params: Maintaining, facts: FactSet) -> Iterator[Finding]:
    if (found := _found(params, facts)) and (differs := mixed(found)):
        yield Finding(Level.WARN, f"The members do not run the same version: {differs}. HA comes back only if they do at the end.", "pool")


@guard(
    "maintenance.signal",
    title="Both legs of every bond work",
    reason="A bond with a dead leg loses the other when a cable or a switch is touched.",
    source="The carrier of each interface, as xapi reports it",
)
def signal(params: Maintaining, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    pifs = facts(PoolPifs(found.speaker.target))
    legs = {(pif.host, device) for pif in pifs for device in pif.bond_slaves}
    names = {host.uuid: host.name for host in found.hosts}
    for pif in pifs:
        if (pif.host, pif.device) in legs and pif.carrier is False:
            yield Finding(Level.WARN, f"{pif.device} of {names.get(pif.host, pif.host)}, a leg of a bond, has no signal now.", "pool")


RULES = (restorations, in_service, alone, obstacles, done, nothing, versions, signal)
