"""The rulebook on taking a host into a pool's cluster and out of it, in CloudStack's book."""

from __future__ import annotations

from collections.abc import Iterator

from hosts.cloudstack.along import Along
from hosts.cloudstack.along_guards import taken
from hosts.cloudstack.host_steps import maintenance_key
from hosts.cloudstack.state import ENABLED, MAINTENANCE, UP, CloudHost
from hosts.facts.portal import InventoryHost
from hosts.facts.restorations import HA
from hosts.xen.facts import MemberView
from hosts.xen.membership import disabled_key
from hosts.xen.membership_guards import Adding, Removing
from hosts.xen.pool_guards import left_open
from hosts.xen.state import XenHost
from hosts.xen.survey import survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard

PROCEDURES = "The release manager's procedures"
DISCOVERER = "CloudStack's XenServer discoverer"


def partner(found: Along, uuid: str) -> CloudHost | None:
    return found.hosts.get(uuid)


def member_already(params: Adding, facts: FactSet) -> XenHost | None:
    """The joiner as a member of this pool, whose cluster CloudStack has: then only CloudStack has to be told of it."""
    if not (params.pool and params.joiner) or taken(params, facts) is None:
        return None
    found = survey(params.pool, facts)
    view = facts.try_(MemberView(facts(InventoryHost("portal", params.joiner)).target))
    if isinstance(view, FactError) or view.pool != found.basics.uuid:
        return None
    return next((host for host in found.hosts if host.uuid == view.uuid), None)


@guard(
    "cloudstack.managed-now",
    title="CloudStack manages the cluster",
    reason="It connects no host of an unmanaged cluster, moves nothing there, and puts none into maintenance.",
    source="CloudStack's source, AgentManagerImpl and ResourceManagerImpl",
)
def managed_now(params: Adding | Removing, facts: FactSet) -> Iterator[Finding]:
    if (found := taken(params, facts)) and not found.cluster.is_managed:
        message = f"The cluster {found.cluster.name} is {found.cluster.managed} in CloudStack."
        yield Finding(Level.BLOCK, f"{message} Run “Manage or unmanage a cluster” first.", "pool")


@guard(
    "cloudstack.not-known-yet",
    title="CloudStack does not know the host yet",
    reason="A host whose address or uuid is in its database already is skipped without a word.",
    source=f"{DISCOVERER}: “Skipping … because … is already in the database.”",
)
def not_known_yet(params: Adding, facts: FactSet) -> Iterator[Finding]:
    if not (found := taken(params, facts)) or not params.joiner:
        return
    row, member = facts(InventoryHost("portal", params.joiner)), member_already(params, facts)
    view = facts.try_(MemberView(row.target))
    uuid = row.uuid if isinstance(view, FactError) else view.uuid
    host = found.state.at(row.address) or found.hosts.get(uuid) or found.state.by_uuid(uuid)
    if host is not None and member:
        yield Finding(Level.BLOCK, f"{row.name} is in the pool and in CloudStack ({host.state}) already.", "joiner")
    elif host is not None:
        message = f"CloudStack has a host {host.name} at {host.address} already ({host.state}): the record of an earlier life, perhaps."
        yield Finding(Level.BLOCK, f"{message} Run “Remove a host from CloudStack” on it first.", "joiner")


@guard(
    "cloudstack.discovers",
    title="What adding one host brings along",
    reason="CloudStack asks the pool for all its members and takes in every one that it does not know.",
    source=DISCOVERER,
)
def discovers(params: Adding, facts: FactSet) -> Iterator[Finding]:
    if not (found := taken(params, facts)) or not params.joiner:
        return
    more = [host.name for host in survey(params.pool, facts).hosts if host.uuid not in found.hosts]
    new = facts(InventoryHost("portal", params.joiner)).name
    others = [name for name in more if name != new]
    if others:
        yield Finding(Level.WARN, f"CloudStack does not have {', '.join(others)} either, and takes them in with {new}.", "joiner")
    if member_already(params, facts):
        message = f"{new} is a member of the pool already. So it is only added to CloudStack."
        yield Finding(Level.NOTE, message, "joiner")


@guard(
    "cloudstack.leaves-too",
    title="The host leaves CloudStack, too",
    reason="Its records are not the pool's: a host that is only ejected stays there as one in Alert.",
    source=PROCEDURES,
)
def leaves_too(params: Removing, facts: FactSet) -> Iterator[Finding]:
    if not (found := taken(params, facts)) or not params.host:
        return
    host = partner(found, params.host)
    if host is None:
        yield Finding(Level.NOTE, f"CloudStack has no host of {found.cluster.name} with its address: there is nothing to delete.", "host")
    elif host.resource not in (ENABLED, "Disabled", MAINTENANCE):
        message = f"{host.name} is in {host.resource} in CloudStack. Cancel its maintenance there, or mend what keeps it, first."
        yield Finding(Level.BLOCK, message, "host")
    elif host.state != UP and host.resource != MAINTENANCE:
        message = f"{host.name} is {host.state} in CloudStack, which cannot empty it so. Run “Bring back a host in Alert” first."
        yield Finding(Level.BLOCK, message, "host")


@guard(
    "cloudstack.room",
    title="Another host takes the virtual machines",
    reason="On the last enabled host of a cluster CloudStack stops virtual machines instead of moving them.",
    source="CloudStack's source, HighAvailabilityManagerImpl and ResourceManagerImpl (maintenance)",
)
def room(params: Removing, facts: FactSet) -> Iterator[Finding]:
    if not (found := taken(params, facts)) or not params.host:
        return
    host = partner(found, params.host)
    if host is None or host.resource == MAINTENANCE:
        return
    if not any(other.well for other in found.state.members(host.cluster) if other.id != host.id):
        message = f"{host.name} is the last enabled host of {found.cluster.name}: CloudStack would stop what runs on it."
        yield Finding(Level.BLOCK, message, "host", True)


@guard(
    "remove.restorations",
    title="Nothing else is left changed for a time",
    reason="What was changed for a while has to come back first. HA left off is brought back, an earlier try on this host taken up.",
    source="The portal's own record of restorations",
)
def restorations_but_its_own(params: Removing, facts: FactSet) -> Iterator[Finding]:
    found = taken(params, facts)
    host = partner(found, params.host) if found else None
    yield from left_open(params, facts, but=(HA, disabled_key(params.host), *([maintenance_key(host)] if host else [])))


ADDING = (managed_now, not_known_yet, discovers)
REMOVING = (managed_now, leaves_too, room)
