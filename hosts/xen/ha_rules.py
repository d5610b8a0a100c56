"""The rulebook on what HA is turned on with: the heartbeat SR, the timeout, and whether it is on at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hosts.xen import heartbeat
from hosts.xen.facts import PoolStorage, SrSpace
from hosts.xen.ha_clock import DEFAULT, LEAST, SCRIPT_TIMEOUT
from hosts.xen.ha_steps import before
from hosts.xen.heartbeat import Carrier
from hosts.xen.pool_guards import OnAPool
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard

LONG = 600
"""Seconds above which a timeout keeps a pool without a master for longer than most people would like."""


class WithTimeout(OnAPool, Protocol):
    @property
    def timeout(self) -> int: ...


class WithSr(OnAPool, Protocol):
    @property
    def sr(self) -> str: ...


def carriers(found: Survey, facts: FactSet) -> tuple[Carrier, ...]:
    """Every SR of the pool with whether it may carry the heartbeat. Free space is no part of a plan's digest."""
    where = found.speaker.target
    facts.need(PoolStorage(where), SrSpace(where))
    storage, spaces = facts(PoolStorage(where)), facts(SrSpace(where))
    return heartbeat.carriers(storage, spaces, found.hosts, found.basics.statefile_srs)


@guard(
    "xen.heartbeat-sr",
    title="The heartbeat SR fits",
    reason="Hosts that lose the network find out on this SR who goes on. One that a host does not reach gets that host fenced.",
    source="xapi source, xha_statefile.ml; XCP-ng's documentation",
)
def heartbeat_sr(params: WithSr, facts: FactSet) -> Iterator[Finding]:
    if not (params.pool and params.sr):
        return
    found = survey(params.pool, facts)
    one = next((one for one in carriers(found, facts) if one.sr.uuid == params.sr), None)
    if one is None:
        yield Finding(Level.BLOCK, f"{found.pool.name} has no SR {params.sr} that could carry a heartbeat. Choose another.", "sr")
    elif one.why_not:
        yield Finding(Level.BLOCK, f"{one.sr.name or one.sr.uuid}: {one.why_not}", "sr")


@guard(
    "xen.ha-timeout",
    title="The timeout is chosen with care",
    reason="An outage of storage or network of that length fences and reboots every host of the pool. With xapi's 60 s a cluster was lost.",
    source="xapi source, xapi_ha.ml and xapi_globs.ml; CloudStack's XenServer documentation: 120 to 180 s",
)
def ha_timeout(params: WithTimeout, facts: FactSet) -> Iterator[Finding]:
    asked = params.timeout
    if asked < LEAST:
        message = f"xapi refuses a timeout of less than {LEAST} s, with an internal error."
        yield Finding(Level.BLOCK, message, "timeout")
    elif asked < SCRIPT_TIMEOUT:
        message = f"With {asked} s the pool fences its hosts before CloudStack's own script does, which waits {SCRIPT_TIMEOUT} s."
        default = " It is hardly more than xapi's default." if asked <= DEFAULT + 10 else ""
        yield Finding(Level.WARN, f"{message}{default} 120 to 180 s are recommended.", "timeout")
    elif asked > LONG:
        message = (
            f"With {asked} s it takes {asked // 60} minutes until a dead master is replaced. No machine starts in the pool until then."
        )
        yield Finding(Level.WARN, message, "timeout")


@guard(
    "xen.ha-is-on",
    title="HA is on",
    reason="A timeout is given when HA is turned on; a pool without HA has none.",
    source="xapi source, xapi_ha.ml: ha-configuration keeps its last value when HA goes off, and says nothing then",
)
def ha_is_on(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if params.pool and before(found := survey(params.pool, facts), facts) is None:
        yield Finding(Level.BLOCK, f"HA is off on {found.pool.name}. Run “Enable pool HA”, which asks for the timeout.", "pool")
