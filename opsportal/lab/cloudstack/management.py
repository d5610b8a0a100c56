"""Management servers that start and stop: while none runs nothing is noticed, and jobs that were under way are lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opsportal.lab.cloudstack import watching
from opsportal.lab.cloudstack.commands import lose
from opsportal.lab.cloudstack.model import KVM, Agent, Database, Host, Server
from opsportal.lab.xen.world import World


def begin(data: Database, world: World, server: Server, version: str) -> None:
    """With the version of its code. Hosts of managed clusters connect anew."""
    server.running, server.since, data.version = True, data.now, version
    for host in data.routing():
        host.unwell = None
        if host.hypervisor != KVM:  # its agent has a version of its own
            host.version = version
        if data.clusters[host.cluster].managed == "Managed" and not watching.trouble(world, host):
            watching.connect(data, host)


def end(data: Database, server: Server) -> None:
    server.running = False
    if not data.serving:
        lose(data)


def agent_up(data: Database, agent: Agent, version: str) -> bool:
    """It calls the management server. False where that does not know it, or where nobody answers."""
    agent.running, agent.since, agent.version = True, data.now, version
    for host in _of(data, agent):
        host.agent, host.version = True, version
        if data.serving and data.clusters[host.cluster].managed == "Managed":
            watching.connect(data, host)
    return data.serving and bool(_of(data, agent))


def agent_down(data: Database, agent: Agent) -> None:
    """One that is stopped says good-bye, so nobody waits for its pings."""
    agent.running = False
    for host in _of(data, agent):
        host.agent = False
        if data.serving and host.state in ("Up", "Connecting"):
            host.state, host.disconnected, host.well = "Disconnected", data.now, None


def _of(data: Database, agent: Agent) -> list[Host]:
    return [host for host in data.routing() if host.hypervisor == KVM and host.guid == agent.name]


def since(data: Database, server: Server | Agent) -> str:
    """As systemd writes it."""
    return f"{datetime.now(UTC) - timedelta(seconds=data.now - server.since):%a %Y-%m-%d %H:%M:%S UTC}" if server.running else ""
